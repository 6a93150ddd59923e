"""Ids that tell their time."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from integrations.ids import EPOCH, first_id_at

INSTANTS = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=2_900_000)).map(lambda age: EPOCH + age)


@given(INSTANTS)
def test_it_is_a_uuid_of_version_7_of_the_instants_millisecond(instant: datetime) -> None:
    first = first_id_at(instant)

    assert (first.version, first.variant) == (7, UUID(int=0x8 << 60).variant)
    assert timedelta(0) <= instant - (EPOCH + timedelta(milliseconds=first.int >> 80)) < timedelta(milliseconds=1)


@given(INSTANTS, st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=400)))
def test_later_instants_have_greater_ids(instant: datetime, later: timedelta) -> None:
    assert first_id_at(instant) < first_id_at(instant + later)


def test_ids_made_now_lie_between_those_of_now_and_of_the_next_millisecond() -> None:
    before = datetime.now(UTC)
    made = uuid7()
    after = datetime.now(UTC)

    assert first_id_at(before) <= made < first_id_at(after + timedelta(milliseconds=1))


def test_the_zone_of_an_instant_does_not_count() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)

    assert first_id_at(noon.astimezone()) == first_id_at(noon)


def test_there_is_none_before_1970() -> None:
    with pytest.raises(OverflowError):
        first_id_at(EPOCH - timedelta(seconds=1))
