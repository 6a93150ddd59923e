"""Finding the contact of a person who was met, or making it.

The order: attendee id, e-mail, phone, name with company. Shared mailboxes and phones match nobody. The database's
constraints decide between workers that meet the same new person at once: the loser looks again, and finds the winner's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from contacts.matching import has_clearly_different_given_name, is_compatible_name
from contacts.models import CandidatePair, Contact, Identifier
from contacts.normalisation import (
    company_key,
    is_role_mailbox,
    name_key,
    normalise_email,
    normalise_phone,
    split_words,
)
from integrations.exceptions import TransientError
from integrations.privacy import blind_index

Kind = Identifier.Kind
Reason = CandidatePair.Reason
RACE_TRIES = 5
FIELDS = ("full_name", "company", "country", "timezone")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as a connection knows them, as typed. Empty texts are unknown values."""

    attendee_id: str
    email: str
    phone: str = ""
    full_name: str = ""
    company: str = ""
    country: str = ""
    timezone: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where and when a person was met. `reference` orders two states of the same second."""

    connection_id: int
    lead_source: str
    default_region: str
    seen_at: datetime
    reference: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One identifier that a person claims to have. `index` is None where the value cannot be normalised."""

    kind: Identifier.Kind
    value: str
    index: bytes | None
    connection_id: int | None = None
    is_role: bool = False


def upsert_contact(person: Person, source: Source) -> Contact:
    """The person's contact, brought up to date. Runs inside the caller's transaction and locks the contact."""
    claims = read_claims(person, source)
    for _ in range(RACE_TRIES):
        try:
            with transaction.atomic():
                return upsert_once(person, claims, source)
        except IntegrityError:
            continue
    raise TransientError("Several deliveries changed the same contact at once.")


def read_claims(person: Person, source: Source) -> dict[Identifier.Kind, Claim]:
    claims = {
        Kind.ATTENDEE_ID: Claim(
            Kind.ATTENDEE_ID,
            person.attendee_id,
            index_value(Kind.ATTENDEE_ID, person.attendee_id),
            source.connection_id,
        )
    }
    if person.email.strip():
        email = normalise_email(person.email)
        claims[Kind.EMAIL] = Claim(
            Kind.EMAIL,
            email or person.email.strip(),
            index_value(Kind.EMAIL, email) if email else None,
            is_role=bool(email and is_role_mailbox(email)),
        )
    if person.phone.strip():
        phone = normalise_phone(person.phone, person.country, source.default_region)
        claims[Kind.PHONE] = Claim(
            Kind.PHONE, phone or person.phone.strip(), index_value(Kind.PHONE, phone) if phone else None
        )
    return claims


def index_value(kind: str, value: str) -> bytes:
    return blind_index.digest(kind, value)


def upsert_once(person: Person, claims: dict[Identifier.Kind, Claim], source: Source) -> Contact:
    contact, pairs = find_contact(person, claims)
    if contact is None:
        contact = Contact(lead_source=source.lead_source)
    apply_fields(contact, person, source)
    for claim in claims.values():
        pairs += attach(contact, claim, claims[Kind.ATTENDEE_ID], source)
    # Once, with the provenance of the identifiers: one row of history for each change.
    save_changed(contact)
    for other, reason in pairs:
        open_pair(contact, other, reason)
    return contact


type Pairs = list[tuple[Contact, CandidatePair.Reason]]


def find_contact(person: Person, claims: dict[Identifier.Kind, Claim]) -> tuple[Contact | None, Pairs]:
    """The matching contact, locked, and those that only may be the same person."""
    if holder := find_holder(claims[Kind.ATTENDEE_ID]):
        return lock(holder.contact), []
    if (email := claims.get(Kind.EMAIL)) and (holder := find_holder(email)):
        if not has_clearly_different_given_name(person.full_name, holder.contact.full_name):
            return lock(holder.contact), []
        mark_shared(holder)
    pairs: Pairs = []
    if (phone := claims.get(Kind.PHONE)) and (holder := find_holder(phone)):
        if is_compatible_name(person.full_name, holder.contact.full_name):
            return lock(holder.contact), []
        mark_shared(holder)
    for contact in find_by_name_and_company(person):
        if not contradicts(contact, claims):
            return lock(contact), []
        pairs.append((contact, Reason.NAME_AND_COMPANY))
    return None, pairs


def find_holder(claim: Claim) -> Identifier | None:
    """The identifier that proves who holds this value; None for a shared, unknown or unreadable one."""
    if claim.index is None or claim.is_role:
        return None
    return (
        Identifier.objects.select_related("contact")
        .filter(kind=claim.kind, connection=claim.connection_id, index=claim.index, is_shared=False, is_current=True)
        .first()
    )


def lock(contact: Contact) -> Contact:
    """The contact's latest state, locked until the transaction ends; of a merged one, the one that it went into."""
    latest = Contact.objects.select_for_update().get(pk=contact.pk)
    return lock(latest.merged_into) if latest.merged_into else latest


def mark_shared(identifier: Identifier) -> None:
    identifier.is_shared = True
    identifier.save(update_fields=["is_shared"])


def find_by_name_and_company(person: Person) -> Iterable[Contact]:
    index = index_name_and_company(person.full_name, person.company)
    if index is None:
        return []
    return Contact.objects.filter(name_company=index, merged_into=None).order_by("id")[:10]


def index_name_and_company(full_name: str, company: str) -> bytes | None:
    """Needs two words of name and a company: less proves nothing."""
    if len(split_words(full_name)) < 2 or not company_key(company):
        return None
    return index_value("name_company", f"{name_key(full_name)}\0{company_key(company)}")


def contradicts(contact: Contact, claims: dict[Identifier.Kind, Claim]) -> bool:
    """Whether the contact holds another value of a kind that the person claims."""
    held = contact.identifiers.filter(kind__in=[Kind.EMAIL, Kind.PHONE], is_current=True)
    return any(
        Kind(identifier.kind) in claims and identifier.value != claims[Kind(identifier.kind)].value
        for identifier in held
    )


def apply_fields(contact: Contact, person: Person, source: Source) -> None:
    """Take the person's fields over, except where a newer state has set them. An unknown value changes nothing."""
    for field in FIELDS:
        value = getattr(person, field).strip()
        if value and advance(contact, field, source):
            setattr(contact, field, value)


def advance(contact: Contact, key: str, source: Source) -> bool:
    """Whether the source is at least as new as what set `key` before; if so, it is remembered in its place."""
    state = [source.seen_at.isoformat(), source.reference]
    if state < contact.provenance.get(key, []):
        return False
    contact.provenance[key] = state
    return True


def save_changed(contact: Contact) -> None:
    """Save a contact that is new or differs from its row, with its blind indexes."""
    before = None if contact._state.adding else Contact.objects.get(pk=contact.pk)
    if before and all(getattr(before, field) == getattr(contact, field) for field in (*FIELDS, "provenance")):
        return
    index_names(contact)
    is_only_provenance = before and all(getattr(before, field) == getattr(contact, field) for field in FIELDS)
    if is_only_provenance:
        # Nothing that a person would want to see in the history.
        Contact.objects.filter(pk=contact.pk).update(provenance=contact.provenance)
    else:
        contact.save()


def index_names(contact: Contact) -> None:
    contact.name_words = blind_index.index_words("name", split_words(contact.full_name))
    contact.name_company = index_name_and_company(contact.full_name, contact.company)


def attach(contact: Contact, claim: Claim, attendee: Claim, source: Source) -> Pairs:
    """Give the contact an identifier, unless another contact holds it: then it stays there, and the pair is for review."""
    introduced_by = f"{attendee.connection_id}:{attendee.value}"
    if claim is not attendee and not advance(contact, f"{claim.kind}/{introduced_by}", source):
        return []
    if contact._state.adding:
        save_changed(contact)
    if claim is not attendee:
        retire_replaced(contact, claim, introduced_by)
    holder = find_holder(claim)
    if holder and holder.contact_id != contact.pk:
        return [(holder.contact, Reason.EMAIL_HELD if claim.kind == Kind.EMAIL else Reason.PHONE_HELD)]
    if holder is None:
        take(contact, claim, introduced_by if claim is not attendee else "")
    return []


def take(contact: Contact, claim: Claim, introduced_by: str) -> None:
    """Record a value that nobody holds for itself: as shared where it is known to be."""
    same = Identifier.objects.filter(kind=claim.kind, connection=claim.connection_id, index=claim.index)
    is_shared = claim.is_role or (claim.index is not None and same.filter(is_shared=True, is_current=True).exists())
    mine = (
        same.filter(contact=contact).first()
        if claim.index is not None
        else next((i for i in contact.identifiers.filter(kind=claim.kind, index=None) if i.value == claim.value), None)
    )
    if mine is None:
        Identifier.objects.create(
            contact=contact,
            kind=claim.kind,
            connection_id=claim.connection_id,
            value=claim.value,
            index=claim.index,
            is_shared=is_shared,
            introduced_by=introduced_by,
        )
    elif not mine.is_current:
        mine.is_current, mine.is_shared, mine.introduced_by = True, is_shared, introduced_by
        mine.save()


def retire_replaced(contact: Contact, claim: Claim, introduced_by: str) -> None:
    """A new e-mail or phone through the same attendee id is a rename: the old one may go to another person."""
    former = contact.identifiers.filter(kind=claim.kind, introduced_by=introduced_by, is_current=True)
    for identifier in former:
        if identifier.value != claim.value:
            identifier.is_current = False
            identifier.save(update_fields=["is_current"])


def open_pair(contact: Contact, other: Contact, reason: CandidatePair.Reason) -> None:
    if contact.pk == other.pk:
        return
    first, second = sorted((contact, other), key=lambda each: each.pk)
    CandidatePair.objects.get_or_create(first=first, second=second, defaults={"reason": reason})
