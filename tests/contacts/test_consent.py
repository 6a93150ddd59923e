"""What people said about being written to: from the booking form, once, and the latest word counts."""

from datetime import timedelta
from typing import Any

import pytest

from contacts.consent import ConsentSource, Said, may_contact, record_consents
from contacts.merging import merge
from contacts.models import Consent, Contact
from contacts.undoing import undo
from integrations.models import Connection
from tests.contacts.families import NOON, agree, meet
from tests.factories import make_payload, read_sample, receive

pytestmark = pytest.mark.django_db

MARKETING, TRANSACTIONAL = Consent.Purpose.MARKETING, Consent.Purpose.TRANSACTIONAL
EMAIL, PHONE = Consent.Channel.EMAIL, Consent.Channel.PHONE


@pytest.fixture(autouse=True)
def calendar(calendar_live: Connection) -> Connection:
    return calendar_live


def say(contact: Contact, *, is_given: bool, minute: int = 0, channel: Consent.Channel = EMAIL) -> None:
    said = Said(MARKETING, channel, is_given, NOON + timedelta(minutes=minute))
    record_consents(contact, [said], ConsentSource("a form"))


def test_a_booking_form_s_consent_is_kept_with_its_wording_time_and_delivery() -> None:
    delivery = receive(read_sample("event_created"))
    consent = Consent.objects.get()
    assert (consent.purpose, consent.channel, consent.is_given) == (MARKETING, EMAIL, True)
    assert consent.wording == "Keep me posted about product news."
    assert (consent.source, consent.given_at.isoformat()) == ("calendar.live", "2026-11-20T08:58:31+00:00")
    assert consent.delivery_id == delivery.pk == Consent.history.get().delivery_id
    assert may_contact(Contact.objects.get(), MARKETING, EMAIL)


def test_the_same_consent_told_again_is_kept_once() -> None:
    receive(make_payload("dlv_1"))
    receive(make_payload("dlv_2", version=2))
    assert Consent.objects.count() == 1


@pytest.mark.parametrize("consent", [None, {}, {"marketing": None}, {"marketing": "yes"}])
def test_what_says_nothing_is_no_consent(consent: Any) -> None:
    assert receive(make_payload(attendee={"consent": consent})).status == "processed"
    assert not Consent.objects.exists()
    assert not may_contact(Contact.objects.get(), MARKETING, EMAIL)


def test_a_consent_without_a_time_has_that_of_the_booking() -> None:
    receive(make_payload(attendee={"consent": {"marketing": False}}, updated_at="2026-11-20T09:00:00Z"))
    consent = Consent.objects.get()
    assert (consent.is_given, consent.given_at.isoformat()) == (False, "2026-11-20T09:00:00+00:00")


def test_marketing_needs_a_yes_and_a_message_about_a_booking_does_not(calendar: Connection) -> None:
    zoe = meet(calendar, "att_1", "zoe@x.example")
    assert not may_contact(zoe, MARKETING, EMAIL)
    assert may_contact(zoe, TRANSACTIONAL, EMAIL)
    say(zoe, is_given=True)
    assert may_contact(zoe, MARKETING, EMAIL)
    assert not may_contact(zoe, MARKETING, PHONE)


def test_the_latest_word_counts_whichever_comes_first(calendar: Connection) -> None:
    zoe = meet(calendar, "att_1", "zoe@x.example")
    say(zoe, is_given=False, minute=5)
    say(zoe, is_given=True, minute=1)
    assert not may_contact(zoe, MARKETING, EMAIL)
    say(zoe, is_given=True, minute=9)
    assert may_contact(zoe, MARKETING, EMAIL)


def test_of_a_yes_and_a_no_of_the_same_moment_the_no_counts(calendar: Connection) -> None:
    zoe = meet(calendar, "att_1", "zoe@x.example")
    say(zoe, is_given=True)
    say(zoe, is_given=False)
    assert not may_contact(zoe, MARKETING, EMAIL)


def test_a_merged_contact_has_the_latest_word_of_both_and_gives_it_back(calendar: Connection) -> None:
    winner, loser = meet(calendar, "att_1", "zoe@x.example"), meet(calendar, "att_2", "z@x.example")
    agree(calendar, winner, "att_1", minute=1)
    agree(calendar, loser, "att_2", minute=2, is_given=False)
    made = merge(winner, loser)
    assert not may_contact(winner, MARKETING, EMAIL)
    agree(calendar, winner, "att_2", minute=3)
    assert may_contact(winner, MARKETING, EMAIL)
    report = undo(made)
    assert (report.returned["consents"], report.later["consents"]) == (1, 1)
    assert list(Consent.objects.filter(contact=loser).values_list("is_given", flat=True)) == [True, False]
    assert Consent.objects.filter(contact=winner).count() == 1
