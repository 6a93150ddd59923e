"""The census: what it gives of any contact is what counting all of them gives."""

from dataclasses import fields

import pytest

from contacts.detection.census import LEAST, open_census, store_census
from contacts.detection.reading import read_some
from contacts.duplicates.columns import Columns
from contacts.duplicates.frequencies import Frequencies
from contacts.duplicates.records import Record, clean
from contacts.duplicates.scoring import Prior
from contacts.models import Census, CensusCount
from tests.contacts.detection.crowds import add_crowd
from tests.leaks import find_in, fold, read_database

pytestmark = pytest.mark.django_db


@pytest.fixture
def crowd():
    contacts = read_some([contact.pk for contact in add_crowd(400)]).contacts
    return [row for known in contacts for row in known.clean()]


def test_gives_what_counting_all_gives(crowd):
    columns = Columns.read(crowd)
    store_census(columns, 400, Prior(0.25, 0.125))
    census = open_census()
    some = range(100, 200)
    census.load([crowd[row] for row in some])
    found, counted = census.population.look_up([crowd[row] for row in some]), Frequencies.count(columns, LEAST)
    assert census.prior == Prior(0.25, 0.125)
    assert (found.total, found.free_mail) == (counted.total, counted.free_mail)
    for name in [field.name for field in fields(Frequencies) if field.name not in ("total", "free_mail")]:
        # What is unknown has no frequency.
        known = [row for row in some if getattr(crowd[row], name, "x")]
        here, there = getattr(found, name), getattr(counted, name)
        assert [here[row - some.start] for row in known] == pytest.approx(there[known]), name


def test_two_queries_whatever_the_number(crowd, django_assert_num_queries):
    store_census(Columns.read(crowd), 400, Prior(0.25, 0.125))
    census = open_census()
    with django_assert_num_queries(2):
        census.load(crowd)


def test_takes_the_place_of_the_last_one(crowd):
    for _ in range(2):
        store_census(Columns.read(crowd), 400, Prior(0.25, 0.125))
    census = Census.objects.get()
    assert CensusCount.objects.exclude(census=census).count() == 0
    assert CensusCount.objects.count() > 200


def test_holds_nothing_in_clear(crowd):
    store_census(Columns.read(crowd), 400, Prior(0.25, 0.125))
    words = {row.given for row in crowd if len(row.given) > 3} | {row.local for row in crowd if len(row.local) > 5}
    stored = read_database()
    assert find_in(fold(stored["contacts_censuscount"] + stored["contacts_census"]), words) == set()


def test_who_shares_a_phone_by_now_counts():
    store_census(Columns.read([]), 0, Prior(0.25, 0.125))
    census = open_census()
    people = ("James Ashbeck", "Mary Ashbeck", "Tom Ashbeck")
    rows = [clean(Record(name, name, phone="+12125550101")) for name in people]
    census.load(rows)
    census.observe(Columns.read(rows))
    assert census.population.look_up(rows).phone_sharers.tolist() == [3, 3, 3]
