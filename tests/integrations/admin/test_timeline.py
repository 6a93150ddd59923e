"""Steps in the order of their times, with what has passed between them."""

from datetime import UTC, datetime, timedelta

import pytest
from uuid_utils.compat import uuid7

from integrations.admin.formats import format_span
from integrations.admin.timeline import Origin, Step, finish, lay_out

START = datetime(2026, 11, 24, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def make_step(name: str, after_s: float, **fields: object) -> Step:
    return Step(at=START + after_s * SECOND, what="Step", title=name, name=name, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-3, "0 ms"),
        (0.0824, "82 ms"),
        (2.14, "2.1 s"),
        (59.9, "59.9 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (7380, "2 h 3 min"),
        (3600, "1 h"),
        (93_600, "1 d 2 h"),
        (86_400 * 40, "40 d"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(seconds: float, shown: str) -> None:
    assert format_span(seconds * SECOND) == shown


def test_steps_are_ordered_by_time_and_causes_stay_before_what_they_led_to() -> None:
    steps = [make_step("late", 5), make_step("cause", 1), make_step("consequence", 1)]
    lines = lay_out(steps, {})

    assert [line.step.name for line in lines] == ["cause", "consequence", "late"]
    assert [line.since_previous for line in lines] == ["", "0 ms later", "4.0 s later"]


@pytest.mark.parametrize(("is_change", "since"), [(True, "the change over there"), (False, "it came in")])
def test_a_step_counts_from_what_its_message_tells_of(is_change: bool, since: str) -> None:
    key = uuid7()
    first, second = lay_out(
        [make_step("first", 0, delivery_id=key), make_step("second", 2, delivery_id=key)],
        {key: Origin(START, is_change=is_change)},
    )

    assert first.since_origin == ""
    assert second.since_origin == f"2.0 s after {since}"


def test_what_no_message_led_to_counts_from_the_step_before_only() -> None:
    (line,) = lay_out(
        [
            make_step("alone", 0),
        ],
        {uuid7(): Origin(START, is_change=True)},
    )

    assert (line.since_previous, line.since_origin) == ("", "")
    assert lay_out([], {}) == []


def test_an_end_is_a_step_of_its_own_that_nothing_holds_up() -> None:
    begun = make_step("begun", 0, delivery_id=uuid7(), variant="danger")
    ended = finish(begun, START + SECOND, "Over", "By nora.", "")

    assert (ended.name, ended.lines, ended.delivery_id, ended.halt) == ("begun-end", ["By nora."], None, None)
    assert ended.tone == begun.tone == "bad"
