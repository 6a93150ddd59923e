"""The one search box: whatever somebody has of a booking leads to its trace."""

import logging
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from uuid_utils.compat import uuid7

from bookings.models import (
    Attendance,
    BookingRequest,
    Conflict,
    Discrepancy,
    Invitation,
    Meeting,
    MeetingLink,
    Payment,
    ReconciliationRun,
)
from bookings.tracing.finding import find, list_meetings
from contacts.merging import merge
from contacts.models import Contact, ContactLink
from integrations.models import Connection, Delivery, Effect, FieldWrite
from tests.factories import make_connection, make_delivery, make_payload, receive
from tests.integrations.admin.support import get_page, make_effect, page_address, sign_in

SEARCH = "/admin/bookings/meeting/trace/"
ZOE = {"email": "zoe.okafor@example.com", "phone": "06 12 34 56 78", "full_name": "Zoë Okafor"}
VIEW = "bookings.view_meeting"
NOBODYS = "01a222c9-f1c5-7317-9019-f76e38e15c84"


@pytest.fixture
def meeting(calendar_live: Connection) -> Meeting:
    receive(make_payload("dlv_1", id="ev_1", uid="uid-1@calendar.live", attendee=ZOE))
    return Meeting.objects.get()


@pytest.fixture
def hubspot(db: None) -> Connection:
    return make_connection("hubspot", provider="hubspot")


def search(client: Client, text: str) -> Any:
    return client.post(SEARCH, {"sought": text})


def traces_of(row: Any) -> str:
    return f"{SEARCH}of/{row._meta.model_name}/{row.pk}/"


# --- What is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["ev_1", " uid-1@calendar.live ", "caller-7", "cs_1", "pi_1", "51", "00U7"])
def test_a_meeting_is_found_by_what_anybody_calls_it(text: str, meeting: Meeting, hubspot: Connection) -> None:
    Meeting.objects.update(caller_id="caller-7")
    Payment.objects.create(meeting=meeting, session_id="cs_1", payment_intent="pi_1")
    MeetingLink.objects.create(meeting=meeting, connection=hubspot, external_id="51")
    asked_by_record(meeting, hubspot)

    assert find(text) == [meeting]


def asked_by_record(meeting: Meeting, crm: Connection) -> BookingRequest:
    return BookingRequest.objects.create(
        kind="create", connection=meeting.connection, calendar=meeting.calendar, meeting=meeting, crm=crm,
        record_id="00U7",
    )  # fmt: skip


def test_a_meeting_is_found_by_its_id_and_by_those_of_what_belongs_to_it(meeting: Meeting, hubspot: Connection) -> None:
    run = ReconciliationRun.objects.create(connection=meeting.connection)
    rows = [
        meeting,
        asked_by_record(meeting, hubspot),
        Payment.objects.create(meeting=meeting),
        Invitation.objects.create(meeting=meeting, attendee_id="att_1"),
        Conflict.objects.create(kind="field", meeting=meeting, connection=hubspot, field="title"),
        Discrepancy.objects.create(run=run, connection=hubspot, meeting=meeting, kind="ghost", status="open"),
    ]

    for row in rows:
        assert find(str(row.pk)) == [meeting]
        assert find(str(row.pk).upper().replace("-", "")) == [meeting]
    assert find(f"meeting:{meeting.pk}") == [meeting]


@pytest.mark.parametrize(
    "text",
    ["zoe.okafor@example.com", " Zoe.Okafor@Example.COM ", "06 12 34 56 78", "+33 6 12 34 56 78", "+33612345678"],
)
def test_a_person_is_found_by_address_and_number_however_they_are_typed(text: str, meeting: Meeting) -> None:
    assert find(text) == [Contact.objects.get()]


def test_a_person_is_found_by_id_attendee_id_and_records(meeting: Meeting, hubspot: Connection) -> None:
    contact, attendance = Contact.objects.get(), Attendance.objects.get()
    ContactLink.objects.create(contact=contact, connection=hubspot, external_id="102")

    for text in (str(contact.pk), f"contact:{contact.pk}", attendance.attendee_id, "102"):
        assert find(text) == [contact]


def test_of_merged_contacts_the_one_that_is_left_is_found(meeting: Meeting, hubspot: Connection) -> None:
    loser, winner = Contact.objects.get(), Contact.objects.create(full_name="Zoe Okafor")
    ContactLink.objects.create(contact=loser, connection=hubspot, external_id="102")
    ContactLink.objects.create(contact=winner, connection=hubspot, external_id="103")
    merge(winner, loser)

    for text in (str(loser.pk), "102", ZOE["email"]):
        assert find(text) == [winner]
    assert list_meetings(loser) == [meeting]


def test_who_was_erased_is_found_by_no_address(meeting: Meeting) -> None:
    Contact.objects.update(erased_at=timezone.now())

    assert find(ZOE["email"]) == []
    assert find(ZOE["phone"]) == []


def test_a_delivery_is_found_by_the_senders_id_and_ours(meeting: Meeting) -> None:
    delivery = Delivery.objects.get()

    assert find("dlv_1") == [delivery]
    assert find(str(delivery.pk)) == [delivery]


def test_a_refused_request_is_found_by_our_id_only(meeting: Meeting) -> None:
    payload = make_payload("dlv_9")
    refused = make_delivery(meeting.connection, payload, status="rejected", is_accepted=False)

    assert find("dlv_9") == []
    assert find(str(refused.pk)) == [refused]


def test_an_effect_is_found_by_id_key_and_external_id(meeting: Meeting, hubspot: Connection) -> None:
    effect = make_effect(hubspot, subject=f"meeting:{meeting.pk}", idempotency_key="slack.message:7", external_id="77")

    for text in (str(effect.pk), "slack.message:7", "77"):
        assert find(text) == [effect]


@pytest.mark.parametrize(
    "text", ["", "  ", "\0", "nobody", "nobody@example.com", "+4917612345678", NOBODYS, "%", "a:b"]
)
def test_what_is_not_here_is_not_found(text: str, meeting: Meeting) -> None:
    assert find(text) == []


def test_a_long_text_is_searched_as_far_as_ids_go(meeting: Meeting) -> None:
    assert find("x" * 10_000) == []


# --- From other rows to meetings --------------------------------------------------------------------------------------


def test_an_effect_belongs_to_the_meeting_of_its_subject(meeting: Meeting, hubspot: Connection) -> None:
    invitation = Invitation.objects.create(meeting=meeting, attendee_id="att_1")
    conflict = Conflict.objects.create(kind="field", meeting=meeting, connection=hubspot, field="title")
    MeetingLink.objects.create(meeting=meeting, connection=hubspot, external_id="51")
    contact, led = Contact.objects.get(), Delivery.objects.get()
    subjects: dict[str, Any] = {
        f"meeting:{meeting.pk}": None,
        f"booking:{meeting.pk}": None,
        f"invitation:{invitation.pk}": None,
        f"conflict:{conflict.pk}": None,
        "record:51": None,
        f"contact:{contact.pk}": None,
        f"contact:{uuid7()}": led.pk,
    }

    for subject, delivery_id in subjects.items():
        assert list_meetings(make_effect(hubspot, subject=subject, delivery_id=delivery_id)) == [meeting], subject
    assert list_meetings(make_effect(hubspot, subject="alert:1")) == []
    assert list_meetings(make_effect(hubspot, subject="meeting:gone")) == []


def test_a_delivery_belongs_to_what_it_changed_wrote_led_to_or_names(meeting: Meeting, hubspot: Connection) -> None:
    MeetingLink.objects.create(meeting=meeting, connection=hubspot, external_id="51")
    made = Delivery.objects.get()
    wrote, led, named, other = (
        make_delivery(hubspot, {"id": f"hs_{number}"}, subject=subject)
        for number, subject in enumerate(("", "", "meeting:51", "meeting:52"))
    )
    subject = f"meeting:{meeting.pk}"
    FieldWrite.objects.create(
        connection=hubspot, subject=subject, fields=["title"], verdict="blocked", delivery_id=wrote.pk
    )
    make_effect(hubspot, subject=subject, delivery_id=led.pk)

    assert [list_meetings(each) for each in (made, wrote, led, named, other)] == [[meeting]] * 4 + [[]]


def test_a_message_that_failed_before_it_changed_anything_belongs_to_its_event(meeting: Meeting) -> None:
    failed = make_delivery(meeting.connection, {"id": "dlv_2"}, subject=meeting.calendar_event_uid, status="dead")

    assert list_meetings(failed) == [meeting]


# --- The page ---------------------------------------------------------------------------------------------------------


def test_one_hit_is_opened_at_once(meeting: Meeting, admin_client: Client) -> None:
    assert search(admin_client, "ev_1")["Location"] == page_address(meeting, "trace")


def test_a_delivery_leads_to_its_step_of_the_trace(meeting: Meeting, admin_client: Client) -> None:
    delivery = Delivery.objects.get()
    response = admin_client.post(SEARCH, {"sought": "dlv_1"}, follow=True)
    address, _ = response.redirect_chain[-1]

    assert address == f"{page_address(meeting, 'trace')}#delivery-{delivery.pk}"
    assert f'id="delivery-{delivery.pk}"' in response.content.decode()


def test_a_person_leads_to_all_meetings_the_latest_first(meeting: Meeting, admin_client: Client) -> None:
    receive(make_payload(
        "dlv_2", id="ev_2", uid="uid_2", attendee=ZOE, start="2027-01-05T09:00:00Z", end="2027-01-05T09:30:00Z"
    ))  # fmt: skip
    response = admin_client.post(SEARCH, {"sought": ZOE["email"]}, follow=True)
    page, later = response.content.decode(), Meeting.objects.get(external_id="ev_2")

    assert [address for address, _ in response.redirect_chain] == [traces_of(Contact.objects.get())]
    assert 0 < page.index(page_address(later, "trace")) < page.index(page_address(meeting, "trace"))


def test_several_hits_are_listed_to_choose_from(meeting: Meeting, hubspot: Connection, admin_client: Client) -> None:
    effect = make_effect(hubspot, subject=f"meeting:{meeting.pk}", external_id="ev_1", kind="meeting.upsert")
    receive(make_payload("ev_1", "event.updated", id="ev_1", uid="uid-1@calendar.live", version=2))
    contact = Contact.objects.get()
    ContactLink.objects.create(contact=contact, connection=hubspot, external_id="ev_1")
    page = search(admin_client, "ev_1").content.decode()

    for row in (effect, Delivery.objects.get(delivery_id="ev_1"), contact):
        assert traces_of(row) in page
    assert page_address(meeting, "trace") in page
    for shown in ("Meeting", "Contact", "Delivery", "Effect", "meeting.upsert at hubspot", "4 hits", " UTC"):
        assert shown in page


def test_nothing_found_says_what_was_looked_for_and_what_to_try(meeting: Meeting, admin_client: Client) -> None:
    response = search(admin_client, "nobody@example.com")
    page = response.content.decode()

    assert response.status_code == 200
    assert "Nothing here has this id, address or number" in page
    assert "idempotency key" in page
    assert "search Contacts" in page


def test_nothing_typed_asks_for_something(admin_client: Client, db: None) -> None:
    assert "This field is required." in search(admin_client, " ").content.decode()
    assert "One hit is opened at once." in get_page(admin_client, SEARCH)


def test_what_was_typed_is_in_no_address_log_or_journal(
    meeting: Meeting, admin_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    found = admin_client.post(SEARCH, {"sought": ZOE["email"]}, follow=True)
    nothing = search(admin_client, "nobody@example.com")
    ignored = admin_client.get(SEARCH, {"sought": ZOE["email"]})

    assert "@" not in "".join(address for address, _ in found.redirect_chain)
    assert "zoe.okafor" not in caplog.text + ignored.content.decode()
    assert "nobody@" not in caplog.text
    assert "no-store" in nothing["Cache-Control"]
    assert not LogEntry.objects.exists()


def test_the_box_is_posted_and_keeps_nothing(meeting: Meeting, admin_client: Client) -> None:
    page = get_page(admin_client, page_address(meeting, "trace"))

    assert f'<form method="post" action="{SEARCH}" role="search"' in page
    assert 'autocomplete="off"' in page


def test_a_row_without_meetings_says_so(hubspot: Connection, admin_client: Client) -> None:
    effect = make_effect(hubspot, subject="alert:1")

    assert "It has to do with no meeting that is known here." in get_page(admin_client, traces_of(effect))


@pytest.mark.parametrize("path", ["of/effect/nothing/", "of/meeting/1/", f"of/contact/{NOBODYS}/", "of/user/1/"])
def test_traces_of_nothing_are_not_there(path: str, admin_client: Client, db: None) -> None:
    assert admin_client.get(f"{SEARCH}{path}").status_code == 404


def test_the_pages_are_closed_to_who_may_see_no_meetings(meeting: Meeting) -> None:
    client, address = sign_in("contacts.view_contact"), traces_of(Contact.objects.get())

    assert client.get(SEARCH).status_code == 403
    assert search(client, "ev_1").status_code == 403
    assert client.get(address).status_code == 403


@pytest.mark.parametrize("model", [Meeting, Contact, Delivery, Effect, Conflict])
def test_pages_of_rows_lead_to_the_trace(model: Any, meeting: Meeting, hubspot: Connection) -> None:
    make_effect(hubspot, subject=f"meeting:{meeting.pk}")
    Conflict.objects.create(kind="field", meeting=meeting, connection=hubspot, field="title")
    row = model.objects.get()
    address = page_address(meeting, "trace") if model is Meeting else traces_of(row)
    seen = f"{model._meta.app_label}.view_{model._meta.model_name}"
    actions = sign_in(seen, VIEW).get(page_address(row)).context["actions_detail"]

    assert [action["path"] for action in actions if action["title"] == "Trace"] == [address]


def test_who_may_see_no_meetings_is_led_to_no_trace(meeting: Meeting) -> None:
    page = sign_in("integrations.view_delivery").get(page_address(Delivery.objects.get()))

    assert page.context["actions_detail"] == []


@pytest.mark.parametrize("text", ["ev_1", ZOE["email"], NOBODYS])
def test_a_search_needs_few_queries(text: str, meeting: Meeting, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(22):
        find(text)
