"""Rows whose encryption key is missing: everything else goes on, and nothing is lost when the key is back."""

import os
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from bookings.models import Attendance, Calendar, Meeting
from contacts.models import Contact, Identifier
from integrations.connections import account_of
from integrations.deliveries import process, replay
from integrations.drains import drain
from integrations.models import Connection, Delivery, Effect
from integrations.privacy.encryption import UnreadableValueError, list_unreadable, show_unreadable
from tests.factories import make_connection, make_delivery, make_payload, post_webhook, receive
from tests.integrations.admin.support import get_page, list_address, make_effect, page_address

pytestmark = pytest.mark.django_db

OLD, NEW = {"k1": os.urandom(32)}, {"k2": os.urandom(32)}
MISSING = "unreadable: key k1 is missing from FIELD_ENCRYPTION_KEYS"


@pytest.fixture(autouse=True)
def keys(settings: Any) -> Any:
    settings.FIELD_ENCRYPTION_KEYS = OLD
    return settings


def lose_key(settings: Any) -> None:
    """As after a restart with another list of keys."""
    settings.FIELD_ENCRYPTION_KEYS = NEW


@pytest.fixture
def booked(calendar_live: Connection) -> Meeting:
    """Everything of one booking, of which the key is then missing, and a webhook secret that can be read."""
    receive(make_payload())
    return Meeting.objects.get()


def read_stored(row: Any, column: str) -> bytes:
    table, key = row._meta.db_table, row._meta.pk.column
    with database.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} WHERE {key} = %s", [row.pk])
        return bytes(cursor.fetchone()[0])


# --- Rows -------------------------------------------------------------------------------------------------------------


def test_a_row_is_loaded_and_only_its_unreadable_fields_cannot_be_read(keys: Any) -> None:
    made = Contact.objects.create(full_name="Zoe", country="FR")
    lose_key(keys)
    contact = Contact.objects.get(pk=made.pk)

    assert contact.country == "FR"
    assert set(list_unreadable(contact)) == {"full_name", "company", "notes"}
    with pytest.raises(UnreadableValueError, match="key k1 is missing from FIELD_ENCRYPTION_KEYS: add it again"):
        str(contact.full_name)


def test_a_field_that_is_loaded_late_cannot_be_read_either(keys: Any) -> None:
    Contact.objects.create(full_name="Zoe")
    lose_key(keys)
    contact = Contact.objects.defer("full_name").get()

    with pytest.raises(UnreadableValueError, match="key k1"):
        str(contact.full_name)
    with show_unreadable():
        assert contact.full_name == MISSING
        assert Contact.objects.defer("full_name").get().full_name == MISSING


def test_saving_a_row_leaves_what_cannot_be_read_as_it_is_stored(keys: Any) -> None:
    made = Contact.objects.create(full_name="Zoe", company="Okafor Ltd")
    stored = read_stored(made, "full_name")
    lose_key(keys)
    contact = Contact.objects.get()
    with show_unreadable():
        assert contact.full_name == MISSING
    contact.company = "Okafor SA"
    contact.save()

    assert read_stored(contact, "full_name") == stored
    assert read_stored(contact.history.latest(), "full_name") == stored
    keys.FIELD_ENCRYPTION_KEYS = NEW | OLD
    again = Contact.objects.get()
    assert (again.full_name, again.company) == ("Zoe", "Okafor SA")
    assert [row.full_name for row in again.history.all()] == ["Zoe", "Zoe"]


def test_a_field_that_is_loaded_late_while_it_is_shown_is_not_saved_as_shown(keys: Any) -> None:
    Contact.objects.create(full_name="Zoe")
    lose_key(keys)
    contact = Contact.objects.defer("full_name").get()
    with show_unreadable():
        assert contact.full_name == MISSING
    contact.save()

    keys.FIELD_ENCRYPTION_KEYS = NEW | OLD
    assert Contact.objects.get().full_name == "Zoe"


def test_a_new_value_takes_the_place_of_one_that_cannot_be_read(keys: Any) -> None:
    Contact.objects.create(full_name="Zoe")
    lose_key(keys)
    contact = Contact.objects.get()
    contact.full_name = "Zoë"
    contact.save()

    assert Contact.objects.get().full_name == "Zoë"


def test_bytes_and_json_are_never_shown_as_a_text(calendar_live: Connection, keys: Any) -> None:
    make_delivery(calendar_live, make_payload())
    lose_key(keys)
    delivery = Delivery.objects.get()

    for name in ("body", "headers"):
        with show_unreadable(), pytest.raises(UnreadableValueError, match="key k1"):
            getattr(delivery, name)


def test_a_damaged_row_does_not_harm_the_others() -> None:
    damaged, whole = (Contact.objects.create(full_name=name) for name in ("Zoe", "Ada"))
    with database.cursor() as cursor:
        cursor.execute("UPDATE contacts_contact SET full_name = '\\x00' WHERE id = %s", [damaged.pk])

    assert [str(contact) for contact in Contact.objects.all()] == [
        "Ada",
        "unreadable: it is nothing that Keepsync has encrypted, or was damaged",
    ]
    assert Contact.objects.get(pk=whole.pk).full_name == "Ada"


# --- Pages and the API ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [Contact, Meeting, Calendar, Delivery, Connection, Effect])
def test_lists_and_pages_of_the_admin_show_the_reason(
    model: Any, booked: Meeting, admin_client: Client, keys: Any
) -> None:
    make_effect(booked.connection)
    lose_key(keys)
    pages = [get_page(admin_client, list_address(model))]
    pages += [get_page(admin_client, page_address(row)) for row in model.objects.all()]

    assert len(pages) > 1
    if model in (Contact, Meeting, Calendar):
        assert all(MISSING in page for page in pages)
    assert "Okafor" not in "".join(pages)


@pytest.mark.parametrize("model", [Contact, Meeting])
def test_histories_in_the_admin_show_the_reason(model: Any, booked: Meeting, admin_client: Client, keys: Any) -> None:
    row = model.objects.first()
    lose_key(keys)
    row = model.objects.get(pk=row.pk)
    setattr(row, "full_name" if model is Contact else "title", "Ada Lovelace")
    row.save()
    page = get_page(admin_client, page_address(row, "history"))

    assert MISSING in page
    assert "Ada Lovelace" in page


def test_the_rest_of_a_contact_is_edited(booked: Meeting, admin_client: Client, keys: Any) -> None:
    contact = Contact.objects.order_by("id")[0]
    name = contact.full_name
    lose_key(keys)
    values = {"full_name": "Somebody", "country": "DE", "timezone": "", "lead_status": "qualified", "owner": ""}
    response = admin_client.post(page_address(contact), values)

    assert response.status_code == 302, response.content
    keys.FIELD_ENCRYPTION_KEYS = NEW | OLD
    contact = Contact.objects.get(pk=contact.pk)
    assert (contact.full_name, contact.country, contact.lead_status) == (name, "DE", "qualified")


def test_a_page_with_an_error_in_the_form_is_shown(booked: Meeting, admin_client: Client, keys: Any) -> None:
    contact = Contact.objects.order_by("id")[0]
    lose_key(keys)
    response = admin_client.post(page_address(contact), {"country": "Narnia", "lead_status": "new"})

    assert response.status_code == 200
    assert MISSING in response.content.decode()


def test_lists_of_the_api_show_the_reason(booked: Meeting, api: APIClient, keys: Any) -> None:
    make_effect(booked.connection)
    lose_key(keys)
    found = {
        name: api.get(f"/api/{name}/") for name in ("contacts", "meetings", "deliveries", "effects", "candidate-pairs")
    }

    assert {name: response.status_code for name, response in found.items()} == dict.fromkeys(found, 200)
    [contact, *_] = found["contacts"].json()["results"]
    assert contact["full_name"] == contact["emails"][0] == MISSING
    [meeting] = found["meetings"].json()["results"]
    assert meeting["title"] == meeting["calendar"]["name"] == meeting["attendees"][0]["email"] == MISSING
    assert api.get(f"/api/meetings/{meeting['id']}/").json() == meeting


def test_readable_rows_of_a_list_are_as_always(api: APIClient, keys: Any) -> None:
    Contact.objects.create(full_name="Zoe")
    keys.FIELD_ENCRYPTION_KEYS = NEW
    Contact.objects.create(full_name="Ada")

    assert [row["full_name"] for row in api.get("/api/contacts/").json()["results"]] == ["Ada", MISSING]


# --- Work -------------------------------------------------------------------------------------------------------------


def test_webhooks_wait_at_their_sender_while_the_secret_cannot_be_read(calendar_live: Connection, keys: Any) -> None:
    lose_key(keys)
    make_connection("other")
    refused = post_webhook(make_payload("dlv_1"))

    assert (refused.status_code, refused.json()["code"], refused["Retry-After"]) == (503, "unavailable", "60")
    assert not Delivery.objects.exists()
    assert post_webhook(make_payload("dlv_1"), slug="other").status_code == 200


def test_webhooks_that_another_secret_has_signed_are_taken(keys: Any) -> None:
    connection = make_connection(webhook_secret="whsec_lost")
    lose_key(keys)
    connection.webhook_secrets.create(secret="whsec_new")

    assert post_webhook(make_payload(), secret="whsec_new").status_code == 200
    assert post_webhook(make_payload("dlv_2"), secret="whsec_lost").status_code == 503


def test_a_delivery_that_cannot_be_read_is_dead_until_its_key_is_back(calendar_live: Connection, keys: Any) -> None:
    delivery = make_delivery(calendar_live, make_payload())
    lose_key(keys)
    process(delivery.pk)
    delivery = Delivery.objects.get()

    assert (delivery.status, delivery.cause) == ("dead", "configuration")
    assert delivery.error.startswith("key k1 is missing from FIELD_ENCRYPTION_KEYS")
    keys.FIELD_ENCRYPTION_KEYS = NEW | OLD
    replay(Delivery.objects.all())
    process(delivery.pk)
    assert Delivery.objects.get().status == "processed"
    assert Meeting.objects.count() == 1


def test_a_delivery_about_people_who_cannot_be_read_is_dead_and_changes_nothing(booked: Meeting, keys: Any) -> None:
    before = read_stored(booked, "title"), read_stored(Attendance.objects.order_by("id")[0], "full_name")
    lose_key(keys)
    moved = make_payload("dlv_2", "event.updated", version=booked.version + 1, title="Another")
    delivery = make_delivery(booked.connection, moved)
    process(delivery.pk)
    delivery = Delivery.objects.get(pk=delivery.pk)

    assert (delivery.status, delivery.cause) == ("dead", "configuration")
    assert before == (read_stored(booked, "title"), read_stored(Attendance.objects.order_by("id")[0], "full_name"))
    keys.FIELD_ENCRYPTION_KEYS = NEW | OLD
    replay(Delivery.objects.filter(pk=delivery.pk))
    process(delivery.pk)
    assert Meeting.objects.get().title == "Another"


def test_effects_at_a_connection_whose_credentials_cannot_be_read_are_dead(keys: Any) -> None:
    hubspot = make_connection("hubspot", provider="hubspot", options={"access_token": "pat-1"})
    make_effect(hubspot)
    lose_key(keys)
    drain(hubspot.pk)
    effect = Effect.objects.get()

    assert (effect.status, effect.cause) == ("dead", "configuration")
    assert effect.error.startswith("key k1 is missing from FIELD_ENCRYPTION_KEYS")
    assert "pat-1" not in effect.error


def test_credentials_that_cannot_be_read_are_used_nowhere(keys: Any) -> None:
    connection = make_connection("hubspot", provider="hubspot", options={"access_token": "pat-1"})
    lose_key(keys)

    with pytest.raises(UnreadableValueError, match="key k1"):
        account_of(Connection.objects.get(pk=connection.pk))


def test_what_a_button_meets_is_said_on_the_page(calendar_live: Connection, admin_client: Client, keys: Any) -> None:
    delivery = make_delivery(calendar_live, make_payload())
    lose_key(keys)
    response = admin_client.post(page_address(delivery, "reveal"), follow=True)

    assert response.status_code == 200
    assert "key k1 is missing from FIELD_ENCRYPTION_KEYS" in response.content.decode()


def test_people_are_still_found_by_their_address(booked: Meeting, admin_client: Client, keys: Any) -> None:
    email = Identifier.objects.filter(kind="email").order_by("id")[0].value
    lose_key(keys)

    assert MISSING in get_page(admin_client, reverse("admin:contacts_contact_changelist"), q=email)
