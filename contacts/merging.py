"""Two contacts become one. undoing.py takes them apart again.

1. Merges are made one at a time, and the contacts are locked as upserts lock them.
2. Survivorship chooses each field; a person may choose otherwise.
3. What the loser holds moves to the winner and remembers whose it was. The loser becomes an alias, with its fields as
   they were.
4. The CRMs that have a record of both are told to merge them, and the winner's state is brought to all.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q

from contacts import crm_merges
from contacts.aliases import lock_contacts, lock_forest
from contacts.detection.changes import note_changes
from contacts.detection.clusters import regroup
from contacts.detection.locks import lock_pairs
from contacts.exceptions import AliasError, ForgottenError, SameContactError
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
    return preview_all([(winner, loser)], choices=choices)[0]


def preview_all(
    couples: Sequence[tuple[Contact, Contact]], *, choices: Mapping[str, Side] | None = None
) -> list[Preview]:
    """The same for several couples of winner and loser, each as if it were merged alone."""
    rows = Contact.objects.in_bulk([contact.pk for couple in couples for contact in couple])
    winners, losers = ([couple[side].pk for couple in couples] for side in (0, 1))
    held, open_pairs = count_held(losers), count_open(losers)
    mine, theirs = find_records(winners), find_records(losers, merged_at=None)
    synced = list(crm_merges.filter_synced({connection for there in theirs.values() for connection in there}))
    return [
        make_preview(
            (rows[winner.pk], rows[loser.pk]),
            choices=choices,
            moves=held[loser.pk]
            | {"links": len(theirs[loser.pk] - mine[winner.pk]), "candidate pairs": open_pairs[loser.pk]},
            irreversible=[each for each in synced if each.pk in theirs[loser.pk] & mine[winner.pk]],
        )
        for winner, loser in couples
    ]


def make_preview(couple: tuple[Contact, Contact], *, choices: Mapping[str, Side] | None, **found: Any) -> Preview:
    check(*couple)
    winner, loser = map(read_state, couple)
    return Preview(choices=choose(winner, loser, choices), **found)


def find_records(contact_ids: Iterable[UUID], **where: Any) -> dict[UUID, set[int]]:
    """Contact → the connections where it has a record."""
    found: dict[UUID, set[int]] = {key: set() for key in contact_ids}
    links = ContactLink.objects.filter(contact__in=found, **where)
    for contact_id, connection_id in links.values_list("contact", "connection"):
        found[contact_id].add(connection_id)
    return found


def count_open(contact_ids: Iterable[UUID]) -> Counter[UUID]:
    """Contact → how many open pairs it is in."""
    keys = set(contact_ids)
    pairs = CandidatePair.objects.filter(Q(first__in=keys) | Q(second__in=keys), status=CandidatePair.Status.OPEN)
    return Counter(key for pair in pairs.values_list("first", "second") for key in pair if key in keys)


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
    lock_pairs()
    made.moved["pairs"] = close_pairs(winner, loser)
    regroup([winner.pk, loser.pk])
    note_changes([winner.pk, loser.pk])
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
        if contact.erased_at:
            raise ForgottenError(f"Contact {contact.pk} was erased: there is nothing to merge.")
        if contact.merged_into_id:
            raise AliasError(f"Contact {contact.pk} was merged already: choose the one that it went into.")
