"""The rehearsal's own judgement: what it finds wrong on each side, and how it is called."""

import io
import json
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import responses
from django.core.management import call_command
from django.core.management.base import CommandError

from bookings.flows import letters
from bookings.rehearsal import runs
from bookings.rehearsal.cases import STAGING, Case, choose
from bookings.rehearsal.checks import Expected, compare_crm, compare_letters, find_problems
from bookings.rehearsal.crms import CrmState, Entry, Person, read_hubspot, read_pipedrive, read_salesforce
from bookings.rehearsal.faults import FAULTS
from bookings.rehearsal.runs import run
from bookings.rehearsal.sandbox import Customer, Guest, Played
from bookings.rehearsal.stage import CaseFailedError, Stage
from integrations.exceptions import OutageError, PermanentError
from integrations.models import Connection
from tests.factories import read_sample, receive

SANDBOX = "http://127.0.0.1:8001"
KEY = "018f0000-0000-7000-8000-000000000001"
START, END = datetime(2026, 11, 24, 13, tzinfo=UTC), datetime(2026, 11, 24, 13, 30, tzinfo=UTC)
EVENT = {"id": "ev_1", "uid": "1@calendar.live", "start": "2026-11-24T13:00:00Z", "end": "2026-11-24T13:30:00Z"}
GUEST = Guest("Zoë Okafor", "zoe.okafor@example.com")
EXPECTED = Expected(EVENT, GUEST)
ZOE = Person("7", "Zoe.Okafor@example.com", "Zoë Okafor")
ENTRY = Entry("21", KEY, START, END, frozenset({"7"}), is_cancelled=False)


# --- What a CRM holds -------------------------------------------------------------------------------------------------


def test_hubspots_records_are_read() -> None:
    live = {"archived_at": None, "merged_into": None}
    person = {"email": "zoe.okafor@example.com", "firstname": "Zoë", "lastname": "Okafor"}
    meeting = {
        "keepsync_id": KEY,
        "hs_meeting_start_time": "2026-11-24T13:00:00.000Z",
        "hs_meeting_end_time": "2026-11-24T13:30:00.000Z",
        "hs_meeting_outcome": "CANCELED",
    }
    records = {
        "contacts": [{"id": "7", "properties": person, **live}, {"id": "8", "properties": {}, "archived_at": "…"}],
        "meetings": [{"id": "21", "properties": meeting, **live}],
        "associations": [
            {"from_kind": "meetings", "from_id": "21", "to_kind": "contacts", "to_id": "7"},
            {"from_kind": "contacts", "from_id": "7", "to_kind": "meetings", "to_id": "21"},
        ],
    }
    state = read_hubspot(records)
    assert state.find_people("ZOE.okafor@example.com") == [Person("7", "zoe.okafor@example.com", "Zoë Okafor")]
    assert state.entries == (replace(ENTRY, is_cancelled=True),)


def test_salesforces_records_are_read() -> None:
    records = {
        "Contact": [{"Id": "003", "Email": "zoe@example.com", "LastName": "Okafor", "IsDeleted": False}],
        "Lead": [{"Id": "00Q", "Email": "lea@example.com", "LastName": "Martin", "IsDeleted": True}],
        "Event": [
            {
                "Id": "00U",
                "Keepsync_Id__c": KEY,
                "StartDateTime": "2026-11-24T13:00:00.000+0000",
                "EndDateTime": "2026-11-24T13:30:00.000+0000",
                "WhoId": "003",
                "Subject": "Cancelled: Trial call",
                "IsDeleted": False,
            }
        ],
    }
    state = read_salesforce(records)
    assert state.people == (Person("003", "zoe@example.com", "Okafor"),)
    assert state.entries == (Entry("00U", KEY, START, END, frozenset({"003"}), is_cancelled=True),)


def test_pipedrives_records_are_read() -> None:
    records = {
        "persons": [{"id": 7, "name": "Zoë Okafor", "emails": [{"value": "zoe@example.com"}], "is_deleted": False}],
        "activities": [
            {
                "id": 21,
                "subject": "Trial call",
                "due_date": "2026-11-24",
                "due_time": "13:00",
                "duration": "00:30",
                "note": f"Calendar event: ev_1<br>Keepsync id: {KEY}",
                "participants": [{"person_id": 7, "primary": True}],
                "is_deleted": False,
            }
        ],
    }
    state = read_pipedrive(records)
    assert state.people == (Person("7", "zoe@example.com", "Zoë Okafor"),)
    assert state.entries == (ENTRY,)


@pytest.mark.parametrize(
    ("people", "entries", "problem"),
    [
        ([], [ENTRY], "has the customer not at all, not once"),
        ([ZOE, replace(ZOE, id="8")], [ENTRY], "has the customer twice, not once"),
        ([ZOE], [], "has the meeting not at all, not once"),
        ([ZOE], [ENTRY, ENTRY, ENTRY], "has the meeting 3 times, not once"),
        ([replace(ZOE, full_name="Zoe")], [ENTRY], "has the customer under another name"),
        ([ZOE], [replace(ENTRY, start=END)], "has the meeting at another time"),
        ([ZOE], [replace(ENTRY, contact_ids=frozenset())], "does not join the meeting with the customer"),
        ([ZOE], [replace(ENTRY, is_cancelled=True)], "has the meeting cancelled"),
        ([ZOE], [ENTRY], None),
    ],
)
def test_what_a_crm_lacks_is_named(people: list[Person], entries: list[Entry], problem: str | None) -> None:
    found = list(compare_crm(CrmState(tuple(people), tuple(entries)), KEY, EXPECTED))
    assert found == ([problem] if problem else [])


def test_a_cancelled_meeting_must_be_cancelled_there() -> None:
    cancelled = replace(EXPECTED, status="cancelled")
    found = list(compare_crm(CrmState((ZOE,), (ENTRY,)), KEY, cancelled))
    assert found == ["has the meeting as if it took place"]


def test_each_letter_is_counted() -> None:
    found = Counter({letters.CONFIRMATION: 2, "": 1})
    wanted = {letters.CONFIRMATION: 1, letters.CANCELLATION: 1}
    assert list(compare_letters(found, wanted, where="the outbox")) == [
        "the outbox has 2 of the customer's confirmations, not 1",
        "the outbox has 0 of the customer's cancellations, not 1",
        "the outbox has 1 of the customer's unknown letters, not 0",
    ]


# --- Keepsync's side --------------------------------------------------------------------------------------------------


@pytest.fixture
def stage(calendar_live: Connection) -> Stage:
    Connection.objects.update(base_url=SANDBOX)
    calendar_live.refresh_from_db()
    return Stage(calendar_live, [], {calendar_live.slug: calendar_live}, timeout_s=0.1)


@pytest.fixture
def outbox() -> Any:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as stubs:
        stubs.get(f"{SANDBOX}/mail/_sandbox/state", json={"records": {"messages": []}})
        yield stubs


def told(stage: Stage, **changes: Any) -> Expected:
    event = read_sample("event_created")["data"]["event"]
    person = event["attendees"][0]
    guest = Guest(person["full_name"], person["email"].strip().lower())
    return replace(Expected(event, guest, is_online=False, letters={}), **changes)


def test_a_booking_that_came_is_in_order(stage: Stage, outbox: Any) -> None:
    receive(read_sample("event_created"))
    assert find_problems(stage, told(stage)) == []


def test_a_booking_of_which_no_webhook_came_says_what_to_look_for(stage: Stage) -> None:
    [problem] = find_problems(stage, told(stage))
    assert problem.startswith("no webhook about the booking has come: the web process must run")
    assert "/webhooks/calendar-live/" in problem


def test_a_delivery_that_nobody_has_worked_on_is_named(stage: Stage) -> None:
    delivery = receive(read_sample("event_created"))
    type(delivery).objects.update(status="received")
    assert find_problems(stage, told(stage)) == ["delivery dlv_0001 is still received: a worker must run"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"status": "cancelled"}, "the meeting is confirmed in Keepsync, not cancelled"),
        ({"payment": "failed"}, "its payment is unknown in Keepsync, not failed"),
        ({"guest": Guest("Somebody Else", "else@example.com")}, "Keepsync has 0 contacts with the customer's address"),
    ],
)
def test_what_is_wrong_in_keepsync_is_named(stage: Stage, outbox: Any, changes: dict[str, Any], problem: str) -> None:
    receive(read_sample("event_created"))
    [found] = find_problems(stage, told(stage, **changes))
    assert found.startswith(problem)


# --- Runs -------------------------------------------------------------------------------------------------------------


def raising(error: Exception) -> Case:
    def play(stage: Stage) -> None:
        raise error

    return Case("broken", play)


def test_a_case_that_fails_never_holds_back_the_next(stage: Stage) -> None:
    cases = [raising(CaseFailedError("twice.")), raising(OutageError("away")), Case("good", lambda stage: None)]
    results = list(run(stage, cases))
    assert [result.reason for result in results] == [
        "twice.",
        "the sandbox did not do what it was asked to: away",
        "",
    ]
    assert [result.has_passed for result in results] == [False, False, True]


def test_what_was_booked_is_cancelled_also_by_a_case_that_fails(stage: Stage) -> None:
    def play(stage: Stage) -> None:
        stage.booked.append("ev_1")
        raise CaseFailedError("no.")

    with responses.RequestsMock() as stubs:
        stubs.post(f"{SANDBOX}/bookings/ev_1/cancel/", status=302)
        assert runs.play(stage, Case("broken", play)) == "no."
    assert stage.booked == []


def test_waiting_ends_with_what_is_left(stage: Stage) -> None:
    with pytest.raises(CaseFailedError, match=r"after 0 s: this; that\."):
        stage.wait(lambda: ["this", "that"])


def test_slots_where_somebody_is_booked_are_left_out() -> None:
    page = "".join(f'<input type="radio" name="slot" id="s" value="2026-11-24T{hour}:00:00Z">' for hour in (13, 14, 15))
    events = [
        {"start": "2026-11-24T13:00:00Z", "status": "confirmed"},
        {"start": "2026-11-24T14:00:00Z", "status": "cancelled"},
    ]
    with responses.RequestsMock() as stubs:
        stubs.get(f"{SANDBOX}/book/trial/", body=page)
        stubs.get(f"{SANDBOX}/calendar-live/_sandbox/state", json={"records": {"events": events}})
        assert Customer(SANDBOX).list_slots("trial") == ["2026-11-24T14:00:00Z", "2026-11-24T15:00:00Z"]


def test_a_taken_slot_is_an_error() -> None:
    with responses.RequestsMock() as stubs:
        stubs.post(f"{SANDBOX}/book/trial/", status=409)
        with pytest.raises(PermanentError, match="409, where 302"):
            Customer(SANDBOX).book("trial", "2026-11-24T14:00:00Z", GUEST)


def test_knobs_are_turned_back_also_after_an_error() -> None:
    before = {"latency_ms": 5}
    with responses.RequestsMock() as stubs:
        stubs.get(f"{SANDBOX}/zoom/_sandbox/knobs", json=before)
        turned = [stubs.put(f"{SANDBOX}/zoom/_sandbox/knobs", json={}) for _ in range(2)]
        with suppress(CaseFailedError), Played(f"{SANDBOX}/zoom").turned(is_down=True):
            raise CaseFailedError("no.")
    assert [json.loads(each.calls[0].request.body or b"") for each in turned] == [{"is_down": True}, before]


# --- The command ------------------------------------------------------------------------------------------------------


def rehearse(*arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output, and the message."""
    output = io.StringIO()
    try:
        call_command("rehearse", *arguments, stdout=output, stderr=io.StringIO())
    except CommandError as error:
        return error.returncode, output.getvalue(), str(error)
    return 0, output.getvalue(), ""


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--case", "party"], "there is no case party; there are new_booking, update, cancel, failed_payment"),
        (["--timeout", "0"], "--timeout must be above 0."),
        (["--connection", "nowhere"], "nowhere is no calendar.live connection; there are: none."),
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], message: str) -> None:
    status, _, said = rehearse(*arguments)
    assert status == 2
    assert said.startswith(message)


def test_connection_that_is_no_sandbox_is_status_2(calendar_live: Connection) -> None:
    status, _, said = rehearse()
    assert status == 2
    assert said.startswith("rehearse needs connections that point to the sandbox: calendar-live (the provider itself)")


@pytest.mark.parametrize("answer", [{"status": 404}, {"body": "<html>"}, {"json": []}, {"json": {"records": 7}}])
def test_anything_else_at_the_address_is_no_sandbox(stage: Stage, answer: dict[str, Any]) -> None:
    with responses.RequestsMock() as stubs:
        stubs.get(f"{SANDBOX}/calendar-live/_sandbox/state", **answer)
        assert rehearse()[0] == 2


def test_results_are_one_json_object_and_a_failed_case_is_status_1(stage: Stage, monkeypatch: Any) -> None:
    cases = [Case("good", lambda stage: None), raising(CaseFailedError("twice."))]
    monkeypatch.setattr("bookings.management.commands.rehearse.STAGING", cases)
    with responses.RequestsMock() as stubs:
        stubs.get(f"{SANDBOX}/calendar-live/_sandbox/state", json={"records": {}})
        status, output, said = rehearse("--json")
        lines = rehearse()[1]
    result = json.loads(output)
    assert (status, said, result["passed"], result["failed"]) == (1, "1 of the cases failed.", 1, 1)
    assert result["cases"][1] == {"name": "broken", "passed": False, "reason": "twice.", "seconds": 0.0}
    assert lines.splitlines() == ["pass  good (0.0 s)", "FAIL  broken (0.0 s): twice.", "1 of 2 cases passed."]


def test_cases_are_found_by_any_spelling_of_their_names() -> None:
    assert [case.name for case in choose((*STAGING, *FAULTS), ["Webhook replay", "new-booking"])] == [
        "new_booking",
        "webhook_replay",
    ]
