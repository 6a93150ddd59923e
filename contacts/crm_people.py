"""People whom somebody has invited in a CRM: contacts here, linked to their records there."""

from collections.abc import Sequence

from contacts.claims import Person, Source
from contacts.imports.crm_rows import read_person, read_source
from contacts.upserts import upsert_each
from integrations import mappings
from integrations.models import Connection, FieldMapping
from integrations.providers.crm import FoundContact


def read_people(connection: Connection, found: Sequence[FoundContact]) -> list[tuple[Person, Source]]:
    """Each with its source, in the words of contacts/claims.py."""
    mapping = mappings.read_mapping(connection, FieldMapping.Record.CONTACT)
    read = [
        (each, {name: text or "" for name, text in mappings.read_values(mapping, each.values).items()})
        for each in found
    ]
    return [(read_person(each, ours), read_source(connection, each, ours)) for each, ours in read]


def meet(people: Sequence[tuple[Person, Source]]) -> None:
    """Bring them to contacts, in the caller's transaction: what is known of them here stays."""
    upsert_each(people)
