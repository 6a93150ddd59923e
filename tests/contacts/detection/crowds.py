"""Contacts in the database for the tests of detection, and what became of their pairs."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from contacts.claims import index_value
from contacts.detection import full
from contacts.models import CandidatePair, Contact, DuplicatePolicy, Identifier
from contacts.normalisation import normalise_email, normalise_phone
from tests.benchmarks.people import make_rows


def add(full_name="", company="", emails: str | Sequence[str] = (), phones: str | Sequence[str] = (), country=""):
    """A contact whose identifiers others may have as well."""
    contact = Contact.objects.create(full_name=full_name, company=company, country=country)
    Identifier.objects.bulk_create(make_identifiers(contact, emails, phones))
    return contact


def make_identifiers(contact, emails, phones):
    emails, phones = ([values] if isinstance(values, str) else values for values in (emails, phones))
    for kind, values in (("email", emails), ("phone", phones)):
        for typed in filter(None, values):
            normal = normalise_email(typed) if kind == "email" else normalise_phone(typed, contact.country)
            index = index_value(kind, normal) if normal else None
            yield Identifier(contact=contact, kind=kind, value=normal or typed, index=index, is_shared=True)


def add_crowd(count: int, *, mix: str = "world", seed: int = 5) -> list[Contact]:
    """So many made-up people, of whom some are there twice."""
    rows = make_rows(mix, count, seed)
    contacts = Contact.objects.bulk_create(
        [Contact(full_name=name, company=company, country=country) for _, name, company, _, _, country, _ in rows]
    )
    Identifier.objects.bulk_create(
        identifier
        for contact, (_, _, _, email, phone, *_) in zip(contacts, rows, strict=True)
        for identifier in make_identifiers(contact, email, phone)
    )
    return contacts


def compare_all(**options) -> full.Found:
    return full.run(workers=0, report=lambda step, done, total: None, **options)[1]


def merge_by_itself() -> DuplicatePolicy:
    """Say that certain pairs are merged."""
    return DuplicatePolicy.objects.update_or_create(pk=1, defaults={"merges_certain": True})[0]


type State = dict[tuple[UUID, UUID], tuple]


def read_pairs(*fields: str) -> State:
    """Both ids → what is said of the pair."""
    fields = fields or ("status", "reason", "probability", "verdict", "evidence", "cluster")
    rows = CandidatePair.objects.values_list("first_id", "second_id", *fields)
    return {(first, second): tuple(rest) for first, second, *rest in rows}


def find_pair(one: Contact, other: Contact) -> CandidatePair | None:
    first, second = sorted((one.pk, other.pk))
    return CandidatePair.objects.filter(first=first, second=second).first()


def find_clusters(pairs: Iterable[tuple[UUID, UUID]]) -> list[set[UUID]]:
    """Who is joined, over any number of pairs."""
    groups: list[set[UUID]] = []
    for pair in pairs:
        touched = [group for group in groups if group & {*pair}]
        groups = [group for group in groups if group not in touched] + [set(pair).union(*touched)]
    return groups
