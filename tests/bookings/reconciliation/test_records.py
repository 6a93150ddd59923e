"""Meetings here against their records at the paired CRMs: what lacks is brought there, what was changed is decided."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bookings.models import Discrepancy, Meeting, MeetingLink
from bookings.sync import UPSERT
from integrations.models import Connection, Effect, Pair
from tests.bookings.flows.playing import list_effects, pair_with_hubspot, run_effects

pytestmark = pytest.mark.django_db

Status, Kind = Discrepancy.Status, Discrepancy.Kind
READ = "POST .*/meetings/batch/read"


@pytest.fixture(autouse=True)
def _paired(crm: Connection) -> None:
    """Every test has its CRM."""


@pytest.fixture
def booked(live, world):
    """One meeting, told by webhook and brought to the CRM."""
    live.tell("evt_1", title="Demo")
    run_effects()
    return Meeting.objects.get()


def record_of(world):
    (only,) = world.hubspot.meetings.values()
    return only


def find(**fields):
    return Discrepancy.objects.get(**fields)


def test_what_is_as_it_should_be_is_no_discrepancy_and_nothing_is_planned(live, world, booked, reconcile):
    run = reconcile()
    assert (run.status, run.checked, run.discrepancies) == ("done", 2, 0)
    assert world.hubspot.count(READ) == 1
    assert list_effects(UPSERT) == ["succeeded"]


def test_a_meeting_that_came_by_the_reconciliation_goes_to_the_crm_as_any_other(live, world, reconcile):
    live.change("evt_1", title="Unheard of")
    run = reconcile()
    assert run.by_kind == {"missing_here": 1}
    run_effects()
    assert record_of(world)["hs_meeting_title"] == "Unheard of"
    assert len(world.hubspot.contacts) == 1
    assert reconcile().discrepancies == 0


def test_a_record_that_was_deleted_there_is_made_again(live, world, booked, reconcile):
    world.hubspot.forget("meetings")
    run = reconcile()
    assert (run.by_kind, run.repaired) == ({"missing_there": 1}, 1)
    run_effects()
    assert record_of(world)["keepsync_id"] == str(booked.pk)
    assert reconcile().discrepancies == 0


def test_a_meeting_whose_record_was_never_made_is_brought_there_with_its_contacts(live, world, reconcile):
    live.tell("evt_1")
    Effect.objects.all().delete()
    run = reconcile()
    assert (run.by_kind, run.repaired) == ({"missing_there": 1}, 1)
    run_effects()
    assert (len(world.hubspot.meetings), len(world.hubspot.contacts)) == (1, 1)
    assert reconcile().discrepancies == 0


def test_a_field_that_was_changed_there_is_written_over_where_calendar_live_leads(live, world, booked, reconcile):
    record_of(world)["hs_meeting_title"] = "A rep's"
    run = reconcile()
    assert (run.by_kind, run.repaired) == ({"field_differs": 1}, 1)
    assert find().fields == ["hs_meeting_title"]
    run_effects()
    assert record_of(world)["hs_meeting_title"] == "Demo"
    assert reconcile().discrepancies == 0


def test_the_same_field_may_be_changed_and_written_over_again(live, world, booked, reconcile):
    for title in ("A rep's", "Another rep's"):
        record_of(world)["hs_meeting_title"] = title
        assert reconcile().repaired == 1
        run_effects()
    assert reconcile().discrepancies == 0


def test_what_the_crm_itself_changes_back_each_time_waits_for_a_person_in_the_end(live, world, booked, reconcile):
    for repaired in (1, 0):
        record_of(world)["hs_meeting_title"] = "A workflow's"
        assert reconcile().repaired == repaired
        run_effects()
    assert find(status=Status.OPEN).text.startswith("It was brought there before")


@pytest.mark.parametrize("pattern", ["two_way", "out"])
def test_a_field_that_was_changed_there_waits_for_a_person_where_both_may_write(
    live, world, booked, reconcile, pattern
):
    Pair.objects.update(pattern=pattern)
    record_of(world)["hs_meeting_title"] = "A rep's"
    run = reconcile()
    assert (run.by_kind, run.escalated) == ({"field_differs": 1}, 1)
    run_effects()
    assert record_of(world)["hs_meeting_title"] == "A rep's"
    assert find().status == Status.OPEN


@pytest.mark.parametrize("pattern", ["two_way", "in"])
def test_a_change_here_that_never_went_out_is_planned_whoever_may_write(live, world, booked, reconcile, pattern):
    Pair.objects.update(pattern=pattern)
    live.tell("evt_1", title="New title")
    Effect.objects.filter(status="pending").delete()
    assert reconcile().by_kind == {"field_differs": 1}
    run_effects()
    assert record_of(world)["hs_meeting_title"] == "New title"
    assert reconcile().discrepancies == 0


def test_a_record_that_is_on_though_its_meeting_is_cancelled_is_a_ghost(live, world, booked, reconcile):
    live.tell("evt_1", status="cancelled")
    Effect.objects.filter(status="pending").delete()
    run = reconcile()
    assert (run.by_kind, run.repaired) == ({"ghost": 1}, 1)
    run_effects()
    assert record_of(world)["hs_meeting_outcome"] == "CANCELED"
    assert reconcile().discrepancies == 0


def test_a_cancelled_meeting_needs_no_record(live, world, booked, reconcile):
    live.tell("evt_1", status="cancelled")
    live.tell("evt_2", status="cancelled")
    Effect.objects.filter(status="pending").delete()
    world.hubspot.forget("meetings")
    assert reconcile().discrepancies == 0


def test_a_record_that_is_another_meetings_is_a_duplicate_link(live, world, booked, reconcile):
    live.tell("evt_2")
    run_effects()
    first, second = MeetingLink.objects.order_by("id")
    world.hubspot.meetings[first.external_id]["keepsync_id"] = str(second.meeting_id)
    run = reconcile()
    assert (run.by_kind, run.escalated) == ({"duplicate_link": 1}, 1)
    assert find().meeting == first.meeting


def test_what_is_on_its_way_there_is_no_discrepancy(live, world, booked, reconcile):
    live.tell("evt_1", title="New title")
    live.tell("evt_2")
    run = reconcile()
    assert (run.discrepancies, run.checked) == (0, 2)
    assert sorted(list_effects(UPSERT)) == ["pending", "pending", "succeeded"]


def test_what_went_there_while_its_record_was_read_is_no_discrepancy(live, world, booked, reconcile):
    record_of(world)["hs_meeting_title"] = "A rep's"
    world.hubspot.interrupt(
        r"POST /crm/objects/2026-03/meetings/batch/read",
        lambda: MeetingLink.objects.update(pushed_at=timezone.now(), pushed_hash="x"),
    )
    assert reconcile().discrepancies == 0


def test_a_dead_letter_waits_for_a_person_and_gets_no_second_effect(live, world, reconcile):
    live.tell("evt_1")
    Effect.objects.filter(kind=UPSERT).update(status="dead")
    run = reconcile()
    assert (run.by_kind, run.escalated) == ({"missing_there": 1}, 1)
    assert "dead letter" in find().text
    assert list_effects(UPSERT) == ["dead"]


@pytest.mark.parametrize("status", ["discarded", "suppressed"])
def test_what_a_person_has_closed_is_not_brought_there(live, world, reconcile, status):
    live.tell("evt_1")
    Effect.objects.filter(kind=UPSERT).update(status=status)
    assert reconcile().discrepancies == 0


def test_meetings_from_before_the_pair_are_not_expected_there(live, world, reconcile):
    live.tell("evt_1")
    Effect.objects.all().delete()
    Pair.objects.update(created_at=timezone.now() + timedelta(hours=1))
    assert reconcile().discrepancies == 0


def test_each_crm_is_compared_and_one_that_rests_is_noted(live, world, calendar, crm, booked, reconcile):
    other = pair_with_hubspot(calendar, "second")
    live.tell("evt_2")
    run_effects()
    Connection.objects.filter(pk=crm.pk).update(status="paused")
    world.hubspot.forget("meetings")
    run = reconcile()
    assert run.status == "done"
    assert run.notes == ["hubspot was not compared: it is paused."]
    assert {row.connection for row in Discrepancy.objects.all()} == {other}


def test_a_crm_that_does_not_allow_reading_is_noted_and_the_run_goes_on(live, world, booked, reconcile):
    world.hubspot.fail(READ, 403, {"status": "error", "message": "no scope", "correlationId": "c-1", "category": "X"})
    run = reconcile()
    assert run.status == "done"
    assert run.notes[0].startswith("hubspot was not compared any further")
    assert live.told[-1] == "GET /v1/webhook_deliveries"


def test_a_window_compares_what_has_changed_or_takes_place_since_then(live, world, reconcile):
    for key, start in (("evt_1", "2026-01-01T09:00:00Z"), ("evt_2", "2036-01-01T09:00:00Z")):
        live.tell(key, start=start, end=start.replace("T09", "T10"))
    run_effects()
    Meeting.objects.update(updated_at=timezone.now() - timedelta(days=30))
    world.hubspot.forget("meetings")
    run = reconcile(since=timezone.now() - timedelta(days=1))
    assert run.by_kind == {"missing_there": 1}
    assert find().meeting.external_id == "evt_2"


def test_one_meeting_is_compared_with_its_record_alone(live, world, booked, reconcile):
    live.tell("evt_2")
    run_effects()
    world.hubspot.forget("meetings")
    run = reconcile(meeting=booked)
    assert (run.checked, run.by_kind) == (2, {"missing_there": 1})
    assert find().meeting == booked


def test_a_link_that_is_in_order_again_settles_what_waited(live, world, booked, reconcile):
    Pair.objects.update(pattern="two_way")
    record_of(world)["hs_meeting_title"] = "A rep's"
    reconcile()
    record_of(world)["hs_meeting_title"] = "Demo"
    assert reconcile().discrepancies == 0
    assert find().status == Status.OVER
