"""Taking a merge back: at any time, whatever has happened since, and in any order with other merges.

1. The loser, with all that was merged into it before, leaves the contact that it is part of by now.
2. Its own things go back to it, and what came since with one of its attendees. All else stays.
3. Its fields are as they were. The winner's go back, too, where nobody has changed them since.
4. A CRM that has merged the records cannot take that back: the loser gets a new record there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from contacts import crm_merges, links
from contacts.aliases import list_family, list_path, lock_contacts, lock_forest
from contacts.detection.changes import note_changes
from contacts.detection.clusters import regroup
from contacts.detection.locks import lock_pairs
from contacts.exceptions import ForgottenError, UndoneError
from contacts.merged_fields import Layers, give_back_told
from contacts.models import Contact, Merge
from contacts.pair_moves import reopen_pairs
from contacts.placement import give_back, list_attendees, name_attendees
from integrations.models import Connection


@dataclass(frozen=True, slots=True)
class UndoReport:
    """What undoing a merge came to.

    `kept`: fields that the winner keeps, because they were changed since. `returned`: kind of row → how many the loser
    has back; `later`: how many it got that came after the merge, with one of its attendees. `irreversible`: the CRMs
    that have merged the records; what has no record any more gets a new one there.
    """

    merge: Merge
    winner: Contact
    loser: Contact
    kept: Sequence[str]
    returned: dict[str, int]
    later: dict[str, int]
    irreversible: Sequence[Connection]


@transaction.atomic
def undo(merge: Merge, *, user: AbstractBaseUser | None = None) -> UndoReport:
    """Restore both contacts. Raises UndoneError where that has been done, ForgottenError where they were erased."""
    lock_forest()
    merge = Merge.objects.get(pk=merge.pk)
    if merge.undone_at:
        raise UndoneError("This merge was undone before.")
    path = list_path(merge.winner_id)
    contacts = lock_contacts({merge.loser_id, *path})
    if any(contact.erased_at for contact in contacts.values()):
        raise ForgottenError("The person was erased: nothing is left that could be taken apart.")
    loser, root = contacts[merge.loser_id], contacts[path[-1]]
    family = list_family(loser.pk)
    attendees = list_attendees(family)
    layers = Layers({key: contacts[key] for key in path})
    kept = layers.take_out(merge)
    crm_merges.take_back(merge)
    give_back_told(loser, (contacts[key] for key in path), name_attendees(attendees))
    loser.merged_into = None
    loser.save()
    layers.save()
    returned = give_back(root, loser, family, attendees)
    forgotten = part_links(root, loser, family)
    lock_pairs()
    reopen_pairs(merge, list_merges(path))
    regroup([root.pk, loser.pk])
    note_changes([root.pk, loser.pk])
    close(merge, user)
    for contact in (root, loser):
        crm_merges.plan_pushes(contact, forgotten)
    return UndoReport(
        merge=merge,
        winner=contacts[merge.winner_id],
        loser=loser,
        kept=kept,
        returned=returned.rows,
        later=returned.later,
        irreversible=list(Connection.objects.filter(pk__in=forgotten).order_by("slug")),
    )


def preview_undo(merge: Merge) -> UndoReport:
    """What undoing would come to now: it is done, and taken back at once. Raises UndoneError as `undo`."""
    with transaction.atomic():
        report = undo(merge)
        transaction.set_rollback(True)
    return report


def part_links(root: Contact, loser: Contact, family: set[UUID]) -> set[int]:
    """Give the loser's family its links. Returns the connections where a record is gone for good."""
    links.give_back_links(loser, family)
    return {*links.settle_links(loser.pk, family), *links.settle_links(root.pk, list_family(root.pk))}


def list_merges(path: Sequence[UUID]) -> list[Merge]:
    """Those by which each contact of the path went into the next."""
    found = {merge.loser_id: merge for merge in Merge.objects.filter(loser__in=path, undone_at=None)}
    return [found[key] for key in path if key in found]


def close(merge: Merge, user: AbstractBaseUser | None) -> None:
    merge.undone_at, merge.undone_by_id = timezone.now(), user.pk if user else None
    merge.save(update_fields=["undone_at", "undone_by"])
