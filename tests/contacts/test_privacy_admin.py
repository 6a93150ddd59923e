"""Erasing and exporting a person in the admin, and what an erased person looks like everywhere."""

import json
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from contacts import privacy_admin
from contacts.erasure import erase
from contacts.merging import merge
from contacts.models import Contact, ContactLink, Erasure
from integrations.models import Connection
from tests.contacts.families import link, meet
from tests.factories import make_connection, make_delivery, make_payload, receive
from tests.integrations.admin.support import (
    get_page,
    list_address,
    page_address,
    press,
    read_log,
    read_messages,
    sign_in,
)

pytestmark = pytest.mark.django_db

VIEW, ERASE, ACCESS = "contacts.view_contact", "contacts.erase_contact", "contacts.access_contact_data"


@pytest.fixture
def zoe(calendar_live: Connection) -> Contact:
    receive(make_payload("dlv_1"))
    return Contact.objects.get()


def found(client: Client, **parameters: str) -> list[str]:
    response = client.get(list_address(Contact), parameters)
    assert response.status_code == 200
    return [str(contact) for contact in response.context["cl"].result_list]


# --- Erasing ----------------------------------------------------------------------------------------------------------


def test_the_confirmation_shows_what_is_forgotten_and_what_stays_elsewhere_and_changes_nothing(
    zoe: Contact, calendar_live: Connection, admin_client: Client
) -> None:
    link(make_connection("hubspot", provider="hubspot"), zoe, "hs_501")
    make_delivery(calendar_live, make_payload("dlv_2", version=2))
    make_delivery(calendar_live, make_payload("dlv_3", uid="u_3", id="ev_3"), status="dead")
    page = get_page(admin_client, page_address(zoe, "erase"))
    for shown in ("Identifiers", "Payloads", "hs_501", "Delete each of these records there", "ERASE"):
        assert shown in page
    assert "Candidate pairs" not in page
    assert "1 of the payloads wait to be worked on" in page
    assert "1 were refused or have failed for good" in page
    zoe.refresh_from_db()
    assert zoe.full_name == "Zoë Okafor"


def test_the_confirmation_says_where_it_has_not_looked_through_all_payloads(
    zoe: Contact, calendar_live: Connection, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (2, 3):
        make_delivery(calendar_live, make_payload(f"dlv_{number}", uid=f"u_{number}", id=f"ev_{number}"))
    monkeypatch.setattr(privacy_admin, "MOST_READ", 2)
    assert "were looked through" not in get_page(admin_client, page_address(zoe, "erase"))
    monkeypatch.setattr(privacy_admin, "MOST_READ", 1)
    assert "the newest 1 were looked through for this page" in get_page(admin_client, page_address(zoe, "erase"))


@pytest.mark.parametrize("word", ["", "erase", "ERASE IT"])
def test_nothing_is_erased_without_the_word(zoe: Contact, admin_client: Client, word: str) -> None:
    response = press(admin_client, zoe, "erase", word=word)
    assert "in capitals" in response.content.decode()
    assert not Erasure.objects.exists()


def test_the_button_erases_and_writes_it_down_without_a_name(
    zoe: Contact, calendar_live: Connection, admin_client: Client
) -> None:
    response = press(admin_client, zoe, "erase", word="ERASE")
    assert read_messages(response) == ("The person is erased. 1 records stay in other systems: the receipt lists them.")
    assert read_log(zoe) == [("admin", "Erased the person")]
    receipt = Erasure.objects.get()
    assert receipt.user is not None
    page = response.content.decode()
    for shown in ("This person was erased", page_address(receipt), "Erased person"):
        assert shown in page
    assert "Okafor" not in page


def test_erasing_and_exporting_need_their_own_permissions(zoe: Contact) -> None:
    viewer = sign_in(VIEW, "contacts.change_contact")
    page = get_page(viewer, page_address(zoe))
    for button in ("erase", "export_person"):
        assert page_address(zoe, button) not in page
        assert viewer.post(page_address(zoe, button), {"word": "ERASE"}).status_code == 403
    assert not Erasure.objects.exists()


@pytest.mark.parametrize(("permission", "button"), [(ERASE, "erase"), (ACCESS, "export_person")])
def test_who_has_the_permission_has_the_button(zoe: Contact, permission: str, button: str) -> None:
    client = sign_in(VIEW, permission)
    assert page_address(zoe, button) in get_page(client, page_address(zoe))
    assert press(client, zoe, button, word="ERASE").status_code == 200


def test_an_erased_person_is_neither_erased_again_nor_edited(zoe: Contact, admin_client: Client) -> None:
    erase(zoe)
    assert "does not fit" in read_messages(press(admin_client, zoe, "erase", word="ERASE"))
    assert admin_client.post(page_address(zoe), {"full_name": "Zoë Okafor"}).status_code == 403
    assert page_address(zoe, "record_consent") not in get_page(admin_client, page_address(zoe))


def test_an_alias_of_an_erased_person_says_so(calendar_live: Connection, zoe: Contact, admin_client: Client) -> None:
    other = meet(calendar_live, "att_2", "z@y.example", full_name="Zoë Okafor")
    merge(zoe, other)
    erase(zoe)
    assert "It went into another contact, which was erased" in get_page(admin_client, page_address(other))


@pytest.mark.parametrize("count", [1, 8])
def test_the_confirmation_needs_as_many_queries_for_eight_meetings_as_for_one(
    count: int, calendar_live: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        receive(make_payload(f"dlv_{number}", id=f"ev_{number}", uid=f"uid_{number}"))
    with django_assert_max_num_queries(38):
        get_page(admin_client, page_address(Contact.objects.get(), "erase"))


# --- Receipts ---------------------------------------------------------------------------------------------------------


def test_receipts_are_listed_and_read_only(zoe: Contact, admin_client: Client) -> None:
    link(make_connection("hubspot", provider="hubspot"), zoe, "hs_501")
    receipt = erase(zoe)
    assert page_address(zoe) in get_page(admin_client, list_address(Erasure))
    page = get_page(admin_client, page_address(receipt))
    for shown in ("What was forgotten", "Identifiers", "hs_501", "ev_9f27c1"):
        assert shown in page
    assert admin_client.post(page_address(receipt), {}).status_code == 403
    assert sign_in(VIEW).get(page_address(receipt)).status_code == 403


# --- Exporting --------------------------------------------------------------------------------------------------------


def test_the_button_downloads_the_data_and_that_is_written_down(zoe: Contact, admin_client: Client) -> None:
    assert "in clear" in get_page(admin_client, page_address(zoe, "export_person"))
    response = admin_client.post(page_address(zoe, "export_person"))
    assert response["Content-Disposition"] == f'attachment; filename="person-{zoe.pk}.json"'
    assert "no-store" in response["Cache-Control"]
    assert json.loads(response.content)["contact"]["full_name"] == "Zoë Okafor"
    assert read_log(zoe) == [("admin", "Exported all that is held about this person")]


# --- Lists and look-ups -----------------------------------------------------------------------------------------------


def test_erased_people_are_left_out_of_the_list_unless_they_are_asked_for(
    calendar_live: Connection, zoe: Contact, admin_client: Client
) -> None:
    meet(calendar_live, "att_2", "sam@acme.example", full_name="Sam Smith")
    erase(zoe)
    assert found(admin_client) == ["Sam Smith"]
    assert found(admin_client, erased="only") == ["Erased person"]
    assert found(admin_client, erased="too") == ["Sam Smith", "Erased person"]
    assert found(admin_client, q="Okafor", erased="too") == []
    assert found(admin_client, q="zoe.okafor@example.com") == []
    assert found(admin_client, q="zoe.okafor@example.com", erased="only") == ["Erased person"]


def test_a_meeting_s_pages_show_an_erased_attendee_as_one(zoe: Contact, admin_client: Client) -> None:
    meeting = zoe.attendances.get().meeting
    erase(zoe)
    for address in (list_address(type(meeting)), page_address(meeting)):
        page = get_page(admin_client, address)
        assert "Erased person" in page
        assert "Okafor" not in page


def test_the_api_lists_no_erased_person_and_says_that_one_is_gone(zoe: Contact, api: APIClient) -> None:
    ContactLink.objects.create(contact=zoe, connection=make_connection("crm", provider="hubspot"), external_id="501")
    erase(zoe)
    for filters in ({}, {"email": "zoe.okafor@example.com"}, {"external_id": "501"}, {"external_id": "att_7Qd1"}):
        assert api.get("/api/contacts/", filters).json()["results"] == []
    response = api.get(f"/api/contacts/{zoe.pk}/")
    assert response.status_code == 410
    assert response.json() == {"code": "erased", "message": "This person was erased here: erase what you have of them."}
    (meeting,) = api.get("/api/meetings/").json()["results"]
    assert meeting["attendees"] == [{"contact": str(zoe.pk), "email": "", "full_name": "", "response": "accepted"}]
