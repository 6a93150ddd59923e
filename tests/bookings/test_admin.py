"""Meetings in the admin."""

from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client

from bookings.models import Calendar, Invitation, Meeting, MeetingLink, Payment
from integrations.models import Connection, Effect
from tests.factories import make_connection, make_payload, read_sample, receive
from tests.integrations.admin.support import get_page, list_address, make_effect, page_address, sign_in

ADDRESS = "/admin/bookings/meeting/"


def book(number: int, uid: str = "", **event: Any) -> Meeting:
    attendee = {"id": f"att_{number}", "email": f"person.{number}@example.com", "phone": "", "company": ""}
    receive(
        make_payload(f"dlv_{number}", id=f"ev_{number}", uid=uid or f"uid_{number}", **{"attendee": attendee, **event})
    )
    return Meeting.objects.get(external_id=f"ev_{number}")


def found(client: Client, **parameters: Any) -> list[str]:
    response = client.get(ADDRESS, parameters)
    assert response.status_code == 200
    return [meeting.external_id for meeting in response.context["cl"].result_list]


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_needs_as_many_queries_for_thirty_rows_as_for_two(
    count: int, calendar_live: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        book(number)
    with django_assert_max_num_queries(6) as queries:
        get_page(admin_client, ADDRESS)

    assert not any("COUNT(" in query["sql"] for query in queries.captured_queries)


@pytest.mark.parametrize("count", [2, 30])
def test_the_page_needs_as_many_queries_for_thirty_deliveries_as_for_two(
    count: int, calendar_live: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    meeting = book(0)
    for version in range(2, count + 2):
        receive(make_payload(f"dlv_v{version}", "event.updated", id="ev_0", uid="uid_0", version=version))
        make_effect(calendar_live, subject=f"meeting:{meeting.pk}")
        invitation = Invitation.objects.create(meeting=meeting, attendee_id=f"att_{version}")
        make_effect(calendar_live, subject=f"invitation:{invitation.pk}")
        Payment.objects.create(meeting=meeting, session_id=f"cs_{version}", connection=calendar_live)
        there = make_connection(f"crm-{version}")
        MeetingLink.objects.create(meeting=meeting, connection=there, external_id="1")
    with django_assert_max_num_queries(17):
        page = get_page(admin_client, page_address(meeting))

    assert f"dlv_v{count + 1}" in page


def test_times_are_shown_in_the_meetings_zone_and_in_utc(calendar_live: Connection, admin_client: Client) -> None:
    meeting = book(0, start="2026-07-01T22:30:00Z", end="2026-07-01T23:00:00Z", timezone="Asia/Kolkata")

    for page in (get_page(admin_client, ADDRESS), get_page(admin_client, page_address(meeting))):
        assert "Thu 2026-07-02 04:00" in page
        assert "Asia/Kolkata" in page
        assert "2026-07-01 22:30:00 UTC" in page


def test_meetings_are_found_by_external_id_uid_and_attendees_email(
    calendar_live: Connection, admin_client: Client
) -> None:
    book(1)
    book(2, uid="9f27@calendar.live")

    assert found(admin_client, q="ev_1") == ["ev_1"]
    assert found(admin_client, q="9f27@calendar.live") == ["ev_2"]
    assert found(admin_client, q=" Person.2@Example.com ") == ["ev_2"]
    assert found(admin_client, q="person.3@example.com") == []


def test_the_list_is_filtered_by_status_calendar_and_start(calendar_live: Connection, admin_client: Client) -> None:
    other = {"id": "cal_2", "name": "US", "timezone": "UTC", "owner_email": "x@acme.example"}
    book(1, start="2026-11-24T13:00:00Z", end="2026-11-24T13:30:00Z")
    book(2, start="2026-12-24T13:00:00Z", end="2026-12-24T13:30:00Z", status="cancelled", calendar=other)

    assert found(admin_client, status__exact="cancelled") == ["ev_2"]
    assert found(admin_client, calendar__id__exact=Calendar.objects.get(external_id="cal_2").pk) == ["ev_2"]
    assert found(admin_client, start_from_0="2026-12-01", start_from_1="00:00:00") == ["ev_2"]
    assert found(admin_client, start_to_0="2026-12-01") == ["ev_1"]


def test_the_list_is_sorted_by_start_on_demand(calendar_live: Connection, admin_client: Client) -> None:
    book(1, start="2026-12-24T13:00:00Z", end="2026-12-24T13:30:00Z")
    book(2, start="2026-11-24T13:00:00Z", end="2026-11-24T13:30:00Z")

    assert found(admin_client) == ["ev_2", "ev_1"]
    assert found(admin_client, o="-1") == ["ev_1", "ev_2"]


def test_the_page_shows_attendees_payment_and_the_deliveries_that_made_it(
    calendar_live: Connection, admin_client: Client
) -> None:
    made_it = [receive(read_sample(name)) for name in ("paid_event_created", "payment_succeeded")]
    meeting = Meeting.objects.get()
    page = get_page(admin_client, page_address(meeting))

    contact = meeting.attendances.get().contact
    for shown in (page_address(contact), "Paid:", "minor unit", *(page_address(delivery) for delivery in made_it)):
        assert shown in page


def test_the_join_link_is_only_said_to_be_set(calendar_live: Connection, admin_client: Client) -> None:
    meeting = book(0, join_url="https://zoom.example/j/123?pwd=secret")
    receive(make_payload("dlv_v2", id="ev_0", uid="uid_0", version=2, join_url="https://zoom.example/j/456"))

    Meeting.objects.update(made_join_url="https://zoom.example/made")
    meeting.made_join_url = "https://zoom.example/made/2"
    meeting.save()

    assert "Is set" in get_page(admin_client, page_address(meeting))
    for page in ("change", "history"):
        assert "zoom.example" not in get_page(admin_client, page_address(meeting, page))


@time_machine.travel("2026-10-20T00:00:00Z", tick=False)
def test_a_series_shows_its_next_five_occurrences(calendar_live: Connection, client: Client, admin_user: User) -> None:
    client.force_login(admin_user)
    rule = {"rrule": "FREQ=WEEKLY;COUNT=52", "exdates": []}
    meeting = book(0, start="2026-10-19T07:00:00Z", end="2026-10-19T07:30:00Z", recurrence=rule)
    page = get_page(client, page_address(meeting))

    assert "FREQ=WEEKLY;COUNT=52" in page
    for day in ("2026-10-26", "2026-11-02", "2026-11-09", "2026-11-16", "2026-11-23"):
        assert f"Mon {day} 09:00" in page
    assert "2026-11-30" not in page


def test_a_series_that_is_over_says_so(calendar_live: Connection, admin_client: Client) -> None:
    rule = {"rrule": "FREQ=DAILY;COUNT=3", "exdates": []}
    meeting = book(0, start="2020-01-01T09:00:00Z", end="2020-01-01T09:30:00Z", recurrence=rule)

    assert "The series is over." in get_page(admin_client, page_address(meeting))


@time_machine.travel("2026-11-01T00:00:00Z", tick=False)
def test_a_yearly_series_is_looked_ahead_far_enough(
    calendar_live: Connection, client: Client, admin_user: User
) -> None:
    client.force_login(admin_user)
    meeting = book(0, recurrence={"rrule": "FREQ=YEARLY", "exdates": []})

    assert "2030-11-24 14:00" in get_page(client, page_address(meeting))


def test_history_links_to_the_delivery_of_each_change(calendar_live: Connection, admin_client: Client) -> None:
    meeting = book(0)
    changed = receive(make_payload("dlv_v2", id="ev_0", uid="uid_0", version=2, title="Moved"))
    page = get_page(admin_client, page_address(meeting, "history"))

    assert page_address(changed) in page
    assert "Moved" in page


def test_meetings_are_read_only_and_calendars_are_neither_made_nor_deleted(
    calendar_live: Connection, admin_client: Client
) -> None:
    meeting = book(0)

    for row in (meeting, meeting.calendar):
        assert admin_client.get(f"{list_address(row)}add/").status_code == 403
        assert admin_client.post(page_address(row, "delete"), {"post": "yes"}).status_code == 403
    assert admin_client.post(page_address(meeting), {"title": "X"}).status_code == 403
    assert sign_in().get(page_address(meeting)).status_code == 403


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_of_calendars_needs_as_many_queries_for_thirty_as_for_two(
    count: int, calendar_live: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        reference = {
            "id": f"cal_{number}",
            "name": f"Calendar {number}",
            "timezone": "UTC",
            "owner_email": "x@a.example",
        }
        book(number, calendar=reference)
    with django_assert_max_num_queries(6):
        page = get_page(admin_client, list_address(Calendar))

    assert "Calendar 1" in page


# --- What the automations did -----------------------------------------------------------------------------------------


def test_the_page_shows_records_elsewhere_invitations_and_effects(
    calendar_live: Connection, admin_client: Client
) -> None:
    meeting = book(0)
    zoom, hubspot = make_connection("zoom", provider="zoom"), make_connection("hubspot", provider="hubspot")
    MeetingLink.objects.create(meeting=meeting, connection=zoom, external_id="8601", is_gone=True)
    MeetingLink.objects.create(meeting=meeting, connection=hubspot, external_id="hs_77")
    invitation = Invitation.objects.create(
        meeting=meeting, attendee_id="att_0", full_name="Zoë Okafor", registrant_id="reg_1",
        join_url="https://zoom.example/personal",
    )  # fmt: skip
    about_it = make_effect(zoom, kind="zoom.meeting", subject=f"meeting:{meeting.pk}")
    about_them = make_effect(zoom, kind="zoom.registrant", subject=f"invitation:{invitation.pk}")
    other = make_effect(zoom, subject="meeting:another")
    page = get_page(admin_client, page_address(meeting))

    for shown in ("8601", "Deleted there", "hs_77", "reg_1", page_address(about_it), page_address(about_them)):
        assert shown in page
    for hidden in (page_address(other), "zoom.example"):
        assert hidden not in page


def test_the_link_that_keepsync_made_is_said_to_be_its_own(calendar_live: Connection, admin_client: Client) -> None:
    meeting = book(0)
    Meeting.objects.update(made_join_url="https://zoom.example/made")

    assert "Is set, by Keepsync" in get_page(admin_client, page_address(meeting))


def test_effects_lead_to_the_meeting_and_the_invitations_meeting(
    calendar_live: Connection, admin_client: Client
) -> None:
    meeting = book(0)
    invitation = Invitation.objects.create(meeting=meeting, attendee_id="att_0")
    about_it = make_effect(calendar_live, subject=f"meeting:{meeting.pk}")
    about_them = make_effect(calendar_live, subject=f"invitation:{invitation.pk}")
    leads_on = f"{ADDRESS}of-invitation/{invitation.pk}/"

    assert f'href="{page_address(meeting)}"' in get_page(admin_client, page_address(about_it))
    assert f'href="{leads_on}"' in get_page(admin_client, page_address(about_them))
    assert admin_client.get(leads_on)["Location"] == page_address(meeting)
    assert sign_in().get(leads_on).status_code == 403


@pytest.mark.parametrize("key", ["01890000-0000-7000-8000-000000000000", "7", "x/y"])
def test_an_invitation_that_is_not_there_leads_nowhere(key: str, admin_client: Client, db: None) -> None:
    assert admin_client.get(f"{ADDRESS}of-invitation/{key}/").status_code == 404


def test_a_booking_leads_to_effects_that_name_its_delivery(calendar_live: Connection, admin_client: Client) -> None:
    make_connection("slack", provider="slack")
    delivery = receive(read_sample("event_created"))
    effect = Effect.objects.get(kind="slack.message")

    assert page_address(effect) in get_page(admin_client, page_address(delivery))
    assert page_address(delivery) in get_page(admin_client, page_address(effect))
    assert page_address(effect) in get_page(admin_client, page_address(Meeting.objects.get()))
