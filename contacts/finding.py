"""Who a person is: the matching contact, and the words for why it is the one. Reads only, and locks nothing.

The order: the CRM's record, attendee id, e-mail, phone, name with company. Shared mailboxes and phones match nobody.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from contacts.aliases import find_living
from contacts.claims import Claim, Claims, Kind, Person, Source, index_name_and_company
from contacts.identifiers import Holdings
from contacts.matching import has_clearly_different_given_name, is_compatible_name
from contacts.models import CandidatePair, Contact, ContactLink, Identifier, Matched

By = Matched.By
Reason = CandidatePair.Reason
# How many contacts of one name and company are looked at.
NAMESAKES = 10

type Pairs = Sequence[tuple[Contact, CandidatePair.Reason]]


@dataclass(frozen=True, slots=True)
class Found:
    """`contact` is None for somebody new.

    `pairs` only may be the same person. `shared` are identifiers that turn out to be used by several people; `freed`
    are those of somebody who was erased, and came again since. `is_erased`: the contact is the empty row of somebody
    who was erased, and has not come again.
    """

    by: Matched.By
    because: str
    contact: Contact | None = None
    pairs: Pairs = ()
    shared: Sequence[Identifier] = ()
    freed: Sequence[Identifier] = ()
    is_erased: bool = False


@dataclass(slots=True)
class Search:
    """One person, and what is noticed on the way."""

    person: Person
    claims: Claims
    source: Source
    holdings: Holdings
    pairs: list[tuple[Contact, CandidatePair.Reason]] = field(default_factory=list)
    shared: list[Identifier] = field(default_factory=list)
    freed: list[Identifier] = field(default_factory=list)
    # Why what was looked at is no match.
    doubts: list[str] = field(default_factory=list)

    def run(self) -> Found:
        known = (self.by_id, self.by_record, self.by_attendee)
        for look in (*known, self.by_email, self.by_phone, self.by_name_and_company):
            if found := look():
                return replace(found, shared=self.shared, freed=self.freed)
        because = "; ".join([*self.doubts, "nobody here has what identifies this person"])
        return Found(By.NEW, because, pairs=self.pairs, shared=self.shared, freed=self.freed)

    def by_id(self) -> Found | None:
        """A row that was exported from here says whose it is."""
        known = Contact.objects.filter(pk=self.person.contact_id).first() if self.person.contact_id else None
        if known is None:
            return None
        contact = Contact.objects.get(pk=find_living(known.pk))
        return Found(By.ID, "the row has its id", contact, is_erased=is_erased(contact))

    def by_record(self) -> Found | None:
        link = find_link(self.person, self.source)
        if link is None:
            return None
        contact = Contact.objects.get(pk=find_living(link.contact_id))
        return Found(By.LINK, f"record {link.external_id} is linked to it", contact, is_erased=is_erased(contact))

    def by_attendee(self) -> Found | None:
        claim = self.claims.attendee
        holder = self.find_holder(claim) if claim else None
        return self.match(holder, By.ATTENDEE_ID, "it has this attendee id") if holder else None

    def by_email(self) -> Found | None:
        for claim in self.claims.emails:
            if claim.is_role:
                self.doubts.append(f"{claim.value} is a mailbox of several people")
            holder = self.find_holder(claim)
            if holder is None or self.has_other_record(holder.contact):
                continue
            name = holder.contact.full_name
            if not has_clearly_different_given_name(self.person.full_name, name):
                return self.match(holder, By.EMAIL, f"it has the address {claim.value}{self.compare_names(name)}")
            self.shared.append(holder)
            self.doubts.append(f"{claim.value} is used by {name} as well, so it is shared")
        return None

    def by_phone(self) -> Found | None:
        for claim in self.claims.phones:
            holder = self.find_holder(claim)
            if holder is None or self.has_other_record(holder.contact):
                continue
            name = holder.contact.full_name
            if is_compatible_name(self.person.full_name, name):
                return self.match(holder, By.PHONE, f"it has the number {claim.value}{self.compare_names(name)}")
            self.doubts.append(f"{claim.value} is the number of {name or 'somebody without a name'}")
        return None

    def by_name_and_company(self) -> Found | None:
        for contact in self.find_namesakes():
            if not contradicts(contact, self.claims) and not self.has_other_record(contact):
                because = f"nobody else is called {contact.full_name} at {contact.company}, and no identifier differs"
                return Found(By.NAME_AND_COMPANY, because, contact)
            self.pairs.append((contact, Reason.NAME_AND_COMPANY))
            self.doubts.append(f"{contact.full_name} at {contact.company} has another e-mail, phone or record")
        return None

    # --- What the steps share

    def find_holder(self, claim: Claim) -> Identifier | None:
        """Who holds it for himself; nobody, where that is somebody erased who has come again since."""
        holder = self.holdings.find_holder(claim)
        if holder and is_erased(holder.contact) and self.has_come_again(holder.contact):
            self.freed.append(holder)
            return None
        return holder

    def has_come_again(self, contact: Contact) -> bool:
        met_at, erased_at = self.source.met_at, contact.erased_at
        return met_at is not None and erased_at is not None and met_at > erased_at

    def match(self, holder: Identifier, by: Matched.By, because: str) -> Found:
        return Found(by, because, holder.contact, is_erased=is_erased(holder.contact))

    def compare_names(self, name: str) -> str:
        """Says nothing where a name is unknown, or both are the same."""
        mine = self.person.full_name.strip()
        return f", and {mine} can be {name}" if mine and name and mine != name else ""

    def has_other_record(self, contact: Contact) -> bool:
        """Whether the contact has a record of its own at the CRM that tells of this person: two records are two."""
        if not self.person.external_id:
            return False
        links = ContactLink.objects.filter(contact=contact, connection=self.source.connection_id, merged_at=None)
        return links.exclude(external_id=self.person.external_id).exists()

    def find_namesakes(self) -> Iterable[Contact]:
        index = index_name_and_company(self.person.full_name, self.person.company)
        if index is None:
            return []
        return Contact.objects.filter(name_company=index, merged_into=None).order_by("id")[:NAMESAKES]


def find_link(person: Person, source: Source) -> ContactLink | None:
    """The link of the CRM's record that tells of the person."""
    if not person.external_id:
        return None
    return ContactLink.objects.filter(connection=source.connection_id, external_id=person.external_id).first()


def is_erased(contact: Contact) -> bool:
    return contact.erased_at is not None


def contradicts(contact: Contact, claims: Claims) -> bool:
    """Whether the contact holds another value of a kind that the person claims, and none of those claimed."""
    held = list(contact.identifiers.filter(kind__in=[Kind.EMAIL, Kind.PHONE], is_current=True))
    for kind in (Kind.EMAIL, Kind.PHONE):
        claimed = {claim.value for claim in claims.of(kind)}
        values = {row.value for row in held if row.kind == kind}
        if claimed and values and not claimed & values:
            return True
    return False
