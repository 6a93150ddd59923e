"""What "not a duplicate" was decided on: digests of both contacts' values, field by field. It holds until one changes.

The values are in the normal form of look-ups, so that another spelling of the same is no change, and neither is a new
way of comparing names.
"""

from collections.abc import Iterable, Mapping, Sequence

from contacts.claims import Kind
from contacts.free_mail import is_free_mail
from contacts.identifiers import list_values
from contacts.models import Contact
from contacts.normalisation import company_key, name_key
from integrations.privacy import blind_index

# Field → the contact's values, none where they are unknown.
type Values = Mapping[str, Sequence[str]]
type Digests = dict[str, str]


def digest_fields(first: Contact, second: Contact) -> Digests:
    """Field (name, company, email, phone) → digest of both contacts' values, for `CandidatePair.decided_on`.

    Empty where the field is not known of both: it was no reason then. Raises UnreadableValueError.
    """
    return digest_values(*(read_values(contact) for contact in (first, second)))


def read_values(contact: Contact) -> Values:
    emails, phones = list_values(contact, Kind.EMAIL), list_values(contact, Kind.PHONE)
    return make_values(contact.full_name, contact.company, emails, phones)


def make_values(full_name: str, company: str, emails: Iterable[str], phones: Iterable[str]) -> Values:
    """A company is known by its name, and by the domains of addresses."""
    domains = {email.rpartition("@")[2] for email in emails if "@" in email}
    companies = {company_key(company), *(domain for domain in domains if not is_free_mail(domain))}
    found = {"name": {name_key(full_name)}, "company": companies, "email": set(emails), "phone": set(phones)}
    return {field: sorted(values - {""}) for field, values in found.items()}


def digest_values(first: Values, second: Values) -> Digests:
    """The same whichever contact stands first."""
    return {field: digest_field(field, [first[field], second[field]]) for field in first}


def digest_field(field: str, both: Sequence[Sequence[str]]) -> str:
    if not all(both):
        return ""
    text = "\0\0".join(sorted("\0".join(values) for values in both))
    return blind_index.digest(f"decided on {field}", text).hex()


def list_changed(decided_on: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The fields that are known of both now, or were when it was decided, and differ from then."""
    return [field for field, digest in now.items() if decided_on.get(field, "") != digest]
