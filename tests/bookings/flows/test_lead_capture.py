"""Flow A: a booking makes a lead with its source, score and owner, and a high score is told to Slack once."""

from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User

from bookings.flows.lead_capture import HIGH_SCORE
from contacts.models import Contact, PoolMember, ScoreRule
from integrations.models import Connection, Effect
from tests.bookings.flows.fakes import World
from tests.bookings.flows.playing import (
    connect,
    let_time_pass,
    list_effects,
    pair_with_hubspot,
    run_effects,
    tell,
    the_meeting,
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
# 30 for the size of the team, 40 for the time, and 10 for the address: see the rules that are shipped.
ANSWERS = [
    {"key": "team_size", "question": "How big is your team?", "value": "51-200"},
    {"key": "timeline", "question": "When do you want to start?", "value": "this month"},
]
NO_ZOOM: dict[str, Any] = {"event_type": None}


@pytest.fixture(autouse=True)
def calendar(calendar_live: Connection) -> Connection:
    return calendar_live


def book(**event: Any) -> None:
    tell(**{"answers": ANSWERS, **NO_ZOOM, **event})


def score_exactly(points: int) -> None:
    """Only a team of this size scores, and so many points."""
    ScoreRule.objects.all().delete()
    ScoreRule.objects.create(answer_key="team_size", values=["51-200"], points=points)


# --- The lead ---------------------------------------------------------------------------------------------------------


def test_the_contact_goes_to_the_crm_with_source_score_and_owner(calendar: Connection, world: World) -> None:
    crm = pair_with_hubspot(calendar)
    user = User.objects.create(username="lea", email="lea@acme.example")
    PoolMember.objects.create(user=user)
    crm.owner_mappings.create(user=user, external_id="77")
    book()
    run_effects()
    (sent,) = world.hubspot.contacts.values()
    assert sent["keepsync_lead_source"] == "calendar.live"
    assert sent["keepsync_lead_score"] == "80"
    assert sent["hubspot_owner_id"] == "77"
    (meeting,) = world.hubspot.meetings.values()
    assert meeting["hubspot_owner_id"] == "77"


@pytest.mark.parametrize("order", [(30, 80), (80, 30)])
def test_a_contacts_score_is_the_best_of_its_bookings_in_whatever_order_they_come(order: tuple[int, int]) -> None:
    for number, points in enumerate(order):
        answers = ANSWERS if points == 80 else [{**ANSWERS[0], "value": "11-50"}, {**ANSWERS[1], "value": "later"}]
        book(answers=answers, id=f"ev_{number}", uid=f"uid_{number}")
    assert Contact.objects.get().lead_score == 80


def test_a_new_lead_has_the_source_calendar_live_and_an_owner_of_the_pool_stays() -> None:
    first, second = (PoolMember.objects.create(user=User.objects.create(username=name)) for name in "ab")
    book()
    contact = Contact.objects.get()
    assert (contact.lead_source, contact.lead_score, contact.owner) == ("calendar.live", 80, first.user)
    book(id="ev_2", uid="uid_2")
    contact.refresh_from_db()
    assert contact.owner == first.user
    second.refresh_from_db()
    assert second.last_assigned_at is None


# --- Slack ------------------------------------------------------------------------------------------------------------


def test_a_high_score_is_told_to_slack_with_contact_company_title_start_and_link(world: World, settings: Any) -> None:
    settings.BASE_URL = "https://keepsync.example"
    connect("slack")
    book(title="R&D <call>", attendee={"company": "Okafor & Fils <SARL>"})
    run_effects()
    assert world.slack.texts == [
        "*High-scoring lead (80):* Zoë Okafor (Okafor &amp; Fils &lt;SARL&gt;) booked “R&amp;D &lt;call&gt;” for "
        f"2026-11-24 13:00 UTC. <https://keepsync.example/admin/bookings/meeting/{the_meeting().pk}/change/"
        "|Open it in Keepsync>"
    ]


@pytest.mark.parametrize(("points", "messages"), [(HIGH_SCORE - 1, 0), (HIGH_SCORE, 1)])
def test_it_is_told_from_60_points_on(world: World, points: int, messages: int) -> None:
    connect("slack")
    score_exactly(points)
    book()
    run_effects()
    assert len(world.slack.texts) == messages


def test_it_is_told_once_whatever_comes_after(world: World) -> None:
    connect("slack")
    book()
    run_effects()
    book(version=1)
    book(version=2, title="Another title")
    book(version=1, title="An old one")
    run_effects()
    assert len(world.slack.texts) == 1
    effect = Effect.objects.get(kind="slack.message")
    assert (effect.status, effect.external_id, effect.repeats) == ("succeeded", "1795359060.000101", 2)


def test_several_attendees_are_one_message_that_names_the_best(world: World) -> None:
    connect("slack")
    ScoreRule.objects.filter(kind="company_address").update(points=60)
    others = [
        {"id": "att_1", "email": "ann@gmail.com", "full_name": "Ann Free"},
        {"id": "att_2", "email": "bob@acme.example", "full_name": "Bob Acme"},
    ]
    book(answers=[], attendees=others)
    run_effects()
    (text,) = world.slack.texts
    assert text.startswith("*High-scoring lead (60):* Bob Acme and 1 more booked ")


def test_each_booking_of_a_person_is_told(world: World) -> None:
    connect("slack")
    book()
    book(id="ev_2", uid="uid_2")
    run_effects()
    assert len(world.slack.texts) == 2


def test_an_occurrence_that_is_changed_by_itself_is_no_new_booking(world: World) -> None:
    connect("slack")
    weekly = {"rrule": "FREQ=WEEKLY;COUNT=4", "exdates": []}
    book(recurrence=weekly)
    moved = {"start": "2026-12-01T15:00:00Z", "end": "2026-12-01T15:30:00Z"}
    book(id="ev_9f27c1_2", recurring_event_id="ev_9f27c1", original_start="2026-12-01T13:00:00Z", **moved)
    run_effects()
    assert len(world.slack.texts) == 1


def test_a_cancelled_booking_tells_nothing(world: World) -> None:
    connect("slack")
    book(status="cancelled")
    run_effects()
    assert world.slack.texts == []


def test_without_a_slack_connection_nothing_is_planned(world: World) -> None:
    book()
    run_effects()
    assert not Effect.objects.exists()
    slack = connect("slack")
    Connection.objects.filter(pk=slack.pk).update(status="disabled")
    book(version=2)
    assert not Effect.objects.exists()


def test_a_message_whose_answer_is_lost_waits_for_a_person_and_is_not_posted_again(world: World) -> None:
    connect("slack")
    world.slack.fail("POST /api/chat.postMessage", 0, requests.ConnectionError("broken off"))
    book()
    run_effects()
    let_time_pass(days=3)
    run_effects()
    assert world.slack.count("POST .*") == 1
    effect = Effect.objects.get()
    assert (effect.status, effect.cause) == ("waiting", "unknown_outcome")


def test_a_slack_that_refuses_holds_back_neither_crm_nor_zoom(calendar: Connection, world: World) -> None:
    pair_with_hubspot(calendar)
    connect("slack")
    connect("zoom")
    world.slack.fail("POST .*", 200, {"ok": False, "error": "channel_not_found"})
    tell()
    run_effects()
    assert list_effects("slack.message") == ["dead"]
    assert (len(world.hubspot.contacts), len(world.hubspot.meetings), world.zoom.made) == (1, 1, 1)


def test_the_start_is_told_in_utc(world: World) -> None:
    connect("slack")
    book(start="2026-11-24T23:30:00+02:00", end="2026-11-25T00:30:00+02:00")
    run_effects()
    assert the_meeting().start == datetime(2026, 11, 24, 21, 30, tzinfo=UTC)
    assert "for 2026-11-24 21:30 UTC." in world.slack.texts[0]
