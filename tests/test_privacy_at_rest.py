"""Nobody's data stands in clear in the database or in the log, whatever way it came in."""

import json
import re

import pytest
import responses
from django.test import Client
from rest_framework.test import APIClient

from bookings.models import Meeting
from contacts.models import Contact
from contacts.normalisation import normalise_email, normalise_phone
from integrations.jobs import process_delivery, queue_deliveries
from integrations.models import Delivery, Effect
from tests.bookings.flows.conftest import _wait_for_nothing  # noqa: F401
from tests.bookings.flows.fakes import outside_world
from tests.bookings.flows.playing import connect, pair_with_hubspot, run_effects
from tests.factories import SAMPLES, SECRET, make_connection, make_payload, post_webhook, read_sample, receive
from tests.integrations.oauth_answers import CALENDAR, CALENDARS_URL, CODE, TOKEN_URL, answer_of, query_of
from tests.leaks import find_in, fold, read_database, read_packed, reading_log

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

CREDENTIALS = {
    "access_token": "tok-access-1c0ffee1",
    "refresh_token": "tok-refresh-1c0ffee2",
    "client_secret": "client-secret-1c0ffee3",
    "api_key": "api-key-1c0ffee4",
    "bot_token": "xoxb-bot-1c0ffee5",
}
# What the played Zoom gives out.
JOIN_LINKS = ("https://zoom.us/j/", "https://zoom.us/w/")
EDIT = {
    "full_name": "Zoë Quillfeather",
    "company": "Marmalade & Daughters",
    "notes": "Prefers Portuguese, +351 912 345 678",
}


# --- What must not be found ------------------------------------------------------------------------------------------


def find_people(value):
    """Every object of a payload that describes somebody."""
    if isinstance(value, dict):
        if "email" in value or "owner_email" in value:
            yield value
        for child in value.values():
            yield from find_people(child)
    if isinstance(value, list):
        for child in value:
            yield from find_people(child)


def list_needles():
    needles = {SECRET, *CREDENTIALS.values(), *JOIN_LINKS, EDIT["company"], EDIT["notes"], "912 345 678"}
    people = [person for path in SAMPLES for person in find_people(json.loads(path.read_text()))]
    for person in [*people, EDIT]:
        name = person.get("full_name") or ""
        needles |= {name, *re.findall(r"\w{4,}", name), person.get("company")}
        for email in filter(None, (person.get("email"), person.get("owner_email"))):
            needles |= {email.strip(), normalise_email(email)}
        if phone := person.get("phone"):
            e164 = normalise_phone(phone, person["country"])
            needles |= {phone, e164, e164.removeprefix("+")}
    return needles - {"", None}


@pytest.fixture
def log():
    with reading_log() as stream:
        yield stream


# --- What happens ----------------------------------------------------------------------------------------------------


def fail_with_a_name(*args):
    raise ValueError("Zoë Okafor <zoe.okafor@example.com> cannot be kept")


def live_a_day(admin_client, api, monkeypatch):
    """Every sample, a repeat, refused requests, dead letters, an unforeseen error, look-ups, and an edit by hand.

    What it causes goes out to a CRM, Zoom, Slack and by mail; there, too, some of it is refused, quoting what was sent.
    """
    calendar = make_connection(options={**CREDENTIALS, "default_region": "FR"})
    authorise(admin_client)
    with outside_world() as world:
        pair_with_hubspot(calendar)
        for provider in ("zoom", "slack"):
            connect(provider)
        for path in SAMPLES:
            receive(read_sample(path.stem))
        quoting = {"status": "error", "category": "VALIDATION_ERROR", "message": "zoe.okafor@example.com of Zoë Okafor"}
        world.hubspot.fail(r"POST /crm/objects/2026-03/contacts/batch/upsert", 400, quoting, times=2)
        run_effects()
    sample = read_sample("event_created")
    post_webhook(sample)
    assert post_webhook({**sample, "id": "dlv_bad"}, secret="wrong").status_code == 401
    assert post_webhook({**sample, "data": 7, "id": "dlv_form"}).status_code == 400
    assert receive(make_payload("dlv_dead", timezone="Zoë Okafor")).status == "dead"
    assert receive(make_payload("dlv_rule", recurrence={"rrule": "zoe.okafor@example.com"})).status == "dead"
    with monkeypatch.context() as patched:
        patched.setattr("bookings.upserts.upsert_contacts", fail_with_a_name)
        assert receive(make_payload("dlv_bug", version=9)).cause == "bug"
    process_delivery(str(Delivery.objects.get(delivery_id="dlv_bug").pk))
    queue_deliveries([Delivery.objects.get(delivery_id="dlv_dead").pk])
    look_around(admin_client, api)
    edit_by_hand(admin_client)


def authorise(client):
    """For an account that is called after somebody; once more for another one, which is refused."""
    connection = make_connection("zoes", options={"client_id": "c-1", "client_secret": CREDENTIALS["client_secret"]})
    with responses.RequestsMock() as stubs:
        stubs.post(TOKEN_URL, json=answer_of("calendar_live"))
        for owner in ("zoe.okafor@example.com", "lea.martin@acme.example"):
            calendar = {**CALENDAR, "name": "Zoë Okafor", "owner_email": owner}
            stubs.upsert("GET", CALENDARS_URL, json={"items": [calendar]})
            state = query_of(client.get(f"/oauth/{connection.slug}/start/")["Location"])["state"]
            client.get("/oauth/callback/", {"state": state, "code": CODE})
    outcomes = connection.authorisations.order_by("pk").values_list("outcome", flat=True)
    assert (connection.token.account_name, list(outcomes)) == ("Zoë Okafor", ["granted", "failed"])


def look_around(admin_client, api):
    for address in ("contacts/?email=zoe.okafor@example.com", "contacts/?phone=+33612345678", "meetings/?x=Okafor"):
        api.get(f"/api/{address}")
    APIClient().get("/api/contacts/?email=zoe.okafor%40example.com", headers={"Authorization": "Token Okafor"})
    Client().get("/Okafor@example.com/?q=zoe.okafor@example.com")
    for address in ("contacts/contact/?q=Okafor", "contacts/contact/?q=zoe.okafor@example.com", "bookings/meeting/"):
        assert admin_client.get(f"/admin/{address}").status_code == 200
    for row in (*Contact.objects.all(), *Meeting.objects.all(), *Delivery.objects.all()):
        address = f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/"
        assert admin_client.get(address).status_code == 200


def edit_by_hand(admin_client):
    contact = next(each for each in Contact.objects.all() if each.full_name == "Zoë Okafor")
    form = {**EDIT, "country": "FR", "timezone": "Europe/Paris", "lead_status": "qualified", "owner": ""}
    address = f"/admin/contacts/contact/{contact.pk}/change/"
    assert admin_client.post(address, form).status_code == 302
    contact.refresh_from_db()
    assert (contact.full_name, contact.notes) == (EDIT["full_name"], EDIT["notes"])


def test_nothing_private_stands_in_clear_in_the_database_or_in_the_log(admin_client, api, monkeypatch, log):
    live_a_day(admin_client, api, monkeypatch)
    needles = list_needles()
    assert {"Okafor", "zoe.okafor@example.com", "lea.martin@acme.example", "+33612345678", "田中 芽衣"} <= needles
    found = {table: find_in(fold(content), needles) for table, content in read_database().items()}
    assert {table: sorted(leaked) for table, leaked in found.items() if leaked} == {}
    assert {"succeeded", "dead"} <= set(Effect.objects.values_list("status", flat=True))
    assert {
        "contacts_historicalcontact",
        "integrations_effect",
        "integrations_attempt",
        "integrations_token",
        "bookings_invitation",
    } <= found.keys()
    assert {"contacts_historicalcontact", "django_admin_log", "integrations_delivery", "django_session"} <= found.keys()
    assert find_in(fold(read_packed()), needles) == set()
    lines = log.getvalue()
    assert find_in(fold(lines.encode()), needles) == set()
    assert {"webhook rejected", "delivery failed", "effect failed", "request sent"} <= {
        json.loads(line)["message"] for line in lines.splitlines()
    }


def test_search_would_find_what_stands_in_clear():
    for spelling in ("Zoë Okafor", "ZOË OKAFOR", "Zo\\u00eb Okafor", "Zo%C3%AB%20Okafor"):
        assert "Zoë Okafor" in find_in(fold(spelling.encode()), {"Zoë Okafor"})
    Contact.objects.create(full_name="x", country="", lead_source="Okafor")
    assert find_in(fold(read_database()["contacts_contact"]), {"Okafor"}) == {"Okafor"}


def test_a_short_text_is_found_where_it_is_a_word_only():
    assert find_in(b'{"given": "Zoe"}', {"zoe"}) == {"zoe"}
    assert find_in(b"zoe.okafor@example.com", {"zoe"}) == {"zoe"}
    assert find_in(b"gAJ9xQZoe7Lk", {"zoe"}) == set()
