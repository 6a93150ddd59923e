"""A contact as a file holds it, and as it is compared. Pure."""

from dataclasses import dataclass, fields

from contacts.duplicates.companies import read_company
from contacts.duplicates.emails import is_spelt_from, read_mailbox, read_name_in
from contacts.duplicates.names import Name, read_name
from contacts.duplicates.phones import read_phone


@dataclass(frozen=True, slots=True)
class Record:
    """As typed. Empty texts are unknown values."""

    id: str
    full_name: str = ""
    company: str = ""
    email: str = ""
    phone: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Each value in its normal form; empty where it is unknown, or identifies nobody.

    `employer` is the registered name of the e-mail's domain, empty for free mail. `spelt` is "1" where the e-mail's
    local part only spells the name, `han` is "1" where the name is written with Han signs.
    """

    given: str = ""
    middle: str = ""
    other: str = ""
    family: str = ""
    company: str = ""
    employer: str = ""
    local: str = ""
    domain: str = ""
    spelt: str = ""
    han: str = ""
    phone: str = ""
    country: str = ""


COLUMNS = tuple(field.name for field in fields(Cleaned))


def clean(record: Record) -> Cleaned:
    mailbox = read_mailbox(record.email)
    country = record.country.strip().upper()
    name = read_name(record.full_name, country) if record.full_name else Name()
    is_spelt = bool(mailbox.local) and is_spelt_from(mailbox.local, name)
    if not name.given and mailbox.local:
        name = read_name_in(mailbox.local)
        is_spelt = bool(name.given)
    return Cleaned(
        given=name.given,
        middle=name.middle,
        other=name.other,
        family=name.family,
        company=read_company(record.company) if record.company else "",
        employer=mailbox.employer,
        local=mailbox.local,
        domain=mailbox.domain if mailbox.local else "",
        spelt="1" if is_spelt else "",
        han="1" if name.is_han else "",
        phone=read_phone(record.phone, country),
        country=country,
    )
