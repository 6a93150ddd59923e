"""Bringing people who were met to contacts: the one that matches, or a new one.

Every path comes here: webhooks, imports of CRMs and of files, the API. finding.py says who a person is. Of workers that
meet the same new person at once, one looks and the others wait; the database's constraints stand behind that.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from contacts.aliases import find_living
from contacts.claims import Claim, Claims, Kind, Person, Source, index_name_and_company, list_indexes, read_claims
from contacts.detection.changes import COMPARED, note_changes
from contacts.finding import Found, Pairs, Reason, Search, is_erased
from contacts.identifiers import Holdings, free, lock_indexes, mark_shared, retire_replaced, take
from contacts.links import link_record
from contacts.matching import has_clearly_different_given_name
from contacts.models import CandidatePair, Contact, Identifier, Matched
from contacts.normalisation import split_words
from contacts.owners import take_turn
from integrations.exceptions import TransientError
from integrations.models import FieldWrite
from integrations.models.provenance import create_recorded, current_delivery
from integrations.ownership import Decision, Held, Side, Verdict, Write, decide, log_writes
from integrations.privacy import blind_index

RACE_TRIES = 3
FIELDS = ("full_name", "company", "country", "timezone")
SAVED = (*FIELDS, "lead_score", "owner_id")


@dataclass(frozen=True, slots=True)
class Upserted:
    """A person's contact, how it was found, and with whom it was put up for review.

    `is_erased`: the person was erased here, and this state is of the time before: nothing was changed.
    """

    contact: Contact
    by: Matched.By
    because: str
    for_review: Sequence[CandidatePair] = ()
    is_erased: bool = False


def upsert_contact(person: Person, source: Source) -> Contact:
    """The person's contact, brought up to date. Runs inside the caller's transaction and locks the contact."""
    return upsert_contacts([person], source)[0]


def upsert_contacts(people: Sequence[Person], source: Source) -> list[Contact]:
    """The same for several people whom one source tells of, in their order."""
    return [upserted.contact for upserted in upsert_each([(person, source) for person in people])]


def upsert_each(people: Sequence[tuple[Person, Source]]) -> list[Upserted]:
    """The same for several people, each with a source. All that identifies them is locked before the first."""
    claimed = [(person, source, read_claims(person, source)) for person, source in people]
    lock_indexes(index for person, _, claims in claimed for index in list_indexes(person, claims))
    return [upsert_claimed(person, claims, source) for person, source, claims in claimed]


def upsert_claimed(person: Person, claims: Claims, source: Source) -> Upserted:
    """An identifier that somebody else has taken since it was looked for makes it start anew."""
    for _ in range(RACE_TRIES):
        try:
            with transaction.atomic():
                return upsert_once(person, claims, source)
        except IntegrityError:
            continue
    raise TransientError("Several deliveries changed the same contact at once.")


def upsert_once(person: Person, claims: Claims, source: Source) -> Upserted:
    holdings = Holdings(claims)
    found = Search(person, claims, source, holdings).run()
    if found.contact and found.is_erased:
        return Upserted(found.contact, found.by, found.because, is_erased=True)
    contact = settle(found, holdings) or Contact(lead_source=source.lead_source)
    before = read_state(contact)
    apply_fields(contact, person, source)
    contact.lead_score = max(contact.lead_score, person.lead_score)
    if not (source.is_modest or person.contact_id):
        contact.owner = contact.owner or take_turn(timezone.now())
    timely = [claim for claim in claims if is_timely(contact, claim, source)]
    holdings.load_own(contact)
    save_changed(contact, before)
    attached = attach_all(contact, timely, holdings, found)
    if before and attached.is_news:
        Contact.objects.filter(pk=contact.pk).update(updated_at=timezone.now())
    if attached.is_news or any(before.get(field) != getattr(contact, field) for field in COMPARED):
        note_changes([contact.pk])
    if person.external_id and source.connection_id is not None and found.by != Matched.By.LINK:
        link_record(contact, source.connection_id, person.external_id, found.by, found.because)
    pairs = [open_pair(contact, other, reason) for other, reason in chain(found.pairs, attached.pairs)]
    return Upserted(contact, found.by, found.because, [pair for pair in pairs if pair])


def settle(found: Found, holdings: Holdings) -> Contact | None:
    """The contact that was found, locked. Where it was merged since it was looked for, who holds what is read anew."""
    for identifier in found.shared:
        mark_shared(identifier)
    free(found.freed, holdings)
    if found.contact is None:
        return None
    contact = lock(found.contact)
    if contact.pk != found.contact.pk:
        holdings.load()
    return contact


def lock(contact: Contact) -> Contact:
    """The contact's latest state, locked until the transaction ends; of a merged one, the one that it went into.

    An alias itself is not locked. One that becomes an alias while it is waited for is followed.
    """
    living = Contact.objects.select_for_update(no_key=True).filter(merged_into=None)
    while (latest := living.filter(pk=contact.pk).first()) is None:
        contact = Contact.objects.get(pk=find_living(contact.pk))
    return latest


# --- What changes ----------------------------------------------------------------------------------------------------


def apply_fields(contact: Contact, person: Person, source: Source) -> None:
    """Take the person's fields over, as far as the source may write them, and no newer state has set them.

    An unknown value changes nothing.
    """
    verdicts: dict[str, FieldWrite.Verdict] = {}
    for field in FIELDS:
        value = getattr(person, field).strip()
        if not value or field in person.repeated or not may_set(contact, field, source):
            continue
        decision = decide_field(contact, field, value, source)
        if decision.verdict == Verdict.BLOCKED:
            verdicts[field] = decision.verdict
        elif advance(contact, field, source):
            setattr(contact, field, decision.value)
    if verdicts and source.connection_id is not None:
        log_writes(source.connection_id, f"contact:{contact.pk}", verdicts)


def decide_field(contact: Contact, field: str, value: str, source: Source) -> Decision:
    """By the rules, where a value would be replaced by another one. What is newer is `advance`'s matter."""
    held = getattr(contact, field)
    rule = source.list_rules().get(field) if held and held != value else None
    return decide(rule, Write(Side.CALENDAR, value, None), Held(held))


def may_set(contact: Contact, field: str, source: Source) -> bool:
    """A modest source sets what is unknown, and what it has set itself."""
    if not source.is_modest or not getattr(contact, field):
        return True
    return bool(contact.provenance.get(field, ["", ""])[1] == source.reference)


def is_timely(contact: Contact, claim: Claim, source: Source) -> bool:
    """An attendee id never changes; an e-mail or phone counts unless a newer state of the same attendee had another."""
    return not claim.introduced_by or advance(contact, f"{claim.kind}/{claim.introduced_by}", source)


def advance(contact: Contact, key: str, source: Source) -> bool:
    """Whether the source is at least as new as what set `key` before; if so, it is remembered in its place."""
    state = [source.seen_at.isoformat(), source.reference]
    if state < contact.provenance.get(key, []):
        return False
    contact.provenance[key] = state
    return True


def read_state(contact: Contact) -> dict[str, Any]:
    """What a state can change; empty for a contact that is not stored yet."""
    if contact._state.adding:
        return {}
    return {field: getattr(contact, field) for field in SAVED} | {"provenance": dict(contact.provenance)}


def save_changed(contact: Contact, before: dict[str, Any]) -> None:
    """Save what differs. Provenance alone is written without history: it is nothing that a person would want to see."""
    changed = {field for field, value in read_state(contact).items() if before[field] != value}
    if changed == {"provenance"}:
        Contact.objects.filter(pk=contact.pk).update(provenance=contact.provenance)
    elif changed or not before:
        index_names(contact)
        contact.save()


def save_edited(contact: Contact, changed: Collection[str]) -> None:
    """Save a contact of which these fields were set, with what is indexed of them."""
    if {"full_name", "company"} & {*changed}:
        index_names(contact)
    contact.save()
    if {*COMPARED, Kind.EMAIL, Kind.PHONE} & {*changed}:
        note_changes([contact.pk])


def index_names(contact: Contact) -> None:
    """Set the blind indexes that go with the name and the company."""
    contact.name_words = blind_index.index_words("name", split_words(contact.full_name))
    contact.name_company = index_name_and_company(contact.full_name, contact.company)


@dataclass(slots=True)
class Attached:
    """What became of a person's identifiers: whether that was news, and with whom it leaves the contact in doubt."""

    is_news: bool
    pairs: Pairs


def attach_all(contact: Contact, claims: Sequence[Claim], holdings: Holdings, found: Found) -> Attached:
    """Give the contact what it claims, as far as nobody else holds it; the new rows say how the person was found."""
    is_news = retire_replaced(holdings, claims)
    new: list[Identifier] = []
    pairs: list[tuple[Contact, CandidatePair.Reason]] = []
    for claim in claims:
        holder = holdings.find_holder(claim)
        if holder and holder.contact_id == contact.pk:
            continue
        if holder and (reason := find_obstacle(contact.full_name, claim, holder)):
            pairs += [] if is_erased(holder.contact) else [(holder.contact, reason)]
            continue
        if holder:
            mark_shared(holder)
        is_taken, row = take(contact, claim, holdings)
        is_news |= is_taken
        if row:
            row.matched_by, row.matched_because = found.by, found.because
            new.append(row)
    create_recorded(new, [current_delivery.get()] * len(new))
    return Attached(is_news, pairs)


def find_obstacle(full_name: str, claim: Claim, holder: Identifier) -> CandidatePair.Reason | None:
    """Why an identifier stays with who holds it. A phone of two people with clearly different names is both's."""
    if claim.kind != Kind.PHONE:
        return Reason.EMAIL_HELD
    is_other = has_clearly_different_given_name(full_name, holder.contact.full_name)
    return None if is_other else Reason.PHONE_HELD


def open_pair(contact: Contact, other: Contact, reason: CandidatePair.Reason) -> CandidatePair | None:
    """Put two contacts up for review. None where they were before."""
    first, second = sorted((contact, other), key=lambda each: each.pk)
    pair, is_new = CandidatePair.objects.get_or_create(first=first, second=second, defaults={"reason": reason})
    return pair if is_new else None
