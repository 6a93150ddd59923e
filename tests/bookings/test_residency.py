"""Residency of bookings: contacts wait, meetings go without those who may not go, and letters reach everybody."""

from collections.abc import Iterator
from typing import Any

import pytest

from contacts.models import Contact
from contacts.region_setting import set_region
from integrations.exceptions import StateError
from integrations.jobs import look_at_all_crossings
from integrations.models import Connection, Effect
from integrations.privacy.residency import set_rules
from integrations.providers import get_provider
from integrations.providers.base import Rate
from tests.bookings.flows.fakes import World, outside_world
from tests.bookings.flows.playing import (
    book_group,
    connect,
    list_effects,
    list_letters,
    pair_with_hubspot,
    person,
    run_effects,
    tell,
)

pytestmark = pytest.mark.django_db
PLAIN: dict[str, Any] = {"event_type": None, "answers": []}


@pytest.fixture(autouse=True)
def crm(calendar_live: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setattr(type(get_provider("hubspot")), "rate", Rate(per_s=1000, burst=1000))
    crm = pair_with_hubspot(calendar_live)
    place(crm)
    return crm


@pytest.fixture
def world() -> Iterator[World]:
    with outside_world() as made:
        yield made


@pytest.fixture(autouse=True)
def _forbid(db: None) -> None:
    set_rules({("eu", "us"): False})


def place(connection: Connection) -> None:
    Connection.objects.filter(pk=connection.pk).update(region="us")


def of(name: str, country: str) -> dict[str, Any]:
    return {**person(name), "country": country}


def book(*people: dict[str, Any], **event: Any) -> None:
    tell(**{**PLAIN, "attendees": list(people), **event})
    run_effects()


def read_waiting() -> dict[str, str]:
    waiting = Effect.objects.filter(status="waiting", cause="residency")
    return dict(waiting.values_list("kind", "error"))


def test_a_meeting_of_nobody_who_may_go_waits_with_its_contact(world: World) -> None:
    book(of("anna", "FR"))

    assert set(read_waiting()) == {"contact.upsert", "meeting.upsert"}
    assert (world.hubspot.contacts, world.hubspot.meetings) == ({}, {})


def test_a_meeting_goes_without_those_who_may_not_and_says_so(world: World) -> None:
    texts = {"title": "Anna Smith and Bob Smith", "description": "Call anna@acme.example"}
    book(of("anna", "FR"), of("bob", "US"), **texts)

    assert set(read_waiting()) == {"contact.upsert"}
    assert [contact["email"] for contact in world.hubspot.contacts.values()] == ["bob@acme.example"]
    (meeting,) = world.hubspot.meetings.values()
    assert meeting["hs_meeting_title"] == "[withheld] and Bob Smith"
    assert "anna" not in str(meeting).lower()
    note = Effect.objects.get(kind="meeting.upsert").close_reason
    assert note == (
        "One attendee was left out: data of contacts of European Union and EEA may not go to hubspot, "
        "which is in United States."
    )


def test_a_region_that_is_set_lets_the_contact_and_the_meeting_follow(world: World, admin_user: Any) -> None:
    book(of("anna", "FR"), of("bob", "US"), title="Anna Smith and Bob Smith")
    anna = Contact.objects.get(country="FR")
    set_region(anna, "us", reason="Works in Boston", user=admin_user)
    look_at_all_crossings()
    run_effects()

    assert read_waiting() == {}
    assert len(world.hubspot.contacts) == 2
    (meeting,) = world.hubspot.meetings.values()
    assert meeting["hs_meeting_title"] == "Anna Smith and Bob Smith"
    change = anna.history.first()
    assert (change.region, change.history_change_reason, change.history_user) == ("us", "Works in Boston", admin_user)


def test_a_country_that_becomes_known_sets_the_contact_free(world: World) -> None:
    book(of("anna", "FR"))
    book(of("anna", "US"), version=2)

    assert len(world.hubspot.contacts) == 1


def test_the_same_region_cannot_be_set_twice_nor_for_who_was_merged(world: World) -> None:
    book(of("anna", "FR"), of("bob", "US"))
    anna, bob = Contact.objects.order_by("id")
    set_region(anna, "us", reason="Boston")
    with pytest.raises(StateError, match="It is that already"):
        set_region(anna, "us", reason="Boston")
    Contact.objects.filter(pk=bob.pk).update(merged_into=anna)
    with pytest.raises(StateError, match="merged or erased"):
        set_region(bob, "eu", reason="Paris")


def test_a_registration_waits_and_others_are_registered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    place(connect("zoom"))
    book_group(attendees=[of("anna", "FR"), of("bob", "US")], title="Class with Anna Smith")

    assert set(read_waiting()) == {"contact.upsert", "zoom.registrant"}
    assert sorted(list_effects("zoom.registrant")) == ["succeeded", "waiting"]
    assert [address for address, _ in list_letters()] == ["bob@acme.example"]
    assert "Anna" not in str(world.zoom.meetings)


def test_slack_is_not_told_of_a_lead_who_may_not_go_there(world: World) -> None:
    place(connect("slack"))
    tell()
    run_effects()

    assert "slack.message" in read_waiting()


def test_the_persons_own_letter_goes_out_wherever_the_mail_server_is(world: World) -> None:
    connect("zoom")
    tell()
    run_effects()
    mailer = Connection.objects.filter(provider="email").first()
    assert mailer
    place(mailer)

    assert [address for address, _ in list_letters()] == ["zoe.okafor@example.com"]
    assert "email.confirmation" not in read_waiting()


def test_holding_back_costs_as_many_queries_for_thirty_contacts_as_for_two(
    world: World, django_assert_max_num_queries: Any
) -> None:
    set_rules({})
    tell(**{**PLAIN, "attendees": [of(f"anna{number}", "FR") for number in range(30)]})
    set_rules({("eu", "us"): False})
    with django_assert_max_num_queries(90):
        run_effects("hubspot")

    assert Effect.objects.filter(kind="contact.upsert", cause="residency").count() == 30
