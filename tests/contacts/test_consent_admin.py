"""Consents on the contact's page: all of them, which one counts, and what somebody records by hand."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from contacts.consent import may_contact
from contacts.merging import merge
from contacts.models import Consent, Contact
from integrations.models import Connection, Effect
from tests.contacts.families import agree, meet
from tests.factories import make_payload, receive
from tests.integrations.admin.support import get_page, page_address, press, read_log, read_messages, sign_in

pytestmark = pytest.mark.django_db

FORM = {
    "purpose": "marketing",
    "channel": "phone",
    "answer": "yes",
    "given_at_0": "2026-11-20",
    "given_at_1": "10:00",
    "wording": "Asked at the fair: may we call you? Yes.",
}


@pytest.fixture
def zoe(calendar_live: Connection) -> Contact:
    receive(make_payload("dlv_1"))
    return Contact.objects.get()


def record(client: Client, contact: Contact, **values: str) -> Any:
    return press(client, contact, "record_consent", **{**FORM, **values})


def test_the_page_shows_every_word_with_its_wording_and_delivery_and_which_one_counts(
    zoe: Contact, calendar_live: Connection, admin_client: Client
) -> None:
    agree(calendar_live, zoe, "att_7Qd1", minute=60, is_given=False)
    page = get_page(admin_client, page_address(zoe))
    delivery = Consent.objects.get(is_given=True).delivery_id
    for shown in ("Keep me posted about product news.", "News.", "calendar.live", f"/delivery/{delivery}/change/"):
        assert shown in page
    assert (page.count("Counts"), page.count("Replaced")) == (1, 1)
    assert page.index("Counts") < page.index("Replaced")


def test_of_a_yes_and_a_no_of_the_same_moment_the_no_is_shown_to_count(
    zoe: Contact, calendar_live: Connection, admin_client: Client
) -> None:
    Consent.objects.all().delete()
    for is_given in (False, True):
        agree(calendar_live, zoe, "att_7Qd1", is_given=is_given)
    page = get_page(admin_client, page_address(zoe))
    counts = page.index("Counts")
    assert "No" in page[counts - 900 : counts].split("</td>")[-2]


def test_a_contact_who_has_said_nothing_says_so(calendar_live: Connection, admin_client: Client) -> None:
    page = get_page(admin_client, page_address(meet(calendar_live, "att_2", "sam@x.example")))
    assert "Messages about a booking may be sent, anything else may not." in page


def test_a_consent_is_recorded_by_hand_with_its_wording_and_time(zoe: Contact, admin_client: Client) -> None:
    assert page_address(zoe, "record_consent") in get_page(admin_client, page_address(zoe))
    response = record(admin_client, zoe)
    assert read_messages(response) == "The consent is recorded."
    consent = Consent.objects.get(source="admin")
    assert (consent.purpose, consent.channel, consent.is_given) == ("marketing", "phone", True)
    assert (consent.wording, consent.given_at) == (FORM["wording"], datetime(2026, 11, 20, 10, tzinfo=UTC))
    assert may_contact(zoe, Consent.Purpose.MARKETING, Consent.Channel.PHONE)
    assert consent.history.get().history_user.get_username() == "admin"
    assert read_log(zoe) == [("admin", "Recorded a consent")]
    assert not Effect.objects.exists()


def test_a_refusal_by_hand_takes_an_earlier_yes_back(zoe: Contact, admin_client: Client) -> None:
    record(admin_client, zoe)
    response = record(admin_client, zoe, answer="no", given_at_1="11:00")
    assert read_messages(response) == "The refusal is recorded."
    assert not may_contact(zoe, Consent.Purpose.MARKETING, Consent.Channel.PHONE)


def test_the_same_word_is_recorded_once(zoe: Contact, admin_client: Client) -> None:
    record(admin_client, zoe)
    assert "recorded before" in read_messages(record(admin_client, zoe))
    assert Consent.objects.filter(source="admin").count() == 1


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"given_at_0": "2999-01-01"}, "in the future"),
        ({"given_at_0": "yesterday"}, "valid date"),
        ({"wording": ""}, "required"),
        ({"purpose": "spam"}, "valid choice"),
        ({"answer": "perhaps"}, "valid choice"),
    ],
)
def test_what_is_wrong_with_it_is_said(
    values: dict[str, str], problem: str, zoe: Contact, admin_client: Client
) -> None:
    assert problem in record(admin_client, zoe, **values).content.decode()
    assert not Consent.objects.filter(source="admin").exists()


def test_viewers_see_consents_and_record_none(zoe: Contact) -> None:
    viewer = sign_in("contacts.view_contact")
    page = get_page(viewer, page_address(zoe))
    assert "Keep me posted" in page
    assert page_address(zoe, "record_consent") not in page
    assert viewer.post(page_address(zoe, "record_consent"), FORM).status_code == 403


def test_an_alias_gets_no_consent_of_its_own(calendar_live: Connection, zoe: Contact, admin_client: Client) -> None:
    other = meet(calendar_live, "att_2", "z@y.example", full_name="Zoë Okafor")
    merge(zoe, other)
    assert "does not fit" in read_messages(record(admin_client, other))
