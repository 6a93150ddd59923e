"""Contacts in the admin: found, edited, and explained."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django_q.models import OrmQ

from contacts.models import CandidatePair, Contact, ContactLink, Identifier
from integrations.models import Connection, Effect, Pair
from tests.factories import make_connection, make_payload, receive
from tests.integrations.admin.support import get_page, make_effect, page_address, sign_in

ADDRESS = "/admin/contacts/contact/"
FIELDS = ("full_name", "company", "country", "timezone", "lead_status", "notes")


def meet(number: int, full_name: str, **attendee: str) -> Contact:
    """Somebody with an e-mail and a phone of their own, who booked a meeting."""
    person = {
        "id": f"att_{number}",
        "email": f"person.{number}@example.com",
        "phone": f"+3361234{number:04d}",
        "full_name": full_name,
        "company": "",
    }
    attendee = {**person, **attendee}
    receive(make_payload(f"dlv_{number}", id=f"ev_{number}", uid=f"uid_{number}", attendee=attendee))
    return Contact.objects.get(attendances__meeting__external_id=f"ev_{number}")


def found(client: Client, **parameters: str) -> list[str]:
    response = client.get(ADDRESS, parameters)
    assert response.status_code == 200
    return [contact.full_name for contact in response.context["cl"].result_list]


def edit(client: Client, contact: Contact, **values: str) -> Any:
    form = {field: getattr(contact, field) for field in FIELDS}
    return client.post(page_address(contact), {**form, **values})


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_needs_as_many_queries_for_thirty_rows_as_for_two(
    count: int, calendar_live: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        meet(number, f"Person {number}")
    with django_assert_max_num_queries(6) as queries:
        page = get_page(admin_client, ADDRESS)

    assert "person.1@example.com" in page
    assert "+33612340001" in page
    assert not any("COUNT(" in query["sql"] for query in queries.captured_queries)


@pytest.mark.parametrize("count", [2, 30])
def test_the_page_needs_as_many_queries_for_thirty_meetings_as_for_two(
    count: int, calendar_live: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        contact = meet(number, "Zoë Okafor", id="att_1", email="zoe@example.com")
        make_effect(calendar_live, subject=f"contact:{contact.pk}")
        ContactLink.objects.create(contact=contact, connection=make_connection(f"crm-{number}"), external_id="1")
    with django_assert_max_num_queries(18):
        get_page(admin_client, page_address(contact))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("zo", ["Zoë Okafor"]),
        ("OKA zoe", ["Zoë Okafor"]),
        ("o'neil", ["Sam O'Neil"]),
        ("okafor sam", []),
        ("person.1@EXAMPLE.com ", ["Sam O'Neil"]),
        ("person.9@example.com", []),
        ("+33 6 12 34 00 00", ["Zoë Okafor"]),
        ("06 12 34 00 00", ["Zoë Okafor"]),
        ("06 12", []),
        ("!!", []),
        ("", ["Sam O'Neil", "Zoë Okafor"]),
    ],
)
def test_a_contact_is_found_by_beginnings_of_names_by_email_and_by_phone(
    text: str, names: list[str], calendar_live: Connection, admin_client: Client
) -> None:
    meet(0, "Zoë Okafor")
    meet(1, "Sam O'Neil")

    assert found(admin_client, q=text) == names


def test_a_contact_is_found_by_its_id(calendar_live: Connection, admin_client: Client) -> None:
    meet(0, "Zoë Okafor")

    assert found(admin_client, q=str(meet(1, "Sam O'Neil").pk)) == ["Sam O'Neil"]


def test_the_list_is_filtered_by_lead_status_and_source(calendar_live: Connection, admin_client: Client) -> None:
    meet(0, "Zoë Okafor")
    Contact.objects.filter(pk=meet(1, "Sam O'Neil").pk).update(lead_status="customer", lead_source="fair")

    assert found(admin_client, lead_status__exact="customer") == ["Sam O'Neil"]
    assert found(admin_client, lead_source="calendar.live") == ["Zoë Okafor"]
    assert found(admin_client, lead_source="calendar.live", q="sam") == []


def test_an_edited_name_is_found_and_the_former_one_is_not(calendar_live: Connection, admin_client: Client) -> None:
    contact = meet(0, "Zoë Okafor")
    edit(admin_client, contact, full_name="Zoë Blanc", company="Blanc SARL", notes="Prefers mornings")
    contact.refresh_from_db()

    assert (contact.company, contact.notes) == ("Blanc SARL", "Prefers mornings")
    assert contact.name_company is not None
    assert found(admin_client, q="blanc") == ["Zoë Blanc"]
    assert found(admin_client, q="okafor") == []


def test_an_edit_is_not_undone_by_a_state_from_before_it(calendar_live: Connection, admin_client: Client) -> None:
    contact = meet(0, "Zoë Okafor")
    edit(admin_client, contact, full_name="Zoë Blanc")
    attendee = {"id": "att_0", "email": "person.0@example.com", "full_name": "Zoë Okafor"}
    receive(make_payload("dlv_2", id="ev_0", uid="uid_0", version=2, attendee=attendee))
    contact.refresh_from_db()

    assert contact.full_name == "Zoë Blanc"


def test_an_edit_keeps_what_a_delivery_changed_meanwhile(calendar_live: Connection, admin_client: Client) -> None:
    contact = meet(0, "Zoë Okafor")
    form = {field: getattr(contact, field) for field in FIELDS}
    saved: list[Contact] = []

    class Racing(Client):
        def post(self, *args: Any, **kwargs: Any) -> Any:
            Contact.objects.filter(pk=contact.pk).update(lead_score=80)
            saved.append(contact)
            return super().post(*args, **kwargs)

    racing = Racing()
    racing.cookies = admin_client.cookies
    racing.post(page_address(contact), {**form, "notes": "New"})
    contact.refresh_from_db()

    assert (contact.notes, contact.lead_score) == ("New", 80)


@pytest.mark.parametrize(
    ("values", "problem"), [({"timezone": "Mars/Olympus"}, "IANA time zone"), ({"country": "F1"}, "two letters")]
)
def test_what_is_wrong_with_an_edit_is_said(
    values: dict[str, str], problem: str, calendar_live: Connection, admin_client: Client
) -> None:
    assert problem in edit(admin_client, meet(0, "Zoë Okafor"), **values).content.decode()


def test_the_log_of_an_edit_holds_no_name(calendar_live: Connection, admin_client: Client) -> None:
    contact = meet(0, "Zoë Okafor")
    edit(admin_client, contact, full_name="Zoë Blanc")
    entry = LogEntry.objects.get()

    assert entry.object_repr == f"Contact {contact.pk}"
    assert entry.get_change_message() == "Changed Full name."


def test_viewers_may_not_edit_and_nobody_adds_or_deletes(calendar_live: Connection, admin_client: Client) -> None:
    contact = meet(0, "Zoë Okafor")
    viewer = sign_in("contacts.view_contact")

    assert "Zoë Okafor" in get_page(viewer, page_address(contact))
    assert edit(viewer, contact, full_name="X").status_code == 403
    assert admin_client.get(f"{ADDRESS}add/").status_code == 403
    assert admin_client.post(page_address(contact, "delete"), {"post": "yes"}).status_code == 403


def test_the_page_shows_identifiers_meetings_and_open_pairs(calendar_live: Connection, admin_client: Client) -> None:
    contact = meet(0, "Zoë Okafor")
    other = meet(1, "Zoë Okafor-Blanc")
    first, second = sorted((contact, other), key=lambda each: each.pk)
    CandidatePair.objects.create(first=first, second=second, reason="name_and_company")
    Identifier.objects.filter(contact=contact, kind="phone").update(is_shared=True)
    page = get_page(admin_client, page_address(contact))

    for shown in ("person.0@example.com", "Shared, identifies nobody", "Trial call", "Europe/Paris", "EMEA sales"):
        assert shown in page
    for shown in ("Zoë Okafor-Blanc", "Same name and company", "att_0", page_address(other)):
        assert shown in page


def test_history_says_which_delivery_or_user_made_each_change(calendar_live: Connection, admin_client: Client) -> None:
    contact = meet(0, "Zoë Okafor")
    made_by = contact.history.earliest().delivery_id
    edit(admin_client, contact, full_name="Zoë Blanc")
    page = get_page(admin_client, page_address(contact, "history"))

    assert f"/admin/integrations/delivery/{made_by}/change/" in page
    assert "Zoë Blanc" in page
    assert contact.history.first().history_user.get_username() == "admin"
    assert "rovenance" not in page


@pytest.mark.parametrize("count", [2, 30])
def test_history_needs_as_many_queries_for_thirty_changes_as_for_two(
    count: int, calendar_live: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    contact = meet(0, "Zoë Okafor")
    for number in range(count):
        contact.notes = f"Note {number}"
        contact.save()
    with django_assert_max_num_queries(9):
        get_page(admin_client, page_address(contact, "history"))


# --- At CRMs ----------------------------------------------------------------------------------------------------------


def pair_with_hubspot(calendar_live: Connection) -> Connection:
    hubspot = make_connection("hubspot", provider="hubspot")
    Pair.objects.create(calendar=calendar_live, crm=hubspot, pattern="in")
    return hubspot


def test_the_page_shows_links_and_effects(calendar_live: Connection, admin_client: Client) -> None:
    hubspot, contact = pair_with_hubspot(calendar_live), meet(0, "Zoë Okafor")
    ContactLink.objects.create(contact=contact, connection=hubspot, external_id="hs_501")
    effect = Effect.objects.get(kind="contact.upsert")
    other = make_effect(hubspot)
    page = get_page(admin_client, page_address(contact))

    for shown in ("hs_501", page_address(hubspot), page_address(effect), "contact.upsert", "Pending"):
        assert shown in page
    assert page_address(other) not in page


def test_an_effects_subject_leads_to_the_contact(calendar_live: Connection, admin_client: Client) -> None:
    pair_with_hubspot(calendar_live)
    contact = meet(0, "Zoë Okafor")
    page = get_page(admin_client, page_address(Effect.objects.get(kind="contact.upsert")))

    assert f'href="{page_address(contact)}"' in page
    assert "Okafor" not in page


def test_an_edit_is_brought_to_the_crms_where_the_contact_is(calendar_live: Connection, admin_client: Client) -> None:
    contact = meet(0, "Zoë Okafor")
    hubspot, elsewhere = pair_with_hubspot(calendar_live), make_connection("unpaired", provider="hubspot")
    for connection in (hubspot, elsewhere):
        ContactLink.objects.create(contact=contact, connection=connection, external_id="hs_501")
    edit(admin_client, contact, lead_status="qualified")

    effect = Effect.objects.get()
    assert (effect.connection, effect.kind, effect.subject) == (hubspot, "contact.upsert", f"contact:{contact.pk}")
    assert (hubspot.pk,) in [row.task["args"] for row in OrmQ.objects.all()]


def test_an_edit_of_a_contact_that_is_at_no_crm_goes_nowhere(calendar_live: Connection, admin_client: Client) -> None:
    contact = meet(0, "Zoë Okafor")
    pair_with_hubspot(calendar_live)
    edit(admin_client, contact, lead_status="qualified")

    assert not Effect.objects.exists()


def test_the_owner_is_chosen_and_shown(calendar_live: Connection, admin_client: Client, admin_user: User) -> None:
    contact = meet(0, "Zoë Okafor")
    edit(admin_client, contact, owner=str(admin_user.pk))
    contact.refresh_from_db()

    assert contact.owner == admin_user
    assert f'<option value="{admin_user.pk}" selected>' in get_page(admin_client, page_address(contact))
