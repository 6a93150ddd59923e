"""Blocking keys in the database: who is found by them, and that they say nothing."""

from itertools import product

import numpy as np
import pytest

from contacts.detection.keys import find_candidates, list_keys, order, store_keys
from contacts.detection.reading import read_some
from contacts.duplicates import blocking
from contacts.duplicates.columns import Columns
from contacts.models import BlockingKeys
from integrations.privacy.keys import generate_key, parse_key
from tests.contacts.detection.crowds import add, add_crowd
from tests.leaks import find_in, fold, read_database

pytestmark = pytest.mark.django_db


def clean(*contacts):
    return {known.id: known.clean() for known in read_some([contact.pk for contact in contacts]).contacts}


def store(*contacts):
    """Who is compared with whom, after the keys of all were stored."""
    rows = clean(*contacts)
    store_keys({key: list_keys(own) for key, own in rows.items()})
    return find_candidates(rows)


def test_finds_whom_the_comparison_of_a_file_finds():
    rows = clean(*add_crowd(400))
    store_keys({key: list_keys(own) for key, own in rows.items()})
    columns, ids = Columns.read(own[0] for own in rows.values()), list(rows)
    left, right = np.divmod(blocking.find_candidates(columns), len(columns))
    in_memory = {(ids[one], ids[other]) for one, other in zip(left, right, strict=True)}
    assert len(in_memory) > 200
    assert in_memory <= find_candidates(rows)


def test_block_that_is_too_large_is_divided_by_a_further_value():
    crowd = [add("James Smith", emails=f"js{number}@gmail.com") for number in range(20)]
    colleagues = [add("James Smith", "Hartwell Inc."), add("Jim Smith", "Hartwell")]
    found = store(*crowd, *colleagues)
    assert order(*(contact.pk for contact in colleagues)) in found
    assert not any({*pair} <= {contact.pk for contact in crowd} for pair in found)


def test_every_address_and_number_of_a_contact_leads_to_it():
    many = add("Ann Lee", emails=["ann.lee@gmail.com", "boss@hartwell.com"], phones=["+12125550101", "+12125550199"])
    by_mail, by_phone = add("Ping Pong", emails="boss@hartwell.com"), add("Zed Zip", phones="+12125550199")
    found = store(many, by_mail, by_phone)
    assert {order(many.pk, by_mail.pk), order(many.pk, by_phone.pk)} <= found


def test_only_keys_that_differ_are_written():
    contacts = [add("Ann Lee"), add("Bob Ray")]
    rows = {key: list_keys(own) for key, own in clean(*contacts).items()}
    assert store_keys(rows) == 2
    assert store_keys(rows) == 0
    assert store_keys({**rows, contacts[0].pk: [*rows[contacts[0].pk], 7]}) == 1


def test_keys_hold_no_text():
    contact = add("Zebulon Quackenbush", "Marmalade & Daughters", "zebulon@quackenbush.example", "+12125550101", "US")
    store(contact)
    assert len(BlockingKeys.objects.get().keys) > 5
    needles = {"zebulon", "quackenbush", "marmalade", "2125550101"}
    assert find_in(fold(read_database()["contacts_blockingkeys"]), needles) == set()


def test_keys_are_others_under_another_blind_index_key(settings):
    rows = clean(add("Zebulon Quackenbush", "Marmalade", "zebulon@quackenbush.example", "+12125550101"))
    [here] = [list_keys(own) for own in rows.values()]
    settings.BLIND_INDEX_KEY = parse_key(generate_key())
    [there] = [list_keys(own) for own in rows.values()]
    assert not {*here} & {*there}
    assert len(here) == len(there)


def test_of_many_addresses_only_the_newest_are_compared():
    emails, phones = [f"ann{number}@x.example" for number in range(9)], [f"+1212555010{n}" for n in range(9)]
    [rows] = clean(add("Ann Lee", emails=emails, phones=phones)).values()
    assert [(row.local, row.phone) for row in rows] == list(
        product(("ann8", "ann7", "ann6"), ("+12125550108", "+12125550107"))
    )
