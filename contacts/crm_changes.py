"""What people change about a contact in a CRM: taken over as far as the rules of ownership let it in.

What is taken over goes on to the other CRMs.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from contacts.claims import Kind
from contacts.identifiers import lock_indexes
from contacts.models import Contact, ContactLink
from contacts.renaming import list_value_indexes, rename
from contacts.sync import plan_elsewhere, plan_push, read_values
from contacts.upserts import lock, save_edited
from contacts.values import normalise_value
from integrations import mappings, ownership
from integrations.events import Origin, Outcome, RecordChanged, RecordKind
from integrations.inbound import Inbound, Pairs
from integrations.models import OwnerMapping
from integrations.ownership import Record, Rule, Verdict

IDENTIFIERS = {"email": Kind.EMAIL, "phone": Kind.PHONE}
# What somebody has written in the admin.
BY_HAND = "admin"


def take_change(event: RecordChanged, origin: Origin) -> Outcome:
    """Bring a record's change to its contact. Runs in the delivery's transaction.

    STALE where all of it is older than what is known. A record that is nobody's here, or does not lead, is left alone.
    """
    rules = ownership.find_rules(Record.CONTACT, crm=origin.connection_id)
    found = ContactLink.objects.filter(connection=origin.connection_id, external_id=event.external_id)
    link = found.select_related("contact", "connection").first()
    if rules is None or link is None or not is_alive(link.contact):
        return Outcome.APPLIED
    told = mappings.get_crm(link.connection).read_changed(RecordKind.CONTACT, event.values)
    lock_indexes(list_value_indexes(told.values(), link.connection.default_region))
    contact = lock(link.contact)
    if contact.pk != link.contact_id or not is_alive(contact):
        return Outcome.APPLIED
    locked = found.select_for_update(of=("self",), no_key=True).select_related("connection").get()
    change = ContactChange(contact, locked, rules=rules, told=told, changed_at=event.changed_at)
    change.take_all()
    change.save()
    return Outcome.STALE if set(change.verdicts.values()) == {Verdict.STALE} else Outcome.APPLIED


def is_alive(contact: Contact) -> bool:
    return contact.merged_into_id is None and contact.erased_at is None


class ContactChange(Inbound):
    """The contact and the link are locked."""

    record = Record.CONTACT
    link: ContactLink

    def __init__(
        self,
        contact: Contact,
        link: ContactLink,
        *,
        rules: Mapping[str, Rule],
        told: Mapping[str, Any],
        changed_at: datetime,
    ) -> None:
        super().__init__(link, link.connection, rules=rules, told=told, changed_at=changed_at)
        self.contact = contact
        self.owners = read_owners(link.connection_id)
        known = {user_id: external_id for external_id, user_id in self.owners.items()}
        owner = known.get(contact.owner_id) if contact.owner_id else None
        self.ours = mappings.map_values(self.mapping, read_values(contact, owner))

    @property
    def key(self) -> UUID:
        return self.contact.pk

    def read(self, field: str, pairs: Pairs, values: Mapping[str, Any]) -> str | None:
        text = mappings.read_values(pairs, values).get(field) or ""
        if field == "owner":
            return text if not text or text in self.owners else None
        return normalise_value(field, text, region=self.connection.default_region)

    def apply(self, field: str, before: str, value: str) -> bool:
        """An identifier that is somebody else's is not taken over: both are put up for review."""
        if kind := IDENTIFIERS.get(field):
            return rename(self.contact, kind, before, value, self.link)
        set_field(self.contact, field, value, owners=self.owners)
        at = self.changed_at.isoformat() if self.changed_at else ""
        self.contact.provenance[field] = [at, f"{self.connection}/{self.link.external_id}"]
        return True

    def find_time(self, field: str) -> datetime | None:
        at = self.contact.provenance.get(field, [""])[0]
        return datetime.fromisoformat(at) if at else None

    def find_author(self, field: str) -> str:
        return describe_author(self.contact.provenance.get(field, ["", ""])[1])

    def save(self) -> None:
        """Write what has changed, and plan what follows from it."""
        applied = [name for name, verdict in self.verdicts.items() if verdict == Verdict.APPLIED]
        self.link.save(update_fields=["exchanged", "disputed"])
        ownership.log_writes(self.connection.pk, f"contact:{self.contact.pk}", self.verdicts)
        if applied:
            save_edited(self.contact, applied)
            plan_elsewhere(self.contact, but=self.connection.pk)
        if self.is_to_be_put_right:
            plan_push(self.contact.pk, self.connection.pk)


def read_owners(connection_id: int) -> dict[str, int]:
    """Our users' ids by the CRM's."""
    return dict(OwnerMapping.objects.filter(connection=connection_id).values_list("external_id", "user_id"))


def set_field(contact: Contact, field: str, value: str, *, owners: Mapping[str, int]) -> None:
    """Set a field that is none of the identifiers to a value in its normal form."""
    match field:
        case "owner":
            contact.owner_id = owners.get(value)
        case "lead_score":
            contact.lead_score = int(value)
        case _:
            setattr(contact, field, value)


def describe_author(reference: str) -> str:
    """Whose reference it is: `admin…`, `<connection>/<record>` or `<uid>/<event>/<version>`."""
    if reference.startswith(BY_HAND):
        return "somebody in the admin"
    return reference.partition("/")[0] if reference.count("/") == 1 else "calendar.live"
