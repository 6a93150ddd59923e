"""What a person who was met claims to be: identifiers in their normal form, with the blind indexes to find them by."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from contacts.models import Identifier
from contacts.normalisation import (
    company_key,
    is_role_mailbox,
    name_key,
    normalise_email,
    normalise_phone,
    split_words,
)
from integrations.ownership import Rule
from integrations.privacy import blind_index

Kind = Identifier.Kind


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as a source knows them, as typed. Empty texts are unknown values.

    `attendee_id` is of a calendar's connection, `external_id` of a CRM's: that of the record. `email` and `phone` are
    the first of those that there are.
    """

    attendee_id: str = ""
    email: str = ""
    phone: str = ""
    full_name: str = ""
    company: str = ""
    country: str = ""
    timezone: str = ""
    # Points for what the person answered this time.
    lead_score: int = 0
    external_id: str = ""
    more_emails: tuple[str, ...] = ()
    more_phones: tuple[str, ...] = ()
    # The contact's id here, where a file that was exported names it: that is nobody new.
    contact_id: UUID | None = None
    # Names of fields that say what the same attendee said before: that is no news, whoever has changed them since.
    repeated: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Source:
    """Where and when a person was met. `reference` orders two states of the same second.

    `connection_id` is None for a file. `met_at`: when the person came to us, which brings back somebody who was erased
    before; None for a source that does not tell, and brings nobody back. `is_modest`: a field that is known here stays,
    unless the same reference has set it, and nobody becomes a new lead by it.
    """

    connection_id: int | None
    lead_source: str
    default_region: str
    seen_at: datetime
    reference: str
    met_at: datetime | None = None
    is_modest: bool = False
    # Who may write which field, asked for where something would be replaced.
    list_rules: Callable[[], Mapping[str, Rule]] = dict


@dataclass(frozen=True, slots=True)
class Claim:
    """One identifier that a person claims to have. `index` is None where the value cannot be normalised."""

    kind: Identifier.Kind
    value: str
    index: bytes | None
    connection_id: int | None = None
    is_role: bool = False
    # The attendee or record through which an e-mail or phone came.
    introduced_by: str = ""


@dataclass(frozen=True, slots=True)
class Claims:
    """All that one person claims, the first e-mail and the first phone leading."""

    attendee: Claim | None
    emails: tuple[Claim, ...] = ()
    phones: tuple[Claim, ...] = ()

    def __iter__(self) -> Iterator[Claim]:
        yield from (self.attendee,) if self.attendee else ()
        yield from self.emails
        yield from self.phones

    def of(self, kind: str) -> tuple[Claim, ...]:
        return {Kind.EMAIL: self.emails, Kind.PHONE: self.phones}.get(Kind(kind), ())


def read_claims(person: Person, source: Source) -> Claims:
    introduced_by = name_origin(source.connection_id, person.attendee_id or person.external_id)
    read_phone = partial(read_phone_claim, regions=(person.country, source.default_region), introduced_by=introduced_by)
    return Claims(
        attendee=read_attendee(person.attendee_id, source) if person.attendee_id else None,
        emails=tuple(read_email_claim(typed, introduced_by) for typed in list_typed(person.email, person.more_emails)),
        phones=tuple(read_phone(typed) for typed in list_typed(person.phone, person.more_phones)),
    )


def name_origin(connection_id: int | None, external_id: str) -> str:
    """What introduces an identifier or a consent: an attendee of a calendar, or a record of a CRM."""
    return f"{connection_id}:{external_id}" if connection_id is not None and external_id else ""


def list_typed(first: str, more: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(typed for text in (first, *more) if (typed := text.strip())))


def read_attendee(attendee_id: str, source: Source) -> Claim:
    return Claim(Kind.ATTENDEE_ID, attendee_id, index_value(Kind.ATTENDEE_ID, attendee_id), source.connection_id)


def read_email_claim(typed: str, introduced_by: str) -> Claim:
    email = normalise_email(typed)
    is_role = email is not None and is_role_mailbox(email)
    index = None if email is None else index_value(Kind.EMAIL, email)
    return Claim(Kind.EMAIL, email or typed, index, is_role=is_role, introduced_by=introduced_by)


def read_phone_claim(typed: str, *, regions: tuple[str, ...], introduced_by: str) -> Claim:
    phone = normalise_phone(typed, *regions)
    index = None if phone is None else index_value(Kind.PHONE, phone)
    return Claim(Kind.PHONE, phone or typed, index, introduced_by=introduced_by)


def list_indexes(person: Person, claims: Claims) -> list[bytes]:
    """The blind indexes by which this person may be found."""
    found = [claim.index for claim in claims if not claim.is_role]
    found.append(index_name_and_company(person.full_name, person.company))
    return [index for index in found if index is not None]


def index_value(kind: str, value: str) -> bytes:
    """The blind index of a normalised value."""
    return blind_index.digest(kind, value)


def index_name_and_company(full_name: str, company: str) -> bytes | None:
    """Needs two words of name and a company: less proves nothing."""
    if len(split_words(full_name)) < 2 or not company_key(company):
        return None
    return index_value("name_company", f"{name_key(full_name)}\0{company_key(company)}")
