"""Exporting all that is held about a person: everything of theirs, nothing of anybody else's."""

import json
import re
from typing import Any

import pytest
from django.test import override_settings

from bookings.models import Attendance
from contacts.erasure import erase
from contacts.merging import merge
from contacts.models import Contact
from contacts.personal_data import export_person
from integrations.models import Connection, Delivery
from tests.bookings.flows.conftest import _wait_for_nothing  # noqa: F401
from tests.bookings.flows.fakes import outside_world
from tests.contacts.erasing import live
from tests.contacts.families import edit, link, meet
from tests.factories import make_connection, make_delivery, make_payload, receive
from tests.integrations.admin.support import make_effect

pytestmark = pytest.mark.django_db

UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture
def zoe(calendar_live: Connection) -> Contact:
    receive(make_payload("dlv_1"))
    return Contact.objects.get()


def find_times(value: Any) -> list[str]:
    """The values of all keys that name an instant."""
    if isinstance(value, list):
        return [time for item in value for time in find_times(item)]
    if not isinstance(value, dict):
        return []
    own = [item for key, item in value.items() if key.endswith("_at") or key in ("at", "since", "start", "end")]
    return [item for item in own if isinstance(item, str)] + [
        time for item in value.values() for time in find_times(item)
    ]


def test_the_contact_and_what_it_has_are_exported(zoe: Contact, calendar_live: Connection) -> None:
    link(make_connection("hubspot", provider="hubspot"), zoe, "501")
    exported = export_person(zoe)
    contact = exported["contact"]
    assert (contact["full_name"], contact["company"], contact["lead_score"]) == (
        "Zoë Okafor", "Okafor & Fils SARL", zoe.lead_score,
    )  # fmt: skip
    assert [(each["kind"], each["value"], each["connection"]) for each in exported["identifiers"]] == [
        ("attendee_id", "att_7Qd1", "calendar-live"),
        ("email", "zoe.okafor@example.com", None),
        ("phone", "+33612345678", None),
    ]
    (consent,) = exported["consents"]
    assert (consent["purpose"], consent["channel"], consent["is_given"]) == ("marketing", "email", True)
    assert (consent["wording"], consent["given_at"]) == ("Keep me posted about product news.", "2026-11-20T08:58:31Z")
    assert [(each["connection"], each["external_id"]) for each in exported["links"]] == [("hubspot", "501")]


def test_meetings_are_exported_with_the_person_s_own_answers(zoe: Contact) -> None:
    (meeting,) = export_person(zoe)["meetings"]
    assert (meeting["title"], meeting["start"], meeting["timezone"]) == (
        "Trial call", "2026-11-24T13:00:00Z", "Europe/Paris",
    )  # fmt: skip
    assert (meeting["attendee"]["email"], meeting["attendee"]["response"]) == ("zoe.okafor@example.com", "accepted")
    assert [answer["value"] for answer in meeting["answers"]] == ["51-200", "this month"]


def test_a_meeting_from_which_the_person_was_removed_is_exported_as_one(zoe: Contact) -> None:
    attendees = make_payload()["data"]["event"]["attendees"]
    sam = {**attendees[0], "id": "att_sam", "email": "sam@acme.example", "full_name": "Sam Smith", "phone": None}
    receive(make_payload("dlv_2", attendees=[sam], version=2))
    (meeting,) = export_person(zoe)["meetings"]
    assert (meeting["attendee"]["removed"], meeting["attendee"]["full_name"]) == (True, "Zoë Okafor")
    assert meeting["answers"] == []


def test_payloads_are_exported_where_they_tell_of_nobody_else(zoe: Contact, calendar_live: Connection) -> None:
    attendees = make_payload()["data"]["event"]["attendees"]
    sam = {**attendees[0], "id": "att_sam", "email": "sam@acme.example", "full_name": "Sam Smith", "phone": None}
    receive(make_payload("dlv_2", attendees=[*attendees, sam], version=2))
    make_delivery(calendar_live, b"zoe.okafor@example.com", delivery_id="", status="rejected", is_accepted=False)
    told = export_person(zoe)["deliveries"]
    assert [(each["delivery_id"], each["status"]) for each in told] == [
        ("dlv_1", "processed"), ("dlv_2", "processed"), ("", "rejected"),
    ]  # fmt: skip
    assert json.loads(told[0]["payload"])["data"]["event"]["attendees"][0]["full_name"] == "Zoë Okafor"
    assert [each["payload"] for each in told[1:]] == [None, None]


def test_changes_say_when_by_what_and_which_values(zoe: Contact) -> None:
    edit(zoe, company="Okafor Ltd")
    exported = export_person(zoe)
    changes = exported["changes"]
    made = changes[0]
    assert (made["what"], made["change"], made["fields"]["full_name"]) == (
        "contact", "created", {"old": None, "new": "Zoë Okafor"},
    )  # fmt: skip
    assert made["delivery"] == str(Delivery.objects.get().pk)
    (edited,) = [each for each in changes if each["change"] == "changed"]
    assert edited["fields"] == {"company": {"old": "Okafor & Fils SARL", "new": "Okafor Ltd"}}
    assert edited["delivery"] is None
    assert {each["what"] for each in changes} == {"contact", "identifier", "consent", "attendance"}
    assert [each["at"] for each in changes] == sorted(each["at"] for each in changes)


def test_effects_about_the_person_are_exported(zoe: Contact, calendar_live: Connection) -> None:
    make_effect(calendar_live, subject=f"contact:{zoe.pk}", external_id="501")
    make_effect(calendar_live)
    assert [(each["kind"], each["external_id"]) for each in export_person(zoe)["effects"]] == [
        ("contact.upsert", "501")
    ]


@pytest.mark.parametrize("by", [0, 1])
def test_of_a_merged_contact_all_is_exported_whichever_is_named(calendar_live: Connection, by: int) -> None:
    people = [meet(calendar_live, f"att_{n}", f"zoe{n}@x.example", full_name="Zoë Okafor") for n in range(2)]
    merge(*people)
    exported = export_person(people[by])
    assert exported["contact"]["id"] == str(people[0].pk)
    assert [each["id"] for each in exported["merged_contacts"]] == [str(people[1].pk)]
    assert len(exported["identifiers"]) == 4
    assert [(each["winner"], each["undone_at"]) for each in exported["merges"]] == [(str(people[0].pk), None)]


@pytest.mark.slow
def test_a_whole_life_is_exported_with_times_in_utc_and_without_others(calendar_live: Connection) -> None:
    with outside_world():
        zoe = live(calendar_live)
    exported = export_person(zoe)
    assert list(exported) == [
        "exported_at", "contact", "merged_contacts", "identifiers", "consents", "links", "merges", "erasures",
        "changes", "meetings", "invitations", "payments", "deliveries", "effects",
    ]  # fmt: skip
    times = find_times(exported)
    assert len(times) > 60
    assert [time for time in times if not UTC_TIME.fullmatch(time)] == []
    text = json.dumps(exported, ensure_ascii=False)
    assert "sam@acme.example" not in text
    assert "Lea Smith" not in text
    theirs = ("Prefers Portuguese", "z.blanc@y.example", "zoe@okafor.example", "https://zoom.us/w/", "cs_test_a1B2c3")
    assert [each for each in theirs if each not in text] == []
    assert len(exported["meetings"]) == 4


def test_an_erased_person_s_export_says_when_and_nothing_else(zoe: Contact) -> None:
    erase(zoe)
    exported = export_person(zoe)
    assert exported["contact"]["erased_at"] is not None
    assert len(exported["erasures"]) == 1
    assert "okafor" not in json.dumps(exported, ensure_ascii=False).casefold()
    assert {each["payload"] for each in exported["deliveries"]} <= {None}


def test_what_cannot_be_read_is_exported_with_the_reason(zoe: Contact) -> None:
    with override_settings(FIELD_ENCRYPTION_KEYS={"k9": b"0" * 32}):
        exported = export_person(zoe)
    assert exported["contact"]["full_name"].startswith("unreadable: key")
    (meeting,) = exported["meetings"]
    assert meeting["answers"] == []


def test_an_export_changes_nothing_and_needs_few_queries(
    calendar_live: Connection, django_assert_max_num_queries: Any
) -> None:
    for number in range(8):
        receive(make_payload(f"dlv_{number}", id=f"ev_{number}", uid=f"uid_{number}"))
    with django_assert_max_num_queries(75) as queries:
        export_person(Contact.objects.get())
    assert not [
        query
        for query in queries.captured_queries
        if not query["sql"].lstrip(" (").startswith(("SELECT", "DECLARE", "FETCH"))
    ]
    assert Attendance.objects.count() == 8
