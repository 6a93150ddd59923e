"""What of contacts stands on the launch checklist."""

import itertools
from typing import Any

import pytest
from django.db import connection as database

from contacts import checklist
from contacts.models import Contact, Identifier
from tests.integrations.checklist.support import prove, refute


def test_the_same_person_twice_is_one_contact_and_nothing_of_the_try_is_left(db: None) -> None:
    assert "became one contact" in prove("contact_upserts")
    assert not Contact.objects.exists()
    assert not Identifier.objects.exists()


@pytest.mark.parametrize("name", ["contact_link_external_id", "contact_link_once"])
def test_a_constraint_that_is_gone_is_found(name: str, db: None) -> None:
    with database.cursor() as cursor:
        cursor.execute(f"ALTER TABLE contacts_contactlink DROP CONSTRAINT {name}")
    assert refute("contact_upserts") == f"The database lacks the unique indexes {name}."


def test_an_index_that_is_no_unique_one_any_more_is_found(db: None) -> None:
    with database.cursor() as cursor:
        cursor.execute("DROP INDEX identifier_held_once")
        cursor.execute("CREATE INDEX identifier_held_once ON contacts_identifier (kind, index)")
    assert "identifier_held_once" in refute("contact_upserts")


def test_upserts_that_make_a_new_contact_each_time_are_found(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = itertools.count()

    def make_another(person: Any, source: Any) -> Contact:
        return Contact.objects.create(full_name=str(next(numbers)))

    monkeypatch.setattr(checklist, "upsert_contact", make_another)
    assert "became 2 contacts" in refute("contact_upserts")
