"""Reading a JSON object that may hold anything."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.exceptions import PayloadError
from integrations.payloads import PayloadReader, clean_text, clean_value, cut, parse_instant

law = settings(derandomize=True, deadline=None)
any_text = st.text(st.characters(categories=["L", "N", "Cs", "Cc", "Zs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner) | st.dictionaries(any_text, inner),
    max_leaves=10,
)
READS = [
    "required",
    "text",
    "optional_text",
    "identifier",
    "optional_identifier",
    "integer",
    "instant",
    "optional_instant",
    "object",
    "optional_object",
    "items",
]


def read(value, path="data"):
    return PayloadReader({"x": value}, path)


@pytest.mark.parametrize("value", [None, [], "x", 7, True])
def test_what_is_no_object_is_refused_and_named(value):
    with pytest.raises(PayloadError, match=r"^data is not an object"):
        PayloadReader(value, "data")


@pytest.mark.parametrize("name", [name for name in READS if not name.startswith("optional")])
@pytest.mark.parametrize(("value", "problem"), [({}, "is missing"), ({"x": None}, "is null")])
def test_missing_and_null_are_told_apart(name, value, problem):
    with pytest.raises(PayloadError, match=rf"^data\.x {problem}") as caught:
        getattr(PayloadReader(value, "data"), name)("x")
    assert caught.value.field == "data.x"


def test_path_begins_without_a_dot():
    with pytest.raises(PayloadError, match=r"^x is missing"):
        PayloadReader({}, "").text("x")


@law
@given(json_values, st.sampled_from(READS))
def test_any_value_is_read_or_refused_by_name_without_being_quoted(value, name):
    assert find_problem(value, name) in {
        "",
        "data.x is null.",
        "data.x is not a text.",
        "data.x is not a list.",
        "data.x is not an object.",
        "data.x is not an ISO 8601 date-time.",
        "data.x has no offset from UTC.",
        "data.x is not an identifier of 1 to 255 characters.",
        f"data.x is not a whole number from {-(2**63) + 1} to {2**63 - 1}.",
    }


def find_problem(value, name):
    try:
        getattr(read(value), name)("x")
    except PayloadError as error:
        return str(error)
    return ""


def test_text_is_cleaned_and_cut_with_notes():
    reader = read("Zo\0ë \ud800" + "x" * 20)
    assert reader.text("x", max_length=10) == "Zoë \ufffdxxxx…"
    assert reader.notes == [
        "data.x: characters that cannot be stored were taken out.",
        "data.x: cut from 25 to 10 characters.",
    ]


def test_text_that_fits_is_left_alone():
    reader = read("x" * 10)
    assert reader.text("x", max_length=10) == "x" * 10
    assert reader.notes == []


def test_identifier_is_trimmed_and_never_cut():
    assert read(" id ").identifier("x") == "id"
    assert read("x" * 255).identifier("x") == "x" * 255
    for value in ("x" * 256, "", " ", "\0"):
        with pytest.raises(PayloadError):
            read(value).identifier("x")


@pytest.mark.parametrize("value", [None, ""])
def test_optional_identifier_may_be_empty(value):
    assert read(value).optional_identifier("x") == ""


@pytest.mark.parametrize(("value", "number"), [(0, 0), (2.0, 2), (-5, -5), (2**63 - 1, 2**63 - 1)])
def test_whole_numbers_are_read(value, number):
    read_number = read(value).integer("x")
    assert (read_number, type(read_number)) == (number, int)


@pytest.mark.parametrize("value", [True, 1.5, "1", 2**63, 10**400, float("inf"), 1e300, [], {}])
def test_other_numbers_are_refused(value):
    with pytest.raises(PayloadError, match="whole number"):
        read(value).integer("x")


def test_number_below_its_minimum_is_refused():
    assert read(1).integer("x", minimum=1) == 1
    with pytest.raises(PayloadError, match="from 1 to"):
        read(0).integer("x", minimum=1)


def test_choice_names_what_may_be_chosen_and_not_what_was():
    with pytest.raises(PayloadError, match=r"^data\.x is none of a, b\.$"):
        read("zoe@example.com").choice("x", frozenset({"b", "a"}))


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-24T13:00:00Z", datetime(2026, 11, 24, 13, tzinfo=UTC)),
        ("2026-11-24t13:00:00z", datetime(2026, 11, 24, 13, tzinfo=UTC)),
        ("2026-11-24T14:00:00+01:00", datetime(2026, 11, 24, 13, tzinfo=UTC)),
        ("2026-11-24T13:00:00.123456789Z", datetime(2026, 11, 24, 13, 0, 0, 123456, tzinfo=UTC)),
        ("2026-11-24 13:00:00-00:00", datetime(2026, 11, 24, 13, tzinfo=UTC)),
    ],
)
def test_instants_are_utc(text, instant):
    assert parse_instant(text, "x") == instant
    assert parse_instant(text, "x").tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    ["", "soon", "2026-11-24", "2026-11-24T13:00:00", "2026-02-30T13:00:00Z", "2026-11-24T13:00:60Z", 7, None, [],
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "12026-11-24T13:00:00Z", "2026-11-24T13:00:00+25:00"],
)  # fmt: skip
def test_what_is_no_instant_is_refused(value):
    with pytest.raises(PayloadError):
        parse_instant(value, "x")


def test_items_have_their_paths():
    assert list(read([7, None]).items("x")) == [("data.x[0]", 7), ("data.x[1]", None)]


@pytest.mark.parametrize("value", [None, []])
def test_optional_list_may_be_null_or_empty(value):
    assert list(read(value).items("x", is_required=False)) == []


@pytest.mark.parametrize("value", ["", 0, False, {}, "x"])
def test_what_is_no_list_is_refused_even_where_none_is_needed(value):
    with pytest.raises(PayloadError, match="not a list"):
        read(value).items("x", is_required=False)


def test_notes_of_nested_objects_are_collected_in_one_list():
    reader = PayloadReader({"a": {"b": {"c": "x\0"}}}, "")
    reader.object("a").object("b").text("c")
    assert reader.notes == ["a.b.c: characters that cannot be stored were taken out."]


@law
@given(any_text)
def test_clean_text_can_be_stored(text):
    cleaned = clean_text(text)
    assert "\0" not in cleaned
    assert cleaned.encode().decode() == cleaned
    assert clean_text(cleaned) == cleaned


@law
@given(json_values)
def test_clean_value_can_be_stored_and_is_idempotent(value):
    cleaned = clean_value(value)
    assert "\0" not in repr(cleaned)
    assert "inf" not in repr([each for each in [cleaned] if isinstance(each, float)])
    repr(cleaned).encode()
    assert clean_value(cleaned) == cleaned


@law
@given(st.text(), st.integers(1, 20))
def test_cut_text_is_never_longer_and_says_that_it_was_cut(text, length):
    short = cut(text, length)
    assert len(short) <= length
    assert short == text or short.endswith("…")
