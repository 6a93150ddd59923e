"""Who holds an identifier. What identifies somebody is held by one contact; what is shared may be held by many."""

from collections.abc import Collection, Iterable
from typing import Any

from django.db import connection

from contacts.claims import Claim, Kind, index_value
from contacts.models import Contact, Identifier
from contacts.normalisation import normalise_phone
from integrations.models import Connection

# Advisory locks: their class, and how many there are, so that a transaction never holds more than PostgreSQL allows.
LOCK_CLASS = 7
LOCKS = 1024


def lock_indexes(indexes: Iterable[bytes]) -> None:
    """Let one transaction at a time, over all processes, look for these values and take them; always in one order."""
    keys = sorted({int.from_bytes(index[:4]) % LOCKS for index in indexes})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, key) FROM unnest(%s::int[]) AS key", [LOCK_CLASS, keys])


class Holdings:
    """Who holds what a person claims, and what the person's contact has, each loaded at once."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self.indexes = [claim.index for claim in claims if claim.index is not None]
        self.own: list[Identifier] = []
        self.load()

    def load(self) -> None:
        rows = Identifier.objects.select_related("contact").filter(index__in=self.indexes, is_current=True)
        self.rows = list(rows)

    def load_own(self, contact: Contact) -> None:
        self.own = [] if contact._state.adding else list(contact.identifiers.all())

    def find(self, claim: Claim, *, is_shared: bool) -> Identifier | None:
        return next((row for row in self.rows if row.is_shared == is_shared and is_of(row, claim)), None)

    def find_holder(self, claim: Claim) -> Identifier | None:
        """The identifier that proves who holds this value; None for a shared, unknown or unreadable one."""
        return None if claim.index is None or claim.is_role else self.find(claim, is_shared=False)

    def is_shared(self, claim: Claim) -> bool:
        return claim.is_role or (claim.index is not None and self.find(claim, is_shared=True) is not None)

    def find_own(self, claim: Claim) -> Identifier | None:
        """The contact's row for this value, current or not. Unreadable values are compared as typed.

        A merged contact may have several: a current one counts most, then one that came through the same attendee id.
        """
        found = [row for row in self.own if is_of(row, claim) and row.value == claim.value]
        return max(found, key=lambda row: (row.is_current, row.introduced_by == claim.introduced_by), default=None)


def is_of(row: Identifier, claim: Claim) -> bool:
    index = None if row.index is None else bytes(row.index)
    return (row.kind, row.connection_id, index) == (claim.kind, claim.connection_id, claim.index)


def mark_shared(identifier: Identifier) -> None:
    identifier.is_shared = True
    identifier.save(update_fields=["is_shared"])


def free(identifiers: Collection[Identifier], holdings: Holdings) -> None:
    """Take away what somebody who was erased had: whoever has it now is somebody new."""
    for identifier in identifiers:
        identifier.is_current = False
        identifier.save(update_fields=["is_current"])
    gone = {identifier.pk for identifier in identifiers}
    holdings.rows = [row for row in holdings.rows if row.pk not in gone]


def retire_replaced(holdings: Holdings, claims: Iterable[Claim]) -> bool:
    """A new e-mail or phone through the same attendee id is a rename: the old one may go to another person.

    Whether there was one.
    """
    claimed: dict[tuple[str, str], set[str]] = {}
    for claim in claims:
        if claim.introduced_by:
            claimed.setdefault((claim.kind, claim.introduced_by), set()).add(claim.value)
    replaced = [
        row
        for row in holdings.own
        if row.is_current and row.value not in claimed.get((row.kind, row.introduced_by), {row.value})
    ]
    for identifier in replaced:
        identifier.is_current = False
        identifier.save(update_fields=["is_current"])
    return bool(replaced)


def take(contact: Contact, claim: Claim, holdings: Holdings) -> tuple[bool, Identifier | None]:
    """Record a value that nobody holds for himself, or that the contact once gave up.

    Whether it is news, and the row where it is still to be created.
    """
    mine = holdings.find_own(claim)
    is_new = mine is None
    if mine is None:
        mine = Identifier(
            contact=contact,
            kind=claim.kind,
            connection_id=claim.connection_id,
            value=claim.value,
            index=claim.index,
        )
    elif mine.is_current:
        return False, None
    mine.is_current, mine.is_shared, mine.introduced_by = True, holdings.is_shared(claim), claim.introduced_by
    if not is_new:
        mine.save()
    return True, mine if is_new else None


def list_values(contact: Contact, kind: Kind) -> list[str]:
    """Those that the contact has now, each once."""
    return list(dict.fromkeys(i.value for i in contact.identifiers.all() if i.kind == kind and i.is_current))


def hold(contacts: Any, kind: Kind, value: str | None) -> Any:
    """Those contacts that hold an identifier now."""
    if value is None:
        return contacts.none()
    held = Identifier.objects.filter(kind=kind, index=index_value(kind, value), is_current=True)
    return contacts.filter(pk__in=held.values("contact"))


def normalise_typed_phone(text: str) -> str | None:
    """E.164; a national number is read as dialled in each connection's default region."""
    regions = Connection.objects.exclude(default_region="").values_list("default_region", flat=True)
    # A plus sign that was not quoted in the address arrives as a space.
    return normalise_phone(text) or normalise_phone(f"+{text}") or normalise_phone(text, *regions.distinct())
