"""kill -9 of a worker around a call to each provider: before it is carried out, after it, and after it was recorded.

Whatever can be looked up over there happens once, by itself. Nobody can look up whether a message was sent: there a
person is asked, and nothing is sent again before the answer.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.processes.installation import Installation
from tests.processes.ledger import (
    CONFIRM,
    SEND_AGAIN,
    SWEEP,
    Entry,
    is_unknown,
    read_entries,
    read_entry,
    run_script,
    wait_until_all_over,
)
from tests.processes.outside import PAID_TYPE, Outside
from tests.processes.samples import Payload, make_booking
from tests.processes.waiting import wait_for

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)

type Prepare = Callable[[Installation, Outside, str], Payload]
type Find = Callable[[Installation, Outside, Payload], list[dict[str, Any]]]


@dataclass(frozen=True)
class Case:
    """One kind of effect: the message that leads to it, the call that carries it out, and what that makes."""

    name: str
    kind: str
    call: str
    calendar: str
    prepare: Prepare
    find: Find

    def __str__(self) -> str:
        return self.name


# --- What leads to it -------------------------------------------------------------------------------------------------


def book(**event: Any) -> Payload:
    """A new customer's booking, which asks for nothing but what is given here."""
    payload = make_booking()
    payload["data"]["event"].update({"event_type": None, "answers": [], **event})
    return payload


def event_type(**changes: Any) -> dict[str, Any]:
    return {"id": "et_any", "slug": "any", "name": "Any", "online_meeting": None, "capacity": 1, **changes}


def book_simply(installation: Installation, outside: Outside, calendar: str) -> Payload:
    return book()


def book_online(installation: Installation, outside: Outside, calendar: str) -> Payload:
    return book(event_type=event_type(online_meeting="zoom"))


def book_webinar(installation: Installation, outside: Outside, calendar: str) -> Payload:
    return book(event_type=event_type(online_meeting="zoom", capacity=50))


def book_paid(installation: Installation, outside: Outside, calendar: str) -> Payload:
    return book(event_type=event_type(slug=PAID_TYPE))


def book_promisingly(installation: Installation, outside: Outside, calendar: str) -> Payload:
    """With answers that make a high score."""
    return book(answers=make_booking()["data"]["event"]["answers"])


def book_again(installation: Installation, outside: Outside, calendar: str) -> Payload:
    """Another booking of somebody whom the CRM knows, a day later, so that the meeting is all that is new."""
    first = book()
    settle(installation, first, calendar)
    event = first["data"]["event"]
    times = {name: (datetime.fromisoformat(event[name]) + DAY).isoformat() for name in ("start", "end")}
    second = change(first, id=f"{event['id']}-2", uid=f"2-{event['uid']}", **times)
    return {**second, "id": f"{first['id']}-2"}


def cancel_paid(installation: Installation, outside: Outside, calendar: str) -> Payload:
    """The cancellation of a booking that was paid."""
    paid = book_paid(installation, outside, calendar)
    settle(installation, paid, calendar)
    [session] = find_by_meeting("stripe", "sessions")(installation, outside, paid)
    outside.pay(session["id"])
    query = "SELECT count(*) FROM bookings_payment WHERE session_id = %s AND status = 'paid'"
    wait_for(lambda: installation.fetch(query, session["id"])[0][0], what="Stripe's word on the payment")
    cancelled = change(paid, version=paid["data"]["event"]["version"] + 1, status="cancelled")
    return {**cancelled, "id": f"{paid['id']}-off", "type": "event.cancelled"}


def change(payload: Payload, **event: Any) -> Payload:
    changed = copy.deepcopy(payload)
    changed["data"]["event"].update(event)
    return changed


# --- What it makes ----------------------------------------------------------------------------------------------------


def find_by_person(provider: str, kind: str) -> Find:
    def find(installation: Installation, outside: Outside, payload: Payload) -> list[dict[str, Any]]:
        email = payload["data"]["event"]["attendees"][0]["email"].strip().lower()
        return outside.find(provider, kind, email)

    return find


def find_by_meeting(provider: str, kind: str) -> Find:
    def find(installation: Installation, outside: Outside, payload: Payload) -> list[dict[str, Any]]:
        return outside.find(provider, kind, read_meeting_id(installation, payload))

    return find


def find_refunds(installation: Installation, outside: Outside, payload: Payload) -> list[dict[str, Any]]:
    [session] = find_by_meeting("stripe", "sessions")(installation, outside, payload)
    return outside.find("stripe", "refunds", session["payment_intent"])


def read_meeting_id(installation: Installation, payload: Payload) -> str:
    query = "SELECT id::text FROM bookings_meeting WHERE external_id = %s"
    return str(installation.fetch(query, payload["data"]["event"]["id"])[0][0])


# --- The cases --------------------------------------------------------------------------------------------------------

HUBSPOT_CONTACT = Case(
    "hubspot-contact",
    "contact.upsert",
    r"POST /hubspot/crm/objects/[^/]+/contacts/batch/upsert",
    "to-hubspot",
    book_simply,
    find_by_person("hubspot", "contacts"),
)
SLACK_MESSAGE = Case(
    "slack-message",
    "slack.message",
    r"POST /slack/api/chat\.postMessage",
    "quiet",
    book_promisingly,
    find_by_meeting("slack", "messages"),
)
CONFIRMATION = Case(
    "email-confirmation",
    "email.confirmation",
    "DATA",
    "mailing",
    book_online,
    find_by_person("mail", "messages"),
)
FINDABLE = [
    HUBSPOT_CONTACT,
    Case(
        "hubspot-meeting",
        "meeting.upsert",
        r"POST /hubspot/crm/objects/[^/]+/meetings/batch/create",
        "to-hubspot",
        book_again,
        find_by_meeting("hubspot", "meetings"),
    ),
    Case(
        "salesforce-contact",
        "contact.upsert",
        r"PATCH /salesforce/services/data/[^/]+/composite/sobjects/Contact/",
        "to-salesforce",
        book_simply,
        find_by_person("salesforce", "Contact"),
    ),
    Case(
        "salesforce-event",
        "meeting.upsert",
        r"PATCH /salesforce/services/data/[^/]+/composite/sobjects/Event/",
        "to-salesforce",
        book_again,
        find_by_meeting("salesforce", "Event"),
    ),
    Case(
        "pipedrive-person",
        "contact.upsert",
        r"POST /pipedrive/api/v2/persons$",
        "to-pipedrive",
        book_simply,
        find_by_person("pipedrive", "persons"),
    ),
    Case(
        "pipedrive-activity",
        "meeting.upsert",
        r"POST /pipedrive/api/v2/activities$",
        "to-pipedrive",
        book_again,
        find_by_meeting("pipedrive", "activities"),
    ),
    Case(
        "zoom-meeting",
        "zoom.meeting",
        r"POST /zoom/v2/users/me/meetings",
        "quiet",
        book_online,
        find_by_meeting("zoom", "meetings"),
    ),
    Case(
        "zoom-registrant",
        "zoom.registrant",
        r"POST /zoom/v2/meetings/\d+/registrants",
        "quiet",
        book_webinar,
        find_by_person("zoom", "registrants"),
    ),
    Case(
        "stripe-checkout",
        "checkout.create",
        r"POST /stripe/v1/checkout/sessions$",
        "quiet",
        book_paid,
        find_by_meeting("stripe", "sessions"),
    ),
    Case("stripe-refund", "refund.create", r"POST /stripe/v1/refunds", "quiet", cancel_paid, find_refunds),
]
UNFINDABLE = [SLACK_MESSAGE, CONFIRMATION]


# --- The deaths -------------------------------------------------------------------------------------------------------


def settle(installation: Installation, payload: Payload, calendar: str) -> None:
    assert installation.post(payload, slug=calendar).json() == {"status": "accepted"}
    wait_until_all_over(installation, payload["id"])


def kill_during(case: Case, installation: Installation, outside: Outside, *, is_before: bool) -> Payload:
    """Let the worker die with the call in its hands, and start another one. Returns the message that led to it."""
    payload = case.prepare(installation, outside, case.calendar)
    with outside.holds.holding(case.call, is_before=is_before) as hold:
        assert installation.post(payload, slug=case.calendar).json() == {"status": "accepted"}
        hold.wait()
        assert installation.worker
        installation.worker.kill()
    let_leases_run_out(installation)
    assert len(case.find(installation, outside, payload)) == (0 if is_before else 1)
    entry = read_entry(installation, payload["id"], case.kind)
    assert (entry.status, entry.tries) == ("running", ["running"])
    installation.start_worker()
    return payload


def let_leases_run_out(installation: Installation) -> None:
    """What the dead had claimed is free at once, and all jobs run now.

    The true time is waited for in test_worker_death (deliveries) and test_effect_outage (effects).
    """
    installation.execute("UPDATE integrations_effect SET lease_expires_at = now() WHERE status = 'running'")
    installation.execute("UPDATE integrations_drain SET queued_for = NULL")
    installation.execute("UPDATE django_q_ormq SET lock = now() WHERE lock > now()")


def wait_until_over(case: Case, installation: Installation, payload: Payload) -> Entry:
    entries = wait_until_all_over(installation, payload["id"])
    assert {each.status for each in entries if not is_unknown(each)} <= {"succeeded", "suppressed"}
    return read_entry(installation, payload["id"], case.kind)


@pytest.mark.parametrize("is_before", [True, False], ids=["before-the-call", "before-the-answer"])
@pytest.mark.parametrize("case", FINDABLE, ids=str)
def test_what_can_be_looked_up_happens_once(
    connected: Installation, outside: Outside, case: Case, is_before: bool
) -> None:
    payload = kill_during(case, connected, outside, is_before=is_before)
    entry = wait_until_over(case, connected, payload)
    assert (entry.status, entry.tries) == ("succeeded", ["abandoned", "succeeded"])
    [made] = case.find(connected, outside, payload)
    assert entry.external_id == str(made.get("id") or made["Id"])


@pytest.mark.parametrize("case", UNFINDABLE, ids=str)
def test_a_message_that_has_arrived_is_not_sent_again_and_a_person_closes_it(
    connected: Installation, outside: Outside, case: Case
) -> None:
    payload = kill_during(case, connected, outside, is_before=False)
    assert_waits_for_a_person(case, connected, payload)
    another = case.prepare(connected, outside, case.calendar)
    settle(connected, another, case.calendar)
    assert len(case.find(connected, outside, another)) == 1
    entry = assert_waits_for_a_person(case, connected, payload)
    sweep = SWEEP.format(slug=read_connection(connected, entry), times=3)
    run_script(connected, sweep)
    assert_waits_for_a_person(case, connected, payload)
    run_script(connected, CONFIRM.format(effect_id=entry.id) + sweep)
    assert read_entry(connected, payload["id"], case.kind).status == "succeeded"
    assert len(case.find(connected, outside, payload)) == 1


@pytest.mark.parametrize("case", UNFINDABLE, ids=str)
def test_a_message_that_has_not_arrived_is_sent_once_a_person_says_so(
    connected: Installation, outside: Outside, case: Case
) -> None:
    payload = kill_during(case, connected, outside, is_before=True)
    entry = assert_waits_for_a_person(case, connected, payload)
    assert case.find(connected, outside, payload) == []
    run_script(connected, SEND_AGAIN.format(effect_id=entry.id))
    entry = wait_for_success(case, connected, payload)
    assert entry.tries == ["abandoned", "succeeded"]
    assert len(case.find(connected, outside, payload)) == 1


@pytest.mark.parametrize("case", [HUBSPOT_CONTACT, SLACK_MESSAGE, CONFIRMATION], ids=str)
def test_what_is_recorded_is_not_done_again(connected: Installation, outside: Outside, case: Case) -> None:
    """The drain stands still right after the record, when it writes down its own state, and dies there."""
    payload = case.prepare(connected, outside, case.calendar)
    with outside.holds.holding(case.call) as hold:
        assert connected.post(payload, slug=case.calendar).json() == {"status": "accepted"}
        hold.wait()
        with connected.locked("integrations_drain"):
            hold.pass_on()
            wait_for_success(case, connected, payload)
            connected.wait_until_blocked("integrations_drain")
            assert connected.worker
            connected.worker.kill()
    let_leases_run_out(connected)
    connected.start_worker()
    wait_for(lambda: not connected.fetch("SELECT id FROM django_q_ormq"), what="the queue is empty")
    entry = wait_until_over(case, connected, payload)
    assert (entry.status, entry.tries) == ("succeeded", ["succeeded"])
    assert len(case.find(connected, outside, payload)) == 1


def assert_waits_for_a_person(case: Case, installation: Installation, payload: Payload) -> Entry:
    entry = wait_until_over(case, installation, payload)
    assert is_unknown(entry)
    assert entry.tries == ["abandoned"]
    return entry


def read_connection(installation: Installation, entry: Entry) -> str:
    query = """
        SELECT slug FROM integrations_connection AS connection
        JOIN integrations_effect AS effect ON effect.connection_id = connection.id WHERE effect.id = %s
    """
    return str(installation.fetch(query, entry.id)[0][0])


def wait_for_success(case: Case, installation: Installation, payload: Payload) -> Entry:
    def is_done() -> bool:
        return [each.status for each in read_entries(installation, payload["id"], kind=case.kind)] == ["succeeded"]

    wait_for(is_done, what=f"{case.kind} has succeeded")
    return read_entry(installation, payload["id"], case.kind)
