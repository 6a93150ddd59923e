"""Meetings that a sales rep makes, moves, renames, cancels or deletes in a CRM: calendar.live has the last word."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bookings.booking_requests import forget_answers
from bookings.flows.notices import GRACE_S
from bookings.models import BookingRequest, Calendar, Conflict, Meeting, MeetingLink, Reservation
from bookings.record_hints import TAKE_IN
from bookings.sync import UPSERT
from contacts.models import Contact, ContactLink
from integrations.models import Connection, Effect, Pair
from integrations.pairs import make_pair
from tests.bookings.calendar_world import (
    CREATE,
    DELETE,
    EMEA,
    PATCH,
    TOKEN,
    CalendarLive,
    Hook,
    calendar_world,
    change_there,
    iso,
    workday,
)
from tests.bookings.flows.conftest import _wait_for_nothing  # noqa: F401
from tests.bookings.flows.playing import connect, let_time_pass, run_effects
from tests.bookings.reps import NOW, Rep
from tests.factories import make_connection
from tests.integrations.admin.support import press

pytestmark = pytest.mark.django_db
TEN = workday(0, 10)
HALF = timedelta(minutes=30)
LEA, SAM = "lea.martin@acme.example", "sam.reed@acme.example"


@pytest.fixture
def calendar() -> Connection:
    return make_connection(options={"default_region": "FR", "access_token": TOKEN})


@pytest.fixture
def live(calendar: Connection) -> Iterator[CalendarLive]:
    with calendar_world() as world:
        yield world


@pytest.fixture
def crm(calendar: Connection) -> Connection:
    crm = connect("hubspot")
    make_pair(calendar, crm, "two_way")
    return crm


@pytest.fixture
def rep(live: CalendarLive, crm: Connection, monkeypatch: pytest.MonkeyPatch) -> Rep:
    made = Rep(live, crm, {"77": LEA})
    made.stub(monkeypatch)
    return made


def periods() -> list[tuple[str, str]]:
    return [(iso(row.start), iso(row.end)) for row in Reservation.objects.order_by("start")]


def slot(start: datetime, minutes: int = 30) -> tuple[str, str]:
    return iso(start), iso(start + timedelta(minutes=minutes))


def the_event(live: CalendarLive) -> dict[str, Any]:
    (event,) = live.events
    return event


def list_reasons() -> list[str]:
    """Why nothing was done, as operators read it."""
    return list(Effect.objects.filter(kind=TAKE_IN).order_by("id").values_list("close_reason", flat=True))


def book(rep: Rep, start: datetime = TEN, **values: Any) -> str:
    """A record that is booked, and has been brought up to date."""
    key = rep.make(start, **values)
    rep.settle()
    assert MeetingLink.objects.filter(external_id=key).exists(), list_reasons()
    return key


# --- What is sent -----------------------------------------------------------------------------------------------------


def test_what_is_written_back_leaves_alone_what_the_rep_has_written(rep: Rep, live: CalendarLive) -> None:
    key = rep.make(TEN)
    run_effects("calendar-live", "hubspot", "calendar-live")
    # Nobody has told of it yet.
    rep.read(key)["hs_meeting_title"] = "Renewal, better named"
    rep.settle()
    assert (rep.read(key)["hs_meeting_title"], the_event(live)["title"]) == ("Renewal, better named",) * 2


# --- A new record -----------------------------------------------------------------------------------------------------


def test_what_a_rep_makes_is_booked_and_written_back_into_the_same_record(rep: Rep, live: CalendarLive) -> None:
    key = book(rep)
    event, meeting = the_event(live), Meeting.objects.get()
    assert (event["title"], event["description"], event["status"]) == ("Renewal", "As discussed.", "confirmed")
    assert (event["start"], event["end"], event["calendar"]["id"]) == (*slot(TEN), EMEA)
    assert [each["email"] for each in event["attendees"]] == ["zoe.okafor@example.com"]
    assert event["client_reference"] == str(meeting.pk)
    record = rep.read(key)
    assert (record["calendar_event_uid"], record["keepsync_id"]) == (event["uid"], str(meeting.pk))
    assert list(live.hubspot.meetings) == [key]
    assert periods() == [slot(TEN)]
    assert live.holds == []


def test_its_contact_is_the_crms_record_and_no_second_one(rep: Rep, live: CalendarLive) -> None:
    book(rep)
    contact = Contact.objects.get()
    (record_id,) = live.hubspot.contacts
    assert (contact.full_name, ContactLink.objects.get().external_id) == ("Zoë Okafor", record_id)
    assert [each.contact for each in Meeting.objects.get().attendances.all()] == [contact]


def test_a_webhook_that_comes_twice_or_late_books_once(rep: Rep, live: CalendarLive) -> None:
    key = rep.make(TEN)
    rep.tell(key)
    run_effects("hubspot")
    rep.tell(key)
    run_effects("hubspot")
    rep.settle()
    rep.tell(key)
    rep.settle()
    assert len(live.events) == Meeting.objects.count() == len(live.hubspot.meetings) == 1


def test_calendar_lives_webhook_may_come_before_its_answer(rep: Rep, live: CalendarLive) -> None:
    live.hooks.append(Hook(CREATE, after=live.tell_all))
    key = book(rep)
    assert Meeting.objects.count() == len(live.hubspot.meetings) == 1
    assert rep.read(key)["calendar_event_uid"] == the_event(live)["uid"]


def test_what_keepsync_has_made_there_is_not_booked_again(rep: Rep, live: CalendarLive) -> None:
    live.tell(live.book("trial", TEN))
    rep.settle()
    MeetingLink.objects.all().delete()
    rep.settle()
    assert len(live.events) == 1
    assert not BookingRequest.objects.exists()
    assert list_reasons()[-1] == "Keepsync has made this record itself."


def test_a_record_whose_push_is_still_to_be_written_down_is_looked_at_again(rep: Rep, live: CalendarLive) -> None:
    live.tell(live.book("trial", TEN))
    run_effects()
    (key,) = live.hubspot.meetings
    MeetingLink.objects.all().delete()
    Effect.objects.filter(kind=UPSERT).update(status="retrying", due_at=datetime(2030, 1, 1, tzinfo=UTC))
    rep.tell(key)
    run_effects("hubspot")
    assert Effect.objects.get(kind=TAKE_IN).status == "retrying"


@pytest.mark.parametrize("pattern", ["in", "out"])
def test_the_pattern_says_whether_it_is_booked(pattern: str, rep: Rep, live: CalendarLive) -> None:
    Pair.objects.update(pattern=pattern)
    rep.make(TEN)
    rep.settle()
    assert len(live.events) == (pattern == "out")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"hs_meeting_end_time": ""}, "It has no start and end."),
        ({"hs_meeting_end_time": iso(TEN)}, "It has no start and end."),
        ({"hs_meeting_start_time": ""}, "It has no start and end."),
    ],
)
def test_without_a_time_it_is_not_booked_and_the_rep_is_told_once(
    values: dict[str, Any], reason: str, rep: Rep, live: CalendarLive, mailoutbox: Any
) -> None:
    key = rep.make(TEN, 30, **values)
    rep.settle()
    rep.tell(key)
    rep.settle()
    assert (live.events, f"Not booked: {reason}") == ([], list_reasons()[0])
    (letter,) = mailoutbox
    assert letter.to == [LEA]
    assert f"Record {key} of HubSpot" in letter.body
    assert "was not booked: it has no start" in letter.body


def test_without_anybody_to_invite_it_is_not_booked_and_the_rep_is_told(rep: Rep, live: CalendarLive) -> None:
    connect("slack")
    key = rep.make(TEN)
    live.hubspot.attending[key] = {rep.know("no address")}
    rep.settle()
    assert live.events == []
    (text,) = live.slack.texts
    assert "was not booked: none of its contacts has an e-mail address." in text
    assert "effect/?q=record%3A" in text


def test_what_is_past_or_cancelled_over_there_is_left_alone(rep: Rep, live: CalendarLive, mailoutbox: Any) -> None:
    rep.make(datetime(2026, 1, 5, 9, tzinfo=UTC))
    rep.make(TEN, hs_meeting_outcome="CANCELED")
    rep.settle()
    assert (live.events, mailoutbox) == ([], [])
    assert {"Its time is over.", "It is cancelled over there, and was never booked."} == set(list_reasons())


def test_a_record_that_is_deleted_before_it_is_looked_at_is_nothing(rep: Rep, live: CalendarLive) -> None:
    rep.delete(rep.make(TEN))
    rep.settle()
    assert (live.events, list_reasons()) == ([], ["The record is not there any more."])


# --- On which calendar ------------------------------------------------------------------------------------------------


def test_the_owner_is_found_by_who_is_mapped_to_it(rep: Rep, live: CalendarLive, crm: Connection) -> None:
    rep.owners.clear()
    crm.owner_mappings.create(user=User.objects.create(username="sam", email=SAM.upper()), external_id="77")
    book(rep)
    assert the_event(live)["calendar"]["id"] == "cal_us_sales"


@pytest.mark.parametrize("who", ["hubspot", "calendar-live"])
def test_an_option_names_the_calendar_where_the_owner_has_none(who: str, rep: Rep, live: CalendarLive) -> None:
    rep.owners["77"] = "somebody@acme.example"
    Connection.objects.filter(slug=who).update(options={"calendar_id": "cal_us_sales"})
    book(rep)
    assert the_event(live)["calendar"]["id"] == "cal_us_sales"


def test_of_several_calendars_of_the_owner_the_option_names_one(rep: Rep, live: CalendarLive, crm: Connection) -> None:
    connection = Connection.objects.get(slug="calendar-live")
    for external_id in (EMEA, "cal_us_sales"):
        Calendar.objects.create(
            connection=connection,
            external_id=external_id,
            name="Sales",
            timezone="UTC",
            owner_email=LEA,
            seen_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
    key = rep.make(TEN)
    rep.settle()
    assert (live.events, "Several calendars" in list_reasons()[0]) == ([], True)
    Connection.objects.filter(pk=crm.pk).update(options={"calendar_id": "cal_us_sales"})
    rep.tell(key)
    rep.settle()
    assert the_event(live)["calendar"]["id"] == "cal_us_sales"


def test_where_no_calendar_can_be_meant_nothing_is_booked_and_the_rep_is_told(
    rep: Rep, live: CalendarLive, mailoutbox: Any
) -> None:
    rep.owners["77"] = "somebody@acme.example"
    rep.make(TEN)
    rep.settle()
    assert (live.events, "No calendar belongs" in list_reasons()[0]) == ([], True)
    (letter,) = mailoutbox
    assert (letter.to, "no calendar belongs to its owner" in letter.body) == (["somebody@acme.example"], True)


def test_the_only_calendar_is_meant_where_there_is_one(
    rep: Rep, live: CalendarLive, monkeypatch: pytest.MonkeyPatch
) -> None:
    rep.owners.clear()
    monkeypatch.setattr("bookings.rep_calendars.learn_all", lambda _: None)
    connection = Connection.objects.get(slug="calendar-live")
    seen_at = datetime(2026, 1, 1, tzinfo=UTC)
    Calendar.objects.create(
        connection=connection, external_id=EMEA, name="EMEA", timezone="Europe/Paris", seen_at=seen_at
    )
    book(rep)
    assert the_event(live)["calendar"]["id"] == EMEA


# --- A slot that is taken ---------------------------------------------------------------------------------------------


def test_a_taken_slot_is_not_booked_and_the_rep_hears_the_three_nearest(
    rep: Rep, live: CalendarLive, mailoutbox: Any
) -> None:
    live.book("trial", TEN)
    key = rep.make(TEN)
    before = dict(rep.read(key))
    rep.settle()
    assert (len(live.events), rep.read(key), Meeting.objects.count()) == (1, before, 0)
    (letter,) = mailoutbox
    assert letter.to == [LEA]
    assert "Renewal" in letter.subject
    assert f"was not booked: that time is taken. Free near it: {TEN - HALF:%Y-%m-%d %H:%M} UTC, " in letter.body
    assert letter.body.count("UTC") == 4
    assert Reservation.objects.count() == 0


def test_it_is_tried_anew_only_once_it_is_moved(rep: Rep, live: CalendarLive, mailoutbox: Any) -> None:
    live.book("trial", TEN)
    key = rep.make(TEN)
    rep.settle()
    rep.change(key, hs_meeting_title="Another title")
    rep.settle()
    assert (len(live.events), len(mailoutbox)) == (1, 1)
    rep.move(key, TEN + HALF)
    rep.settle()
    assert [event["start"] for event in live.events] == [iso(TEN), iso(TEN + HALF)]
    assert (list(live.hubspot.meetings), len(mailoutbox)) == ([key], 1)
    assert MeetingLink.objects.get().external_id == key


def test_two_records_of_one_slot_are_one_booking(rep: Rep, live: CalendarLive) -> None:
    connect("slack")
    rep.make(TEN)
    rep.make(TEN)
    rep.settle()
    assert len(live.events) == 1
    assert ["was not booked: that time is taken" in text for text in live.slack.texts] == [True]


def test_what_could_not_be_booked_is_forgotten_after_a_week(rep: Rep, live: CalendarLive) -> None:
    live.book("trial", TEN)
    rep.make(TEN)
    book(rep, TEN + HALF)
    forget_answers(datetime.now(UTC) + timedelta(days=8))
    assert [request.body for request in BookingRequest.objects.all()] == [{}]


# --- calendar.live is away --------------------------------------------------------------------------------------------


def know_calendar(rep: Rep, live: CalendarLive) -> None:
    live.tell(live.book("trial", workday(1, 15), "somebody@example.com"))
    run_effects()


def test_while_calendar_live_is_away_it_is_tentative_and_the_record_is_linked(rep: Rep, live: CalendarLive) -> None:
    connect("slack")
    know_calendar(rep, live)
    live.is_away = True
    key = rep.make(TEN)
    run_effects()
    meeting = Meeting.objects.get(status="tentative")
    assert MeetingLink.objects.get(external_id=key).meeting == meeting
    assert rep.read(key)["keepsync_id"] == str(meeting.pk)
    assert slot(TEN) in periods()
    live.is_away = False
    let_time_pass(hours=1)
    rep.settle()
    assert (len(live.events), Meeting.objects.get(pk=meeting.pk).status) == (2, "confirmed")
    assert rep.read(key)["calendar_event_uid"] in {event["uid"] for event in live.events}
    assert ["is tentative" in text for text in live.slack.texts] == [True, False]


def test_a_connection_that_rests_makes_it_tentative_at_once(rep: Rep, live: CalendarLive, calendar: Connection) -> None:
    know_calendar(rep, live)
    Connection.objects.filter(pk=calendar.pk).update(status="paused")
    key = rep.make(TEN)
    run_effects("hubspot")
    assert MeetingLink.objects.get(external_id=key).meeting.status == "tentative"


def test_a_tentative_one_follows_its_record(rep: Rep, live: CalendarLive, calendar: Connection) -> None:
    know_calendar(rep, live)
    Connection.objects.filter(pk=calendar.pk).update(status="paused")
    key = rep.make(TEN)
    run_effects("hubspot")
    rep.move(key, TEN + HALF)
    run_effects("hubspot")
    meeting = MeetingLink.objects.get(external_id=key).meeting
    assert (meeting.start, meeting.status) == (TEN + HALF, "tentative")
    rep.change(key, hs_meeting_outcome="CANCELED")
    run_effects("hubspot")
    meeting.refresh_from_db()
    assert (meeting.status, slot(TEN + HALF) in periods()) == ("cancelled", False)


# --- Changes ----------------------------------------------------------------------------------------------------------


def test_a_move_and_a_new_name_go_to_calendar_live(rep: Rep, live: CalendarLive, mailoutbox: Any) -> None:
    key = book(rep)
    rep.change(key, hs_meeting_title="Renewal, second talk", hs_meeting_body="")
    rep.move(key, TEN + HALF, minutes=60)
    rep.settle()
    event = the_event(live)
    assert (event["title"], event["description"], event["start"], event["end"]) == (
        "Renewal, second talk",
        None,
        *slot(TEN + HALF, 60),
    )
    assert periods() == [slot(TEN + HALF, 60)]
    assert (rep.time(key), mailoutbox) == (slot(TEN + HALF, 60), [])


def test_what_a_customer_has_booked_is_moved_likewise(rep: Rep, live: CalendarLive) -> None:
    live.tell(live.book("trial", TEN))
    rep.settle()
    (key,) = live.hubspot.meetings
    rep.move(key, TEN + 2 * HALF)
    rep.settle()
    assert (the_event(live)["start"], rep.time(key)) == (iso(TEN + 2 * HALF), slot(TEN + 2 * HALF))


def test_our_own_pushes_come_back_and_ask_for_nothing(rep: Rep, live: CalendarLive) -> None:
    live.tell(live.book("trial", TEN))
    rep.settle()
    change_there(live, start=TEN + HALF, end=TEN + 2 * HALF)
    live.tell_all()
    rep.settle()
    assert not BookingRequest.objects.exists()
    assert (live.count(PATCH), len(live.hubspot.meetings)) == (0, 1)


def test_a_webhook_that_comes_while_ours_is_newer_takes_nothing_back(rep: Rep, live: CalendarLive) -> None:
    key = book(rep)
    change_there(live, start=TEN + HALF, end=TEN + 2 * HALF)
    live.tell_all()
    rep.tell(key)
    rep.settle()
    assert (the_event(live)["start"], rep.time(key), live.count(PATCH)) == (iso(TEN + HALF), slot(TEN + HALF), 0)


def test_a_push_that_is_on_its_way_is_waited_for(rep: Rep, live: CalendarLive) -> None:
    key = book(rep)
    change_there(live, start=TEN + HALF, end=TEN + 2 * HALF)
    live.tell_all()
    # It has arrived, and its answer is lost.
    Effect.objects.filter(kind=UPSERT, status="pending").update(status="retrying", attempts=1)
    rep.live.hubspot.meetings[key].update(hs_meeting_start_time=iso(TEN + 3 * HALF))
    rep.tell(key)
    Effect.objects.filter(kind=UPSERT, status="retrying").update(due_at=datetime(2030, 1, 1, tzinfo=UTC))
    run_effects("hubspot")
    assert Effect.objects.filter(kind=TAKE_IN).latest("id").status == "retrying"
    assert BookingRequest.objects.count() == 1


def test_a_move_to_a_taken_slot_is_put_right_and_the_rep_is_told(rep: Rep, live: CalendarLive) -> None:
    connect("slack")
    key = book(rep)
    live.tell(live.book("quick-chat", TEN + HALF, "other@example.com"))
    rep.move(key, TEN + HALF)
    rep.settle()
    rep.settle()
    assert rep.time(key) == slot(TEN)
    assert sorted(event["start"] for event in live.events) == [iso(TEN), iso(TEN + HALF)]
    (text,) = live.slack.texts
    assert "was not changed: that time is taken. Free near it: " in text


def test_the_same_move_is_tried_anew_after_it_was_put_right(rep: Rep, live: CalendarLive) -> None:
    key = book(rep)
    other = live.book("quick-chat", TEN + HALF, "other@example.com")
    rep.move(key, TEN + HALF)
    rep.settle()
    change_there(live, other["id"], status="cancelled")
    rep.move(key, TEN + HALF)
    rep.settle()
    assert (rep.time(key), the_meeting_of(key).start) == (slot(TEN + HALF), TEN + HALF)


def the_meeting_of(key: str) -> Meeting:
    return MeetingLink.objects.get(external_id=key).meeting


def test_two_moves_in_a_row_end_at_the_last_one(rep: Rep, live: CalendarLive) -> None:
    key = book(rep)
    rep.move(key, TEN + HALF)
    live.hooks.append(Hook(PATCH, before=lambda: rep.move(key, TEN + 2 * HALF)))
    rep.settle()
    assert (the_event(live)["start"], rep.time(key)) == (iso(TEN + 2 * HALF), slot(TEN + 2 * HALF))


def test_a_record_that_is_moved_while_it_is_booked_ends_where_it_was_moved_to(rep: Rep, live: CalendarLive) -> None:
    key = rep.make(TEN)
    live.hooks.append(Hook(CREATE, before=lambda: rep.move(key, TEN + HALF)))
    rep.settle()
    assert (the_event(live)["start"], rep.time(key)) == (iso(TEN + HALF), slot(TEN + HALF))


def test_what_was_changed_on_both_sides_meanwhile_is_a_persons_to_decide(rep: Rep, live: CalendarLive) -> None:
    connect("slack")
    key = book(rep)
    change_there(live, start=TEN + HALF, end=TEN + 2 * HALF)
    rep.move(key, TEN + 4 * HALF)
    rep.settle()
    let_time_pass(seconds=GRACE_S)
    rep.settle()
    conflict = Conflict.objects.get()
    assert (conflict.kind, conflict.field, conflict.meeting) == ("field", "time", the_meeting_of(key))
    assert (conflict.ours, conflict.theirs) == ("/".join(slot(TEN + HALF)), "/".join(slot(TEN + 4 * HALF)))
    assert (the_event(live)["start"], rep.time(key)) == (iso(TEN + HALF), slot(TEN + 4 * HALF))
    assert any("Changed on both sides" in text for text in live.slack.texts)


def test_a_crm_that_has_not_heard_of_a_cancellation_revives_nothing(rep: Rep, live: CalendarLive) -> None:
    connect("slack")
    live.tell(live.book("trial", TEN))
    rep.settle()
    (key,) = live.hubspot.meetings
    change_there(live, status="cancelled")
    live.tell_all()
    # The push of the cancellation is still to come.
    Effect.objects.filter(kind=UPSERT, status="pending").update(due_at=datetime(2030, 1, 1, tzinfo=UTC))
    rep.tell(key)
    run_effects("hubspot")
    assert (list_reasons()[-1], live.slack.texts) == ("Nothing has changed over there.", [])

    Effect.objects.filter(kind=UPSERT, status="pending").update(due_at=NOW)
    rep.settle()
    assert rep.read(key)["hs_meeting_outcome"] == "CANCELED"


@pytest.mark.parametrize(("choice", "start"), [("ours", TEN + HALF), ("theirs", TEN + 4 * HALF)])
def test_one_click_brings_either_time_to_both_sides(
    choice: str, start: datetime, rep: Rep, live: CalendarLive, admin_client: Client
) -> None:
    key = book(rep)
    change_there(live, start=TEN + HALF, end=TEN + 2 * HALF)
    rep.move(key, TEN + 4 * HALF)
    rep.settle()
    press(admin_client, Conflict.objects.get(), choice)
    rep.settle()
    conflict = Conflict.objects.get()
    assert (conflict.status, conflict.settled_by and conflict.settled_by.username) == ("settled", "admin")
    assert (the_event(live)["start"], rep.time(key)) == (iso(start), slot(start))


def test_a_conflict_is_over_once_the_rep_says_the_same(rep: Rep, live: CalendarLive) -> None:
    key = book(rep)
    change_there(live, start=TEN + HALF, end=TEN + 2 * HALF)
    rep.move(key, TEN + 4 * HALF)
    rep.settle()
    rep.move(key, TEN + HALF)
    rep.settle()
    assert (Conflict.objects.get().status, MeetingLink.objects.get().disputed) == ("settled", [])


def test_a_change_in_a_crm_that_may_not_write_is_put_right_and_told_once(rep: Rep, live: CalendarLive) -> None:
    connect("slack")
    live.tell(live.book("trial", TEN))
    rep.settle()
    Pair.objects.update(pattern="in")
    (key,) = live.hubspot.meetings
    title = rep.read(key)["hs_meeting_title"]
    rep.change(key, hs_meeting_title="Another title")
    rep.settle()
    rep.settle()
    assert (rep.read(key)["hs_meeting_title"], live.count(PATCH)) == (title, 0)
    (text,) = live.slack.texts
    assert "was not changed: what calendar.live has of it counts." in text


def test_a_cancellation_goes_to_calendar_live(rep: Rep, live: CalendarLive, mailoutbox: Any) -> None:
    key = book(rep)
    rep.change(key, hs_meeting_outcome="CANCELED")
    rep.settle()
    assert (live.standing, Meeting.objects.get().status, periods(), mailoutbox) == ([], "cancelled", [], [])


def test_what_is_cancelled_is_not_revived_by_a_record(rep: Rep, live: CalendarLive) -> None:
    connect("slack")
    key = book(rep)
    rep.change(key, hs_meeting_outcome="CANCELED")
    rep.settle()
    rep.change(key, hs_meeting_outcome="SCHEDULED")
    rep.settle()
    assert (live.standing, rep.read(key)["hs_meeting_outcome"]) == ([], "CANCELED")
    (text,) = live.slack.texts
    assert "it is cancelled at calendar.live. Make a new one." in text


def test_a_change_waits_for_calendar_live_and_the_rep_hears_of_it(rep: Rep, live: CalendarLive) -> None:
    connect("slack")
    key = book(rep)
    live.is_away = True
    rep.move(key, TEN + HALF)
    run_effects()
    live.is_away = False
    let_time_pass(hours=1)
    rep.settle()
    assert (the_event(live)["start"], rep.time(key)) == (iso(TEN + HALF), slot(TEN + HALF))
    postponed, done = live.slack.texts
    assert ("is to be changed" in postponed, "was changed as asked for" in done) == (True, True)


# --- Deletions --------------------------------------------------------------------------------------------------------


def test_a_record_that_is_deleted_cancels_its_meeting_and_is_not_made_anew(rep: Rep, live: CalendarLive) -> None:
    key = book(rep)
    rep.delete(key)
    rep.settle()
    rep.tell_deleted(key)
    rep.settle()
    assert (live.standing, Meeting.objects.get().status, live.hubspot.meetings) == ([], "cancelled", {})


def test_a_record_deleted_in_a_crm_that_may_not_write_is_made_anew_by_the_next_push(
    rep: Rep, live: CalendarLive
) -> None:
    live.tell(live.book("trial", TEN))
    rep.settle()
    Pair.objects.update(pattern="in")
    (key,) = live.hubspot.meetings
    rep.delete(key)
    rep.settle()
    change_there(live, title="Another title")
    live.tell_all()
    rep.settle()
    assert (len(live.standing), list(live.hubspot.meetings) == [key], len(live.hubspot.meetings)) == (1, False, 1)


def test_a_record_that_is_deleted_while_it_is_booked_cancels_what_was_booked(rep: Rep, live: CalendarLive) -> None:
    key = rep.make(TEN)
    live.hooks.append(Hook(CREATE, before=lambda: rep.delete(key)))
    rep.settle()
    assert (live.standing, Meeting.objects.get().status, live.hubspot.meetings) == ([], "cancelled", {})


def test_a_deletion_that_is_told_late_of_a_restored_record_changes_nothing(rep: Rep, live: CalendarLive) -> None:
    key = book(rep)
    rep.tell_deleted(key)
    rep.settle()
    assert (len(live.standing), MeetingLink.objects.get().is_gone) == (1, False)


def test_a_meeting_that_calendar_live_does_not_cancel_is_made_anew_in_the_crm(rep: Rep, live: CalendarLive) -> None:
    connect("slack")
    key = book(rep)
    live.fail(DELETE, 422, '{"code": "invalid", "message": "No."}')
    rep.delete(key)
    rep.settle()
    (made,) = live.hubspot.meetings
    assert (len(live.standing), made == key, MeetingLink.objects.get().external_id) == (1, False, made)
    assert "was not cancelled: calendar.live does not accept it." in live.slack.texts[0]


# --- What the rep hears of others -------------------------------------------------------------------------------------


def test_the_rep_hears_once_that_a_customer_has_moved_or_cancelled(
    rep: Rep, live: CalendarLive, mailoutbox: Any
) -> None:
    rep.owners["77"] = "mina@acme.example"
    Connection.objects.filter(slug="hubspot").update(options={"calendar_id": EMEA})
    key = book(rep)
    change_there(live, start=TEN + HALF, end=TEN + 2 * HALF)
    for _ in range(2):
        live.tell_all()
        rep.settle()
    change_there(live, status="cancelled")
    for _ in range(2):
        live.tell_all()
        rep.settle()
    moved, cancelled = mailoutbox
    assert (moved.to, cancelled.to) == (["mina@acme.example"], ["mina@acme.example"])
    assert f"{TEN + HALF:%Y-%m-%d %H:%M} UTC) was moved at calendar.live" in moved.body
    assert "was cancelled at calendar.live" in cancelled.body
    assert rep.read(key)["hs_meeting_outcome"] == "CANCELED"


@pytest.mark.parametrize("route", [PATCH, DELETE])
def test_what_came_through_keepsync_is_not_told_whichever_comes_first(
    route: str, rep: Rep, live: CalendarLive, mailoutbox: Any
) -> None:
    key = book(rep)
    live.hooks.append(Hook(route, after=live.tell_all))
    rep.move(key, TEN + HALF) if route == PATCH else rep.change(key, hs_meeting_outcome="CANCELED")
    rep.settle()
    live.tell_all()
    rep.settle()
    assert mailoutbox == []
    assert Meeting.objects.get().version == 2


def test_nobody_is_told_of_what_a_customer_does_with_a_booking_of_his_own(
    rep: Rep, live: CalendarLive, mailoutbox: Any
) -> None:
    live.tell(live.book("trial", TEN))
    change_there(live, status="cancelled")
    live.tell_all()
    rep.settle()
    assert [letter for letter in mailoutbox if "calendar.live" in letter.body] == []
