"""Merged contacts: each is an alias of the one that it went into, over any number of steps.

Contacts and aliases make a forest: a living contact is the root of all that went into it.
"""

from collections.abc import Collection, Iterable
from uuid import UUID

from django.db import connection

from contacts.identifiers import lock_indexes
from contacts.models import Contact, Identifier

# The advisory lock under which contacts are merged and taken apart.
LOCK = (13, 0)


def lock_forest() -> None:
    """One merge or undo at a time, over all processes, until the transaction ends: they are rare, and nest."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", LOCK)


def lock_contacts(ids: Collection[UUID]) -> dict[UUID, Contact]:
    """Their latest states, locked after all that identifies them, as upserts do, so that neither waits in a circle."""
    held = Identifier.objects.filter(contact__in=ids, index__isnull=False).values_list("index", flat=True)
    named = Contact.objects.filter(pk__in=ids, name_company__isnull=False).values_list("name_company", flat=True)
    lock_indexes(bytes(index) for index in (*held, *named) if index is not None)
    rows = Contact.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    return {row.pk: row for row in rows}


def find_living(contact_id: UUID) -> UUID:
    """Of an alias, the contact that it went into in the end."""
    return list_path(contact_id)[-1]


def list_path(contact_id: UUID) -> list[UUID]:
    """The contact, the one that it went into, and so on, to the living one."""
    path = [contact_id]
    while above := Contact.objects.filter(pk=path[-1]).values_list("merged_into", flat=True).first():
        path.append(above)
    return path


def list_family(contact_id: UUID) -> set[UUID]:
    """The contact, and all that went into it, directly or not."""
    family: set[UUID] = set()
    found: Iterable[UUID] = [contact_id]
    while found:
        family |= set(found)
        found = list(Contact.objects.filter(merged_into__in=found).values_list("pk", flat=True))
    return family
