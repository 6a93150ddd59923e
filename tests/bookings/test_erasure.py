"""What becomes of meetings, payments and invitations when one of their people is erased."""

import pytest
from django.utils import timezone

from bookings.models import Attendance, BookingRequest, Invitation, Meeting, Payment
from contacts.consent import may_contact
from contacts.erasure import erase, preview_erasure
from contacts.models import Consent, Contact
from integrations.deliveries import process
from integrations.jobs import sweep
from integrations.models import Connection
from tests.bookings.flows.conftest import _wait_for_nothing  # noqa: F401
from tests.bookings.flows.fakes import outside_world
from tests.bookings.flows.playing import book_group, connect
from tests.contacts.erasing import find_left
from tests.contacts.families import latest, meet
from tests.factories import make_delivery, make_payload, receive

pytestmark = pytest.mark.django_db


@pytest.fixture
def calendar(calendar_live: Connection) -> Connection:
    return calendar_live


@pytest.fixture
def zoe(calendar: Connection) -> Contact:
    receive(make_payload("dlv_1"))
    return Contact.objects.get()


def the_meeting(external_id: str = "ev_9f27c1") -> Meeting:
    return Meeting.objects.get(external_id=external_id)


def test_a_payment_loses_its_link_and_keeps_what_was_paid(calendar: Connection, zoe: Contact) -> None:
    payment = Payment.objects.create(
        meeting=the_meeting(), session_id="cs_1", amount=4900, url="https://pay.example/zoe"
    )
    erase(zoe)
    payment.refresh_from_db()
    assert (payment.url, payment.amount) == ("", 4900)
    assert {row.url for row in Payment.history.all()} == {""}


def test_what_was_asked_for_in_the_persons_name_and_could_not_be_booked_goes(
    calendar: Connection, zoe: Contact
) -> None:
    values = {"connection": calendar, "calendar": the_meeting().calendar, "state": "failed", "answer": {}}
    asked = [
        BookingRequest.objects.create(
            kind="create", body={"attendees": [{"email": email}]}, finished_at=timezone.now(), **values
        )
        for email in ("zoe.okafor@example.com", "sam@example.com")
    ]
    erase(zoe)
    bodies = [BookingRequest.objects.get(pk=request.pk).body for request in asked]
    assert bodies == [{}, {"attendees": [{"email": "sam@example.com"}]}]


def test_an_invitation_to_a_meeting_keeps_its_place_only(calendar: Connection, zoe: Contact) -> None:
    values = {"email": "zoe.okafor@example.com", "full_name": "Zoë Okafor", "join_url": "https://zoom.example/w/1"}
    mine = Invitation.objects.create(meeting=the_meeting(), attendee_id="att_7Qd1", registrant_id="reg_1", **values)
    other = Invitation.objects.create(meeting=the_meeting(), attendee_id="att_other", full_name="Sam Smith")
    erase(zoe)
    mine.refresh_from_db()
    assert (mine.email, mine.full_name, mine.join_url, mine.registrant_id) == ("", "", "", "reg_1")
    assert not mine.history.exists()
    assert Invitation.objects.get(pk=other.pk).full_name == "Sam Smith"
    assert other.history.count() == 1


def test_answers_go_where_the_person_booked_for_others_too(calendar: Connection) -> None:
    attendees = make_payload()["data"]["event"]["attendees"]
    sam = {**attendees[0], "id": "att_sam", "email": "sam@acme.example", "full_name": "Sam Smith", "phone": None}
    receive(make_payload("dlv_1", attendees=[*attendees, sam], title="Prices"))
    erase(Attendance.objects.get(attendee_id="att_7Qd1").contact)
    assert (the_meeting().answers, the_meeting().title) == ([], "Prices")


@pytest.mark.slow
def test_a_registrant_at_zoom_is_named_to_be_deleted_there(calendar: Connection) -> None:
    connect("zoom")
    with outside_world():
        book_group("ann", "bob")
    bob = Contact.objects.get(attendances__attendee_id="att_bob")
    mine = Invitation.objects.get(attendee_id="att_bob")
    there = {(each.connection, each.what, each.external_id) for each in preview_erasure(bob).elsewhere}
    assert there == {("calendar-live", "booking", "ev_9f27c1"), ("zoom", "registrant", mine.registrant_id)}
    erase(bob)
    assert Invitation.objects.get(attendee_id="att_ann").join_url


# --- An older state that comes after the erasure ----------------------------------------------------------------------


def test_what_is_still_to_be_worked_on_is_worked_on_and_then_emptied(calendar: Connection, zoe: Contact) -> None:
    """An older state tells of the person once more: the meeting follows it, and who it was stays forgotten."""
    delivery = make_delivery(
        calendar, make_payload("dlv_2", version=2, title="Zoë Okafor, moved", description="Call 0612345678")
    )
    assert preview_erasure(zoe).waiting == 1
    erase(zoe)
    process(delivery.pk)
    sweep()
    delivery.refresh_from_db()
    assert (delivery.status, bytes(delivery.body)) == ("processed", b"")
    assert the_meeting().version == 2
    assert find_left() == {}
    assert not may_contact(latest(zoe), Consent.Purpose.TRANSACTIONAL, Consent.Channel.EMAIL)


def test_an_older_state_of_a_meeting_with_others_keeps_what_is_theirs(calendar: Connection, zoe: Contact) -> None:
    meet(calendar, "att_sam", "sam@acme.example", full_name="Sam Smith")
    erase(zoe)
    attendees = make_payload()["data"]["event"]["attendees"]
    both = [{**attendees[0], "id": "att_sam", "email": "sam@acme.example", "full_name": "Sam Smith"}, *attendees]
    delivery = receive(make_payload("dlv_2", id="ev_2", attendees=both, title="Sam and Zoë Okafor"))
    meeting = the_meeting("ev_2")
    assert meeting.title == "Sam and [erased]"
    assert meeting.answers
    assert [row.full_name for row in meeting.attendances.order_by("attendee_id")] == ["", "Sam Smith"]
    assert {row.title for row in Meeting.history.filter(external_id="ev_2")} == {"Sam and [erased]"}
    sweep()
    delivery.refresh_from_db()
    assert (delivery.status, bytes(delivery.body)) == ("processed", b"")
