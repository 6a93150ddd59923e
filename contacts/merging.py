"""Two contacts become one. undoing.py takes them apart again.

1. Merges are made one at a time, and the contacts are locked as upserts lock them.
2. Survivorship chooses each field; a person may choose otherwise.
3. What the loser holds moves to the winner and remembers whose it was. The loser becomes an alias, with its fields as
   they were.
4. The CRMs that have a record of both are told to merge them, and the winner's state is brought to all.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from contacts import crm_merges
from contacts.aliases import lock_contacts, lock_forest
from contacts.exceptions import AliasError, SameContactError
from contacts.links import move_links
from contacts.merged_fields import apply_choices, read_state, read_values
from contacts.models import CandidatePair, Contact, ContactLink, Merge
from contacts.pair_moves import close_pairs
from contacts.placement import count_held, move
from contacts.survivorship import Choice, Side, choose
from contacts.upserts import index_names
from integrations.models import Connection


@dataclass(frozen=True, slots=True)
class Preview:
    """What a merge would do. `moves`: kind of row → how many; `irreversible`: where two records become one for good."""

    choices: dict[str, Choice]
    moves: dict[str, int]
    irreversible: list[Connection]


def preview(winner: Contact, loser: Contact, *, choices: Mapping[str, Side] | None = None) -> Preview:
    """Changes nothing, and locks nothing. Raises MergeError as `merge` does."""
    rows = Contact.objects.in_bulk([winner.pk, loser.pk])
    winner, loser = rows[winner.pk], rows[loser.pk]
    check(winner, loser)
    mine = winner.links.values("connection")
    theirs = ContactLink.objects.filter(contact=loser, merged_at=None)
    both = theirs.filter(connection__in=mine).values_list("connection", flat=True)
    return Preview(
        choices=choose(read_state(winner), read_state(loser), choices),
        moves=count_held(loser)
        | {"links": theirs.exclude(connection__in=mine).count(), "candidate pairs": count_open(loser)},
        irreversible=list(crm_merges.filter_synced(both)),
    )


def count_open(contact: Contact) -> int:
    pairs = CandidatePair.objects.filter(status=CandidatePair.Status.OPEN)
    return pairs.filter(first=contact).count() + pairs.filter(second=contact).count()


@transaction.atomic
def merge(
    winner: Contact,
    loser: Contact,
    *,
    choices: Mapping[str, Side] | None = None,
    user: AbstractBaseUser | None = None,
    told_by: Connection | None = None,
) -> Merge:
    """Merge the loser into the winner. `choices`: field → side, where survivorship is to be overruled.

    `told_by` is the CRM that has merged its own records already. Raises MergeError where they cannot be one, and
    ValueError for a choice that is none.
    """
    lock_forest()
    winner, loser = lock_both(winner.pk, loser.pk)
    chosen = choose(read_state(winner), read_state(loser), choices)
    made = Merge(winner=winner, loser=loser, user_id=user.pk if user else None, told_by=told_by)
    made.before = {"winner": read_values(winner), "loser": read_values(loser)}
    made.choices = {field: asdict(choice) for field, choice in chosen.items()}
    made.changes = apply_choices(winner, loser, chosen)
    loser.merged_into = winner
    loser.save()
    index_names(winner)
    winner.save()
    made.moved = move(winner, loser)
    moved, staying = move_links(winner, loser)
    made.moved["links"] = [link.pk for link in moved]
    made.moved["pairs"] = close_pairs(winner, loser)
    made.save()
    crm_merges.plan_merges(made, staying)
    crm_merges.plan_pushes(winner)
    return made


def lock_both(winner_id: UUID, loser_id: UUID) -> tuple[Contact, Contact]:
    locked: dict[Any, Contact] = lock_contacts({winner_id, loser_id})
    winner, loser = locked[winner_id], locked[loser_id]
    check(winner, loser)
    return winner, loser


def check(winner: Contact, loser: Contact) -> None:
    if winner.pk == loser.pk:
        raise SameContactError("This is one contact: choose two.")
    for contact in (winner, loser):
        if contact.merged_into_id:
            raise AliasError(f"Contact {contact.pk} was merged already: choose the one that it went into.")
