"""What two contacts have, shown side by side in their review: e-mails and phones, records at CRMs, consents.

A package further up shows what it keeps of contacts (meetings) with `facts_of`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.safestring import SafeString

from contacts.models import Consent, ContactLink, Identifier

# Of one kind and one contact.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Fact:
    """One line. `key`: what makes it the same thing as one of the other contact's."""

    text: SafeString | str
    note: str = ""
    key: object = None


type Facts = Mapping[UUID, list[Fact]]
type FactFinder = Callable[[Collection[UUID]], Facts]


@dataclass(frozen=True, slots=True)
class Kind:
    """`name` is what a merge's record calls the rows. `is_united`: the same one of both becomes one, not two."""

    name: str
    title: str
    find: FactFinder
    is_united: bool


_kinds: list[Kind] = []


def facts_of(name: str, title: str, *, is_united: bool = False) -> Callable[[FactFinder], FactFinder]:
    """Register a function that finds contacts' facts of one kind, in as many queries for many contacts as for one."""

    def register(find: FactFinder) -> FactFinder:
        _kinds.append(Kind(name, title, find, is_united))
        return find

    return register


def list_kinds() -> list[Kind]:
    return list(_kinds)


def name_rows(kind: str, count: int) -> str:
    """How the pages call rows of a merge's record: "1 meeting", "2 identifiers"."""
    singular = {"attendances": "meeting", "links": "CRM record", "pairs": "pair"}.get(kind, kind.removesuffix("s"))
    return f"{count:,} {singular}{'' if count == 1 else 's'}"


def collect(rows: Any, describe: Callable[[Any], Fact]) -> Facts:
    """Contact → facts of its rows, in their order."""
    found: dict[UUID, list[Fact]] = {}
    for row in rows:
        found.setdefault(row.contact_id, []).append(describe(row))
    return found


@facts_of("identifiers", "E-mails, phones and ids")
def find_identifiers(contact_ids: Collection[UUID]) -> Facts:
    rows = Identifier.objects.filter(contact__in=contact_ids).select_related("connection")
    ordered = rows.defer("connection__credentials").order_by("kind", "-is_current", "id")
    return collect(ordered, describe_identifier)


def describe_identifier(row: Identifier) -> Fact:
    place = f"{row.get_kind_display()} at {row.connection}" if row.connection else row.get_kind_display()
    states = [place, *(["shared"] if row.is_shared else []), *([] if row.is_current else ["given up"])]
    return Fact(str(row.value), ", ".join(states), key=(row.kind, row.connection_id, str(row.value)))


@facts_of("links", "Records at CRMs", is_united=True)
def find_links(contact_ids: Collection[UUID]) -> Facts:
    rows = ContactLink.objects.filter(contact__in=contact_ids, merged_at=None).select_related("connection")
    return collect(
        rows.defer("connection__credentials").order_by("connection__slug"),
        lambda row: Fact(str(row.connection), row.external_id, key=row.connection_id),
    )


@facts_of("consents", "Consents")
def find_consents(contact_ids: Collection[UUID]) -> Facts:
    rows = Consent.objects.filter(contact__in=contact_ids).order_by("-given_at", "-id")
    return collect(rows, lambda row: Fact(str(row), f"{row.given_at:%Y-%m-%d}, {row.source}", key=str(row)))
