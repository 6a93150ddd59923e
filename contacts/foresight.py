"""What upserting many people would come to: reads only. A run remembers whom it has seen, as the contacts would."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from django.db.models import Q

from contacts.claims import Claims, Kind, Person, Source, index_name_and_company, index_value, read_claims
from contacts.finding import By, Found, Search, is_erased
from contacts.identifiers import Holdings
from contacts.matching import has_clearly_different_given_name, is_compatible_name
from contacts.models import CandidatePair, Contact, Matched
from contacts.upserts import find_obstacle


@dataclass(slots=True)
class Seen:
    """By whom of the run a blind index is held: `number` tells one person from another. One for each index.

    `emails` and `phones` are blind indexes, in hexadecimal, of all that the person had.
    """

    number: int
    full_name: str
    emails: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    is_shared: bool = False
    # The CRM's record that told of the person.
    external_id: str = ""

    def has_other_record(self, person: Person) -> bool:
        """Two records of one CRM are two people, as far as anybody knows."""
        return bool(person.external_id and self.external_id) and person.external_id != self.external_id

    def contradicts(self, claims: Claims) -> bool:
        """As in finding.py: the person had another value of a kind that is claimed, and none of those claimed."""
        both = ((self.emails, list_values(claims, Kind.EMAIL)), (self.phones, list_values(claims, Kind.PHONE)))
        return any(held and claimed and not {*held} & {*claimed} for held, claimed in both)


def list_values(claims: Claims, kind: Kind) -> list[str]:
    return [index_value(kind, claim.value).hex() for claim in claims.of(kind)]


type Memory = dict[bytes, Seen]


@dataclass(frozen=True, slots=True)
class Foretold:
    """`contact_id` is None for somebody new, and for one whom only the run has seen; `for_review`: pairs to review."""

    by: Matched.By
    contact_id: UUID | None = None
    for_review: int = 0
    is_erased: bool = False


def list_page_indexes(people: Iterable[tuple[Person, Source]]) -> set[bytes]:
    """What the memory has to hold of a page, before and after it."""
    found: set[bytes] = set()
    for person, source in people:
        found |= {index for index, _ in list_kinds(person, read_claims(person, source))}
    return found


def list_kinds(person: Person, claims: Claims) -> list[tuple[bytes, Matched.By]]:
    """The blind indexes by which the person may be found, in the order of matching, each with its way."""
    record = [(index_value("record", person.external_id), By.LINK)] if person.external_id else []
    kinds = {Kind.ATTENDEE_ID: By.ATTENDEE_ID, Kind.EMAIL: By.EMAIL, Kind.PHONE: By.PHONE}
    found = [(claim.index, kinds[claim.kind]) for claim in claims if claim.index is not None and not claim.is_role]
    named = index_name_and_company(person.full_name, person.company)
    return [*record, *found, *([(named, By.NAME_AND_COMPANY)] if named else [])]


def foresee(people: Sequence[tuple[Person, Source]], memory: Memory) -> list[Foretold]:
    """One page's people, in order. `memory` holds what the run has seen of the page's indexes, and grows."""
    claimed = [(person, source, read_claims(person, source)) for person, source in people]
    holdings = Holdings([claim for _, _, claims in claimed for claim in claims])
    number = max((seen.number for seen in memory.values()), default=0)
    found = []
    for place, (person, source, claims) in enumerate(claimed, number + 1):
        found.append(foresee_one(person, claims, Search(person, claims, source, holdings).run(), holdings, memory))
        remember(place, person, claims, memory)
    return found


def foresee_one(person: Person, claims: Claims, found: Found, holdings: Holdings, memory: Memory) -> Foretold:
    for identifier in found.shared:
        identifier.is_shared = True
    if found.contact and found.is_erased:
        return Foretold(found.by, found.contact.pk, is_erased=True)
    if found.contact and not is_taken(person, claims, found, memory):
        name = found.contact.full_name or person.full_name
        return Foretold(found.by, found.contact.pk, count_obstacles(name, found, claims, holdings))
    by, doubts = recall(person, claims, memory)
    if by != By.NEW:
        return Foretold(by)
    return Foretold(
        by, for_review=doubts + count_obstacles(person.full_name, replace(found, contact=None), claims, holdings)
    )


def is_taken(person: Person, claims: Claims, found: Found, memory: Memory) -> bool:
    """Whether the contact that matches will have been linked with another record of the CRM by then."""
    seen = [memory[index] for index, by in list_kinds(person, claims) if by == found.by and index in memory]
    return found.by != By.LINK and any(each.has_other_record(person) for each in seen)


def count_obstacles(full_name: str, found: Found, claims: Claims, holdings: Holdings) -> int:
    """The contacts that hold what the person claims, and would be put up for review with the person's own."""
    mine = {identifier.pk for identifier in found.freed}
    others = {contact.pk for contact, _ in found.pairs}
    for claim in claims:
        holder = holdings.find_holder(claim)
        if holder is None or holder.pk in mine or is_erased(holder.contact):
            continue
        if holder.contact != found.contact and find_obstacle(full_name, claim, holder):
            others.add(holder.contact_id)
    return len(others) - count_pairs(found.contact, others)


def count_pairs(contact: Contact | None, others: Collection[UUID]) -> int:
    """With how many of them it was put up for review before."""
    if contact is None or not others:
        return 0
    mine = Q(first=contact, second__in=others) | Q(second=contact, first__in=others)
    return CandidatePair.objects.filter(mine).count()


def recall(person: Person, claims: Claims, memory: Memory) -> tuple[Matched.By, int]:
    """By what the person would be matched with somebody whom the run has seen, or how many pairs it would open."""
    doubts: set[int] = set()
    for index, by in list_kinds(person, claims):
        seen = memory.get(index)
        if seen is None or seen.is_shared:
            continue
        if seen.has_other_record(person):
            if by == By.PHONE and has_clearly_different_given_name(person.full_name, seen.full_name):
                seen.is_shared = True
            else:
                doubts.add(seen.number)
        elif by == By.EMAIL and has_clearly_different_given_name(person.full_name, seen.full_name):
            seen.is_shared = True
        elif by == By.PHONE and not is_compatible_name(person.full_name, seen.full_name):
            if has_clearly_different_given_name(person.full_name, seen.full_name):
                seen.is_shared = True
            else:
                doubts.add(seen.number)
        elif by == By.NAME_AND_COMPANY and seen.contradicts(claims):
            doubts.add(seen.number)
        else:
            return by, 0
    return By.NEW, len(doubts)


def remember(number: int, person: Person, claims: Claims, memory: Memory) -> None:
    for index, _ in list_kinds(person, claims):
        seen = Seen(
            number,
            person.full_name,
            list_values(claims, Kind.EMAIL),
            list_values(claims, Kind.PHONE),
            external_id=person.external_id,
        )
        memory.setdefault(index, seen)
