"""The reconciliation's pages: runs, discrepancies, what a person decides, and who may."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from bookings.missed_changes import DAYS, list_charts
from bookings.models import Discrepancy, Meeting, MeetingLink, ReconciliationRun
from integrations.models import ChangeCount, Connection, Effect, Pair
from tests.bookings.flows.playing import run_effects
from tests.integrations.admin.support import (
    get_page,
    list_address,
    page_address,
    press,
    read_log,
    read_messages,
    sign_in,
)

pytestmark = pytest.mark.django_db

VIEW = ("bookings.view_reconciliationrun", "bookings.view_discrepancy", "bookings.view_meeting")
MAY = (*VIEW, "bookings.operate_reconciliation")
START = "admin:bookings_reconciliationrun_start"
Status = Discrepancy.Status


@pytest.fixture
def differing(live, reconcile):
    """A meeting that holds something else than its event, in the same version."""
    live.tell("evt_1", title="Theirs")
    Meeting.objects.update(title="Ours")
    reconcile()
    return Discrepancy.objects.get()


@pytest.fixture
def changed_there(live, world, crm, reconcile):
    """A record that a rep has changed, where both sides may write."""
    Pair.objects.update(pattern="two_way")
    live.tell("evt_1", title="Ours")
    run_effects()
    (record,) = world.hubspot.meetings.values()
    record["hs_meeting_title"] = "Theirs"
    reconcile()
    return Discrepancy.objects.get()


# --- Runs -------------------------------------------------------------------------------------------------------------


def test_a_runs_page_shows_its_counts_its_place_and_each_discrepancy(live, reconcile):
    live.tell("evt_1")
    live.change("evt_2")
    Meeting.objects.update(title="Somebody's private words")
    run = reconcile()
    page = get_page(sign_in(*VIEW), page_address(run))
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page))
    for words in (
        "It is through.",
        "Checked 2",
        "Discrepancies 2",
        "Repaired 1",
        "Wait for a person 1",
        "Missing here",
    ):
        assert words in text
    assert 'aria-valuenow="100"' in page
    assert page_address(run, "progress") not in page
    assert "private words" not in page


def test_a_run_that_goes_on_is_looked_at_again_and_one_that_rests_says_why(live, calendar):
    run = ReconciliationRun.objects.create(connection=calendar, expected=200, checked=50)
    client = sign_in(*VIEW)
    page = get_page(client, page_address(run))
    assert f'hx-get="{page_address(run, "progress")}"' in page
    assert 'aria-valuenow="25"' in page
    ReconciliationRun.objects.update(status="waiting", error="calendar.live answers 503.")
    assert "calendar.live answers 503. It goes on by itself" in get_page(client, page_address(run, "progress"))
    assert Client().get(page_address(run, "progress")).status_code == 302


def test_the_list_of_runs_needs_as_many_queries_for_many_as_for_one(calendar, crm, django_assert_max_num_queries):
    for _ in range(12):
        ReconciliationRun.objects.create(connection=calendar, status="done", by_kind={"ghost": 2})
    client = sign_in(*VIEW)
    get_page(client, list_address(ReconciliationRun))
    with django_assert_max_num_queries(9):
        page = get_page(client, list_address(ReconciliationRun))
    assert page.count("2 × there, but cancelled here") == 12
    for filters in ({"status__exact": "failed"}, {"connection__id__exact": crm.pk}):
        assert "2 × there" not in get_page(client, list_address(ReconciliationRun), **filters)


def test_a_run_is_started_for_a_connection_and_a_window(live, calendar):
    client = sign_in(*MAY)
    assert "calendar-live" in get_page(client, reverse(START))
    answer = client.post(reverse(START), {"connection": calendar.pk, "since": "2026-11-20 09:00"}, follow=True)
    run = ReconciliationRun.objects.get()
    assert (run.connection, run.started_by.username) == (calendar, "nora")
    assert run.since.isoformat() == "2026-11-20T09:00:00+00:00"
    assert "is started" in read_messages(answer)
    assert OrmQ.objects.count() == 1
    assert read_log(run) == [("nora", "Started a reconciliation")]


@pytest.mark.parametrize("values", [{}, {"since": "yesterday"}, {"since": "2999-01-01 00:00"}, {"connection": 0}])
def test_what_cannot_be_started_is_asked_for_again(live, calendar, values):
    client = sign_in(*MAY)
    answer = client.post(reverse(START), {"connection": calendar.pk, **values} if values else {})
    assert answer.status_code == 200
    assert not ReconciliationRun.objects.exists()


def test_starting_needs_the_permission(live, calendar):
    client = sign_in(*VIEW)
    assert "Reconcile now" not in get_page(client, list_address(ReconciliationRun))
    for answer in (client.get(reverse(START)), client.post(reverse(START), {"connection": calendar.pk})):
        assert answer.status_code == 403
    assert not ReconciliationRun.objects.exists()


def test_one_meeting_is_reconciled_from_its_page(live, calendar):
    live.tell("evt_1")
    meeting, client = Meeting.objects.get(), sign_in(*MAY)
    assert "Reconcile" in get_page(client, page_address(meeting))
    press(client, meeting, "reconcile")
    run = ReconciliationRun.objects.get()
    assert (run.meeting, run.started_by.username) == (meeting, "nora")
    assert "One meeting" in get_page(client, page_address(run))


def test_a_meetings_page_shows_what_was_found_of_it(differing):
    page = get_page(sign_in(*VIEW), page_address(differing.meeting))
    assert "Discrepancies that were found" in page
    assert page_address(differing) in page
    assert "Reconcile" not in page.replace("Reconciliation", "")


def test_the_schedule_compares_once_a_day_and_looks_for_lost_runs_each_minute(db):
    names = ("reconcile_connections", "sweep_reconciliations")
    found = dict(Schedule.objects.filter(name__in=names).values_list("name", "minutes"))
    assert found == {"reconcile_connections": 1440, "sweep_reconciliations": 1}


# --- The missed-webhook rate ------------------------------------------------------------------------------------------


def test_the_chart_shows_each_day_of_each_connection_in_one_query(calendar, crm, django_assert_num_queries):
    today = timezone.now().date()
    for days, missed in ((0, 10), (3, 5), (DAYS, 100)):
        day = today - timedelta(days=days)
        ChangeCount.objects.create(connection=calendar, day=day, checked=100, missed=missed)
    ChangeCount.objects.create(connection=crm, day=today, checked=10)
    with django_assert_num_queries(1):
        first, second = list_charts(today)
    assert (first.title, first.summary, first.top) == ("calendar-live", "15 of 200 changes in 30 days: 7.5%.", "10.0%")
    assert [bar.height for bar in first.bars] == [40.0, 80.0]
    assert first.bars[1].title == f"{today}: 10 of 100 changes missed (10.0%)"
    assert (second.summary, second.bars[0].height) == ("0 of 10 changes in 30 days: 0.0%.", 1.0)
    page = get_page(sign_in(*VIEW), list_address(ReconciliationRun))
    assert "15 of 200 changes in 30 days: 7.5%." in page
    assert page.count("<rect") == 3


# --- Discrepancies ----------------------------------------------------------------------------------------------------


def test_discrepancies_are_listed_with_filters_in_few_queries(live, reconcile, django_assert_max_num_queries):
    for number in range(8):
        live.change(f"evt_{number}")
    run = reconcile()
    client = sign_in(*VIEW)
    address = list_address(Discrepancy)
    get_page(client, address)
    with django_assert_max_num_queries(9):
        assert get_page(client, address).count("The event&#x27;s state was applied.") == 8
    for filters in ({"status__exact": "open"}, {"kind__exact": "ghost"}):
        assert "was applied" not in get_page(client, address, **filters)
    assert "was applied" in get_page(client, address, run__id__exact=str(run.pk))


def test_theirs_is_applied_and_written_down(differing, live):
    client = sign_in(*MAY)
    answer = press(client, differing, "apply")
    assert "as calendar.live has it, in version 1" in read_messages(answer)
    meeting = Meeting.objects.get()
    assert (meeting.title, meeting.version) == ("Theirs", 1)
    differing.refresh_from_db()
    assert (differing.status, differing.closed_by.username) == (Status.APPLIED, "nora")
    assert read_log(differing) == [("nora", "Applied what calendar.live holds")]
    assert "does not fit" in read_messages(press(client, differing, "apply"))


def test_theirs_never_takes_a_newer_state_back(differing, live):
    old = live.events["evt_1"]
    live.tell("evt_1", title="Newer")
    live.events["evt_1"] = old
    press(sign_in(*MAY), differing, "apply")
    meeting = Meeting.objects.get()
    assert (meeting.title, meeting.version) == ("Newer", 2)


def test_an_event_that_is_gone_cancels_the_meeting_everywhere(live, world, crm, reconcile):
    live.tell("evt_1")
    run_effects()
    live.events.clear()
    reconcile()
    row = Discrepancy.objects.get()
    client = sign_in(*MAY)
    assert "the meeting is cancelled here" in get_page(client, page_address(row, "apply"))
    assert "is cancelled here" in read_messages(press(client, row, "apply"))
    assert Meeting.objects.get().status == "cancelled"
    run_effects()
    (record,) = world.hubspot.meetings.values()
    assert record["hs_meeting_outcome"] == "CANCELED"
    assert reconcile().discrepancies == 0


def test_an_outage_while_theirs_is_asked_for_changes_nothing(differing, live):
    live.fail("GET /v1/events/evt_1", 503, {"code": "away", "message": "away"}, times=3)
    assert "503" in read_messages(press(sign_in(*MAY), differing, "apply"))
    differing.refresh_from_db()
    assert (differing.status, Meeting.objects.get().title) == (Status.OPEN, "Ours")


def test_ours_is_pushed_over_what_was_changed_there(changed_there, world, reconcile):
    client = sign_in(*MAY)
    assert "An effect brings the meeting to hubspot" in read_messages(press(client, changed_there, "push"))
    run_effects()
    (record,) = world.hubspot.meetings.values()
    assert record["hs_meeting_title"] == "Ours"
    changed_there.refresh_from_db()
    assert changed_there.status == Status.PUSHED
    assert reconcile().discrepancies == 0


def test_a_meeting_with_anothers_record_gets_one_of_its_own(live, world, crm, reconcile):
    live.tell("evt_1")
    live.tell("evt_2")
    run_effects()
    first, second = MeetingLink.objects.order_by("id")
    world.hubspot.meetings[first.external_id]["keepsync_id"] = str(second.meeting_id)
    reconcile()
    press(sign_in(*MAY), Discrepancy.objects.get(), "push")
    run_effects()
    assert len(world.hubspot.meetings) == 3
    assert MeetingLink.objects.get(meeting=first.meeting).external_id != first.external_id
    assert reconcile().discrepancies == 0


def test_a_discrepancy_is_dismissed_with_a_reason_and_not_found_again(differing, reconcile):
    client = sign_in(*MAY)
    assert press(client, differing, "dismiss").status_code == 200
    differing.refresh_from_db()
    assert differing.status == Status.OPEN
    press(client, differing, "dismiss", reason="It is a test")
    differing.refresh_from_db()
    assert (differing.status, differing.reason) == (Status.DISMISSED, "It is a test")
    assert "It is a test" in get_page(client, page_address(differing))
    assert reconcile().discrepancies == 0


@pytest.mark.parametrize("button", ["apply", "push", "dismiss"])
def test_deciding_needs_the_permission(differing, button):
    client = sign_in(*VIEW)
    assert page_address(differing, button) not in get_page(client, page_address(differing))
    for answer in (client.get(page_address(differing, button)), press(client, differing, button, reason="x")):
        assert answer.status_code == 403
    differing.refresh_from_db()
    assert differing.status == Status.OPEN


def test_looking_changes_nothing(differing):
    client = sign_in(*MAY)
    for button in ("apply", "push", "dismiss"):
        get_page(client, page_address(differing, button))
    differing.refresh_from_db()
    assert (differing.status, Effect.objects.count()) == (Status.OPEN, 0)


def test_each_side_offers_what_can_be_done_there(differing):
    client = sign_in(*MAY)
    page = get_page(client, page_address(differing))
    assert "Apply theirs" in page
    assert "Push ours" in page
    Discrepancy.objects.update(kind="missing_there")
    assert "Push ours" not in get_page(client, page_address(differing))


def test_a_rested_connection_offers_no_comparison_of_a_meeting(live, calendar):
    live.tell("evt_1")
    Connection.objects.update(status="paused")
    meeting = Meeting.objects.get()
    assert "does not fit" in read_messages(press(sign_in(*MAY), meeting, "reconcile"))
    assert not ReconciliationRun.objects.exists()
