"""Who holds an identifier. What identifies somebody is held by one contact; what is shared may be held by many."""

from collections.abc import Iterable
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


def find_holder(claim: Claim) -> Identifier | None:
    """The identifier that proves who holds this value; None for a shared, unknown or unreadable one."""
    if claim.index is None or claim.is_role:
        return None
    return (
        Identifier.objects.select_related("contact")
        .filter(kind=claim.kind, connection=claim.connection_id, index=claim.index, is_shared=False, is_current=True)
        .first()
    )


def mark_shared(identifier: Identifier) -> None:
    identifier.is_shared = True
    identifier.save(update_fields=["is_shared"])


def retire_replaced(contact: Contact, claim: Claim) -> bool:
    """A new e-mail or phone through the same attendee id is a rename: the old one may go to another person.

    Whether there was one.
    """
    former = contact.identifiers.filter(kind=claim.kind, introduced_by=claim.introduced_by, is_current=True)
    replaced = [identifier for identifier in former if identifier.value != claim.value]
    for identifier in replaced:
        identifier.is_current = False
        identifier.save(update_fields=["is_current"])
    return bool(replaced)


def take(contact: Contact, claim: Claim) -> bool:
    """Record a value that nobody holds for himself, or that the contact once gave up. Whether it is news."""
    mine = find_own(contact, claim)
    if mine is None:
        mine = Identifier(
            contact=contact,
            kind=claim.kind,
            connection_id=claim.connection_id,
            value=claim.value,
            index=claim.index,
        )
    elif mine.is_current:
        return False
    mine.is_current, mine.is_shared, mine.introduced_by = True, is_shared(claim), claim.introduced_by
    mine.save()
    return True


def find_own(contact: Contact, claim: Claim) -> Identifier | None:
    """The contact's row for this value, current or not. Unreadable values have no index, and are compared as typed."""
    rows = contact.identifiers.filter(kind=claim.kind, connection=claim.connection_id, index=claim.index)
    return next((row for row in rows if row.value == claim.value), None)


def is_shared(claim: Claim) -> bool:
    same = Identifier.objects.filter(
        kind=claim.kind, connection=claim.connection_id, index=claim.index, is_shared=True, is_current=True
    )
    return claim.is_role or (claim.index is not None and same.exists())


def list_values(contact: Contact, kind: Kind) -> list[str]:
    return [i.value for i in contact.identifiers.all() if i.kind == kind and i.is_current]


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
