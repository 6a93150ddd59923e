"""Finding the contact of a person who was met, or making it.

The order: attendee id, e-mail, phone, name with company. Shared mailboxes and phones match nobody. Of workers that meet
the same new person at once, one looks and the others wait; the database's constraints stand behind that.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from contacts.aliases import find_living
from contacts.claims import Claim, Claims, Kind, Person, Source, index_name_and_company, list_indexes, read_claims
from contacts.identifiers import Holdings, lock_indexes, mark_shared, retire_replaced, take
from contacts.matching import has_clearly_different_given_name, is_compatible_name
from contacts.models import CandidatePair, Contact, Identifier
from contacts.normalisation import split_words
from contacts.owners import take_turn
from integrations.exceptions import TransientError
from integrations.models.provenance import create_recorded, current_delivery
from integrations.privacy import blind_index

Reason = CandidatePair.Reason
RACE_TRIES = 3
FIELDS = ("full_name", "company", "country", "timezone")
SAVED = (*FIELDS, "lead_score", "owner_id")

type Pairs = list[tuple[Contact, CandidatePair.Reason]]


def upsert_contact(person: Person, source: Source) -> Contact:
    """The person's contact, brought up to date. Runs inside the caller's transaction and locks the contact."""
    return upsert_contacts([person], source)[0]


def upsert_contacts(people: Sequence[Person], source: Source) -> list[Contact]:
    """The same for several people at once, in their order. All that identifies them is locked before the first."""
    claimed = [(person, read_claims(person, source)) for person in people]
    lock_indexes(index for person, claims in claimed for index in list_indexes(person, claims))
    return [upsert_claimed(person, claims, source) for person, claims in claimed]


def upsert_claimed(person: Person, claims: Claims, source: Source) -> Contact:
    """An identifier that somebody else has taken since it was looked for makes it start anew."""
    for _ in range(RACE_TRIES):
        try:
            with transaction.atomic():
                return upsert_once(person, claims, source)
        except IntegrityError:
            continue
    raise TransientError("Several deliveries changed the same contact at once.")


def upsert_once(person: Person, claims: Claims, source: Source) -> Contact:
    holdings = Holdings(claims.values())
    contact, pairs = find_contact(person, claims, holdings)
    contact = contact or Contact(lead_source=source.lead_source)
    before = read_state(contact)
    apply_fields(contact, person, source)
    contact.lead_score = max(contact.lead_score, person.lead_score)
    contact.owner = contact.owner or take_turn(timezone.now())
    timely = [claim for claim in claims.values() if is_timely(contact, claim, source)]
    holdings.load_own(contact)
    save_changed(contact, before)
    attached = [attach(contact, claim, holdings) for claim in timely]
    new = [row for _, row, _ in attached if row]
    create_recorded(new, [current_delivery.get()] * len(new))
    if before and any(is_news for is_news, *_ in attached):
        Contact.objects.filter(pk=contact.pk).update(updated_at=timezone.now())
    for other, reason in chain(pairs, *(found for *_, found in attached)):
        open_pair(contact, other, reason)
    return contact


# --- Who it is -------------------------------------------------------------------------------------------------------


def find_contact(person: Person, claims: Claims, holdings: Holdings) -> tuple[Contact | None, Pairs]:
    """The matching contact, locked, and those that only may be the same person."""
    if holder := holdings.find_holder(claims[Kind.ATTENDEE_ID]):
        return lock_holder(holder, holdings), []
    if (email := claims.get(Kind.EMAIL)) and (holder := holdings.find_holder(email)):
        if not has_clearly_different_given_name(person.full_name, holder.contact.full_name):
            return lock_holder(holder, holdings), []
        mark_shared(holder)
    phone = claims.get(Kind.PHONE)
    holder = holdings.find_holder(phone) if phone else None
    if holder and is_compatible_name(person.full_name, holder.contact.full_name):
        return lock_holder(holder, holdings), []
    pairs: Pairs = []
    for contact in find_by_name_and_company(person):
        if not contradicts(contact, claims):
            return lock(contact), []
        pairs.append((contact, Reason.NAME_AND_COMPANY))
    return None, pairs


def lock(contact: Contact) -> Contact:
    """The contact's latest state, locked until the transaction ends; of a merged one, the one that it went into.

    An alias itself is not locked. One that becomes an alias while it is waited for is followed.
    """
    living = Contact.objects.select_for_update(no_key=True).filter(merged_into=None)
    while (latest := living.filter(pk=contact.pk).first()) is None:
        contact = Contact.objects.get(pk=find_living(contact.pk))
    return latest


def lock_holder(holder: Identifier, holdings: Holdings) -> Contact:
    """The identifier's contact, locked. Where that was merged since it was looked for, who holds what is read anew."""
    contact = lock(holder.contact)
    if contact.pk != holder.contact_id:
        holdings.load()
    return contact


def find_by_name_and_company(person: Person) -> Iterable[Contact]:
    index = index_name_and_company(person.full_name, person.company)
    if index is None:
        return []
    return Contact.objects.filter(name_company=index, merged_into=None).order_by("id")[:10]


def contradicts(contact: Contact, claims: Claims) -> bool:
    """Whether the contact holds another value of a kind that the person claims."""
    held = contact.identifiers.filter(kind__in=[Kind.EMAIL, Kind.PHONE], is_current=True)
    return any(
        Kind(identifier.kind) in claims and identifier.value != claims[Kind(identifier.kind)].value
        for identifier in held
    )


# --- What changes ----------------------------------------------------------------------------------------------------


def apply_fields(contact: Contact, person: Person, source: Source) -> None:
    """Take the person's fields over, except where a newer state has set them. An unknown value changes nothing."""
    for field in FIELDS:
        value = getattr(person, field).strip()
        if value and advance(contact, field, source):
            setattr(contact, field, value)


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


def index_names(contact: Contact) -> None:
    """Set the blind indexes that go with the name and the company."""
    contact.name_words = blind_index.index_words("name", split_words(contact.full_name))
    contact.name_company = index_name_and_company(contact.full_name, contact.company)


type Attached = tuple[bool, Identifier | None, Pairs]


def attach(contact: Contact, claim: Claim, holdings: Holdings) -> Attached:
    """Give the contact an identifier, unless another contact holds it: then it stays there, and the pair is for review.

    A phone of two people with clearly different names is shared by both. Returns whether that was news, the row that
    is still to be created, and the pairs.
    """
    is_news = retire_replaced(holdings, claim) if claim.introduced_by else False
    holder = holdings.find_holder(claim)
    if holder and holder.contact_id == contact.pk:
        return is_news, None, []
    if holder and claim.kind != Kind.PHONE:
        return is_news, None, [(holder.contact, Reason.EMAIL_HELD)]
    if holder and not has_clearly_different_given_name(contact.full_name, holder.contact.full_name):
        return is_news, None, [(holder.contact, Reason.PHONE_HELD)]
    if holder:
        mark_shared(holder)
    is_taken, new = take(contact, claim, holdings)
    return is_taken or is_news, new, []


def open_pair(contact: Contact, other: Contact, reason: CandidatePair.Reason) -> None:
    first, second = sorted((contact, other), key=lambda each: each.pk)
    CandidatePair.objects.get_or_create(first=first, second=second, defaults={"reason": reason})
