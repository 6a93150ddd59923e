"""What the REST API answers: fields and their types, look-ups, pages, and how many queries they take."""

import re
from urllib.parse import quote

import pytest
from django.utils import timezone

from bookings.models import Meeting, MeetingLink
from contacts.models import CandidatePair, Contact, ContactLink, Identifier
from integrations.models import Delivery
from tests.factories import make_connection, make_payload, post_webhook, read_sample, receive
from tests.integrations.admin.support import make_effect

pytestmark = pytest.mark.django_db
UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture
def get(api, calendar_live):
    def get(address, **parameters):
        response = api.get(f"/api/{address}", parameters)
        assert response.status_code == 200, response.content
        return response.json()

    return get


@pytest.fixture
def get_one(get):
    def get_one(address, **parameters):
        (result,) = get(address, **parameters)["results"]
        return result

    return get_one


def is_utc_time(text):
    return bool(UTC_TIME.fullmatch(text))


def receive_many(count, first=0):
    """Meetings with an attendee and a contact each."""
    for number in range(first, first + count):
        attendee = {"id": f"att_{number}", "email": f"person{number}@x.example", "phone": f"+336123456{number:02}"}
        receive(make_payload(f"dlv_{number}", id=f"ev_{number}", uid=f"uid_{number}", attendee=attendee))


# --- Contacts --------------------------------------------------------------------------------------------------------


def test_contact_has_the_fields_of_the_design(get_one, get, admin_user):
    receive(read_sample("event_created"))
    Contact.objects.update(owner=admin_user)
    contact = get_one("contacts/")
    assert is_utc_time(contact.pop("created_at"))
    assert is_utc_time(contact.pop("updated_at"))
    assert contact == {
        "id": str(Contact.objects.get().pk),
        "full_name": "Zoë Okafor",
        "company": "Okafor & Fils SARL",
        "emails": ["zoe.okafor@example.com"],
        "phones": ["+33612345678"],
        "lead_source": "calendar.live",
        "lead_score": 80,
        "lead_status": "new",
        "owner": "admin",
        "external_ids": {"calendar-live": "att_7Qd1"},
        "merged_into": None,
    }
    assert get(f"contacts/{contact['id']}/")["id"] == contact["id"]


def test_contact_without_values_has_empty_ones(get_one):
    Contact.objects.create()
    contact = get_one("contacts/")
    assert (contact["full_name"], contact["company"], contact["owner"]) == ("", "", None)
    assert (contact["emails"], contact["phones"], contact["external_ids"]) == ([], [], {})


def test_merged_contact_names_the_one_that_it_went_into(get):
    golden = Contact.objects.create()
    alias = Contact.objects.create(merged_into=golden)
    assert get(f"contacts/{alias.pk}/")["merged_into"] == str(golden.pk)


@pytest.mark.parametrize(
    "parameters",
    [
        {"email": "zoe.okafor@example.com"},
        {"email": " ZOE.Okafor@EXAMPLE.com "},
        {"phone": "+33612345678"},
        {"phone": "+33 6 12-34-56-78"},
        {"phone": "06 12 34 56 78"},
        {"phone": "0612345678"},
        {"phone": " 33612345678"},
        {"external_id": "att_7Qd1"},
        {"external_id": " att_7Qd1 "},
        {"email": "zoe.okafor@example.com", "phone": "0612345678", "external_id": "att_7Qd1"},
    ],
)
def test_contact_is_found_by_what_normalises_to_its_values(get, parameters):
    receive(read_sample("event_created"))
    assert len(get("contacts/", **parameters)["results"]) == 1


def test_plus_sign_that_was_not_quoted_in_the_address_is_understood(api, calendar_live):
    receive(read_sample("event_created"))
    assert len(api.get("/api/contacts/?phone=+33612345678").json()["results"]) == 1
    assert len(api.get(f"/api/contacts/?phone={quote('+33612345678')}").json()["results"]) == 1


@pytest.mark.parametrize(
    "parameters",
    [
        {"email": "other@example.com"},
        {"email": "not an address"},
        {"email": ""},
        {"phone": "+33612345679"},
        {"phone": "rubbish"},
        {"phone": ""},
        {"external_id": "att_7qd1"},
        {"external_id": ""},
        {"email": "zoe.okafor@example.com", "phone": "+33612345679"},
        {"email": "x" * 5000},
        {"external_id": "é" * 5000},
    ],
)
def test_contact_is_not_found_by_anything_else(get, parameters):
    receive(read_sample("event_created"))
    assert get("contacts/", **parameters)["results"] == []


def test_identifier_that_was_given_up_finds_nobody_and_is_not_shown(get, get_one):
    receive(make_payload("dlv_1"))
    receive(make_payload("dlv_2", version=2, updated_at="2026-11-20T10:00:00Z", attendee={"email": "new@x.example"}))
    assert get("contacts/", email="zoe.okafor@example.com")["results"] == []
    assert get_one("contacts/", email="new@x.example")["emails"] == ["new@x.example"]


def test_shared_mailbox_finds_all_who_use_it(get):
    for number, name in enumerate(["Reception", "Jane Roe"]):
        attendee = {"id": f"att_{number}", "email": "info@smallco.example", "full_name": name, "phone": None}
        receive(make_payload(f"dlv_{number}", id=f"ev_{number}", attendee=attendee))
    assert len(get("contacts/", email="info@smallco.example")["results"]) == 2


def test_candidate_pair_names_both_contacts(get, get_one):
    first, second = sorted((Contact.objects.create(), Contact.objects.create()), key=lambda each: each.pk)
    pair = CandidatePair.objects.create(first=first, second=second, reason="email_held")
    shown = get_one("candidate-pairs/", status="open")
    assert is_utc_time(shown.pop("created_at"))
    assert shown == {
        "id": str(pair.pk),
        "contacts": [str(first.pk), str(second.pk)],
        "reason": "email_held",
        "status": "open",
        "probability": None,
        "verdict": "",
        "evidence": {},
    }
    assert get("candidate-pairs/", status="merged")["results"] == []


def test_candidate_pair_that_was_compared_has_its_score_and_evidence(get_one):
    first, second = sorted((Contact.objects.create(), Contact.objects.create()), key=lambda each: each.pk)
    score = {"probability": 0.93, "verdict": "review", "evidence": {"name": 7.5, "phone": None}}
    CandidatePair.objects.create(first=first, second=second, reason="similar", **score)
    shown = get_one("candidate-pairs/")
    assert {name: shown[name] for name in score} == score


# --- Meetings --------------------------------------------------------------------------------------------------------


def test_meeting_has_the_fields_of_the_design(get_one, get):
    receive(read_sample("paid_event_created"))
    meeting = get_one("meetings/")
    assert is_utc_time(meeting.pop("created_at"))
    assert is_utc_time(meeting.pop("updated_at"))
    assert meeting == {
        "id": str(Meeting.objects.get().pk),
        "external_id": "ev_web_77",
        "calendar_event_uid": "web77@calendar.live",
        "version": 1,
        "status": "tentative",
        "title": "Pricing masterclass",
        "calendar": {"id": "cal_emea_sales", "name": "EMEA sales", "timezone": "Europe/Paris"},
        "start": "2026-12-03T16:00:00Z",
        "end": "2026-12-03T17:30:00Z",
        "timezone": "Europe/Paris",
        "recurrence": None,
        "attendees": [
            {
                "contact": str(Contact.objects.get().pk),
                "email": "zoe.okafor@example.com",
                "full_name": "Zoë Okafor",
                "response": "accepted",
            }
        ],
        "join_url": None,
        "payment": {"session_id": "cs_test_a1B2c3", "status": "unpaid", "amount": 4900, "currency": "eur"},
        "external_ids": {"calendar-live": "ev_web_77"},
        "conflict": None,
    }
    assert get(f"meetings/{meeting['id']}/")["id"] == meeting["id"]


def test_series_shows_its_rule_and_a_single_free_meeting_has_none(get_one):
    receive(read_sample("recurring_over_dst"))
    meeting = get_one("meetings/")
    assert meeting["recurrence"] == {"rrule": "FREQ=WEEKLY;COUNT=6", "exdates": ["2026-11-09T08:00:00Z"]}
    assert meeting["payment"] is None


def test_join_url_is_shown(get_one):
    receive(make_payload(join_url="https://zoom.example/j/1"))
    assert get_one("meetings/")["join_url"] == "https://zoom.example/j/1"


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({"external_id": "ev_1"}, 1),
        ({"external_id": " ev_1 "}, 1),
        ({"external_id": "EV_1"}, 0),
        ({"calendar_event_uid": "uid_1"}, 1),
        ({"calendar_event_uid": "uid_1", "external_id": "ev_0"}, 0),
        ({"status": "confirmed"}, 2),
        ({"status": "cancelled"}, 0),
    ],
)
def test_meetings_are_found_by_their_ids_and_status(get, parameters, count):
    receive_many(2)
    assert len(get("meetings/", **parameters)["results"]) == count


def test_occurrences_have_the_fields_of_the_design(get):
    receive(read_sample("recurring_over_dst"))
    address = f"meetings/{Meeting.objects.get().pk}/occurrences/"
    answer = get(address, start="2026-10-26T00:00:00Z", end="2026-10-27T00:00:00+01:00")
    assert answer == {
        "next": None,
        "previous": None,
        "results": [
            {
                "start": "2026-10-26T08:00:00Z",
                "end": "2026-10-26T08:30:00Z",
                "local_start": "2026-10-26T09:00:00+01:00",
                "original_start": "2026-10-26T08:00:00Z",
                "status": "confirmed",
            }
        ],
    }


@pytest.mark.parametrize(
    ("window", "field"),
    [
        ({}, "start"),
        ({"start": "2026-10-26T00:00:00Z"}, "end"),
        ({"start": "2026-10-26", "end": "2026-10-27T00:00:00Z"}, "start"),
        ({"start": "2026-10-26T00:00:00Z", "end": "2026-10-26T00:00:00Z"}, "end"),
        ({"start": "2026-10-26T00:00:00Z", "end": "2036-10-26T00:00:00Z"}, "end"),
        ({"start": "0001-01-01T00:00:00+14:00", "end": "0001-01-02T00:00:00Z"}, "start"),
        ({"start": "9999-12-31T00:00:00Z", "end": "9999-12-31T23:00:00-14:00"}, "end"),
    ],
)
def test_bad_window_of_occurrences_is_400_and_names_the_parameter(api, calendar_live, window, field):
    receive(read_sample("recurring_over_dst"))
    response = api.get(f"/api/meetings/{Meeting.objects.get().pk}/occurrences/", window)
    assert (response.status_code, response.json()["field"]) == (400, field)


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_window_at_the_end_of_time_is_empty(get, year):
    receive(read_sample("recurring_over_dst"))
    address = f"meetings/{Meeting.objects.get().pk}/occurrences/"
    assert get(address, start=f"{year}-01-01T00:00:00Z", end=f"{year}-02-01T00:00:00Z")["results"] == []


# --- Deliveries ------------------------------------------------------------------------------------------------------


def test_delivery_has_the_fields_of_the_design(get_one, get):
    receive(read_sample("event_created"))
    post_webhook(read_sample("event_created"))
    delivery = get_one("deliveries/")
    assert is_utc_time(delivery.pop("received_at"))
    assert is_utc_time(delivery.pop("processed_at"))
    assert delivery == {
        "id": str(Delivery.objects.get().pk),
        "connection": "calendar-live",
        "delivery_id": "dlv_0001",
        "event_type": "event.created",
        "status": "processed",
        "cause": None,
        "attempts": 1,
        "duplicates": 1,
    }
    assert get(f"deliveries/{delivery['id']}/")["id"] == delivery["id"]


def test_dead_delivery_shows_its_cause_and_no_payload(get_one):
    receive(make_payload(timezone="Mars"))
    delivery = get_one("deliveries/", status="dead")
    assert (delivery["status"], delivery["cause"], delivery["processed_at"]) == ("dead", "payload", None)


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({"delivery_id": "dlv_1"}, 1),
        ({"delivery_id": "dlv_1", "status": "dead"}, 0),
        ({"status": "processed"}, 2),
        ({"status": "stale"}, 0),
        ({"connection": "calendar-live"}, 2),
        ({"connection": "another"}, 0),
        ({"event_type": "event.created"}, 2),
        ({"cause": "payload"}, 0),
    ],
)
def test_deliveries_are_found(get, parameters, count):
    receive_many(2)
    assert len(get("deliveries/", **parameters)["results"]) == count


def test_connection_is_named_by_its_slug(get):
    make_connection("second")
    receive(make_payload(), slug="second")
    assert get("deliveries/", connection="second")["results"][0]["connection"] == "second"
    assert get("contacts/")["results"][0]["external_ids"] == {"second": "att_7Qd1"}


# --- Effects, and records elsewhere ---------------------------------------------------------------------------------


def test_effect_has_the_fields_of_the_design(get_one, get, calendar_live):
    made = make_effect(
        calendar_live,
        subject="contact:1",
        status="succeeded",
        attempts=2,
        external_id="501",
        finished_at=timezone.now(),
    )
    effect = get_one("effects/")
    assert is_utc_time(effect.pop("created_at"))
    assert is_utc_time(effect.pop("finished_at"))
    assert effect == {
        "id": str(made.pk),
        "connection": "calendar-live",
        "kind": "contact.upsert",
        "subject": "contact:1",
        "status": "succeeded",
        "cause": None,
        "attempts": 2,
        "external_id": "501",
    }
    assert get(f"effects/{made.pk}/")["id"] == str(made.pk)


def test_effect_that_is_not_over_has_its_cause_and_no_end(get_one, calendar_live):
    make_effect(calendar_live, status="waiting", cause="unknown_outcome")
    effect = get_one("effects/", status="waiting")
    assert (effect["cause"], effect["external_id"], effect["finished_at"]) == ("unknown_outcome", None, None)


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({"status": "dead"}, 1),
        ({"status": "pending"}, 1),
        ({"status": "running"}, 0),
        ({"kind": "slack.message"}, 1),
        ({"kind": "slack"}, 0),
        ({"subject": "meeting:1"}, 1),
        ({"cause": "permanent"}, 1),
        ({"cause": "bug"}, 0),
        ({"connection": "calendar-live"}, 2),
        ({"connection": "another"}, 0),
        ({"connection": "calendar-live", "kind": "slack.message", "status": "dead"}, 0),
    ],
)
def test_effects_are_found(get, calendar_live, parameters, count):
    make_effect(calendar_live, kind="slack.message", subject="meeting:1")
    make_effect(calendar_live, status="dead", cause="permanent")
    assert len(get("effects/", **parameters)["results"]) == count


def test_contact_names_its_record_at_each_crm_and_is_found_by_it(get, get_one):
    receive(read_sample("event_created"))
    Contact.objects.create()
    contact = Contact.objects.earliest("id")
    for slug, external_id in (("hubspot", "501"), ("second-hubspot", "17")):
        there = make_connection(slug, provider="hubspot")
        ContactLink.objects.create(contact=contact, connection=there, external_id=external_id)
    found = get_one("contacts/", external_id="501")
    assert found["external_ids"] == {"calendar-live": "att_7Qd1", "hubspot": "501", "second-hubspot": "17"}
    assert get_one("contacts/", external_id="att_7Qd1")["id"] == found["id"]
    assert get("contacts/", external_id="50")["results"] == []


def test_meeting_names_its_records_that_are_there(get_one):
    receive(make_payload())
    meeting = Meeting.objects.get()
    for slug, is_gone in (("hubspot", False), ("zoom", True)):
        there = make_connection(slug, provider=slug)
        MeetingLink.objects.create(meeting=meeting, connection=there, external_id=f"id_at_{slug}", is_gone=is_gone)
    assert get_one("meetings/")["external_ids"] == {"calendar-live": "ev_9f27c1", "hubspot": "id_at_hubspot"}


def test_meetings_own_link_goes_before_the_one_that_keepsync_made(get_one):
    receive(make_payload())
    Meeting.objects.update(made_join_url="https://zoom.example/made")
    assert get_one("meetings/")["join_url"] == "https://zoom.example/made"
    Meeting.objects.update(join_url="https://zoom.example/theirs")
    assert get_one("meetings/")["join_url"] == "https://zoom.example/theirs"


# --- Pages and queries -----------------------------------------------------------------------------------------------


def test_pages_lead_forward_and_back_newest_first(get, api):
    contacts = [Contact.objects.create() for _ in range(5)]
    newest_first = [str(contact.pk) for contact in reversed(contacts)]
    first = get("contacts/", page_size=2)
    assert first.keys() == {"next", "previous", "results"}
    assert first["previous"] is None
    second = api.get(first["next"]).json()
    third = api.get(second["next"]).json()
    assert third["next"] is None
    assert [each["id"] for page in (first, second, third) for each in page["results"]] == newest_first
    assert api.get(second["previous"]).json()["results"] == first["results"]


@pytest.mark.parametrize(("asked", "given"), [(None, 50), ("200", 200), ("201", 200), ("9999999999", 200), ("1", 1)])
def test_page_has_as_many_rows_as_asked_for_up_to_two_hundred(get, asked, given):
    Contact.objects.bulk_create(Contact() for _ in range(205))
    assert len(get("contacts/", **({"page_size": asked} if asked else {}))["results"]) == given


@pytest.mark.slow
@pytest.mark.parametrize("name", ["contacts", "meetings", "deliveries", "effects", "candidate-pairs"])
def test_list_takes_the_same_queries_for_many_rows_as_for_few(get, django_assert_max_num_queries, name):
    hubspot = make_connection("hubspot", provider="hubspot")
    receive_many(2)
    make_pairs()
    bring_all_to(hubspot)
    with django_assert_max_num_queries(5) as queries:
        assert len(get(f"{name}/")["results"]) >= 1
    few = len(queries)
    receive_many(28, first=2)
    make_pairs()
    bring_all_to(hubspot)
    with django_assert_max_num_queries(few):
        assert len(get(f"{name}/")["results"]) >= 28


def bring_all_to(connection):
    """A link and an effect for every contact and meeting."""
    for contact in Contact.objects.filter(links=None):
        ContactLink.objects.create(contact=contact, connection=connection, external_id=f"c{contact.pk}")
        make_effect(connection, subject=f"contact:{contact.pk}")
    for meeting in Meeting.objects.filter(links=None):
        MeetingLink.objects.create(meeting=meeting, connection=connection, external_id=f"m{meeting.pk}")


def make_pairs():
    first, *others = Contact.objects.order_by("id")
    for other in others:
        CandidatePair.objects.get_or_create(first=first, second=other, defaults={"reason": "email_held"})


@pytest.mark.parametrize("parameters", [{"email": "person1@x.example"}, {"phone": "+33612345601"}])
def test_look_up_takes_few_queries(get, django_assert_max_num_queries, parameters):
    receive_many(3)
    assert Identifier.objects.count() == 9
    with django_assert_max_num_queries(6):
        assert len(get("contacts/", **parameters)["results"]) == 1
