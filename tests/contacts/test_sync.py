"""Contacts at the CRMs: who goes where, what is sent again and what is not, and who is whose owner there."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from django.contrib.auth.models import User
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contacts.claims import Person, Source
from contacts.models import Contact, ContactLink
from contacts.sync import UPSERT, plan_contacts, push_contacts
from contacts.upserts import upsert_contact
from integrations.connections import account_of
from integrations.effect_kinds import Task
from integrations.events import Origin, RecordDeleted, RecordKind, RecordsMerged, dispatch
from integrations.models import Connection, Effect
from integrations.pairs import make_pair
from integrations.providers import get_provider
from integrations.providers.base import Rate
from tests.bookings.flows.fakes import World, outside_world
from tests.bookings.flows.playing import connect, let_time_pass, list_effects, pair_with_hubspot, run_effects, tell
from tests.contract_check import check_calls
from tests.factories import make_connection
from tests.integrations.providers.salesforce_stubs import ORG, saved, stub_query, stub_upsert

pytestmark = pytest.mark.django_db
NOBODY: dict[str, Any] = {"event_type": None, "answers": []}


@pytest.fixture(autouse=True)
def calendar(calendar_live: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setattr(type(get_provider("hubspot")), "rate", Rate(per_s=1000, burst=1000))
    return calendar_live


@pytest.fixture
def world() -> Iterator[World]:
    with outside_world() as made:
        yield made


def book(version: int = 1, **event: Any) -> None:
    """A booking of one person; `attendee` changes who it is."""
    tell(version=version, **{**NOBODY, **event})
    run_effects()


def the_contact() -> Contact:
    return Contact.objects.get()


def upserts(world: World) -> int:
    return world.hubspot.count(".*/contacts/batch/(upsert|update)")


def meet(calendar: Connection, name: str, email: str) -> Contact:
    person = Person(f"att_{name}_{email}", email, full_name=f"{name} Smith")
    return upsert_contact(person, Source(calendar.pk, "calendar.live", "FR", timezone.now(), name))


# --- Where it goes ----------------------------------------------------------------------------------------------------


def test_without_a_pair_nothing_is_planned(world: World) -> None:
    connect("hubspot")
    book()
    assert not Effect.objects.exists()
    assert world.calls == 0


def test_a_pair_of_another_calendar_does_not_count(world: World) -> None:
    other = make_connection("other-calendar")
    pair_with_hubspot(other)
    book()
    assert not Effect.objects.exists()


def test_every_paired_crm_gets_every_contact(calendar: Connection, world: World) -> None:
    for slug in ("hubspot", "hubspot-two"):
        pair_with_hubspot(calendar, slug)
    book(attendees=[{"id": f"att_{n}", "email": f"p{n}@acme.example", "full_name": f"Person {n}"} for n in range(2)])
    for slug in ("hubspot", "hubspot-two"):
        assert ContactLink.objects.filter(connection__slug=slug).count() == 2
    assert list_effects(UPSERT) == ["succeeded"] * 4


def test_a_disabled_crm_gets_nothing_and_holds_nothing_back(calendar: Connection, world: World) -> None:
    pair_with_hubspot(calendar, "hubspot-off")
    Connection.objects.filter(slug="hubspot-off").update(status="disabled")
    pair_with_hubspot(calendar)
    book()
    assert ContactLink.objects.get().connection.slug == "hubspot"


def test_a_crm_that_fails_holds_the_other_one_back_in_nothing(calendar: Connection, world: World) -> None:
    for slug in ("hubspot", "hubspot-two"):
        pair_with_hubspot(calendar, slug)
    world.hubspot.fail(".*/contacts/batch/upsert", 401, {"category": "INVALID_AUTHENTICATION", "message": "No.",
                                                         "correlationId": "c-1", "status": "error"})  # fmt: skip
    book()
    assert ContactLink.objects.get().connection.slug == "hubspot-two"
    assert Effect.objects.get(kind=UPSERT, status="waiting").cause == "reauthorise"


# --- What is sent -----------------------------------------------------------------------------------------------------


def test_the_default_mapping_says_which_field_is_which(calendar: Connection, world: World) -> None:
    crm = pair_with_hubspot(calendar)
    book()
    assert world.hubspot.contacts[ContactLink.objects.get().external_id] == {
        "keepsync_id": str(the_contact().pk),
        "email": "zoe.okafor@example.com",
        "firstname": "Zoë",
        "lastname": "Okafor",
        "phone": "+33612345678",
        "company": "Okafor & Fils SARL",
        "country": "FR",
        "keepsync_lead_source": "calendar.live",
        "keepsync_lead_score": "10",
        "hubspot_owner_id": "",
    }
    assert ContactLink.objects.get().connection == crm


def test_it_is_sent_once_and_not_again_while_nothing_has_changed(calendar: Connection, world: World) -> None:
    pair_with_hubspot(calendar)
    book()
    book()
    book(version=2, title="Another title")
    book(id="ev_2", uid="uid_2")
    assert upserts(world) == 1
    assert len(world.hubspot.contacts) == 1


def test_a_replay_of_what_has_not_changed_is_suppressed(calendar: Connection, world: World) -> None:
    crm = pair_with_hubspot(calendar)
    book()
    Contact.objects.update(updated_at=timezone.now())
    plan_contacts(Contact.objects.all(), [crm])
    run_effects()
    assert list_effects(UPSERT) == ["succeeded", "suppressed"]
    assert upserts(world) == 1


@pytest.mark.parametrize(
    ("attendee", "field", "value"),
    [
        ({"full_name": "Zoë Martin"}, "lastname", "Martin"),
        ({"email": "zoe@new.example"}, "email", "zoe@new.example"),
        ({"phone": "+33 6 99 99 99 99"}, "phone", "+33699999999"),
        ({"company": "New Ltd"}, "company", "New Ltd"),
    ],
)
def test_a_change_goes_out_to_the_same_record(
    calendar: Connection, world: World, attendee: dict[str, str], field: str, value: str
) -> None:
    pair_with_hubspot(calendar)
    book()
    book(version=2, updated_at="2026-11-21T09:00:00Z", attendee=attendee)
    (sent,) = world.hubspot.contacts.values()
    assert sent[field] == value
    assert upserts(world) == 2


def test_a_change_while_it_is_being_sent_goes_out_after_it(
    calendar: Connection, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a delivery does that saves before the link is recorded, and looks what to plan after that."""
    crm = pair_with_hubspot(calendar)
    upsert = world.hubspot.upsert_contacts

    def change_meanwhile(body: Any) -> Any:
        contact = the_contact()
        contact.company = "New Ltd"
        contact.save()
        return upsert(body)

    world.hubspot.routes = [(route, change_meanwhile if act == upsert else act) for route, act in world.hubspot.routes]
    book()
    plan_contacts(Contact.objects.all(), [crm])
    run_effects()
    (sent,) = world.hubspot.contacts.values()
    assert sent["company"] == "New Ltd"


def test_another_mapping_sends_other_fields(calendar: Connection, world: World) -> None:
    crm = pair_with_hubspot(calendar)
    book()
    crm.field_mappings.filter(record="contact", ours="lead_source").delete()
    crm.field_mappings.filter(record="contact", ours="company").update(theirs="keepsync_lead_source")
    book(version=2, updated_at="2026-11-21T09:00:00Z", attendee={"company": "New Ltd"})
    (sent,) = world.hubspot.contacts.values()
    assert (sent["keepsync_lead_source"], sent["company"]) == ("New Ltd", "Okafor & Fils SARL")


def test_a_contact_that_was_merged_into_another_is_not_sent(calendar: Connection, world: World) -> None:
    pair_with_hubspot(calendar)
    tell(**NOBODY)
    contact = the_contact()
    Contact.objects.filter(pk=contact.pk).update(merged_into=Contact.objects.create(full_name="Another"))
    run_effects()
    effect = Effect.objects.get(kind=UPSERT)
    assert (effect.status, effect.close_reason) == (
        "suppressed",
        "The contact is not there any more, or was merged into another.",
    )


# --- What happens over there ------------------------------------------------------------------------------------------


def tell_crm_event(crm: Connection, event: Any) -> None:
    dispatch([event], Origin(crm.pk, crm.slug, Effect().pk, ""))


def test_a_record_deleted_over_there_is_made_anew_with_the_next_change(calendar: Connection, world: World) -> None:
    crm = pair_with_hubspot(calendar)
    book()
    first = ContactLink.objects.get().external_id
    world.hubspot.forget("contacts")
    tell_crm_event(crm, RecordDeleted("contact.deletion", RecordKind.CONTACT, first, timezone.now()))
    assert not ContactLink.objects.exists()
    book(version=2)
    (made,) = world.hubspot.contacts
    assert made == ContactLink.objects.get().external_id != first


def test_a_record_that_is_found_gone_is_made_anew(calendar: Connection, world: World) -> None:
    pair_with_hubspot(calendar)
    book()
    world.hubspot.forget("contacts")
    book(version=2, updated_at="2026-11-21T09:00:00Z", attendee={"company": "New Ltd"})
    assert list(world.hubspot.contacts) == [ContactLink.objects.get().external_id]


def test_a_record_merged_over_there_leads_to_the_one_that_is_left_and_is_brought_to_our_state(
    calendar: Connection, world: World
) -> None:
    crm = pair_with_hubspot(calendar)
    book()
    first = ContactLink.objects.get().external_id
    world.hubspot.contacts["999"] = {"email": "other@acme.example"}
    world.hubspot.contacts.pop(first)
    tell_crm_event(crm, RecordsMerged("contact.merge", RecordKind.CONTACT, "999", (first,), timezone.now()))
    assert ContactLink.objects.get().external_id == "999"
    book(version=2)
    assert world.hubspot.contacts["999"]["email"] == "zoe.okafor@example.com"


def test_two_contacts_of_one_shared_mailbox_are_a_conflict_that_writes_over_nobody(
    calendar: Connection, world: World
) -> None:
    pair_with_hubspot(calendar)
    people = [
        {"id": f"att_{name}", "email": "info@acme.example", "full_name": f"{name} Smith"} for name in ("Ann", "Bob")
    ]
    book(attendees=people)
    book(id="ev_2", uid="uid_2", attendees=[{**people[0], "id": "att_3", "full_name": "Cleo Smith"}])
    assert Contact.objects.count() == 3
    (sent,) = world.hubspot.contacts.values()
    assert sent["firstname"] == "Ann"
    refused = Effect.objects.filter(kind=UPSERT, status="dead")
    assert {(effect.cause, effect.error) for effect in refused} == {
        ("conflict", "hubspot has one record for two contacts here: merge them, then replay this.")
    }
    assert refused.count() == 2


def test_a_record_that_another_contact_has_is_a_conflict_and_not_taken(calendar: Connection, world: World) -> None:
    """The CRM knows by a unique property of its own what two contacts here have nothing in common for."""
    crm = pair_with_hubspot(calendar)
    book()
    link = ContactLink.objects.get()
    world.hubspot.contacts[link.external_id]["email"] = "ann@acme.example"
    book(id="ev_2", uid="uid_2", attendee={"id": "att_2", "email": "ann@acme.example", "full_name": "Ann Smith",
                                           "phone": None})  # fmt: skip
    assert ContactLink.objects.get() == link
    assert list(Effect.objects.filter(kind=UPSERT, connection=crm, status="dead").values_list("cause")) == [
        ("conflict",)
    ]


def test_a_bad_contact_is_refused_alone(calendar: Connection, world: World) -> None:
    pair_with_hubspot(calendar)
    world.hubspot.refused.add("p1@acme.example")
    people = [{"id": f"att_{n}", "email": f"p{n}@acme.example", "full_name": f"Person {n}"} for n in range(3)]
    book(attendees=people)
    assert sorted(list_effects(UPSERT)) == ["dead", "succeeded", "succeeded"]
    assert len(world.hubspot.contacts) == 2


def test_an_outage_is_retried_and_makes_no_second_record(calendar: Connection, world: World) -> None:
    pair_with_hubspot(calendar)
    world.hubspot.fail(".*/contacts/batch/upsert", 503, {"message": "away"}, times=3)
    book()
    assert world.hubspot.contacts == {}
    let_time_pass(minutes=1)
    run_effects()
    assert len(world.hubspot.contacts) == 1


# --- Owners -----------------------------------------------------------------------------------------------------------


def test_an_owner_is_looked_up_once_and_kept(calendar: Connection) -> None:
    salesforce = make_connection("salesforce", provider="salesforce", base_url=ORG, options={"access_token": "t"})
    make_pair(calendar, salesforce, "in")
    owner = User.objects.create(username="lea", email="lea@acme.example")
    contacts = [meet(calendar, name, f"{name}@acme.example") for name in ("ann", "bob")]
    Contact.objects.update(owner=owner)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as stubs:
        stub_query(stubs, {"Id": "005000000000001AAA"})
        stub_upsert(stubs, *(saved(f"00300000000000{n}AAA") for n in range(2)))
        for _ in range(2):
            push_contacts([make_task(salesforce, contact, account_of(salesforce)) for contact in contacts])
        check_calls(stubs.calls)
        queries = [str(call.request.url) for call in stubs.calls if call.request.method == "GET"]
        sent = json.loads(next(call.request.body or "" for call in stubs.calls if call.request.method == "PATCH"))
    assert len([query for query in queries if "FROM+User" in query]) == 1
    assert {record["OwnerId"] for record in sent["records"]} == {"005000000000001AAA"}
    assert salesforce.owner_mappings.get().external_id == "005000000000001AAA"


def make_task(crm: Connection, contact: Contact, account: Any) -> Task:
    return Task(
        effect_id=contact.pk,
        key=f"{UPSERT}:{contact.pk}",
        subject=f"contact:{contact.pk}",
        parameters={},
        connection=crm,
        account=account,
        is_repeat=False,
    )


def test_an_administrators_word_on_an_owner_counts_and_one_who_is_unknown_there_is_nobody(
    calendar: Connection, world: World
) -> None:
    crm = pair_with_hubspot(calendar)
    owner = User.objects.create(username="lea", email="lea@acme.example")
    contact = meet(calendar, "ann", "ann@acme.example")
    Contact.objects.update(owner=owner)
    account = account_of(crm)
    push_contacts([make_task(crm, contact, account)])
    assert next(iter(world.hubspot.contacts.values()))["hubspot_owner_id"] == ""
    crm.owner_mappings.create(user=owner, external_id="77")
    push_contacts([make_task(crm, contact, account)])
    assert next(iter(world.hubspot.contacts.values()))["hubspot_owner_id"] == "77"


# --- How much it costs ------------------------------------------------------------------------------------------------


def test_thirty_contacts_cost_as_many_queries_as_two(calendar: Connection, world: World) -> None:
    crm = pair_with_hubspot(calendar)
    users = [User.objects.create(username=f"user{n}", email=f"user{n}@acme.example") for n in range(30)]
    contacts = [
        meet(calendar, f"name{n}", "info@acme.example" if n % 10 == 0 else f"n{n}@acme.example") for n in range(30)
    ]
    for contact, user in zip(contacts, users, strict=True):
        Contact.objects.filter(pk=contact.pk).update(owner=user)
    tasks = [make_task(crm, contact, account_of(crm)) for contact in contacts]
    push_contacts(tasks[:1])
    counts = []
    for size in (2, 30):
        with CaptureQueriesContext(database) as queries:
            push_contacts(tasks[:size])
        counts.append(len(queries))
    assert counts[1] <= counts[0]
