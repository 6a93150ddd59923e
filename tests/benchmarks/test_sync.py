"""What the benchmark makes of its figures, and that its bookings are what they are meant to be."""

import json

import pytest

from integrations.payloads import PayloadReader
from integrations.providers.calendar_live.provider import CalendarLive
from tests.benchmarks.sync import Synced, find_percentiles, find_recovery, list_windows, make_request, spell


def test_lags_are_windowed_by_when_they_ended():
    synced = [Synced(90, 99), Synced(99, 100), Synced(98, 104.9), Synced(103, 105)]
    assert list_windows(synced, 100) == [(5, [1, pytest.approx(6.9)]), (10, [2])]


def test_recovery_is_the_end_of_the_last_window_above_the_goal():
    slow, quick = Synced(100, 108), Synced(120, 120.5)
    assert find_recovery([slow, quick], 100) == 10
    assert find_recovery([quick], 100) == 0


def test_percentiles_are_given_for_any_number_of_lags():
    assert find_percentiles([3.0]) == [3.0, 3.0, 3.0, 3.0]
    assert find_percentiles([float(each) for each in range(101)]) == [50, 95, 99, 100]


def test_every_booking_has_a_person_of_its_own():
    assert len({spell(number) for number in range(20_000)}) == 20_000


def test_a_booking_is_one_that_calendar_live_would_send():
    head, _, body = make_request("steady", 7).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert PayloadReader(json.loads(body), "").text("id") == "steady-7"
    [event] = CalendarLive().parse(body).events
    assert event.booking.attendees[0].phone == "+33610000007"
