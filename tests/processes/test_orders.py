"""Duplicates, disorder and simultaneity at a real server: all ends as if it had come in order, once."""

import copy
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, permutations
from typing import Any

import pytest

from tests.processes.installation import SLUG, Installation
from tests.processes.samples import (
    Payload,
    make_booking,
    next_tag,
    read_event_id,
    read_samples,
    read_tag,
    retell,
    untell,
)

pytestmark = pytest.mark.slow

THREADS = 8
SEED = 20261124
PEOPLE = 25
CALL, WEBINAR = "ev_9f27c1", "ev_web_77"

type Story = dict[str, list[Payload]]


def versions_of(event_id: str, samples: Sequence[Payload]) -> list[Payload]:
    return [sample for sample in samples if read_event_id(sample) == event_id]


def disorder(samples: Sequence[Payload]) -> list[list[Payload]]:
    """Every order of the call's four versions, with every order of the webinar's three among them, and all shuffled."""
    shuffler = random.Random(SEED)
    orders = []
    pairs = zip(
        permutations(versions_of(CALL, samples)), cycle(permutations(versions_of(WEBINAR, samples))), strict=False
    )
    for calls, webinars in pairs:
        turns = {CALL: iter(calls), WEBINAR: iter(webinars)}
        places = shuffler.sample(samples, len(samples))
        orders.append([next(turns.get(read_event_id(place), iter([place]))) for place in places])
    return orders


def twice(order: Sequence[Payload], *, is_at_once: bool) -> list[Payload]:
    """Each message is followed by its repeat, or all repeats come after all messages, the other way round."""
    return [message for message in order for _ in range(2)] if is_at_once else [*order, *reversed(order)]


def read_stories(installation: Installation, tags: Iterable[str]) -> dict[str, Story]:
    """Tag → contacts and meetings, comparable between tags. A meeting names its attendees' contacts by e-mail."""
    stories: dict[str, Story] = {tag: defaultdict(list) for tag in tags}
    contacts = installation.list_all("contacts")
    emails = {contact["id"]: contact["emails"] for contact in contacts}
    for name, rows in (("contacts", contacts), ("meetings", installation.list_all("meetings"))):
        for row in rows:
            for attendee in row.get("attendees", []):
                attendee["contact"] = emails[attendee["contact"]]
            if (tag := read_tag(row)) in stories:
                stories[tag][name].append(untell(row))
    return {tag: {name: sorted(rows, key=json.dumps) for name, rows in story.items()} for tag, story in stories.items()}


def post_all(installation: Installation, messages: Sequence[Payload]) -> Counter[tuple[str, int, str]]:
    """How often each delivery id got each answer, from 8 threads at once."""

    def post(message: Payload) -> tuple[str, int, str]:
        answer = installation.post(message)
        return message["id"], answer.status, answer.json().get("status", "")

    with ThreadPoolExecutor(THREADS) as threads:
        return Counter(threads.map(post, messages))


def test_every_order_twice_at_once_ends_as_in_order_once(installation: Installation) -> None:
    samples = read_samples()
    in_order = next_tag()
    for sample in samples:
        told = retell(sample, in_order)
        assert installation.post(told).json() == {"status": "accepted"}
        installation.wait_until_settled(told["id"])

    orders = {next_tag(): order for order in disorder(samples)}
    messages: list[Payload] = []
    for number, (tag, order) in enumerate(orders.items()):
        messages += [retell(sample, tag) for sample in twice(order, is_at_once=number % 2 == 0)]
    answers = post_all(installation, messages)
    ids = {message["id"] for message in messages}
    installation.wait_until_settled(*ids)

    assert answers == Counter({(key, 200, answer): 1 for key in ids for answer in ("accepted", "duplicate")})
    assert_each_worked_on_once(installation, ids)
    stories = read_stories(installation, [in_order, *orders])
    expected = stories.pop(in_order)
    assert_told_right(expected)
    assert len(stories) == 24
    for story in stories.values():
        assert story == expected


@pytest.mark.parametrize("is_known_attendee", [True, False])
def test_new_person_of_four_bookings_is_one_contact(installation: Installation, is_known_attendee: bool) -> None:
    """Under one attendee id, or under four and known by e-mail and phone only."""
    bookings = [make_booking() for _ in range(PEOPLE)]
    messages = [rebook(booking, number, is_known_attendee) for booking in bookings for number in range(4)]
    post_all(installation, messages)
    installation.wait_until_settled(*(message["id"] for message in messages))
    expected = {booking["id"].removeprefix("dlv_0001-") for booking in bookings}
    contacts = [row for row in installation.list_all("contacts") if read_tag(row) in expected]
    assert sorted(map(read_tag, contacts)) == sorted(expected)
    assert {(len(contact["emails"]), len(contact["phones"])) for contact in contacts} == {(1, 1)}
    meetings = [row for row in installation.list_all("meetings") if read_tag(row) in expected]
    held = Counter(attendee["contact"] for meeting in meetings for attendee in meeting["attendees"])
    assert held == {contact["id"]: 4 for contact in contacts}


def rebook(booking: Payload, number: int, is_known_attendee: bool) -> Payload:
    """The same person's booking of another event."""
    other = copy.deepcopy(booking)
    event = other["data"]["event"]
    other["id"] += f"-{number}"
    event["id"] += f"-{number}"
    event["uid"] = f"{number}-{event['uid']}"
    if not is_known_attendee:
        event["attendees"][0]["id"] += f"-{number}"
    return other


def assert_each_worked_on_once(installation: Installation, ids: set[str]) -> None:
    deliveries = [row for row in installation.list_all("deliveries", connection=SLUG) if row["delivery_id"] in ids]
    assert len(deliveries) == len(ids)
    assert {row["duplicates"] for row in deliveries} == {1}
    assert {row["cause"] for row in deliveries} == {None}
    assert {row["status"] for row in deliveries} == {"processed", "stale", "ignored"}


def assert_told_right(story: dict[str, Any]) -> None:
    """What the samples say, read by a person: so that all tellings aren't equally wrong."""
    assert len(story["contacts"]) == 5
    meetings = {meeting["external_id"]: meeting for meeting in story["meetings"]}
    assert meetings.keys() == {CALL, WEBINAR, "ev_grp_5", "ev_series_3"}
    assert (meetings[CALL]["version"], meetings[CALL]["status"]) == (4, "cancelled")
    assert meetings[CALL]["start"] == "2026-11-25T09:00:00Z"
    assert [attendee["response"] for attendee in meetings[CALL]["attendees"]] == ["declined"]
    assert (meetings[WEBINAR]["version"], meetings[WEBINAR]["status"]) == (3, "confirmed")
    assert meetings[WEBINAR]["payment"]["status"] == "paid"
    assert len(meetings["ev_grp_5"]["attendees"]) == 4
