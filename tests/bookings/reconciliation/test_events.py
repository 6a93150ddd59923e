"""Events at calendar.live against the meetings here: what is missing or older comes in, the rest waits for a person."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from bookings.models import Discrepancy, Meeting, ReconciliationRun, SeenEvent
from contacts.models import Contact
from integrations.models import ChangeCount, Connection, Delivery

pytestmark = pytest.mark.django_db

Status, Kind = Discrepancy.Status, Discrepancy.Kind


def find(**fields):
    return Discrepancy.objects.get(**fields)


def counted():
    (day,) = ChangeCount.objects.values_list("checked", "missed")
    return day


def test_a_first_run_lists_all_events_and_brings_those_that_are_not_here(live, reconcile):
    live.tell("evt_1")
    live.change("evt_2", title="Unheard of")
    run = reconcile()
    assert (run.status, run.error) == ("done", "")
    assert live.asked == [{"page_size": "250"}]
    assert (run.checked, run.discrepancies, run.repaired, run.escalated) == (2, 1, 1, 0)
    assert run.by_kind == {"missing_here": 1}
    meeting = Meeting.objects.get(external_id="evt_2")
    assert (meeting.title, meeting.version) == ("Unheard of", 1)
    assert Contact.objects.count() == 2
    row = find()
    assert (row.kind, row.status, row.meeting, row.run) == (Kind.MISSING_HERE, Status.REPAIRED, meeting, run)
    assert not SeenEvent.objects.exists()


def test_a_second_run_finds_nothing_and_asks_for_changes_since_the_last_one_with_an_overlap(live, reconcile):
    live.change("evt_1")
    last = live.change("evt_2")["updated_at"]
    reconcile()
    second = reconcile()
    assert (second.checked, second.discrepancies, second.by_kind) == (2, 0, {})
    since = datetime.fromisoformat(live.asked[1]["updated_since"])
    assert since == datetime.fromisoformat(last) - timedelta(minutes=10)


def test_an_older_state_here_is_brought_up_to_date(live, reconcile):
    live.tell("evt_1")
    live.change("evt_1", title="Moved", start="2026-11-25T13:00:00Z", end="2026-11-25T13:30:00Z")
    run = reconcile()
    assert run.by_kind == {"field_differs": 1}
    meeting = Meeting.objects.get()
    assert (meeting.version, meeting.title, meeting.start) == (2, "Moved", datetime(2026, 11, 25, 13, tzinfo=UTC))
    row = find()
    assert sorted(row.fields) == ["end", "start", "title"]
    assert (row.version_here, row.version_there, row.status) == (1, 2, Status.REPAIRED)
    assert reconcile().discrepancies == 0


def test_a_cancellation_that_was_missed_cancels_the_meeting(live, reconcile):
    live.tell("evt_1")
    live.change("evt_1", status="cancelled")
    reconcile()
    assert Meeting.objects.get().status == "cancelled"


def test_an_attendee_who_answered_unheard_is_brought_up_to_date(live, reconcile):
    event = live.tell("evt_1") and live.events["evt_1"]
    live.change("evt_1", attendees=[{**event["attendees"][0], "response": "declined"}])
    assert reconcile().by_kind == {"field_differs": 1}
    assert Meeting.objects.get().attendances.get().response == "declined"
    assert find().fields == ["attendees"]


def test_an_older_state_there_never_takes_newer_data_back(live, reconcile):
    live.tell("evt_1")
    old = live.events["evt_1"]
    live.tell("evt_1", title="Newer")
    live.events["evt_1"] = old
    assert reconcile().discrepancies == 0
    meeting = Meeting.objects.get()
    assert (meeting.version, meeting.title) == (2, "Newer")


def test_a_deleted_meeting_comes_back_with_its_event(live, reconcile):
    live.tell("evt_1")
    Meeting.objects.all().delete()
    assert reconcile().by_kind == {"missing_here": 1}
    assert Meeting.objects.get().external_id == "evt_1"


@pytest.mark.parametrize(
    ("changes", "kind", "fields"),
    [
        ({"title": "Somebody's"}, Kind.FIELD_DIFFERS, ["title"]),
        ({"end": F("end") + timedelta(hours=1)}, Kind.FIELD_DIFFERS, ["end"]),
        ({"status": "cancelled"}, Kind.GHOST, ["status"]),
        ({"status": "tentative"}, Kind.FIELD_DIFFERS, ["status"]),
    ],
)
def test_the_same_version_with_another_content_waits_for_a_person(live, reconcile, changes, kind, fields):
    live.tell("evt_1")
    Meeting.objects.update(**changes)
    run = reconcile()
    assert (run.discrepancies, run.repaired, run.escalated) == (1, 0, 1)
    row = find()
    assert (row.kind, row.status, row.fields, row.is_missed) == (kind, Status.OPEN, fields, False)


@pytest.mark.parametrize(
    "changes", [{"status": "completed"}, {"status": "no_show"}, {"title": ""}, {"description": ""}, {"answers": []}]
)
def test_what_only_keepsync_knows_and_what_was_erased_here_is_no_discrepancy(live, reconcile, changes):
    live.tell("evt_1", description="Notes", answers=[{"key": "team_size", "value": "51-200"}])
    Meeting.objects.update(**changes)
    Meeting.objects.get().attendances.update(email="", full_name="")
    assert reconcile().discrepancies == 0


def test_what_waits_for_a_person_stands_once_however_often_it_is_found(live, reconcile):
    live.tell("evt_1")
    Meeting.objects.update(title="Somebody's")
    reconcile()
    second = reconcile()
    assert (second.discrepancies, second.escalated) == (1, 1)
    row = find()
    assert (row.times_seen, row.run) == (2, second)


def test_what_waits_for_a_person_is_over_when_it_is_found_in_order(live, reconcile):
    live.tell("evt_1")
    Meeting.objects.update(title="Somebody's")
    reconcile()
    live.tell("evt_1", title="The title")
    assert reconcile().discrepancies == 0
    assert find().status == Status.OVER


def test_what_a_person_dismissed_is_not_found_again_unless_it_changes(live, reconcile):
    live.tell("evt_1")
    Meeting.objects.update(title="Somebody's")
    reconcile()
    Discrepancy.objects.update(status=Status.DISMISSED)
    assert reconcile().discrepancies == 0
    Meeting.objects.update(join_url="https://meet.example/1")
    assert reconcile().discrepancies == 1


def test_an_event_that_stands_in_the_list_twice_is_compared_in_its_last_state(live, reconcile):
    first = live.change("evt_1")
    live.events["again"] = {**first, "version": 2, "title": "Second", "updated_at": "2026-12-01T00:00:00Z"}
    assert reconcile().by_kind == {"missing_here": 1}
    assert Meeting.objects.get().title == "Second"


def test_an_event_that_nobody_can_keep_waits_for_a_person_and_does_not_hold_up_the_others(live, reconcile):
    live.change("evt_1", timezone="Mars/Olympus")
    live.change("evt_2")
    run = reconcile()
    assert (run.status, run.by_kind) == ("done", {"missing_here": 2})
    row = find(status=Status.OPEN)
    assert (row.external_id, row.is_missed) == ("evt_1", False)
    assert "timezone" in row.text


# --- After a full listing ---------------------------------------------------------------------------------------------


def test_a_meeting_that_calendar_live_does_not_have_waits_for_a_person(live, reconcile):
    live.tell("evt_1")
    live.tell("evt_2")
    live.tell("evt_3", status="cancelled")
    del live.events["evt_1"], live.events["evt_3"]
    run = reconcile()
    assert run.by_kind == {"missing_there": 1}
    row = find()
    assert (row.kind, row.status, row.meeting.external_id) == (Kind.MISSING_THERE, Status.OPEN, "evt_1")
    assert Meeting.objects.get(external_id="evt_1").status == "confirmed"


def test_a_meeting_that_the_listing_did_not_show_is_compared_with_its_event(live, reconcile):
    live.tell("evt_1")
    live.change("evt_1", title="Changed while it was listed")
    hidden = live.events.pop("evt_1")
    live.fail("GET /v1/events/evt_1", 200, hidden)
    assert reconcile().by_kind == {"field_differs": 1}
    assert Meeting.objects.get().title == "Changed while it was listed"


def test_a_run_that_lists_changes_only_asks_for_no_other_meeting(live, reconcile):
    live.tell("evt_1")
    reconcile()
    live.events.clear()
    run = reconcile()
    assert (run.status, run.discrepancies) == ("done", 0)


def test_changes_that_are_not_kept_any_more_lead_to_a_full_listing(live, reconcile):
    live.tell("evt_1")
    reconcile()
    live.keeps_changes = False
    live.change("evt_2")
    run = reconcile()
    assert (run.status, run.by_kind, run.updated_since) == ("done", {"missing_here": 1}, None)
    assert "were listed" in run.notes[0]
    live.keeps_changes = True
    del live.events["evt_1"]
    assert reconcile().discrepancies == 0


def test_a_meeting_that_calendar_live_has_not_got_yet_is_not_missed_there(live, reconcile):
    live.tell("evt_1")
    live.events.clear()
    Meeting.objects.update(version=0, status="tentative")
    assert reconcile().discrepancies == 0
    assert reconcile(meeting=Meeting.objects.get()).discrepancies == 0


def test_a_clock_that_is_ahead_over_there_hides_no_later_change(live, reconcile):
    live.change("evt_1", updated_at="2036-01-01T00:00:00Z")
    reconcile()
    live.change("evt_2")
    assert reconcile().by_kind == {"missing_here": 1}


# --- Windows and single meetings --------------------------------------------------------------------------------------


def test_a_window_lists_what_has_changed_since_then_and_moves_no_cursor(live, reconcile):
    live.change("evt_1", ago_s=7200)
    live.change("evt_2", ago_s=60)
    run = reconcile(since=timezone.now() - timedelta(hours=1))
    assert (run.checked, run.by_kind) == (1, {"missing_here": 1})
    assert reconcile().by_kind == {"missing_here": 1}
    assert "updated_since" not in live.asked[1]


def test_one_meeting_is_compared_with_its_event_alone(live, reconcile):
    live.tell("evt_1")
    live.change("evt_1", title="Unheard")
    live.change("evt_2")
    run = reconcile(meeting=Meeting.objects.get())
    assert (run.status, run.checked, run.by_kind) == ("done", 1, {"field_differs": 1})
    assert Meeting.objects.get().title == "Unheard"
    assert live.told == ["GET /v1/events/evt_1"]


def test_one_meeting_that_calendar_live_does_not_have_waits_for_a_person(live, reconcile):
    live.tell("evt_1")
    live.events.clear()
    assert reconcile(meeting=Meeting.objects.get()).by_kind == {"missing_there": 1}


# --- The missed-webhook rate ------------------------------------------------------------------------------------------


def test_what_no_webhook_told_is_counted_for_the_day(live, reconcile):
    live.tell("evt_1")
    live.change("evt_2")
    live.change("evt_3")
    reconcile()
    assert counted() == (3, 2)
    assert Discrepancy.objects.filter(is_missed=True).count() == 2


def test_what_has_come_and_waits_to_be_worked_on_was_not_missed(live, reconcile):
    delivery = live.tell("evt_1")
    Meeting.objects.all().delete()
    Delivery.objects.filter(pk=delivery.pk).update(status="retrying")
    assert reconcile().by_kind == {"missing_here": 1}
    assert counted() == (1, 0)


def test_what_changed_before_the_connection_was_made_could_not_be_told(live, reconcile):
    live.change("evt_1", ago_s=7200)
    assert reconcile().repaired == 1
    assert not ChangeCount.objects.filter(missed__gt=0).exists()


def test_history_and_contacts_are_as_a_webhook_would_have_made_them(live, reconcile, calendar: Connection):
    live.tell("evt_1")
    live.change("evt_2")
    run = reconcile()
    told, brought = Contact.objects.order_by("id")
    names = ("lead_source", "lead_status", "owner", "company", "country")
    assert {name: getattr(told, name) for name in names} == {name: getattr(brought, name) for name in names}
    assert Meeting.objects.get(external_id="evt_2").history.count() == 1
    assert ReconciliationRun.objects.get() == run
