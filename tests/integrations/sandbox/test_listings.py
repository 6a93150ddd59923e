from datetime import timedelta

import pytest

from integrations.sandbox.calendar_live.changes import create_event
from integrations.sandbox.calendar_live.events import change_event
from integrations.sandbox.calendar_live.exceptions import InvalidInputError, WindowExpiredError
from integrations.sandbox.calendar_live.listings import list_deliveries, list_events, parse_page_size
from integrations.sandbox.calendar_live.outbox import enqueue
from integrations.sandbox.calendar_live.records import Event
from integrations.sandbox.calendar_live.world import World
from tests.integrations.sandbox.support import START, Clock


def create(world: World, hour: int, calendar_id: str = "cal_emea_sales") -> Event:
    start = START + timedelta(hours=hour)
    values = {"calendar_id": calendar_id, "title": "T", "start": start, "end": start + timedelta(hours=1)}
    with world.change() as moment:
        return create_event(moment, values)


def test_pages_go_from_the_oldest_change_to_the_newest(world: World, clock: Clock) -> None:
    events = [create(world, hour) for hour in range(5)]
    clock.advance(minutes=1)
    with world.change() as moment:
        change_event(moment, events[0], title="changed")
    seen, token = [], None
    while True:
        page, token = list_events(world.read(), page_token=token, page_size=2)
        seen += [event.id for event in page]
        if token is None:
            break

    assert sorted(seen) == sorted(event.id for event in events)
    assert seen[-1] == events[0].id


def test_updated_since_is_inclusive_to_the_second(world: World, clock: Clock) -> None:
    create(world, 0)
    clock.advance(seconds=1)
    second = create(world, 1)
    page, _ = list_events(world.read(), updated_since=clock.now)
    assert [event.id for event in page] == [second.id]


def test_events_are_chosen_by_calendar_and_start(world: World) -> None:
    early, late, other = create(world, 0), create(world, 5), create(world, 0, "cal_us_sales")
    assert list_events(world.read(), calendar_id="cal_us_sales")[0] == [other]
    found = list_events(world.read(), starts_before=late.start)[0]
    assert {event.id for event in found} == {early.id, other.id}


def test_changes_of_more_than_90_days_ago_are_not_listed(world: World, clock: Clock) -> None:
    list_events(world.read(), updated_since=clock.now - timedelta(days=90))
    with pytest.raises(WindowExpiredError):
        list_events(world.read(), updated_since=clock.now - timedelta(days=90, seconds=1))


def test_deliveries_go_from_the_newest_to_the_oldest(world: World, clock: Clock) -> None:
    for _ in range(101):
        clock.advance(seconds=1)
        with world.change() as moment:
            enqueue(moment, "ping", {})
    first, token = list_deliveries(world.read())
    rest, end = list_deliveries(world.read(), page_token=token)

    assert [item.id for item in (*first, *rest)] == list(reversed(world.read().state.deliveries))
    assert (len(first), len(rest), end) == (100, 1, None)
    assert len(list_deliveries(world.read(), since=clock.now - timedelta(seconds=1))[0]) == 2
    assert list_deliveries(world.read(), status="failed")[0] == []


@pytest.mark.parametrize("token", ["", "x", "W10", "WzEsMl0", "é", "bnVsbA"])
def test_a_made_up_token_is_refused(world: World, token: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        list_events(world.read(), page_token=token)
    assert refused.value.field == "page_token"


@pytest.mark.parametrize("size", ["0", "251", "many", ""])
def test_a_page_has_1_to_250_items(size: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_page_size(size)
