"""A sales rep's meeting in each of the played CRMs, booked, moved and cancelled at calendar.live: real HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from bookings.models import Meeting, MeetingLink
from integrations.events import Event, Origin, RecordChanged, RecordKind, dispatch
from integrations.models import Connection
from integrations.pairs import make_pair
from integrations.sandbox.staff import LEA
from tests.bookings.calendar_world import EMEA, TOKEN, iso, workday
from tests.bookings.flows.conftest import _wait_for_nothing  # noqa: F401
from tests.bookings.flows.playing import run_effects
from tests.factories import make_connection
from tests.integrations.sandbox.support import Receiver, Sandbox, receiving, running_sandbox, wait_until
from tests.integrations.sandbox.test_adapters import CRMS, SECRETS, account_at, save
from tests.integrations.sandbox.test_two_way import ADD, RECORDS, press

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
# Each CRM has an hour of its own on the calendar.
HOURS = {"hubspot": 9, "salesforce": 11, "pipedrive": 14}
HALF = timedelta(minutes=30)


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
    with running_sandbox(tmp_path_factory.mktemp("reps"), **variables) as sandbox:
        yield sandbox


@pytest.fixture(params=CRMS)
def crm(request: pytest.FixtureRequest, world: Sandbox) -> Connection:
    account = account_at(world, request.param)
    calendar = make_connection(base_url=world.url, options={"access_token": TOKEN, "default_region": "FR"})
    crm = make_connection(
        request.param,
        provider=request.param,
        base_url=account.base_url,
        options={"access_token": account.credentials["access_token"]},
    )
    make_pair(calendar, crm, "two_way")
    CRMS[request.param].prepare(account)
    return crm


def take_told(crm: Connection, world: Sandbox, receivers: dict[str, Receiver], since: datetime) -> None:
    """What the CRM tells of its meetings, by webhooks or by polling, comes in and is carried out."""

    def read() -> list[Event]:
        adapter = CRMS[crm.provider]
        if crm.provider == "salesforce":
            found = list(adapter.list_changes(account_at(world, crm.provider), since).events)
        else:
            told = list(receivers[crm.provider].requests)
            found = [event for _, body in told for event in adapter.parse(body).events]
        return [each for each in found if isinstance(each, RecordChanged) and each.record == RecordKind.MEETING]

    events = wait_until(read, what="the CRM tells of a meeting")
    with transaction.atomic():
        dispatch(events, Origin(crm.pk, crm.slug, None, ""))
    run_effects()
    for receiver in receivers.values():
        receiver.requests.clear()


def find_event(world: Sandbox) -> dict[str, Any]:
    event: dict[str, Any] = world.api("GET", f"events/{Meeting.objects.get().external_id}").json()
    return event


def write_times(start: datetime) -> dict[str, str]:
    return {"start": f"{start:%Y-%m-%dT%H:%M}", "end": f"{start + HALF:%Y-%m-%dT%H:%M}"}


def test_it_is_booked_moved_and_cancelled(crm: Connection, world: Sandbox, receivers: dict[str, Receiver]) -> None:
    name, since, start = crm.provider, datetime.now(UTC) - timedelta(minutes=1), workday(0, HOURS[crm.provider])
    contact_id = save(world, name).external_id
    asked = {"title": "Sales call", "owner": str(LEA.number), "contact": contact_id, **write_times(start)}
    press(world, f"{name}/{ADD[name]}", **asked)
    take_told(crm, world, receivers, since)
    event, link = find_event(world), MeetingLink.objects.get()
    assert (event["title"], event["start"], event["calendar"]["id"]) == ("Sales call", iso(start), EMEA)
    assert len(event["attendees"]) == 1
    (record,) = CRMS[name].fetch_meetings(account_at(world, name), [link.external_id], fields=[])
    assert record
    assert record.key == str(link.meeting_id)

    later = start + 2 * HALF
    press(world, f"{name}/{RECORDS[name]}/{link.external_id}/move/", **write_times(later))
    take_told(crm, world, receivers, since)
    assert find_event(world)["start"] == iso(later)

    press(world, f"{name}/{RECORDS[name]}/{link.external_id}/cancel/")
    take_told(crm, world, receivers, since)
    assert find_event(world)["status"] == "cancelled"
    assert MeetingLink.objects.count() == Meeting.objects.count() == 1
