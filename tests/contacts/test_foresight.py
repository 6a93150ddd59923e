"""A dry run says what the real one does, and changes nothing."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.claims import Person, Source
from contacts.finding import By
from contacts.foresight import Foretold, Memory, foresee, list_page_indexes
from contacts.models import CandidatePair, Contact, Identifier
from contacts.upserts import upsert_each
from tests.factories import make_connection

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NAMES = ["", "Zoë Okafor", "Okafor Zoe", "Z. Okafor", "Marc Dubois", "Ada Byron", "Ada"]
EMAILS = ["", "zoe@x.example", "ZOE@x.example", "marc@x.example", "info@x.example", "home@x.example", "no address"]
PHONES = ["", "06 12 34 56 78", "+33 6 12 34 56 78", "06 99 99 99 99"]
COMPANIES = ["", "Acme Ltd", "ACME"]
PEOPLE = st.lists(
    st.builds(
        Person,
        full_name=st.sampled_from(NAMES),
        email=st.sampled_from(EMAILS),
        phone=st.sampled_from(PHONES),
        company=st.sampled_from(COMPANIES),
    ),
    max_size=8,
)


def from_file(number: int) -> Source:
    return Source(None, "import", "FR", NOON, f"file/{number}", is_modest=True)


def upsert_one_by_one(people: list[tuple[Person, Source]]) -> list[tuple[By, int]]:
    made = []
    for pair in people:
        upserted = upsert_each([pair])[0]
        made.append((upserted.by, len(upserted.for_review)))
    return made


def count(found: list[tuple[By, int]]) -> tuple[int, int]:
    """Who is new, and who was put up for review."""
    return sum(by == By.NEW for by, _ in found), sum(bool(pairs) for _, pairs in found)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(known=PEOPLE, rows=PEOPLE, size=st.integers(1, 4))
def test_each_row_is_foreseen_as_it_comes_true_where_the_contacts_are_known(known, rows, size):
    """One row at a time, so that the run's own memory plays no part."""
    with transaction.atomic():
        upsert_one_by_one([(person, from_file(number)) for number, person in enumerate(known)])
        for number, person in enumerate(rows, 100):
            pair = (person, from_file(number))
            told = foresee([pair], {})[0]
            upserted = upsert_each([pair])[0]
            assert told.by == upserted.by
            assert told.contact_id == (None if told.by == By.NEW else upserted.contact.pk)
            assert bool(told.for_review) >= bool(upserted.for_review)
        transaction.set_rollback(True)


def foresee_all(rows: list[tuple[Person, Source]], size: int) -> list[Foretold]:
    """Page by page, as a run does: between pages only what the next one needs is at hand."""
    kept: Memory = {}
    told: list[Foretold] = []
    for start in range(0, len(rows), size):
        page = rows[start : start + size]
        memory = {index: kept[index] for index in list_page_indexes(page) if index in kept}
        told += foresee(page, memory)
        kept |= memory
    return told


def test_a_person_who_stands_in_the_file_twice_is_created_once():
    rows = [
        (Person(full_name="Zoë Okafor", email="zoe@x.example"), from_file(1)),
        (Person(full_name="Z. Okafor", email="Zoe@X.example"), from_file(2)),
        (Person(full_name="Marc Dubois", phone="06 12 34 56 78"), from_file(3)),
        (Person(full_name="Dubois Marc", phone="+33612345678", email="marc@x.example"), from_file(4)),
        (Person(full_name="Ada Byron", company="Engines Ltd"), from_file(5)),
        (Person(full_name="Byron Ada", company="ENGINES"), from_file(6)),
    ]
    ways = [By.NEW, By.EMAIL, By.NEW, By.PHONE, By.NEW, By.NAME_AND_COMPANY]
    for size in (1, 2, 6):
        assert [each.by for each in foresee_all(rows, size)] == ways
    assert not Contact.objects.exists()
    assert [by for by, _ in upsert_one_by_one(rows)] == ways


def test_two_people_of_one_mailbox_are_two_and_a_role_mailbox_is_nobody():
    rows = [
        (Person(full_name="Zoë Okafor", email="home@x.example"), from_file(1)),
        (Person(full_name="Marc Okafor", email="home@x.example"), from_file(2)),
        (Person(full_name="Reception", email="info@x.example"), from_file(3)),
        (Person(full_name="Ada Byron", email="info@x.example"), from_file(4)),
    ]
    assert {each.by for each in foresee_all(rows, 2)} == {By.NEW}
    assert {by for by, _ in upsert_one_by_one(rows)} == {By.NEW}


def test_a_role_mailbox_contradicts_nobody_who_has_the_same_one():
    person = Person(full_name="Zoë Okafor", email="info@x.example", company="Acme Ltd")
    rows = [(person, from_file(number)) for number in range(3)]
    ways = [By.NEW, By.NAME_AND_COMPANY, By.NAME_AND_COMPANY]
    assert [each.by for each in foresee_all(rows, 1)] == ways
    assert [by for by, _ in upsert_one_by_one(rows)] == ways


KNOWN = [
    Person(full_name="Zoë Okafor", email="zoe@x.example", phone="06 12 34 56 78", company="Acme Ltd"),
    Person(full_name="Marc Dubois", email="marc@x.example", phone="06 98 76 54 32", company="Acme Ltd"),
    Person(full_name="Ada Byron", email="ada@x.example", phone="06 11 11 11 11", company="Engines"),
]


def leave_out(person: Person, names: set[str]) -> Person:
    changes: dict[str, Any] = dict.fromkeys(names, "")
    return replace(person, **changes)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.lists(
        st.builds(leave_out, st.sampled_from(KNOWN), st.sets(st.sampled_from(["phone", "company", "full_name"]))),
        max_size=8,
    ),
    size=st.integers(1, 4),
)
def test_a_file_in_which_everybody_keeps_an_address_is_foreseen_as_it_comes_true(people, size):
    """What a later row teaches about an earlier one of the same file is not looked at twice, and not needed here."""
    rows = [(person, from_file(number)) for number, person in enumerate(people)]
    with transaction.atomic():
        told = [(each.by, each.for_review) for each in foresee_all(rows, size)]
        made = upsert_one_by_one(rows)
        transaction.set_rollback(True)
    assert count(told) == count(made)


def test_nothing_is_written_and_the_queries_of_a_page_do_not_grow_with_its_rows(django_assert_max_num_queries):
    crm = make_connection("hubspot", provider="hubspot")
    source = Source(crm.pk, "hubspot", "FR", NOON, "hubspot/1")
    page = [(Person(email=f"p{n}@x.example", full_name=f"Person {n}"), source) for n in range(50)]
    with django_assert_max_num_queries(1):
        told = foresee(page, {})
    assert {each.by for each in told} == {By.NEW}
    assert [model.objects.count() for model in (Contact, Identifier, CandidatePair)] == [0, 0, 0]
