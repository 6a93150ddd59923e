"""What sales reps do in the played CRMs as Keepsync's adapters see it, and what an update leaves to them: real HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.events import RecordChanged, RecordKind
from integrations.providers.base import IncomingRequest
from integrations.providers.crm import CrmMeeting, MeetingRecord
from integrations.sandbox.staff import SAM
from tests.integrations.sandbox.support import Receiver, Sandbox, receiving, running_sandbox, wait_until
from tests.integrations.sandbox.test_adapters import CRMS, MEETINGS, SECRETS, account_at, save, saved

pytestmark = pytest.mark.slow

ADD = {"hubspot": "meetings/add/", "salesforce": "events/add/", "pipedrive": "activities/add/"}
RECORDS = {"hubspot": "records", "salesforce": "rows/Event", "pipedrive": "activity"}
CONTACTS = {"hubspot": "records", "salesforce": "rows/Contact", "pipedrive": "person"}
TITLES = {name: next(iter(values)) for name, values in MEETINGS.items()}
DESCRIPTIONS = {"hubspot": "hs_meeting_body", "salesforce": "Description", "pipedrive": "note"}
NEW = {"title": "Sales call", "start": "2026-12-01T10:00", "end": "2026-12-01T10:45", "owner": "2"}
LATER = {"start": "2026-12-02T08:30", "end": "2026-12-02T09:00"}
# What a form of theirs calls them.
EDITS = {
    "hubspot": {"firstname": "Zoé", "phone": "+33612345678"},
    "salesforce": {"FirstName": "Zoé", "Phone": "+33612345678"},
    "pipedrive": {"name": "Zoé", "phone": "+33612345678"},
}
READ = {
    "hubspot": {"firstname": "Zoé", "phone": "+33612345678"},
    "salesforce": {"FirstName": "Zoé", "Phone": "+33612345678"},
    "pipedrive": {"name": "Zoé", "phones": "+33612345678"},
}
TIMES = {
    "hubspot": {"hs_meeting_start_time": "2026-12-01T10:00:00Z", "hs_meeting_end_time": "2026-12-01T10:45:00Z"},
    "salesforce": {"StartDateTime": "2026-12-01T10:00:00Z", "EndDateTime": "2026-12-01T10:45:00Z"},
    "pipedrive": {"due_date": "2026-12-01", "due_time": "10:00", "duration": "00:45"},
}
MOVED = {
    "hubspot": {"hs_meeting_start_time": "2026-12-02T08:30:00Z", "hs_meeting_end_time": "2026-12-02T09:00:00Z"},
    "salesforce": {"StartDateTime": "2026-12-02T08:30:00Z", "EndDateTime": "2026-12-02T09:00:00Z"},
    "pipedrive": {"due_date": "2026-12-02", "due_time": "08:30", "duration": "00:30"},
}


@pytest.fixture(scope="module")
def receivers() -> Iterator[dict[str, Receiver]]:
    with receiving() as hubspot, receiving() as pipedrive:
        yield {"hubspot": hubspot, "pipedrive": pipedrive}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, receivers: dict[str, Receiver]) -> Iterator[Sandbox]:
    variables = {"SANDBOX_STATE": ""}
    for name, receiver in receivers.items():
        variables |= {f"SANDBOX_{name.upper()}_WEBHOOK_URL": receiver.url}
        variables |= {f"SANDBOX_{name.upper()}_WEBHOOK_SECRET": SECRETS[name]}
    with running_sandbox(tmp_path_factory.mktemp("two_way"), **variables) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def _afresh(world: Sandbox, receivers: dict[str, Receiver]) -> None:
    for name, crm in CRMS.items():
        assert world.post(f"/{name}/_sandbox/reset").status_code == 204
        crm.prepare(account_at(world, name))
    for receiver in receivers.values():
        receiver.requests.clear()


@pytest.fixture
def changes(world: Sandbox, receivers: dict[str, Receiver]) -> Callable[[str], list[RecordChanged]]:
    """What has been told of meetings: by webhooks, or by polling."""
    since = datetime.now(tz=UTC) - timedelta(minutes=1)

    def read(name: str) -> list[RecordChanged]:
        if name == "salesforce":
            events = list(CRMS[name].list_changes(account_at(world, name), since).events)
        else:
            requests, url = list(receivers[name].requests), receivers[name].url
            events = [event for request in requests for event in parse(name, url, *request)]
        found = [event for event in events if isinstance(event, RecordChanged)]
        return [event for event in found if event.record == RecordKind.MEETING]

    return read


def parse(name: str, url: str, headers: Any, body: bytes) -> list[Any]:
    assert CRMS[name].verify(IncomingRequest(headers=headers, body=body, uris=(url,)), [SECRETS[name]])
    return list(CRMS[name].parse(body).events)


def press(world: Sandbox, address: str, **fields: str) -> None:
    """A button of a CRM's page."""
    answer = world.session.post(f"{world.url}/{address}", data=fields, allow_redirects=False, timeout=30)
    assert answer.status_code == 302, answer.text


def fetch(world: Sandbox, name: str, meeting_id: str) -> MeetingRecord:
    fields = (TITLES[name], *TIMES[name], DESCRIPTIONS[name])
    (found,) = CRMS[name].fetch_meetings(account_at(world, name), [meeting_id], fields=fields)
    assert found is not None
    return found


def find_id(changes: Callable[[str], list[RecordChanged]], name: str) -> str:
    """The id of the meeting that is told of, once it is."""
    found: list[RecordChanged] = wait_until(lambda: changes(name), what="the meeting is told of")
    return found[0].external_id


@pytest.mark.parametrize("name", CRMS)
def test_a_meeting_that_a_rep_makes_moves_and_cancels_is_seen(
    world: Sandbox, name: str, changes: Callable[[str], list[RecordChanged]]
) -> None:
    contact_id = save(world, name).external_id
    press(world, f"{name}/{ADD[name]}", **NEW, contact=contact_id)
    meeting_id = find_id(changes, name)
    made = fetch(world, name, meeting_id)
    assert made.values == {TITLES[name]: "Sales call", **TIMES[name], DESCRIPTIONS[name]: None}
    assert (made.key, made.contact_ids, made.is_cancelled) == ("", (contact_id,), False)
    assert CRMS[name].find_owner_email(account_at(world, name), made.owner_id) == SAM.email

    press(world, f"{name}/{RECORDS[name]}/{meeting_id}/move/", **LATER)
    moved = fetch(world, name, meeting_id)
    assert moved.values.items() >= MOVED[name].items()

    def is_told() -> bool:
        read = [CRMS[name].read_changed(RecordKind.MEETING, event.values) for event in changes(name)]
        return any(values.items() >= MOVED[name].items() for values in read)

    wait_until(is_told, what="the move")
    press(world, f"{name}/{RECORDS[name]}/{meeting_id}/cancel/")
    cancelled = fetch(world, name, meeting_id)
    assert cancelled.is_cancelled
    assert cancelled.values == moved.values
    press(world, f"{name}/{RECORDS[name]}/{meeting_id}/delete/")
    gone = CRMS[name].fetch_meetings(account_at(world, name), [meeting_id], fields=(TITLES[name],))
    assert gone == [None]


@pytest.mark.parametrize("name", CRMS)
def test_a_contact_that_a_rep_edits_is_read_as_it_is_then(world: Sandbox, name: str) -> None:
    one, two = save(world, name).external_id, save(world, name, "c-2", email="lea@example.com").external_id
    press(world, f"{name}/{CONTACTS[name]}/{one}/edit/", **EDITS[name])
    press(world, f"{name}/{CONTACTS[name]}/{two}/delete/")
    found, gone = CRMS[name].fetch_contacts(account_at(world, name), [one, two], fields=tuple(READ[name]))
    assert gone is None
    assert found is not None
    assert (found.values, found.emails, found.phones) == (READ[name], ("zoe@example.com",), ("+33612345678",))


def link_meeting(world: Sandbox, name: str) -> CrmMeeting:
    """A meeting that was saved; all that it has is unchanged since."""
    values = {**MEETINGS[name], DESCRIPTIONS[name]: "Agenda"}
    meeting = CrmMeeting("m-1", values, contact_ids=(save(world, name).external_id,))
    (made,) = CRMS[name].save_meetings(account_at(world, name), [meeting])
    return replace(meeting, external_id=saved(made).external_id, unchanged=frozenset(values), keeps_status=True)


def update(world: Sandbox, name: str, meeting: CrmMeeting, *changed: str, **values: Any) -> MeetingRecord:
    """The record after an update in which these have changed."""
    sent = replace(meeting, values={**meeting.values, **values}, unchanged=meeting.unchanged - {*changed, *values})
    (result,) = CRMS[name].save_meetings(account_at(world, name), [sent])
    return fetch(world, name, saved(result).external_id)


@pytest.mark.parametrize("name", CRMS)
def test_an_update_leaves_what_a_rep_has_changed_meanwhile(world: Sandbox, name: str) -> None:
    meeting = link_meeting(world, name)
    press(world, f"{name}/{RECORDS[name]}/{meeting.external_id}/edit/", **{TITLES[name]: "A rep's own title"})
    press(
        world, f"{name}/{RECORDS[name]}/{meeting.external_id}/move/", start="2026-12-02T08:30", end="2026-12-02T09:00"
    )
    found = update(world, name, meeting, **{DESCRIPTIONS[name]: "Another agenda"})
    assert found.values == {TITLES[name]: "A rep's own title", **MOVED[name], DESCRIPTIONS[name]: "Another agenda"}
    assert found.key == "m-1"


@pytest.mark.parametrize("name", CRMS)
def test_an_update_leaves_a_reps_cancellation(world: Sandbox, name: str) -> None:
    meeting = link_meeting(world, name)
    press(world, f"{name}/{RECORDS[name]}/{meeting.external_id}/cancel/")
    found = update(world, name, meeting, **{TITLES[name]: "Another title"})
    assert (found.is_cancelled, found.values[TITLES[name]]) == (True, "Another title")


@pytest.mark.parametrize("name", CRMS)
def test_a_record_that_is_gone_is_made_anew_with_all(world: Sandbox, name: str) -> None:
    meeting = link_meeting(world, name)
    press(world, f"{name}/{RECORDS[name]}/{meeting.external_id}/delete/")
    found = update(world, name, meeting, **{DESCRIPTIONS[name]: "Another agenda"})
    assert found.external_id != meeting.external_id
    assert found.values == {**MEETINGS[name], DESCRIPTIONS[name]: "Another agenda"}


@pytest.mark.parametrize("name", CRMS)
def test_contacts_join_a_meeting_in_which_nothing_else_has_changed(world: Sandbox, name: str) -> None:
    meeting = link_meeting(world, name)
    other = save(world, name, "c-2", email="lea@example.com").external_id
    found = update(world, name, replace(meeting, contact_ids=(other, *meeting.contact_ids)))
    assert other in found.contact_ids


@pytest.mark.parametrize("name", ["salesforce", "pipedrive"])
def test_a_cancellation_marks_the_title_that_a_rep_has_given(world: Sandbox, name: str) -> None:
    meeting = link_meeting(world, name)
    press(world, f"{name}/{RECORDS[name]}/{meeting.external_id}/edit/", **{TITLES[name]: "A rep's own title"})
    found = update(world, name, replace(meeting, is_cancelled=True, keeps_status=False))
    assert (found.is_cancelled, found.values[TITLES[name]]) == (True, "A rep's own title")
    again = update(world, name, replace(meeting, keeps_status=False))
    assert (again.is_cancelled, again.values[TITLES[name]]) == (False, "A rep's own title")
