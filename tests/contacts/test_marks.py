"""Recognising a person in texts that others wrote."""

from typing import Any

import pytest

from contacts.marks import Marks

ZOE = Marks(
    emails=frozenset({"zoe.okafor@example.com"}),
    phones=frozenset({"+33612345678"}),
    names=frozenset({"Zoë Okafor"}),
)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Call with Zoë Okafor", "Call with [erased]"),
        ("ZOE OKAFOR / Lea Martin", "[erased] / Lea Martin"),
        ("Okafor Zoë, about prices", "[erased], about prices"),
        ("Zoë  Okafor's call", "[erased]'s call"),
        ("Write to <Zoe.Okafor@Example.com>.", "Write to <[erased]>."),
        ("Phone: 06 12 34 56 78 after noon", "Phone: [erased] after noon"),
        ("+33 (0)6-12-34-56-78", "[erased]"),
        ("0033612345678", "[erased]"),
        ("mzoe.okafor@example.com", "mzoe.okafor@example.com"),
        ("zoe.okafor@example.com.br", "zoe.okafor@example.com.br"),
        ("Zoë Okaforsson", "Zoë Okaforsson"),
        ("Call with Zoë", "Call with Zoë"),
        ("order 990 612 345 678 111", "order 990 612 345 678 111"),
        ("12345678", "12345678"),
        ("", ""),
    ],
)
def test_what_names_the_person_is_masked_and_nothing_else(text: str, masked: str) -> None:
    assert ZOE.mask(text) == masked


@pytest.mark.parametrize("value", [{"a": [{"b": "x zoe.okafor@example.com"}]}, ["0612345678"], {"n": 33612345678}])
def test_the_person_is_found_at_any_depth_of_a_structure(value: Any) -> None:
    assert ZOE.are_in(value)


@pytest.mark.parametrize("value", [{"Zoë Okafor": "a key"}, [], None, True, 12.5, "Okafor"])
def test_what_does_not_name_the_person_is_left(value: Any) -> None:
    assert not ZOE.are_in(value)
    assert ZOE.mask_all(value) == value


def test_answers_are_masked_with_their_structure() -> None:
    answers = [{"key": "who", "value": ["Zoë Okafor", 3]}]
    assert ZOE.mask_all(answers) == [{"key": "who", "value": ["[erased]", 3]}]


def test_a_name_alone_identifies_nobody() -> None:
    assert not ZOE.identifying.are_in("Zoë Okafor")
    assert ZOE.identifying.are_in("zoe.okafor@example.com")


def test_nobody_is_found_without_marks() -> None:
    assert not Marks().are_in("Zoë Okafor, zoe.okafor@example.com, +33612345678")


def test_a_phone_that_is_none_marks_nothing() -> None:
    assert Marks(phones=frozenset({"extension 4"})).mask("0612345678") == "0612345678"


@pytest.mark.parametrize(
    ("body", "is_worth_it"),
    [
        (b'{"email": " ZOE.Okafor@example.com"}', True),
        (b'{"email": "zoe.okafor\\u0040example.com"}', True),
        (b'{"phone": "06 12-34 56 78"}', True),
        (b'{"id": "ATT_1"}', True),
        (b'{"name": "Zo\\u00eb Okafor"}', False),
        (b"\xff\xfe", False),
    ],
)
def test_a_quick_look_at_a_payload_leaves_out_none_that_identifies_the_person(body: bytes, is_worth_it: bool) -> None:
    assert ZOE.identifying.may_be_in(body, {"attendee:att_1"}) is is_worth_it
    assert ZOE.may_be_in(body, set())


def test_an_address_beyond_ascii_is_looked_for_closely() -> None:
    assert Marks(emails=frozenset({"zoë@example.com"})).may_be_in(b"{}", set())
