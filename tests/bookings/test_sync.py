"""Meetings at the CRMs: after their contacts, with those who are there, and followed wherever they go."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings.models import Meeting, MeetingLink
from bookings.sync import UPSERT, plan_meeting, push_meetings
from contacts.models import Contact, ContactLink
from contacts.sync import link_contacts
from integrations.connections import account_of
from integrations.effect_kinds import Task
from integrations.events import Origin, RecordDeleted, RecordKind, dispatch
from integrations.models import Connection, Effect
from integrations.providers import get_provider
from integrations.providers.base import Rate
from integrations.providers.crm import CrmContact
from integrations.pushes import Pushed
from tests.bookings.flows.fakes import World, outside_world
from tests.bookings.flows.playing import (
    let_time_pass,
    list_effects,
    pair_with_hubspot,
    run_effects,
    tell,
    the_meeting,
)

pytestmark = pytest.mark.django_db
PLAIN: dict[str, Any] = {"event_type": None, "answers": []}
CREATE, UPDATE = "POST .*/meetings/batch/create", "POST .*/meetings/batch/update"


@pytest.fixture(autouse=True)
def crm(calendar_live: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setattr(type(get_provider("hubspot")), "rate", Rate(per_s=1000, burst=1000))
    return pair_with_hubspot(calendar_live)


@pytest.fixture
def world() -> Iterator[World]:
    with outside_world() as made:
        yield made


def people(*names: str) -> list[dict[str, Any]]:
    return [{"id": f"att_{name}", "email": f"{name}@acme.example", "full_name": f"{name} Smith"} for name in names]


def book(version: int = 1, **event: Any) -> None:
    tell(version=version, **{**PLAIN, **event})
    run_effects()


def sent(world: World) -> dict[str, str]:
    (only,) = world.hubspot.meetings.values()
    return only


def make_task(crm: Connection, meeting: Meeting) -> Task:
    return Task(
        effect_id=meeting.pk,
        key=f"{UPSERT}:{meeting.pk}",
        subject=f"meeting:{meeting.pk}",
        parameters={},
        connection=crm,
        account=account_of(crm),
        is_repeat=False,
    )


# --- What is sent -----------------------------------------------------------------------------------------------------


def test_the_default_mapping_says_which_field_is_which(world: World) -> None:
    book(title="Trial call", description="All questions.", join_url="https://meet.example/1")
    assert sent(world) == {
        "keepsync_id": str(the_meeting().pk),
        "hs_meeting_title": "Trial call",
        "hs_meeting_body": "All questions.",
        "hs_meeting_start_time": "2026-11-24T13:00:00Z",
        "hs_timestamp": "2026-11-24T13:00:00Z",
        "hs_meeting_end_time": "2026-11-24T13:30:00Z",
        "hs_meeting_external_url": "https://meet.example/1",
        "hs_meeting_outcome": "SCHEDULED",
        "hubspot_owner_id": "",
        "calendar_event_id": "ev_9f27c1",
        "calendar_event_uid": "9f27c1f4@calendar.live",
        "payment_session_id": "",
    }


def test_times_go_out_in_utc_whatever_zone_they_came_in(world: World) -> None:
    book(start="2026-11-24T23:30:00+02:00", end="2026-11-25T00:30:00+02:00")
    assert sent(world)["hs_meeting_start_time"] == "2026-11-24T21:30:00Z"


def test_it_is_sent_once_after_its_contacts_with_all_who_attend(world: World) -> None:
    book(attendees=people("ann", "bob"))
    book(attendees=people("ann", "bob"))
    upsert, create = (
        next(n for n, call in enumerate(world.hubspot.told) if part in call) for part in ("upsert", "meetings/batch")
    )
    assert upsert < create
    assert list(world.hubspot.attending.values()) == [set(world.hubspot.contacts)]
    assert len(world.hubspot.contacts) == 2
    assert (world.hubspot.count(CREATE), world.hubspot.count(UPDATE)) == (1, 0)


def test_only_what_has_changed_is_sent_again(world: World) -> None:
    book()
    book(version=2)
    assert list_effects(UPSERT) == ["succeeded", "suppressed"]
    book(version=3, title="Another title")
    assert (world.hubspot.count(CREATE), world.hubspot.count(UPDATE)) == (1, 1)
    assert sent(world)["hs_meeting_title"] == "Another title"


def test_states_that_come_while_one_waits_go_out_as_one(world: World) -> None:
    for version in range(1, 4):
        tell(version=version, title=f"Title {version}", **PLAIN)
    run_effects()
    assert list_effects(UPSERT) == ["succeeded"]
    assert sent(world)["hs_meeting_title"] == "Title 3"


def test_a_cancelled_meeting_is_marked_and_stays(world: World) -> None:
    book()
    book(version=2, status="cancelled")
    assert sent(world)["hs_meeting_outcome"] == "CANCELED"


def test_a_meeting_without_attendees_goes_out_as_well(world: World) -> None:
    book(attendees=people("ann"))
    book(version=2, attendees=[])
    assert len(world.hubspot.meetings) == 1


def test_another_mapping_sends_other_fields(world: World, crm: Connection) -> None:
    book()
    crm.field_mappings.filter(record="meeting", ours="title").delete()
    crm.field_mappings.filter(record="meeting", ours="timezone").delete()
    crm.field_mappings.create(record="meeting", ours="timezone", theirs="hs_meeting_title")
    book(version=2)
    assert sent(world)["hs_meeting_title"] == "Europe/Paris"


def test_the_first_attendees_owner_is_the_meetings(world: World, crm: Connection) -> None:
    user = User.objects.create(username="lea")
    crm.owner_mappings.create(user=user, external_id="77")
    tell(attendees=people("ann", "bob"), **PLAIN)
    first = the_meeting().attendances.order_by("id")[0].contact
    Contact.objects.filter(pk=first.pk).update(owner=user)
    run_effects()
    assert sent(world)["hubspot_owner_id"] == "77"


# --- Contacts that come later -----------------------------------------------------------------------------------------


def test_a_contact_that_fails_holds_the_meeting_back_in_nothing_and_joins_it_when_it_comes(world: World) -> None:
    world.hubspot.refused.add("bob@acme.example")
    book(attendees=people("ann", "bob"))
    assert list(map(len, world.hubspot.attending.values())) == [1]
    world.hubspot.refused.clear()
    bob = next(contact for contact in Contact.objects.all() if contact.full_name == "bob Smith")
    Effect.objects.filter(subject=f"contact:{bob.pk}").update(status="pending", due_at=timezone.now())
    run_effects()
    assert list(world.hubspot.attending.values()) == [set(world.hubspot.contacts)]
    assert len(world.hubspot.contacts) == 2
    assert len(world.hubspot.meetings) == 1


def test_a_contact_that_is_retried_joins_every_meeting_that_went_before_it(world: World) -> None:
    world.hubspot.fail("POST .*/contacts/batch/upsert", 503, {"message": "away"}, times=3)
    book(attendees=people("ann"))
    book(attendees=people("ann"), id="ev_2", uid="uid_2")
    let_time_pass(minutes=1)
    run_effects()
    assert list(map(len, world.hubspot.attending.values())) == [1, 1]


def test_a_meeting_that_is_being_sent_when_its_contact_gets_a_record_is_sent_again(crm: Connection) -> None:
    tell(attendees=people("ann"), **PLAIN)
    running = Effect.objects.filter(kind=UPSERT)
    running.update(status="running", tried_revision=1)
    contact = Contact.objects.get()
    link_contacts(crm, [Pushed(CrmContact(str(contact.pk), {}), "101")], as_of={str(contact.pk): contact.updated_at})
    effect = running.get()
    assert effect.revision > effect.tried_revision


def test_a_contact_brings_no_meeting_that_never_went_there(crm: Connection) -> None:
    tell(attendees=people("ann"), **PLAIN)
    Effect.objects.filter(kind=UPSERT).delete()
    contact = Contact.objects.get()
    link_contacts(crm, [Pushed(CrmContact(str(contact.pk), {}), "101")], as_of={str(contact.pk): contact.updated_at})
    assert list_effects(UPSERT) == []


def test_a_contact_with_a_new_record_joins_its_meetings_there_anew(world: World, crm: Connection) -> None:
    book(attendees=people("ann"))
    world.hubspot.forget("contacts")
    ContactLink.objects.all().delete()
    book(version=2, attendees=people("ann"))
    (attending,) = world.hubspot.attending.values()
    assert set(world.hubspot.contacts) <= attending


# --- What happens over there ------------------------------------------------------------------------------------------


def test_a_record_deleted_over_there_is_made_anew_with_the_next_change(world: World, crm: Connection) -> None:
    book()
    first = MeetingLink.objects.get().external_id
    world.hubspot.forget("meetings")
    deleted = RecordDeleted("meeting.deletion", RecordKind.MEETING, first, timezone.now())
    dispatch([deleted], Origin(crm.pk, crm.slug, the_meeting().pk, ""))
    assert not MeetingLink.objects.exists()
    book(version=2)
    assert list(world.hubspot.meetings) == [MeetingLink.objects.get().external_id]
    assert first not in world.hubspot.meetings


def test_a_record_that_is_found_gone_is_made_anew(world: World) -> None:
    book()
    world.hubspot.forget("meetings")
    book(version=2, title="Another title")
    assert list(world.hubspot.meetings) == [MeetingLink.objects.get().external_id]


def test_a_lost_answer_makes_no_second_record(world: World) -> None:
    book()
    MeetingLink.objects.all().delete()
    Effect.objects.filter(kind=UPSERT).update(status="pending", due_at=timezone.now(), finished_at=None)
    run_effects()
    assert len(world.hubspot.meetings) == 1
    assert MeetingLink.objects.get().external_id in world.hubspot.meetings


def test_a_bad_meeting_is_refused_alone(world: World) -> None:
    refusal = {"status": "error", "category": "VALIDATION_ERROR", "message": "No.", "correlationId": "c-1"}
    tell(attendees=people("ann"), **PLAIN)
    tell(attendees=people("bob"), id="ev_2", uid="uid_2", **PLAIN)
    # The batch of both, and then the first one alone.
    world.hubspot.fail(CREATE, 400, refusal, times=2)
    run_effects()
    assert sorted(list_effects(UPSERT)) == ["dead", "succeeded"]
    assert len(world.hubspot.meetings) == 1


def test_a_meeting_that_is_gone_here_is_left_alone(world: World, crm: Connection) -> None:
    book()
    calls = world.calls
    meeting = the_meeting()
    plan_meeting(meeting.pk, crm.pk)
    Meeting.objects.filter(pk=meeting.pk).delete()
    run_effects()
    assert world.calls == calls
    assert Effect.objects.filter(kind=UPSERT).latest("id").close_reason == "The meeting is not there any more."


# --- How much it costs ------------------------------------------------------------------------------------------------


def test_thirty_meetings_cost_as_many_queries_as_two(world: World, crm: Connection) -> None:
    for number in range(30):
        tell(attendees=people(f"ann{number}", f"bob{number}"), id=f"ev_{number}", uid=f"uid_{number}", **PLAIN)
    for number, contact in enumerate(Contact.objects.all()):
        user = User.objects.create(username=f"user{number}", email=f"user{number}@acme.example")
        Contact.objects.filter(pk=contact.pk).update(owner=user)
    tasks = [make_task(crm, meeting) for meeting in Meeting.objects.all()]
    push_meetings(tasks[:1])
    counts = []
    for size in (2, 30):
        with CaptureQueriesContext(database) as queries:
            push_meetings(tasks[:size])
        counts.append(len(queries))
    assert counts[1] <= counts[0]
