"""Merging a contact's records at a CRM, once the contacts are one here; and following what a CRM has merged.

No CRM can undo it.
"""

from collections.abc import Iterable
from functools import partial

from django.db import transaction
from django.db.models import QuerySet

from contacts import links
from contacts.aliases import find_living, lock_forest
from contacts.models import Contact, ContactLink, Merge
from contacts.sync import plan_contacts
from integrations import effect_actions
from integrations.effect_kinds import Done, Result, Skipped, Task, carries_out
from integrations.effects import plan
from integrations.exceptions import StateError
from integrations.mappings import get_crm
from integrations.models import Connection, Effect

MERGE = "contact.merge"
Status = Effect.Status


# --- Planning ---------------------------------------------------------------------------------------------------------


def plan_merges(merge: Merge, staying: Iterable[ContactLink]) -> None:
    """At each paired CRM that has a record of both contacts, merge the loser's into the winner's."""
    there = [link for link in staying if link.connection_id != merge.told_by_id and link.merged_at is None]
    paired = set(filter_synced([link.connection_id for link in there]).values_list("pk", flat=True))
    for link in there:
        if link.connection_id in paired:
            plan(
                MERGE,
                connection_id=link.connection_id,
                subject=f"contact:{merge.winner_id}",
                key=f"{name_key(merge)}{link.pk}",
                parameters={"link": link.pk},
            )


def name_key(merge: Merge) -> str:
    """What the idempotency keys of a merge's effects begin with."""
    return f"{MERGE}:{merge.pk}:"


def plan_pushes(contact: Contact, connections: Iterable[int] = ()) -> None:
    """Bring a contact to its state at the CRMs where it is, and at these, as far as they are paired."""
    there = set(contact.links.values_list("connection", flat=True)) | set(connections)
    plan_contacts(Contact.objects.filter(pk=contact.pk), list(filter_synced(there)))


def filter_synced(connections: Iterable[int]) -> QuerySet[Connection]:
    """Those of the connections to which something may be sent."""
    paired = Connection.objects.filter(pk__in=connections, calendar_pairs__isnull=False)
    return paired.exclude(status=Connection.Status.DISABLED).distinct().order_by("id")


# --- Carrying out -----------------------------------------------------------------------------------------------------


@carries_out(MERGE)
def merge_records(task: Task) -> Result:
    """Merge the record of a link into the one that leads now, which may be another than when this was planned."""
    link = ContactLink.objects.filter(pk=task.parameters["link"], merged_at=None).first()
    leading = links.find_leading(link) if link else None
    if link is None or leading is None or leading == link:
        return Skipped("The contacts have not both a record here any more, or were taken apart.")
    crm = get_crm(task.connection)
    survivor_id = crm.merge_contacts(task.account, leading.external_id, link.external_id)
    return Done(survivor_id, record=partial(note_done, leading.pk, link.pk, survivor_id))


def note_done(leading_id: int, link_id: int, survivor_id: str) -> None:
    """Contacts that were taken apart meanwhile have one record for both now: the second gets another one."""
    lock_forest()
    leading, link = (ContactLink.objects.filter(pk=key).first() for key in (leading_id, link_id))
    if leading is None:
        return
    if link and find_living(link.contact_id) == find_living(leading.contact_id):
        links.note_merged(leading, link, survivor_id)
    else:
        if link:
            link.delete()
        links.follow_id(leading, survivor_id)
    for contact in Contact.objects.filter(pk__in=[find_living(row.contact_id) for row in (leading, link) if row]):
        plan_pushes(contact, [leading.connection_id])


# --- Undoing ----------------------------------------------------------------------------------------------------------


def take_back(merge: Merge) -> None:
    """Close what was planned for a merge and has not happened yet. What may have happened counts as done.

    To be called while the contacts are still one.
    """
    for effect in Effect.objects.filter(kind=MERGE, idempotency_key__startswith=name_key(merge)):
        if effect.status not in (*effect_actions.SUPPRESSIBLE, Status.RUNNING):
            continue
        if not (is_suppressed(effect) and effect.attempts == 0):
            links.note_gone(effect.parameters["link"])


def is_suppressed(effect: Effect) -> bool:
    """Whether nobody has begun it, so that it never will be."""
    try:
        with transaction.atomic():
            effect_actions.suppress(effect, "The merge was undone.")
    except StateError:
        return False
    return True
