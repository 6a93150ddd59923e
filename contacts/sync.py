"""Bringing contacts to the CRMs: planned when a contact has changed, made from its state when the effect runs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from contacts.aliases import find_living, list_family
from contacts.claims import Kind
from contacts.identifiers import list_values
from contacts.links import settle_links
from contacts.models import Contact, ContactLink, Identifier
from integrations import mappings
from integrations.effect_kinds import Result, Skipped, Task, carries_out_together
from integrations.effects import plan
from integrations.exceptions import ConflictError
from integrations.models import Connection, FieldMapping
from integrations.models.provenance import create_recorded
from integrations.ownership import is_there, list_unchanged, note_sent
from integrations.pairs import save_prepared
from integrations.providers.base import Account
from integrations.providers.crm import CrmContact
from integrations.pushes import UNCHANGED, Pushed, push

UPSERT = "contact.upsert"


def plan_contacts(contacts: QuerySet[Contact], crms: Sequence[Connection]) -> None:
    """Bring contacts to the state that they have here, at each of the CRMs: those that have changed since they were."""
    for crm in crms:
        is_there = ContactLink.objects.filter(
            contact=OuterRef("pk"), connection=crm, pushed_at__gte=OuterRef("updated_at")
        )
        for key in contacts.filter(~Exists(is_there), erased_at=None).order_by("pk").values_list("pk", flat=True):
            plan_push(key, crm.pk)


def plan_push(contact_id: UUID, connection_id: int) -> None:
    plan(UPSERT, connection_id=connection_id, subject=f"contact:{contact_id}")


def plan_elsewhere(contact: Contact, *, but: int | None = None) -> None:
    """A change goes where the contact is already, but not back to where it came from."""
    there = Connection.objects.filter(contactlink__contact=contact, calendar_pairs__isnull=False).distinct()
    plan_contacts(Contact.objects.filter(pk=contact.pk), [crm for crm in there if crm.pk != but])


@carries_out_together(UPSERT, is_state=True, priority=0)
def push_contacts(tasks: Sequence[Task]) -> Sequence[Result]:
    """Create or update contacts at one CRM. Those in which nothing has changed are not sent."""
    connection, account = tasks[0].connection, tasks[0].account
    batch = Batch(connection, account, [task.subject_id for task in tasks])
    crm = mappings.get_crm(connection)
    return push(
        tasks,
        make=batch.make_record,
        save=lambda records: save_prepared(connection, lambda: crm.save_contacts(account, records)),
        link=batch.link,
    )


class Batch:
    """What is needed to make the records of several contacts, loaded at once."""

    def __init__(self, connection: Connection, account: Account, ids: Sequence[str]) -> None:
        self.connection = connection
        self.contacts = load_contacts(ids)
        self.mapping = mappings.read_mapping(connection, FieldMapping.Record.CONTACT)
        links = ContactLink.objects.filter(connection=connection, contact__in=self.contacts.values())
        self.links = {link.contact_id: link for link in links}
        self.owners = mappings.Owners(connection, account)
        self.holders = find_holders(connection, self.contacts.values())

    def make_record(self, task: Task) -> CrmContact | Skipped | ConflictError:
        contact = self.contacts.get(task.subject_id)
        if contact is None or contact.merged_into_id:
            return Skipped("The contact is not there any more, or was merged into another.")
        if contact.erased_at:
            return Skipped("The person was erased.")
        link = self.links.get(contact.pk)
        values = mappings.map_values(self.mapping, read_values(contact, self.owners.find(contact.owner)))
        if link and is_there(link, values):
            return UNCHANGED
        if not link and not self.may_have_record(contact):
            return one_record_for_two(self.connection)
        return CrmContact(
            key=str(contact.pk),
            values=values,
            external_id=link.external_id if link else "",
            may_exist=task.is_repeat,
            unchanged=list_unchanged(link, values),
            email=next(iter(list_values(contact, Kind.EMAIL)), ""),
        )

    def may_have_record(self, contact: Contact) -> bool:
        """A CRM has one record for each address: sending another contact of a shared mailbox would write over it."""
        index = index_shared_mailbox(contact)
        return index is None or self.holders.setdefault(index, contact.pk) == contact.pk

    def link(self, pushed: Sequence[Pushed[CrmContact]]) -> None:
        link_contacts(self.connection, pushed, as_of={key: each.updated_at for key, each in self.contacts.items()})


def find_holders(connection: Connection, contacts: Iterable[Contact]) -> dict[bytes, UUID]:
    """Of shared mailboxes, by their blind index: the contact who has their record at the CRM."""
    indexes = [index for index in map(index_shared_mailbox, contacts) if index is not None]
    if not indexes:
        return {}
    held = Identifier.objects.filter(kind=Kind.EMAIL, index__in=indexes, is_current=True)
    there = held.filter(contact__links__connection=connection).order_by("-id")
    return {bytes(each.index): each.contact_id for each in there if each.index is not None}


def index_shared_mailbox(contact: Contact) -> bytes | None:
    """The blind index of the address by which a CRM knows the contact, where it is a shared one."""
    emails = [each for each in contact.identifiers.all() if each.kind == Kind.EMAIL and each.is_current]
    index = emails[0].index if emails and emails[0].is_shared else None
    return None if index is None else bytes(index)


def load_contacts(ids: Iterable[str]) -> dict[str, Contact]:
    rows = Contact.objects.select_related("owner").prefetch_related("identifiers").filter(pk__in=list(ids))
    return {str(contact.pk): contact for contact in rows}


def read_values(contact: Contact, owner: str | None) -> dict[str, Any]:
    """The contact in the words of integrations/mappings.py; None for what is not known."""
    first_name, _, last_name = contact.full_name.strip().partition(" ")
    return {
        "full_name": contact.full_name or None,
        "first_name": first_name or None,
        "last_name": last_name.strip() or None,
        "email": next(iter(list_values(contact, Kind.EMAIL)), None),
        "phone": next(iter(list_values(contact, Kind.PHONE)), None),
        "company": contact.company or None,
        "country": contact.country or None,
        "timezone": contact.timezone or None,
        "lead_source": contact.lead_source or None,
        "lead_score": contact.lead_score,
        "lead_status": contact.lead_status,
        "owner": owner,
    }


def link_contacts(
    connection: Connection, pushed: Sequence[Pushed[CrmContact]], *, as_of: Mapping[str, datetime]
) -> None:
    """Remember the CRM's ids and what was sent, which was the state `as_of` then: what has changed since goes out anew.

    Raises ConflictError where another contact has one of these records.
    """
    links = ContactLink.objects.filter(connection=connection)
    holders = dict(
        links.filter(external_id__in=[each.external_id for each in pushed]).values_list("external_id", "contact")
    )
    if any(holders.get(each.external_id, each.key) != each.key for each in pushed):
        raise one_record_for_two(connection)
    known = {link.contact_id: link for link in links.filter(contact__in=[each.key for each in pushed])}
    type Linked = list[tuple[ContactLink, Pushed[CrmContact]]]
    same: Linked = []
    moved: Linked = []
    new: Linked = []
    for each in pushed:
        link = known.get(each.key) or ContactLink(connection=connection, contact_id=each.key)
        kind = new if link._state.adding else same if link.external_id == each.external_id else moved
        if link.external_id != each.external_id:
            link.exchanged = {}
        link.external_id, link.pushed_hash = each.external_id, mappings.hash_values(each.record.values)
        link.exchanged = note_sent(link.exchanged, each.record.list_changed())
        link.pushed_at = as_of[each.record.key]
        kind.append((link, each))
    ContactLink.objects.bulk_update([link for link, _ in same], ["pushed_hash", "pushed_at", "exchanged"])
    for link, _ in moved:
        link.save()
    create_recorded([link for link, _ in new], [each.delivery_id for _, each in new])
    if first := [each for _, each in (*moved, *new)]:
        for notify in _first_links:
            notify(connection, first)


def one_record_for_two(connection: Connection) -> ConflictError:
    return ConflictError(f"{connection} has one record for two contacts here: merge them, then replay this.")


type Notify = Callable[[Connection, Sequence[Pushed[CrmContact]]], None]

_first_links: list[Notify] = []


def on_first_link(notify: Notify) -> Notify:
    """Call the function, in the transaction of the links, for the contacts that get a record at a CRM."""
    _first_links.append(notify)
    return notify


@transaction.atomic
def unlink(connection_id: int, external_id: str) -> bool:
    """Forget a record that was deleted over there; another one of a merged contact leads from then on.

    Whether there was one.
    """
    link = ContactLink.objects.filter(connection=connection_id, external_id=external_id).first()
    if link:
        link.delete()
        living = find_living(link.contact_id)
        settle_links(living, list_family(living))
    return link is not None
