"""What a webhook makes of meetings, calendars and attendees, from the request to the rows."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bookings.models import Attendance, Calendar, Meeting
from contacts.models import Contact, Identifier
from integrations.deliveries import process, replay
from integrations.models import Delivery
from tests.factories import SAMPLES, encode, make_delivery, make_payload, post_webhook, read_sample, receive

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def connection(calendar_live):
    return calendar_live


def at(text):
    return datetime.fromisoformat(text)


def the_meeting():
    return Meeting.objects.get()


# --- The samples -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_is_processed_without_notes(path: Path):
    delivery = receive(read_sample(path.stem))
    assert delivery.status == ("ignored" if path.stem == "unknown_type" else "processed")
    assert (delivery.cause, delivery.error, delivery.notes) == ("", "", [])
    assert Meeting.objects.count() == (0 if path.stem in ("ping", "unknown_type") else 1)


def test_created_event_becomes_a_meeting_with_its_calendar_and_attendee():
    receive(read_sample("event_created"))
    meeting = the_meeting()
    assert (meeting.external_id, meeting.calendar_event_uid) == ("ev_9f27c1", "9f27c1f4@calendar.live")
    assert (meeting.version, meeting.status, meeting.title, meeting.description) == (1, "confirmed", "Trial call", "")
    assert (meeting.start, meeting.end) == (at("2026-11-24T13:00:00Z"), at("2026-11-24T13:30:00Z"))
    assert (meeting.timezone, meeting.rrule, meeting.exdates) == ("Europe/Paris", "", [])
    assert meeting.event_type == {
        "id": "et_trial", "slug": "trial", "name": "Trial call", "online_meeting": "zoom", "capacity": 1,
    }  # fmt: skip
    assert [answer["value"] for answer in meeting.answers] == ["51-200", "this month"]
    calendar = meeting.calendar
    assert (calendar.external_id, calendar.name, calendar.timezone) == ("cal_emea_sales", "EMEA sales", "Europe/Paris")
    attendance = meeting.attendances.get()
    assert (attendance.attendee_id, attendance.email, attendance.full_name, attendance.response) == (
        "att_7Qd1", "zoe.okafor@example.com", "Zoë Okafor", "accepted",
    )  # fmt: skip
    assert attendance.contact.full_name == "Zoë Okafor"


def test_update_moves_the_meeting_and_cancellation_cancels_it():
    for name in ("event_created", "event_updated", "event_cancelled"):
        assert receive(read_sample(name)).status == "processed"
    meeting = the_meeting()
    assert meeting.status == "cancelled"
    assert meeting.start == at("2026-11-25T09:00:00Z")
    assert Contact.objects.count() == 1


def test_attendees_answer_is_kept():
    receive(read_sample("attendee_updated"))
    assert Attendance.objects.get().response == "declined"


def test_group_event_makes_a_contact_of_each_attendee():
    receive(read_sample("group_event_created"))
    assert {contact.full_name for contact in Contact.objects.all()} == {
        "田中 芽衣", "João Conceição", "Sam O'Neil", "Reception",
    }  # fmt: skip
    phones = {row.value for row in Identifier.objects.filter(kind="phone")}
    assert phones == {"+81312345678", "+5511912345678", "+442079460958"}
    assert the_meeting().event_type["capacity"] == 25


def test_series_keeps_its_rule_and_exdates():
    receive(read_sample("recurring_over_dst"))
    meeting = the_meeting()
    assert (meeting.rrule, meeting.exdates) == ("FREQ=WEEKLY;COUNT=6", [at("2026-11-09T08:00:00Z")])


@pytest.mark.parametrize(
    ("samples", "status", "payment"),
    [
        (["paid_event_created"], "tentative", "unpaid"),
        (["paid_event_created", "payment_failed"], "tentative", "failed"),
        (["paid_event_created", "payment_failed", "payment_succeeded"], "confirmed", "paid"),
        (["payment_succeeded", "payment_failed", "paid_event_created"], "confirmed", "paid"),
    ],
)
def test_payment_is_that_of_the_newest_state(samples, status, payment):
    for name in samples:
        receive(read_sample(name))
    meeting = the_meeting()
    assert (meeting.status, meeting.payment_status) == (status, payment)
    assert (meeting.payment_session_id, meeting.payment_amount, meeting.payment_currency) == (
        "cs_test_a1B2c3", 4900, "eur",
    )  # fmt: skip


# --- Order -----------------------------------------------------------------------------------------------------------


def test_update_before_its_creation_makes_the_meeting_and_the_creation_is_stale():
    assert receive(read_sample("event_updated")).status == "processed"
    assert receive(read_sample("event_created")).status == "stale"
    assert (the_meeting().version, the_meeting().start) == (2, at("2026-11-25T09:00:00Z"))


def test_cancellation_before_the_creation_leaves_a_cancelled_meeting():
    receive(read_sample("event_cancelled"))
    assert receive(read_sample("event_created")).status == "stale"
    assert the_meeting().status == "cancelled"


def test_stale_state_changes_nothing_and_no_contact():
    receive(make_payload("dlv_2", version=2))
    before = Contact.objects.values().get(), Meeting.objects.values().get()
    stale = make_payload("dlv_1", version=1, title="Old", attendee={"full_name": "Old Name", "email": "old@x.example"})
    assert receive(stale).status == "stale"
    assert (Contact.objects.values().get(), Meeting.objects.values().get()) == before
    assert Meeting.history.count() == 1


def test_same_version_again_is_processed_without_change():
    receive(make_payload("dlv_1"))
    again = receive(make_payload("dlv_2", title="Another title under the same version"))
    assert again.status == "processed"
    assert the_meeting().title == "Trial call"
    assert (Meeting.history.count(), Contact.history.count(), Attendance.history.count()) == (1, 1, 1)


def test_replayed_delivery_changes_nothing():
    delivery = receive(make_payload())
    replay(Delivery.objects.filter(pk=delivery.pk))
    process(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.status == "processed"
    assert (Meeting.history.count(), Contact.history.count(), Identifier.history.count()) == (1, 1, 3)


def test_changes_name_the_delivery_that_made_them():
    first, second = receive(make_payload("dlv_1")), receive(make_payload("dlv_2", version=2, title="Renamed"))
    rows = Meeting.history.order_by("history_id")
    assert [(row.title, row.delivery_id) for row in rows] == [("Trial call", first.pk), ("Renamed", second.pk)]


# --- Attendees -------------------------------------------------------------------------------------------------------


def make_attendee(number, **fields):
    return {"id": f"att_{number}", "email": f"person{number}@x.example", "full_name": f"Person {number}", **fields}


def test_attendee_who_was_removed_is_no_longer_listed_and_history_keeps_him():
    receive(make_payload("dlv_1", attendees=[make_attendee(1), make_attendee(2)]))
    removal = receive(make_payload("dlv_2", version=2, attendees=[make_attendee(2)]))
    assert [row.attendee_id for row in Attendance.objects.all()] == ["att_2"]
    gone = Attendance.history.get(history_type="-")
    assert (gone.attendee_id, gone.email, gone.delivery_id) == ("att_1", "person1@x.example", removal.pk)
    assert Contact.objects.count() == 2


def test_attendee_who_stands_twice_counts_once_with_his_last_state():
    receive(make_payload(attendees=[make_attendee(1), make_attendee(1, full_name="Last State")]))
    assert Attendance.objects.get().full_name == "Last State"


def test_one_person_under_two_attendee_ids_attends_twice_as_one_contact():
    receive(make_payload(attendees=[make_attendee(1), make_attendee(2, email="person1@x.example", full_name=None)]))
    assert Attendance.objects.count() == 2
    assert Contact.objects.count() == 1


def test_event_without_attendees_is_a_meeting():
    receive(make_payload(attendees=[]))
    assert the_meeting().attendances.count() == 0


def test_attendee_whose_email_cannot_be_read_is_kept_as_typed():
    receive(make_payload(attendee={"email": " not an address ", "phone": "no number"}))
    assert Attendance.objects.get().email == "not an address"
    assert sorted(row.value for row in Identifier.objects.all()) == ["att_7Qd1", "no number", "not an address"]


def test_national_phone_is_read_in_the_connections_region_where_the_country_is_unknown():
    receive(make_payload(attendee={"country": None}))
    assert Identifier.objects.get(kind="phone").value == "+33612345678"


def test_long_list_of_attendees_is_taken_with_few_queries_each(django_assert_max_num_queries):
    delivery = receive(make_payload("dlv_1", attendees=[make_attendee(n) for n in range(30)]))
    assert delivery.status == "processed"
    later = make_payload("dlv_2", version=2, attendees=[make_attendee(n) for n in range(30)])
    stored = make_delivery(delivery.connection, later)
    with django_assert_max_num_queries(30 + 30 * 12):
        process(stored.pk)


# --- The calendar ----------------------------------------------------------------------------------------------------


def make_on_calendar(number, name, minute, **event):
    calendar = {**read_sample("event_created")["data"]["event"]["calendar"], "name": name}
    updated_at = f"2026-11-20T09:{minute:02}:00Z"
    return make_payload(f"dlv_{number}", id=f"ev_{number}", calendar=calendar, updated_at=updated_at, **event)


def test_calendar_is_renamed_by_a_newer_state_and_not_by_an_older_one():
    receive(make_on_calendar(1, "First", 10))
    receive(make_on_calendar(2, "Second", 20))
    receive(make_on_calendar(3, "Older", 15))
    assert [calendar.name for calendar in Calendar.objects.all()] == ["Second"]


def test_name_that_a_newer_state_confirmed_is_not_changed_by_an_older_one():
    receive(make_on_calendar(1, "Confirmed", 10))
    receive(make_on_calendar(2, "Confirmed", 30))
    receive(make_on_calendar(3, "Older", 20))
    assert Calendar.objects.get().name == "Confirmed"


def test_meeting_moves_to_another_calendar():
    receive(make_payload("dlv_1"))
    other = {"id": "cal_2", "name": "Other", "timezone": "UTC", "owner_email": "x@x.example"}
    receive(make_payload("dlv_2", version=2, calendar=other))
    assert the_meeting().calendar.external_id == "cal_2"


# --- Events that nobody could keep -----------------------------------------------------------------------------------


def assert_dead(delivery, field):
    assert (delivery.status, delivery.cause) == ("dead", "payload")
    assert delivery.error.startswith(f"{field} ")
    assert not Meeting.objects.exists()
    assert not Contact.objects.exists()
    assert not Calendar.objects.exists()


@pytest.mark.parametrize(
    ("field", "event"),
    [
        ("data.event.timezone", {"timezone": "Mars/Olympus"}),
        ("data.event.timezone", {"timezone": "../etc/passwd"}),
        ("data.event.timezone", {"timezone": "europe/paris"}),
        ("data.event.recurrence.rrule", {"recurrence": {"rrule": "FREQ=HOURLY"}}),
        ("data.event.recurrence.rrule", {"recurrence": {"rrule": "every Monday"}}),
        ("data.event.recurrence.rrule", {"recurrence": {"rrule": " "}}),
        ("data.event.recurrence.rrule", {"recurrence": {"rrule": "FREQ=DAILY;BYMONTH=" + "1," * 500}}),
        ("data.event.recurrence.exdates", {"recurrence": {"rrule": "FREQ=DAILY", "exdates": ""}}),
        ("data.event.recurrence.exdates[0]", {"recurrence": {"rrule": "FREQ=DAILY", "exdates": [1]}}),
        ("data.event.end", {"end": "2026-11-24T12:59:59Z"}),
        ("data.event.start", {"start": "2026-11-24T13:00:00"}),
        ("data.event.start", {"start": "2026-02-30T13:00:00Z"}),
        ("data.event.start", {"start": "0001-01-01T00:00:00+14:00"}),
        ("data.event.start", {"start": "0001-01-01T00:00:00Z"}),
        ("data.event.start", {"end": "9999-12-31T23:59:59Z"}),
        ("data.event.end", {"end": "9999-12-31T23:59:59-01:00"}),
        ("data.event.end", {"end": "10000-01-01T00:00:00Z"}),
        ("data.event.start", {"start": "2026-11-24T13:00:00+99:00"}),
        ("data.event.original_start", {"original_start": "soon"}),
        ("data.event.version", {"version": 0}),
        ("data.event.version", {"version": 10**30}),
        ("data.event.version", {"version": 1.5}),
        ("data.event.version", {"version": True}),
        ("data.event.status", {"status": "postponed"}),
        ("data.event.id", {"id": " "}),
        ("data.event.uid", {"uid": "x" * 256}),
        ("data.event.answers[0].key", {"answers": [{"value": 1}]}),
        ("data.event.answers", {"answers": {}}),
        ("data.event.answers", {"answers": False}),
        ("data.event.attendees[0].country", {"attendee": {"country": 33}}),
    ],
)  # fmt: skip
def test_event_that_cannot_be_kept_is_a_dead_letter_that_names_the_field(field, event):
    assert_dead(receive(make_payload(**event)), field)


def test_capacity_that_is_no_number_is_a_dead_letter():
    payload = make_payload()
    payload["data"]["event"]["event_type"]["capacity"] = "many"
    assert_dead(receive(payload), "data.event.event_type.capacity")


def test_error_never_quotes_the_payload():
    for number, event in enumerate(
        [
            {"recurrence": {"rrule": "FREQ=zoe@example.com"}},
            {"timezone": "zoe@example.com"},
            {"status": "zoe@example.com"},
            {"start": "zoe@example.com"},
        ]
    ):
        delivery = receive(make_payload(f"dlv_{number}", **event))
        assert delivery.cause == "payload"
        assert "zoe" not in delivery.error


@pytest.mark.parametrize("data", [{}, {"event": None}, {"event": []}, {"event": "x"}, {"attendee": {}}])
def test_envelope_without_an_event_is_a_dead_letter(data):
    assert_dead(receive({**read_sample("event_created"), "data": data}), "data.event")


# --- Odd payloads that are taken -------------------------------------------------------------------------------------


def test_nul_and_lone_surrogates_are_taken_out_with_a_note():
    delivery = receive(make_payload(title="Trial\0 call \ud83d", attendee={"full_name": "Zo\0ë \udc00Okafor"}))
    assert delivery.status == "processed"
    assert the_meeting().title == "Trial call \ufffd"
    assert Contact.objects.get().full_name == "Zoë \ufffdOkafor"
    assert delivery.notes == [
        "data.event.title: characters that cannot be stored were taken out.",
        "data.event.attendees[0].full_name: characters that cannot be stored were taken out.",
    ]


def test_over_long_texts_are_cut_with_a_note_and_the_raw_body_keeps_them():
    long = "x" * 20_000
    event = {"title": long, "description": long, "source": long, "client_reference": long, "join_url": long}
    attendee = {"full_name": long, "company": long, "phone": long, "email": long, "timezone": long, "country": long}
    delivery = receive(
        make_payload(**event, answers=[{"key": long, "question": long, "value": long}], attendee=attendee)
    )
    assert delivery.status == "processed"
    assert "data.event.title: cut from 20000 to 500 characters." in delivery.notes
    assert len(delivery.notes) == 14
    assert long.encode() in bytes(delivery.body)
    assert (len(the_meeting().title), the_meeting().title[-1]) == (500, "…")
    assert Contact.objects.get().country == ""


def test_country_that_is_spelled_out_is_unknown_and_not_cut_to_anothers():
    delivery = receive(make_payload(attendee={"country": "Germany"}))
    assert delivery.notes == ["data.event.attendees[0].country: not two letters, left out."]
    assert Contact.objects.get().country == ""


def test_unknown_answer_to_an_invitation_is_taken_as_none():
    delivery = receive(make_payload(attendee={"response": "perhaps"}))
    assert Attendance.objects.get().response == "needs_action"
    assert delivery.notes == ["data.event.attendees[0].response: unknown, taken as needs_action."]


def test_unknown_fields_are_ignored():
    payload = make_payload(colour="red", attendee={"shoe_size": 41})
    payload["data"]["event"]["event_type"]["host"] = "Zoë"
    payload["data"]["weather"] = payload["mood"] = {"x": [1]}
    assert receive(payload).status == "processed"
    assert the_meeting().event_type["slug"] == "trial"
    assert "host" not in the_meeting().event_type


def test_last_of_two_equal_keys_counts():
    body = encode(make_payload()).replace(b'"title": "Trial call"', b'"title": "First", "title": "Last"')
    assert post_webhook(body).status_code == 200
    process(Delivery.objects.get().pk)
    assert the_meeting().title == "Last"


def test_whole_number_in_decimals_is_a_version():
    assert receive(make_payload(version=2.0)).status == "processed"
    assert the_meeting().version == 2


def test_highest_version_is_kept():
    receive(make_payload(version=2**63 - 1))
    assert the_meeting().version == 2**63 - 1


def test_odd_answers_are_kept_as_far_as_they_can_be_stored():
    answers = [{"key": "a", "value": [1, {"x\0": "\ud800"}, None, 10**400]}, {"key": "b"}]
    assert receive(make_payload(answers=answers)).status == "processed"
    assert [answer["value"] for answer in the_meeting().answers] == [[1, {"x": "\ufffd"}, None, 10**400], None]


def test_number_beyond_what_a_computer_counts_is_no_obstacle():
    body = encode(make_payload(answers=[{"key": "a", "value": 7}])).replace(b'"value": 7', b'"value": -1e999')
    assert post_webhook(body).status_code == 200
    process(Delivery.objects.get().pk)
    assert the_meeting().answers[0]["value"] is None


def test_offsets_and_fractions_of_seconds_are_read():
    receive(make_payload(start="2026-11-24t14:00:00.25+01:00", end="2026-11-24T13:30:00z"))
    assert the_meeting().start == datetime(2026, 11, 24, 13, 0, 0, 250_000, tzinfo=UTC)


def test_meeting_may_end_when_it_starts():
    assert receive(make_payload(end="2026-11-24T13:00:00Z")).status == "processed"


def test_dead_letter_that_can_be_read_by_now_is_replayed_to_a_meeting(monkeypatch):
    payload = make_payload(timezone="Mars/Olympus")
    delivery = receive(payload)
    assert delivery.status == "dead"
    monkeypatch.setattr("bookings.upserts.zone", lambda name: None)
    replay(Delivery.objects.filter(pk=delivery.pk))
    process(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.cause, delivery.error) == ("processed", "", "")
    assert delivery.tries.count() == 2
    assert the_meeting().timezone == "Mars/Olympus"
