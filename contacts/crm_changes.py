"""What people change about a contact in a CRM: field by field, as far as the rules of ownership let it in.

1. What the CRM tells is compared with what both sides last said: our own pushes come back, and are dropped.
2. The rest passes `ownership.decide`, against what the contact holds now.
3. What is taken over goes on to the other CRMs. What is blocked, or older, is put right over there, once: where the
   same value comes again, something over there insists on it, and a person has to see why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contacts.claims import Kind
from contacts.detection.changes import COMPARED, note_changes
from contacts.identifiers import lock_indexes
from contacts.models import Contact, ContactLink
from contacts.renaming import list_value_indexes, rename
from contacts.sync import plan_elsewhere, plan_push, read_values
from contacts.upserts import index_names, lock
from contacts.values import normalise_value
from integrations import mappings, ownership
from integrations.events import Origin, Outcome, RecordChanged, RecordKind
from integrations.models import OwnerMapping
from integrations.ownership import PARTS, Dispute, Held, Record, Rule, Side, Verdict, Write

IDENTIFIERS = {"email": Kind.EMAIL, "phone": Kind.PHONE}


def take_change(event: RecordChanged, origin: Origin) -> Outcome:
    """Bring a record's change to its contact. Runs in the delivery's transaction.

    STALE where all of it is older than what is known. A record that is nobody's here, or does not lead, is left alone.
    """
    rules = ownership.find_rules(Record.CONTACT, crm=origin.connection_id)
    found = ContactLink.objects.filter(connection=origin.connection_id, external_id=event.external_id)
    link = found.select_related("contact", "connection").first()
    if rules is None or link is None or link.contact.merged_into_id or link.contact.erased_at:
        return Outcome.APPLIED
    told = mappings.get_crm(link.connection).read_changed(RecordKind.CONTACT, event.values)
    lock_indexes(list_value_indexes(told.values(), link.connection.default_region))
    contact = lock(link.contact)
    if contact.pk != link.contact_id or contact.erased_at:
        return Outcome.APPLIED
    link = found.select_for_update(of=("self",), no_key=True).select_related("connection").get()
    change = Change(contact, link, rules, told, event.changed_at)
    change.take_all()
    change.save()
    return Outcome.STALE if set(change.verdicts.values()) == {Verdict.STALE} else Outcome.APPLIED


@dataclass(slots=True)
class Change:
    """A record's change, while it is taken: `told` are the values under the CRM's names."""

    contact: Contact
    link: ContactLink
    rules: Mapping[str, Rule]
    told: Mapping[str, Any]
    changed_at: datetime
    verdicts: dict[str, ownership.Verdict] = field(default_factory=dict)
    is_to_be_put_right: bool = False
    mapping: list[tuple[str, str]] = field(init=False)
    owners: dict[str, int] = field(init=False)
    ours: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        connection = self.link.connection
        self.mapping = mappings.read_mapping(connection, Record.CONTACT)
        mapped = OwnerMapping.objects.filter(connection=connection).values_list("external_id", "user_id")
        self.owners = dict(mapped)
        self.ours = self.map_contact()

    def map_contact(self) -> dict[str, Any]:
        """The contact under the CRM's names."""
        known = {user_id: external_id for external_id, user_id in self.owners.items()}
        owner = known.get(self.contact.owner_id) if self.contact.owner_id else None
        return mappings.map_values(self.mapping, read_values(self.contact, owner))

    def take_all(self) -> None:
        for name, parts in PARTS[Record.CONTACT].items():
            pairs = [(ours, theirs) for ours, theirs in self.mapping if ours in parts]
            told = {theirs: self.told[theirs] for _, theirs in pairs if theirs in self.told}
            if told:
                self.verdicts[name] = self.take(name, pairs, told)

    def take(self, name: str, pairs: list[tuple[str, str]], told: Mapping[str, Any]) -> ownership.Verdict:
        exchanged = self.link.exchanged
        if all(ownership.is_exchanged(exchanged, each, value) for each, value in told.items()):
            return Verdict.ECHO
        if all(ownership.is_older(exchanged, each, self.changed_at) for each in told):
            return Verdict.STALE
        mine = {theirs: self.ours.get(theirs) for _, theirs in pairs}
        held, value = self.read(name, pairs, mine), self.read(name, pairs, {**mine, **told})
        if value is None:
            # In words that nobody here knows: theirs stay there, ours stay here.
            self.link.exchanged = ownership.note_told(exchanged, {each: mine[each] for each in told}, None)
            return Verdict.BLOCKED
        is_news = any(each in exchanged and not ownership.is_exchanged(exchanged, each, mine[each]) for each in mine)
        known = Held(held or "", read_time(self.contact, name), is_news=is_news)
        decision = ownership.decide(self.rules.get(name), Write(Side.CRM, value, self.changed_at), known)
        verdict = decision.verdict
        if verdict == Verdict.APPLIED and not self.apply(name, held or "", decision.value):
            self.link.exchanged = ownership.note_told(exchanged, {each: mine[each] for each in told}, None)
            return Verdict.BLOCKED
        if verdict == Verdict.CONFLICT:
            self.dispute(name, [theirs for _, theirs in pairs], known, value)
        elif verdict in (Verdict.BLOCKED, Verdict.STALE) or decision.value != value:
            self.is_to_be_put_right |= not ownership.was_overwritten(exchanged, told)
        self.link.exchanged = ownership.note_told(exchanged, told, self.changed_at)
        return verdict

    def read(self, name: str, pairs: list[tuple[str, str]], values: Mapping[str, Any]) -> str | None:
        """A field's value in its normal form; None where it cannot be read."""
        text = mappings.read_values(pairs, values).get(name) or ""
        if name == "owner":
            return text if not text or text in self.owners else None
        return normalise_value(name, text, region=self.link.connection.default_region)

    def apply(self, name: str, before: str, value: str) -> bool:
        """Returns False where the value is somebody else's: both are put up for review."""
        if kind := IDENTIFIERS.get(name):
            return rename(self.contact, kind, before, value, self.link)
        set_field(self.contact, name, value, owners=self.owners)
        self.contact.provenance[name] = [self.changed_at.isoformat(), f"{self.link.connection}/{self.link.external_id}"]
        return True

    def dispute(self, name: str, theirs: list[str], held: Held, value: str) -> None:
        self.link.disputed = sorted({*self.link.disputed, *theirs})
        ownership.ask(
            Dispute(
                connection_id=self.link.connection_id,
                record=Record.CONTACT,
                key=self.contact.pk,
                field=name,
                ours=held.value,
                theirs=value,
                ours_at=held.changed_at,
                theirs_at=self.changed_at,
                ours_by=read_author(self.contact, name),
                theirs_by=str(self.link.connection),
            )
        )

    def save(self) -> None:
        """Write the contact where it has changed, and plan what follows from it."""
        applied = [name for name, verdict in self.verdicts.items() if verdict == Verdict.APPLIED]
        self.link.save(update_fields=["exchanged", "disputed"])
        ownership.log_writes(self.link.connection_id, f"contact:{self.contact.pk}", self.verdicts)
        if applied:
            save_contact(self.contact, applied)
            plan_elsewhere(self.contact, but=self.link.connection_id)
        if self.is_to_be_put_right:
            plan_push(self.contact.pk, self.link.connection_id)


def save_contact(contact: Contact, changed: list[str]) -> None:
    """With what is indexed of it."""
    index_names(contact)
    contact.save()
    if {*COMPARED, *IDENTIFIERS} & set(changed):
        note_changes([contact.pk])


def set_field(contact: Contact, name: str, value: str, *, owners: Mapping[str, int]) -> None:
    """Set a field that is none of the identifiers to a value in its normal form."""
    match name:
        case "owner":
            contact.owner_id = owners.get(value)
        case "lead_score":
            contact.lead_score = int(value)
        case _:
            setattr(contact, name, value)


def read_time(contact: Contact, name: str) -> datetime | None:
    """Since when the contact's field is as it is; None where that is not known."""
    at = contact.provenance.get(name, [""])[0]
    return datetime.fromisoformat(at) if at else None


def read_author(contact: Contact, name: str) -> str:
    reference = contact.provenance.get(name, ["", ""])[1]
    if reference.startswith("admin"):
        return "somebody in the admin"
    return reference.partition("/")[0] if reference.count("/") == 1 else "calendar.live"
