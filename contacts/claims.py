"""What a person who was met claims to be: identifiers in their normal form, with the blind indexes to find them by."""

from dataclasses import dataclass
from datetime import datetime

from contacts.models import Identifier
from contacts.normalisation import (
    company_key,
    is_role_mailbox,
    name_key,
    normalise_email,
    normalise_phone,
    split_words,
)
from integrations.privacy import blind_index

Kind = Identifier.Kind


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
    # Points for what the person answered this time.
    lead_score: int = 0


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
    # The attendee id through which an e-mail or phone came.
    introduced_by: str = ""


type Claims = dict[Kind, Claim]


def read_claims(person: Person, source: Source) -> Claims:
    claims = {Kind.ATTENDEE_ID: read_attendee_id(person, source)}
    introduced_by = f"{source.connection_id}:{person.attendee_id}"
    if typed := person.email.strip():
        email = normalise_email(typed)
        is_role = email is not None and is_role_mailbox(email)
        claims[Kind.EMAIL] = read_claim(Kind.EMAIL, typed, email, introduced_by, is_role=is_role)
    if typed := person.phone.strip():
        phone = normalise_phone(typed, person.country, source.default_region)
        claims[Kind.PHONE] = read_claim(Kind.PHONE, typed, phone, introduced_by)
    return claims


def read_attendee_id(person: Person, source: Source) -> Claim:
    index = index_value(Kind.ATTENDEE_ID, person.attendee_id)
    return Claim(Kind.ATTENDEE_ID, person.attendee_id, index, source.connection_id)


def read_claim(kind: Kind, typed: str, normal: str | None, introduced_by: str, *, is_role: bool = False) -> Claim:
    index = None if normal is None else index_value(kind, normal)
    return Claim(kind, normal or typed, index, is_role=is_role, introduced_by=introduced_by)


def list_indexes(person: Person, claims: Claims) -> list[bytes]:
    """The blind indexes by which this person may be found."""
    found = [claim.index for claim in claims.values() if not claim.is_role]
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
