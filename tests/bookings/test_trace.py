"""The page that tells all that happened to one booking, and leads on where something stands still."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client, RequestFactory
from django.utils import timezone

from bookings.models import (
    BookingRequest,
    Conflict,
    Discrepancy,
    Invitation,
    Meeting,
    MeetingLink,
    Payment,
    ReconciliationRun,
)
from bookings.payments import Told, settle
from bookings.tracing import pages
from bookings.tracing.pages import describe_trace
from contacts.merging import merge
from contacts.models import Contact
from integrations.models import Attempt, Connection, Delivery, Effect, FieldWrite, Token
from integrations.models.provenance import caused_by
from integrations.pairs import make_pair
from integrations.roles import OPERATOR, VIEWER
from tests.factories import make_connection, make_payload, receive
from tests.integrations.admin.support import get_page, make_effect, page_address, press, read_messages

SECOND = timedelta(seconds=1)


@pytest.fixture
def hubspot(calendar_live: Connection) -> Connection:
    crm = make_connection("hubspot", provider="hubspot", options={"access_token": "token-1"})
    make_pair(calendar_live, crm, "two_way")
    return crm


def book(number: int = 1, **event: Any) -> Meeting:
    receive(make_payload(f"dlv_{number}", id=f"ev_{number}", uid=f"uid_{number}", **event))
    return Meeting.objects.get(external_id=f"ev_{number}")


def sign_in_as(role: str) -> Client:
    user = User.objects.create_user("nora", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def read_trace(client: Client, meeting: Meeting, **parameters: str) -> Any:
    """What its page shows to the client's user, in values."""
    request = RequestFactory().get(page_address(meeting, "trace"), parameters)
    request.user = User.objects.get(pk=client.session["_auth_user_id"])
    return describe_trace(request, Meeting.objects.select_related("connection", "calendar").get(pk=meeting.pk))


def steps_of(client: Client, meeting: Meeting, what: str = "") -> list[Any]:
    steps = [row.line.step for row in read_trace(client, meeting)["rows"]]
    return [step for step in steps if not what or step.what == what]


def only(client: Client, meeting: Meeting, what: str) -> Any:
    (step,) = steps_of(client, meeting, what)
    return step


def tell(step: Any) -> str:
    """A step as it reads."""
    return " | ".join([str(step.title), step.state, *map(str, step.lines)])


def arrive(effect: Effect, *, external_id: str = "51") -> None:
    """As a drain would have it: tried once, with one call, and there."""
    now = timezone.now()
    call = {"method": "POST", "path": "/crm/objects/2026-03/meetings", "status": 201, "duration_ms": 84}
    Attempt.objects.create(
        effect=effect, number=1, outcome="succeeded", started_at=now, finished_at=now + SECOND, calls=[call]
    )
    meeting = Meeting.objects.get(pk=effect.subject.partition(":")[2])
    with caused_by(effect.delivery_id):
        MeetingLink.objects.create(meeting=meeting, connection=effect.connection, external_id=external_id)
    Effect.objects.filter(pk=effect.pk).update(status="succeeded", external_id=external_id, finished_at=now + SECOND)


def upsert_of(meeting: Meeting) -> Effect:
    return Effect.objects.get(kind="meeting.upsert", subject=f"meeting:{meeting.pk}")


# --- Health -----------------------------------------------------------------------------------------------------------


def test_a_booking_that_arrived_everywhere_says_so_and_how_fast(hubspot: Connection, admin_client: Client) -> None:
    changed_at = timezone.now() - 2 * SECOND
    meeting = book(updated_at=changed_at.isoformat().replace("+00:00", "Z"))
    for effect in Effect.objects.exclude(kind="meeting.upsert"):
        Effect.objects.filter(pk=effect.pk).update(status="succeeded", finished_at=timezone.now())
    arrive(upsert_of(meeting))
    context = read_trace(admin_client, meeting)

    assert context["standing"].tone == "good"
    assert re.fullmatch(
        r"All of it arrived everywhere, \d+(\.\d)? s after the change over there\.", context["standing"].text
    )
    (hub,) = [row for row in context["panels"][0].rows if "51" in row]
    assert re.fullmatch(r"\d+\.\d s", str(hub[-1]))


def test_a_booking_without_a_crm_needs_to_go_nowhere(calendar_live: Connection, admin_client: Client) -> None:
    assert read_trace(admin_client, book())["standing"].text == "It is here, and nothing of it is to go anywhere."


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"status": "dead", "cause": "permanent"}, "active", "given up (never accepted by the other side)"),
        ({"status": "waiting", "cause": "unknown_outcome"}, "active", "nobody knows whether it arrived"),
        ({"status": "waiting", "cause": "reauthorise"}, "needs_reauthorisation", "it waits for reauthorisation"),
        ({"status": "waiting"}, "paused", "its connection is paused"),
        ({"status": "waiting"}, "disabled", "its connection is disabled"),
        ({"status": "waiting", "cause": "rate_limited"}, "active", "its connection rests (rate-limited)"),
        ({"status": "retrying", "cause": "transient"}, "active", "a try failed (transient), the next one comes"),
        ({"status": "pending"}, "active", "it is on its way"),
        ({"status": "running"}, "active", "it is on its way"),
    ],
)
def test_what_has_not_arrived_is_said_with_its_reason(
    fields: dict[str, str], status: str, reason: str, hubspot: Connection, admin_client: Client
) -> None:
    meeting = book()
    Effect.objects.exclude(kind="meeting.upsert").delete()
    Effect.objects.update(**fields)
    Connection.objects.filter(pk=hubspot.pk).update(status=status)
    standing = read_trace(admin_client, meeting)["standing"]

    assert standing.text.startswith(f"HubSpot does not have it yet: {reason}") or reason in standing.text
    goes_on = status == "active" and fields.get("cause") not in ("permanent", "unknown_outcome")
    assert standing.tone == ("warn" if goes_on else "bad")


def test_a_record_that_is_there_lacks_only_the_latest_state(hubspot: Connection, admin_client: Client) -> None:
    meeting = book()
    MeetingLink.objects.create(meeting=meeting, connection=hubspot, external_id="51")
    Effect.objects.exclude(kind="meeting.upsert").delete()

    assert "HubSpot does not have its latest state yet" in read_trace(admin_client, meeting)["standing"].text


def test_the_worst_is_told_first_and_the_others_are_counted(hubspot: Connection, admin_client: Client) -> None:
    meeting = book()
    Effect.objects.filter(kind="contact.upsert").update(status="dead", cause="permanent")
    standing = read_trace(admin_client, meeting)["standing"]

    assert standing.text.startswith("contact.upsert at HubSpot has not happened yet: it was given up")
    assert standing.text.endswith("And 1 more thing stands open.")


def test_a_crm_that_was_paired_later_is_missing(calendar_live: Connection, admin_client: Client) -> None:
    meeting = book()
    make_pair(calendar_live, make_connection("hubspot", provider="hubspot"), "in")
    (matter,) = read_trace(admin_client, meeting)["standing"].matters

    assert matter.text == "HubSpot does not have it, and nothing is on its way there."
    assert [way.label for way in matter.ways] == ["Reconcile"]


# --- Steps ------------------------------------------------------------------------------------------------------------


def test_messages_are_told_with_their_tries_and_repeats(calendar_live: Connection, admin_client: Client) -> None:
    meeting = book()
    Delivery.objects.update(duplicates=2)
    delivery = Delivery.objects.get()
    step = only(admin_client, meeting, "Delivery")

    assert tell(step).startswith("event.created from calendar-live | Processed | Its id there: dlv_1.")
    assert "Its signature was verified." in tell(step)
    assert "It came again 2 times: nothing was done for that." in tell(step)
    assert step.address == page_address(delivery)
    tried = only(admin_client, meeting, "Handlers")
    assert re.match(r"Try 1 at event.created \| Succeeded \| Took \d+", tell(tried))


def test_a_message_that_failed_says_why(calendar_live: Connection, admin_client: Client) -> None:
    meeting = book()
    receive(make_payload("dlv_2", "event.updated", id="ev_1", uid="uid_1", version=2, start="no time"))
    failed = steps_of(admin_client, meeting, "Handlers")[-1]

    assert failed.state == "Failed"
    assert failed.variant == "danger"
    assert "Cannot be read:" in tell(failed)


def test_an_older_state_is_told_as_stale(calendar_live: Connection, admin_client: Client) -> None:
    meeting = book(version=5)
    receive(make_payload("dlv_2", "event.updated", id="ev_1", uid="uid_1", version=3))

    assert steps_of(admin_client, meeting, "Delivery")[-1].state == "Stale"


VERDICTS = {
    "applied": ("Applied", "success"),
    "blocked": ("Blocked", "warning"),
    "stale": ("Older than what is known", "warning"),
    "echo": ("Our own, come back", "info"),
    "conflict": ("A person is asked", "danger"),
}


def test_writes_of_fields_are_told_with_verdict_and_message(hubspot: Connection, admin_client: Client) -> None:
    meeting, led = book(), make_delivery_of(hubspot)
    for verdict in VERDICTS:
        FieldWrite.objects.create(
            connection=hubspot, subject=f"meeting:{meeting.pk}", fields=["title"], verdict=verdict, delivery_id=led.pk
        )
    written = steps_of(admin_client, meeting, "Write of fields")

    assert {step.title for step in written} == {"Title, written by hubspot"}
    assert [(step.state, step.variant) for step in written] == list(VERDICTS.values())
    assert f'href="#delivery-{led.pk}"' in get_page(admin_client, page_address(meeting, "trace"))


def make_delivery_of(connection: Connection, **fields: Any) -> Delivery:
    """A message that names nothing of the meeting, as a CRM's batches do."""
    values = {
        "connection": connection, "delivery_id": "batch-1", "event_type": "batch", "status": "processed",
        "body": b"[]", "body_digest": b"\0" * 32, "received_at": timezone.now(),
    }  # fmt: skip
    return Delivery.objects.create(**{**values, **fields})


def test_writes_of_people_are_told_where_a_message_of_this_meeting_made_them(
    hubspot: Connection, admin_client: Client
) -> None:
    meeting = book()
    contact, led = meeting.attendances.get().contact, Delivery.objects.get()
    other = make_delivery_of(hubspot)
    for delivery in (led, other):
        FieldWrite.objects.create(
            connection=hubspot, subject=f"contact:{contact.pk}", fields=["company"], verdict="blocked",
            delivery_id=delivery.pk,
        )  # fmt: skip

    assert [step.delivery_id for step in steps_of(admin_client, meeting, "Write of fields")] == [led.pk]


def test_changes_are_told_without_what_names_people(calendar_live: Connection, admin_client: Client) -> None:
    meeting = book(title="Talk with Zoë")
    meeting.title, meeting.status = "Talk with Rosa", "cancelled"
    meeting.save()
    created, changed = steps_of(admin_client, meeting, "Meeting")

    assert created.delivery_id == Delivery.objects.get().pk
    assert "status: confirmed" in tell(created)
    assert re.search(r"start: \d{4}-\d\d-\d\d \d\d:\d\d:00 UTC", tell(created))
    assert "Status: confirmed → cancelled, title: another one" in tell(changed)
    assert "By a command or a job." in tell(changed)
    assert "Zoë" not in tell(created) + tell(changed)


def test_a_change_by_hand_names_who_made_it(calendar_live: Connection, admin_client: Client) -> None:
    meeting = book()
    meeting.status = "cancelled"
    vars(meeting)["_history_user"] = User.objects.get()
    meeting.save()

    assert "By admin." in tell(steps_of(admin_client, meeting, "Meeting")[-1])


def test_what_only_says_that_something_was_sent_is_left_to_the_effects_step(
    hubspot: Connection, admin_client: Client
) -> None:
    meeting = book()
    link = MeetingLink.objects.create(meeting=meeting, connection=hubspot, external_id="51")
    link.pushed_at = timezone.now()
    link.save()
    before = len(steps_of(admin_client, meeting, "External id"))
    link.is_gone = True
    link.save()

    assert before == 1
    assert steps_of(admin_client, meeting, "External id")[-1].title == "Its record at hubspot is gone there"


def test_an_effect_is_told_with_its_tries_and_their_calls(hubspot: Connection, admin_client: Client) -> None:
    meeting = book()
    arrive(upsert_of(meeting))
    planned = next(each for each in steps_of(admin_client, meeting, "Effect") if "meeting.upsert" in each.title)
    tried = only(admin_client, meeting, "Attempt")

    assert planned.title == "Planned: meeting.upsert at hubspot (HubSpot)"
    assert "External id: 51" in tell(planned)
    assert tell(tried) == (
        "Try 1 at meeting.upsert at hubspot (HubSpot) | Succeeded | Took 1.0 s. | "
        "POST /crm/objects/2026-03/meetings → 201, 84 ms"
    )
    assert only(admin_client, meeting, "External id").title == "It has the external id 51 at hubspot"


def test_an_effect_that_a_person_closed_says_why(hubspot: Connection, admin_client: Client) -> None:
    meeting = book()
    Effect.objects.exclude(kind="meeting.upsert").delete()
    press(admin_client, upsert_of(meeting), "suppress", reason="It was a test.")
    closed = steps_of(admin_client, meeting, "Effect")[-1]

    assert tell(closed) == "Suppressed: meeting.upsert at hubspot (HubSpot) | Suppressed | It was a test."


def test_effects_of_invitations_and_records_belong_to_it(hubspot: Connection, admin_client: Client) -> None:
    meeting = book()
    Effect.objects.all().delete()
    invitation = Invitation.objects.create(meeting=meeting, attendee_id="att_1")
    MeetingLink.objects.create(meeting=meeting, connection=hubspot, external_id="51")
    for kind, subject in (("letter.confirmation", f"invitation:{invitation.pk}"), ("rep.notice", "record:51")):
        make_effect(hubspot, kind=kind, subject=subject)
    make_effect(hubspot, kind="letter.confirmation", subject="invitation:other")

    told = [step.title for step in steps_of(admin_client, meeting, "Effect")]
    assert told == ["Planned: letter.confirmation at hubspot (HubSpot)", "Planned: rep.notice at hubspot (HubSpot)"]


def test_a_request_of_the_api_is_told_with_its_key_and_answer(calendar_live: Connection, admin_client: Client) -> None:
    meeting, now = book(), timezone.now() + SECOND
    asked = BookingRequest.objects.create(
        kind="change", state="failed", connection=calendar_live, calendar=meeting.calendar, meeting=meeting,
        user=User.objects.get(), key_digest=b"\xab\xcd" * 8, hold_id="hold_7", asked_at=now, finished_at=now + SECOND,
        failure="slot_taken", answer_status=409, body={"title": "Talk with Zoë"},
    )  # fmt: skip
    begun, over_there, answered = steps_of(admin_client, meeting, "Request")

    assert begun.title == "Change asked for by admin"
    assert "PATCH /api/meetings/…/, with an idempotency key whose digest begins with abcdabcd." in tell(begun)
    assert "held at calendar.live as hold_7" in tell(begun)
    assert over_there.at == now
    assert tell(answered) == "Change: failed | Failed | Slot taken | Answered with 409."
    BookingRequest.objects.filter(pk=asked.pk).update(finished_at=None)
    assert "asked each minute" in steps_of(admin_client, meeting, "Request")[0].halt.why


def test_payments_are_told_by_what_they_came_to(calendar_live: Connection, admin_client: Client) -> None:
    meeting = book()
    for status in ("unpaid", "paid"):
        told = Told("stripe", "cs_1", status, payment_intent="pi_1", amount=4900, currency="eur")
        settle(told, meeting=meeting)
    made, paid = steps_of(admin_client, meeting, "Payment")

    assert (made.title, paid.title) == ("The payment is unpaid", "The payment is paid")
    assert "Status: unpaid → paid" in tell(paid)
    assert paid.address == f"/admin/bookings/payment/{Payment.objects.get().pk}/history/"


def test_a_merge_that_moved_an_attendee_is_told_and_its_undoing_too(
    calendar_live: Connection, admin_client: Client
) -> None:
    meeting, user = book(), User.objects.get()
    winner, loser = Contact.objects.create(full_name="Zoë Okafor"), meeting.attendances.get().contact
    merge(Contact.objects.create(full_name="A"), Contact.objects.create(full_name="B"))
    made = merge(winner, loser, user=user)
    made.undone_at, made.undone_by = timezone.now(), user
    made.save()
    begun, undone = steps_of(admin_client, meeting, "Merge")

    assert begun.address == page_address(made)
    assert "By admin." in tell(begun)
    assert undone.title == "The merge was undone"
    assert "Okafor" not in tell(begun)


def test_a_conflict_is_told_without_its_values_until_it_is_over(hubspot: Connection, admin_client: Client) -> None:
    meeting = book()
    conflict = Conflict.objects.create(
        kind="field", meeting=meeting, connection=hubspot, field="title", ours="Talk with Zoë", theirs="Talk with Rosa"
    )
    opened = only(admin_client, meeting, "Conflict")

    assert opened.title == "Changed on both sides: title at hubspot"
    assert [way.label for way in opened.halt.ways] == ["Keep ours", "Take theirs"]
    assert "Zoë" not in tell(opened)
    Conflict.objects.filter(pk=conflict.pk).update(status="settled", settled_at=timezone.now())
    assert tell(steps_of(admin_client, meeting, "Conflict")[-1]).endswith("over | Settled | By itself.")


def test_a_double_booking_is_on_the_traces_of_both(calendar_live: Connection, admin_client: Client) -> None:
    first, second = book(1), book(2)
    conflict = Conflict.objects.get()

    for meeting in (first, second):
        assert only(admin_client, meeting, "Conflict").address == page_address(conflict)
        assert read_trace(admin_client, meeting)["standing"].text == "Double booking: a person decides."


def test_discrepancies_and_their_repairs_are_told(calendar_live: Connection, admin_client: Client) -> None:
    meeting = book()
    run = ReconciliationRun.objects.create(connection=calendar_live)
    values = {
        "run": run, "connection": calendar_live, "meeting": meeting, "kind": "field_differs", "fields": ["start"],
        "text": "The event was fetched.", "is_missed": True,
    }  # fmt: skip
    Discrepancy.objects.create(**values, status="repaired", subject="event:1", fingerprint="1")
    found = Discrepancy.objects.create(**values, status="open", subject="event:2", fingerprint="2")
    repaired, waiting = steps_of(admin_client, meeting, "Reconciliation")

    assert "Field differs at calendar-live | Repaired | Fields: start" in tell(repaired)
    assert "No webhook had told of it." in tell(repaired)
    assert repaired.halt is None
    assert waiting.address == page_address(found)
    assert waiting.halt is not None


# --- Times ------------------------------------------------------------------------------------------------------------


def test_each_step_says_how_long_after_the_change_over_there(calendar_live: Connection, admin_client: Client) -> None:
    changed_at = timezone.now() - timedelta(minutes=3)
    meeting = book(updated_at=changed_at.isoformat().replace("+00:00", "Z"))
    Delivery.objects.update(received_at=changed_at + 65 * SECOND)
    first, second, *_ = [row.line for row in read_trace(admin_client, meeting)["rows"]]

    assert (first.step.what, first.since_previous) == ("Delivery", "")
    assert first.since_origin == "1 min 5 s after the change over there"
    assert second.step.what == "Handlers"
    assert second.since_previous.startswith("1 min 5")
    assert second.since_origin.startswith("3 min")


def test_of_a_crms_message_only_its_coming_is_known(hubspot: Connection, admin_client: Client) -> None:
    meeting = book()
    led = make_delivery_of(hubspot, received_at=timezone.now() - SECOND)
    subject = f"meeting:{meeting.pk}"
    FieldWrite.objects.create(
        connection=hubspot, subject=subject, fields=["title"], verdict="stale", delivery_id=led.pk
    )
    rows = [row.line for row in read_trace(admin_client, meeting)["rows"]]
    (written,) = [line for line in rows if line.step.what == "Write of fields"]

    assert written.since_origin == "1.0 s after it came in"


def test_the_timeline_is_turned_round_on_demand(calendar_live: Connection, admin_client: Client) -> None:
    meeting = book()
    names = [
        [row.line.step.name for row in read_trace(admin_client, meeting, **order)["rows"]]
        for order in ({}, {"order": "newest"})
    ]

    assert names[0][0].startswith("delivery-")
    assert names[1] == names[0][::-1]


# --- Going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "status", "labels"),
    [
        ({"status": "dead", "cause": "permanent"}, "active", ["Replay", "Discard"]),
        ({"status": "waiting", "cause": "unknown_outcome"}, "active", ["It arrived", "Send again"]),
        ({"status": "retrying", "cause": "transient"}, "active", ["Try now"]),
        ({"status": "waiting", "cause": "reauthorise"}, "needs_reauthorisation", []),
        ({"status": "waiting"}, "paused", []),
    ],
)
def test_an_operator_presses_what_lets_an_effect_go_on(
    fields: dict[str, Any], status: str, labels: list[str], hubspot: Connection
) -> None:
    meeting = book()
    Effect.objects.exclude(kind="meeting.upsert").delete()
    Effect.objects.update(**fields)
    Connection.objects.filter(pk=hubspot.pk).update(status=status)
    step = only(sign_in_as(OPERATOR), meeting, "Effect")

    assert [way.label for way in step.halt.ways] == labels
    assert step.halt.why


@pytest.mark.parametrize(
    ("status", "label", "page"), [("needs_reauthorisation", "Reauthorise", "authorise"), ("paused", "Resume", "resume")]
)
def test_an_administrator_lets_a_connection_go_on(
    status: str, label: str, page: str, hubspot: Connection, admin_client: Client
) -> None:
    meeting = book()
    Effect.objects.update(status="waiting")
    Connection.objects.filter(pk=hubspot.pk).update(status=status)
    step = steps_of(admin_client, meeting, "Effect")[0]

    assert [way.label for way in step.halt.ways] == [label]
    assert step.halt.ways[0].address.startswith(page_address(hubspot, page))


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"status": "dead", "cause": "payload"}, ["Replay", "Discard"]),
        ({"status": "retrying", "cause": "transient", "next_attempt_at": timezone.now()}, ["Replay"]),
        ({"status": "rejected", "is_accepted": False}, ["Verify again", "Discard"]),
        ({"status": "received"}, []),
    ],
)
def test_an_operator_presses_what_lets_a_message_go_on(
    fields: dict[str, Any], labels: list[str], calendar_live: Connection
) -> None:
    meeting = book()
    Delivery.objects.update(**fields)
    step = only(sign_in_as(OPERATOR), meeting, "Delivery")

    assert [way.label for way in step.halt.ways] == labels


def test_a_message_waits_for_its_connection(calendar_live: Connection, admin_client: Client) -> None:
    meeting = book()
    Delivery.objects.update(status="received")
    Connection.objects.update(status="paused")
    step = only(admin_client, meeting, "Delivery")

    assert step.halt.why == "It waits until calendar-live, which is paused, is resumed."
    assert [way.label for way in step.halt.ways] == ["Resume"]


def test_a_viewer_sees_why_and_no_button(hubspot: Connection) -> None:
    meeting = book()
    Effect.objects.update(status="dead", cause="permanent")
    Delivery.objects.update(status="dead", cause="payload")
    Conflict.objects.create(kind="field", meeting=meeting, connection=hubspot, field="title")
    context = read_trace(sign_in_as(VIEWER), meeting)
    halts = [row.line.step.halt for row in context["rows"] if row.line.step.halt]

    assert len(halts) == 4
    assert all(halt.why and not halt.ways for halt in halts)
    assert not any(matter.ways for matter in context["standing"].matters)


def test_a_button_is_confirmed_and_leads_back_to_the_trace(hubspot: Connection, admin_client: Client) -> None:
    meeting = book()
    effect = upsert_of(meeting)
    Effect.objects.filter(pk=effect.pk).update(status="dead", cause="permanent")
    steps = steps_of(admin_client, meeting, "Effect")
    (way,) = [way for step in steps if step.halt for way in step.halt.ways if way.label == "Replay"]

    assert "carried out again" in get_page(admin_client, way.address)
    effect.refresh_from_db()
    assert effect.status == "dead"
    response = admin_client.post(way.address, follow=True)
    effect.refresh_from_db()
    assert effect.status == "pending"
    assert response.redirect_chain[0][0] == page_address(meeting, "trace")
    assert "queued" in read_messages(response)


def test_an_effect_that_waits_for_an_earlier_one_names_it(hubspot: Connection, admin_client: Client) -> None:
    meeting = book()
    later = make_effect(hubspot, kind="meeting.note", subject=f"meeting:{meeting.pk}")
    (step,) = [each for each in steps_of(admin_client, meeting, "Effect") if each.name == f"effect-{later.pk}"]

    assert page_address(upsert_of(meeting)) in step.halt.why


# --- The page ---------------------------------------------------------------------------------------------------------


def test_external_ids_lead_into_their_providers(hubspot: Connection, admin_client: Client) -> None:
    meeting = book()
    zoom = make_connection("zoom", provider="zoom")
    Token.objects.filter(pk=hubspot.pk).update(account_id="62515")
    for connection, external_id in ((hubspot, "51"), (zoom, "850123")):
        MeetingLink.objects.create(meeting=meeting, connection=connection, external_id=external_id)
    Payment.objects.create(meeting=meeting, session_id="cs_1", payment_intent="pi_1")
    page = get_page(admin_client, page_address(meeting, "trace"))

    assert "https://app.hubspot.com/contacts/62515/record/0-47/51" in page
    assert "https://zoom.us/meeting/850123" in page
    assert "https://dashboard.stripe.com/payments/pi_1" in page
    assert page.count('rel="noopener noreferrer"') >= 3
    assert "ev_1" in page


def test_a_meeting_that_is_only_here_has_no_external_id(calendar_live: Connection, admin_client: Client) -> None:
    meeting = book()
    Meeting.objects.update(version=0)

    assert read_trace(admin_client, meeting)["panels"][0].rows == []


@pytest.mark.parametrize("count", [2, 40])
def test_the_page_needs_as_many_queries_for_many_steps_as_for_few(
    count: int, hubspot: Connection, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr(pages, "SHOWN", 30)
    meeting = book()
    contact, led = meeting.attendances.get().contact, Delivery.objects.get()
    subjects = (f"meeting:{meeting.pk}", f"contact:{contact.pk}")
    for number in range(count):
        make_delivery_of(meeting.connection, delivery_id=f"m-{number}", subject="uid_1", status="dead")
        effect, _ = (make_effect(hubspot, kind="note", subject=each, delivery_id=led.pk) for each in subjects)
        Attempt.objects.create(effect=effect, number=1, started_at=timezone.now())
        FieldWrite.objects.create(
            connection=hubspot, subject=subjects[0], fields=["title"], verdict="applied", delivery_id=led.pk
        )
        meeting.save()
    client = sign_in_as(OPERATOR)
    with django_assert_max_num_queries(25):
        response = client.get(page_address(meeting, "trace"))

    assert response.context["left_out"] == (count == 40)
    assert len(response.context["rows"]) <= 30


def test_all_steps_are_shown_on_demand(
    calendar_live: Connection, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SHOWN", 10)
    meeting = book()
    for number in range(12):
        make_delivery_of(calendar_live, delivery_id=f"m-{number}", subject="uid_1")
    newest, everything = read_trace(admin_client, meeting), read_trace(admin_client, meeting, all="1")

    assert "Show all" in get_page(admin_client, page_address(meeting, "trace"))
    assert len(newest["rows"]) == 10
    assert newest["rows"][-1].line.step.title == "batch from calendar-live"
    assert len(everything["rows"]) > 12
    assert not everything["left_out"]


def test_the_page_reads_as_headings_and_an_ordered_list(calendar_live: Connection, admin_client: Client) -> None:
    page = get_page(admin_client, page_address(book(), "trace"))

    assert '<ol class="timeline">' in page
    assert re.search(r'<time datetime="\d{4}-\d\d-\d\dT', page)
    assert " UTC" in page
    assert 'role="status"' in page


def test_a_trace_is_closed_to_who_may_see_no_meetings(calendar_live: Connection) -> None:
    meeting = book()
    User.objects.create_user("nora", is_staff=True)
    client = Client()
    client.force_login(User.objects.get(username="nora"))

    assert client.get(page_address(meeting, "trace")).status_code == 403
    assert Client().get(page_address(meeting, "trace")).status_code == 302


def test_a_meeting_that_is_not_there_has_no_trace(admin_client: Client) -> None:
    assert admin_client.get("/admin/bookings/meeting/nothing/trace/").status_code == 404


def test_no_address_number_or_payload_of_a_person_is_on_the_page(hubspot: Connection, admin_client: Client) -> None:
    meeting = book(attendee={"email": "rosa.lind@example.com", "full_name": "Rosa Lind", "phone": "+33612345678"})
    page = get_page(admin_client, page_address(meeting, "trace"))

    for text in ("rosa.lind", "Rosa", "Lind", "612345678"):
        assert text not in page
