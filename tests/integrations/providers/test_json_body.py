"""Strict JSON of raw bodies."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.exceptions import MalformedError
from integrations.providers.json_body import MAX_DEPTH, parse_json

law = settings(derandomize=True, deadline=None)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@law
@given(values)
def test_json_is_read_as_it_was_written(value):
    assert parse_json(json.dumps(value).encode()) == value


@law
@given(st.binary())
def test_bytes_are_read_or_refused(body):
    with suppress(MalformedError):
        parse_json(body)


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b"{}x", b"{'a': 1}", b"[1,]", b"\xff", b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b"NaN",
     b"[Infinity]", b"-Infinity", b'{"a": NaN}', b'"\n"', b"01", b"+1", b'"\\ud8"'],
)  # fmt: skip
def test_what_is_no_json_is_malformed(body):
    with pytest.raises(MalformedError):
        parse_json(body)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_body_may_be_a_hundred_levels_deep(opening, closing):
    assert parse_json(opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH)
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(MalformedError, match="nested"):
            parse_json(opening * depth + b"1" + closing * depth)


def test_brackets_inside_texts_and_beside_each_other_are_no_depth():
    assert parse_json(json.dumps(["[" * 500] + [[]] * 500).encode())


def test_numbers_of_any_length_are_read():
    assert parse_json(b"1" * 1000) == int("1" * 1000)
    assert parse_json(b"1" * 5000) == float("inf")
    assert parse_json(b"1e999") == float("inf")


def test_last_of_two_equal_keys_counts_and_lone_surrogates_are_read():
    assert parse_json(b'{"a": 1, "a": "\\ud800\\u0000"}') == {"a": "\ud800\0"}
