"""Erasing a person: nothing of them is left anywhere, and nothing of anybody else is touched."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from bookings.models import Attendance, Meeting
from contacts.consent import ConsentSource, Said, may_contact, record_consents
from contacts.erasure import CLOSED, erase, preview_erasure
from contacts.exceptions import ForgottenError
from contacts.following import follow_merge
from contacts.merging import merge, preview
from contacts.models import Consent, Contact, ContactLink, Erasure, Identifier, ImportRow, Merge
from contacts.sync import plan_contacts
from contacts.undoing import undo
from integrations.deliveries import process
from integrations.events import Origin, RecordDeleted, RecordKind, dispatch
from integrations.jobs import replay_deliveries, sweep
from integrations.models import Connection, Delivery, Effect
from integrations.pairs import make_pair
from tests.bookings.flows.conftest import _wait_for_nothing  # noqa: F401
from tests.bookings.flows.fakes import outside_world
from tests.bookings.flows.playing import run_effects
from tests.contacts.erasing import HUBSPOT_EVENT, find_left, live
from tests.contacts.families import edit, emails, latest, link, meet
from tests.factories import make_connection, make_delivery, make_payload, receive
from tests.integrations.admin.support import make_effect
from tests.leaks import read_decrypted

pytestmark = pytest.mark.django_db


@pytest.fixture
def calendar(calendar_live: Connection) -> Connection:
    return calendar_live


@pytest.fixture
def crm(calendar: Connection) -> Connection:
    made = make_connection("hubspot", provider="hubspot", options={"access_token": "t"})
    make_pair(calendar, made, "in")
    return made


@pytest.fixture
def zoe(calendar: Connection) -> Contact:
    receive(make_payload("dlv_1"))
    return Contact.objects.get()


def the_meeting(external_id: str = "ev_9f27c1") -> Meeting:
    return Meeting.objects.get(external_id=external_id)


# --- Nothing is left --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_nothing_of_an_erased_person_is_left_in_any_table(calendar: Connection, admin_user: User) -> None:
    with outside_world():
        zoe = live(calendar)
    assert {
        "contacts_contact", "contacts_historicalcontact", "contacts_identifier", "contacts_historicalidentifier",
        "contacts_consent", "contacts_merge", "contacts_importrow", "bookings_attendance",
        "bookings_historicalattendance", "bookings_meeting", "bookings_historicalmeeting", "bookings_invitation",
        "bookings_historicalinvitation", "integrations_delivery",
    } <= find_left().keys()  # fmt: skip
    preview = preview_erasure(zoe)
    receipt = erase(zoe, user=admin_user)
    assert find_left() == {}
    assert receipt.counts == preview.counts
    assert {kind: count for kind, count in preview.counts.items() if kind not in ("history rows", "payloads")} == {
        "contacts": 2, "fields": 9, "identifiers": 7, "consents": 2, "links": 2, "candidate pairs": 1, "merges": 1,
        "blocking keys": 0, "import rows": 2, "attendances": 3, "meetings of this person alone": 2,
        "meetings with others": 2, "invitations": 3, "conflicts": 0, "effects that have not happened yet": 2,
    }  # fmt: skip
    assert (preview.waiting, preview.stuck, preview.contacts) == (0, 2, 2)
    check_others()


def check_others() -> None:
    """Sam's and Lea's things are theirs."""
    assert {row.full_name for row in Contact.objects.filter(erased_at=None)} == {"Sam Smith", "Lea Smith"}
    together = the_meeting("ev_grp")
    assert (together.title, together.description) == ("[erased] meets Sam", "Ask [erased]")
    assert together.answers == [{"key": "who", "question": "", "value": ["[erased]", "Sam"]}]
    assert [row.email for row in together.attendances.order_by("id")] == ["sam@acme.example", "", "lea@acme.example"]
    assert [row.values for row in ImportRow.objects.all()] == [{}, {}, {"email": "sam@acme.example"}]
    told = Delivery.objects.filter(connection__slug="hubspot").order_by("delivery_id")
    assert [bool(row.erased_at) for row in told] == [True, False, True, True]


def test_what_is_left_is_an_empty_row_that_an_older_state_is_known_by(
    calendar: Connection, crm: Connection, zoe: Contact
) -> None:
    link(crm, zoe, "501")
    indexes = set(Identifier.objects.values_list("kind", "index"))
    erase(zoe)
    shell = latest(zoe)
    assert str(shell) == "Erased person"
    assert shell.erased_at is not None
    assert (shell.name_words, shell.name_company, shell.provenance, shell.lead_score) == ([], None, {}, 0)
    assert set(Identifier.objects.values_list("kind", "index")) == indexes
    given_up = {row.kind for row in Identifier.objects.filter(is_current=False)}
    assert given_up == {"phone"}
    assert {row.value for row in Identifier.objects.all()} == {""}
    assert ContactLink.objects.get().external_id == "501"


def test_an_identifier_that_nothing_is_known_by_goes_altogether(zoe: Contact) -> None:
    Identifier.objects.create(contact=zoe, kind="phone", value="ask Zoë", index=None)
    erase(zoe)
    assert Identifier.objects.count() == 3


def test_the_receipt_names_nobody_and_lists_what_stays_elsewhere(
    crm: Connection, zoe: Contact, admin_user: User
) -> None:
    link(crm, zoe, "501")
    receipt = erase(zoe, user=admin_user)
    assert Erasure.objects.get() == receipt
    assert (receipt.user, receipt.contact) == (admin_user, zoe)
    assert receipt.elsewhere == [
        {"connection": "hubspot", "what": "contact", "external_id": "501"},
        {"connection": "calendar-live", "what": "booking", "external_id": "ev_9f27c1"},
    ]


def test_a_preview_changes_nothing(zoe: Contact) -> None:
    before = read_decrypted()
    preview_erasure(zoe)
    assert read_decrypted() == before


def test_erasing_once_more_finds_nothing_and_is_harmless(zoe: Contact) -> None:
    erase(zoe)
    erased_at, before = latest(zoe).erased_at, find_left()
    receipt = erase(latest(zoe))
    assert latest(zoe).erased_at == erased_at
    assert find_left() == before == {}
    assert (receipt.counts["payloads"], receipt.counts["history rows"], receipt.counts["fields"]) == (0, 0, 0)


def test_what_cannot_be_read_is_erased_as_well(zoe: Contact) -> None:
    lost, new = settings.FIELD_ENCRYPTION_KEYS, {"k9": b"0" * 32}
    with override_settings(FIELD_ENCRYPTION_KEYS=new):
        erase(latest(zoe))
    with override_settings(FIELD_ENCRYPTION_KEYS={**new, **lost}):
        assert find_left() == {}


@pytest.mark.parametrize("count", [2, 12])
def test_erasing_needs_as_many_queries_for_twelve_meetings_as_for_two(
    count: int, calendar: Connection, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        receive(make_payload(f"dlv_{number}", id=f"ev_{number}", uid=f"uid_{number}"))
    with django_assert_max_num_queries(140):
        erase(Contact.objects.get())


# --- Deliveries -------------------------------------------------------------------------------------------------------


def test_a_replay_of_what_led_to_the_person_brings_nobody_back(zoe: Contact) -> None:
    erase(zoe)
    (key,) = replay_deliveries(Delivery.objects.all())
    process(key)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.cause) == ("dead", "permanent")
    assert "payload was erased" in delivery.error
    assert find_left() == {}


def test_what_has_failed_for_good_or_was_refused_is_counted_before_and_closed(
    calendar: Connection, zoe: Contact
) -> None:
    make_delivery(calendar, make_payload("dlv_2", id="ev_2", uid="uid_2"), status="dead")
    make_delivery(calendar, b'["Zoe.Okafor@example.com"]', delivery_id="", status="rejected", is_accepted=False)
    other = make_delivery(calendar, b'["sam@acme.example"]', delivery_id="", status="rejected", is_accepted=False)
    assert preview_erasure(zoe).stuck == 2
    part = preview_erasure(zoe, most_read=2)
    assert (part.stuck, part.is_partial) == (1, True)
    assert preview_erasure(zoe, most_read=3) == preview_erasure(zoe)
    erase(zoe)
    assert list(Delivery.objects.order_by("pk").values_list("status", flat=True)) == [
        "processed", "discarded", "discarded", "rejected",
    ]  # fmt: skip
    assert bytes(Delivery.objects.get(pk=other.pk).body)


def test_a_meeting_with_others_keeps_the_payloads_that_do_not_tell_of_the_person(calendar: Connection) -> None:
    attendees = make_payload()["data"]["event"]["attendees"]
    sam = {**attendees[0], "id": "att_sam", "email": "sam@acme.example", "full_name": "Sam Smith", "phone": None}
    first = receive(make_payload("dlv_1", attendees=[sam]))
    second = receive(make_payload("dlv_2", attendees=[sam, *attendees], version=2))
    erase(Attendance.objects.get(attendee_id="att_7Qd1").contact)
    erased = {row.pk: bool(row.erased_at) for row in Delivery.objects.all()}
    assert erased == {first.pk: False, second.pk: True}


def test_an_address_that_belongs_to_somebody_else_by_now_marks_nobody(calendar: Connection, zoe: Contact) -> None:
    """A rename gave it up, another person has it."""
    receive(make_payload("dlv_2", version=2, attendee={"email": "zoe@new.example", "phone": None}))
    other = {"id": "att_2", "full_name": "Ann Other", "phone": None, "company": None}
    theirs = receive(make_payload("dlv_3", id="ev_3", uid="uid_3", attendee=other))
    dead = make_delivery(calendar, make_payload("dlv_4", id="ev_4", uid="uid_4", attendee=other), status="dead")
    ann = Contact.objects.exclude(pk=zoe.pk).get()
    assert emails(ann) == ["zoe.okafor@example.com"]
    erase(zoe)
    assert {row.pk for row in Delivery.objects.filter(erased_at=None)} == {theirs.pk, dead.pk}
    assert emails(ann) == ["zoe.okafor@example.com"]


@pytest.mark.parametrize("subscription", ["contact.propertyChange", "contact.deletion"])
def test_what_a_crm_tells_of_an_erased_person_s_record_is_emptied_and_other_news_is_kept(
    crm: Connection, zoe: Contact, subscription: str
) -> None:
    link(crm, zoe, "501")
    erase(zoe)
    events = [{**HUBSPOT_EVENT, "subscriptionType": subscription, "objectId": number} for number in (501, 502)]
    told = [make_delivery(crm, json.dumps([each]).encode(), delivery_id=f"hs_{each['objectId']}") for each in events]
    for delivery in told:
        process(delivery.pk)
    sweep()
    rows = Delivery.objects.filter(connection=crm).order_by("pk")
    assert [(row.status, bool(row.erased_at)) for row in rows] == [("processed", True), ("processed", False)]


# --- Merged contacts --------------------------------------------------------------------------------------------------


@pytest.fixture
def family(calendar: Connection) -> tuple[Contact, Contact, Merge]:
    winner = meet(calendar, "att_1", "zoe@x.example", full_name="Zoë Okafor", company="Old Ltd", minute=1)
    loser = meet(calendar, "att_2", "z.blanc@y.example", full_name="Zoë Anne Blanc", company="New Ltd", minute=2)
    return winner, loser, merge(winner, loser)


@pytest.mark.parametrize("by", [0, 1])
def test_all_that_went_into_a_contact_is_erased_with_it_whichever_is_named(family: Any, by: int) -> None:
    erase(family[by])
    assert all(latest(contact).erased_at for contact in family[:2])
    assert find_left() == {}
    assert latest(family[1]).merged_into == family[0]
    made = Merge.objects.get()
    assert (made.before, made.choices, made.changes) == ({}, {}, {})


def test_an_erased_family_is_neither_taken_apart_nor_merged(calendar: Connection, family: Any) -> None:
    winner, _, made = family
    erase(winner)
    with pytest.raises(ForgottenError, match="nothing is left that could be taken apart"):
        undo(made)
    other = meet(calendar, "att_3", "sam@x.example", full_name="Sam Smith")
    for first, second in ((winner, other), (other, winner)):
        for refused in (merge, preview):
            with pytest.raises(ForgottenError, match="was erased"):
                refused(first, second)


def test_who_was_merged_with_the_person_for_a_time_has_nothing_of_them_left(family: Any) -> None:
    winner, loser, made = family
    edit(winner, notes="Met at the fair")
    undo(made)
    erase(loser)
    left = read_decrypted()
    assert not any("Blanc" in text or "New Ltd" in text for text in left.values())
    kept = latest(winner)
    assert (kept.full_name, kept.company, kept.notes) == ("Zoë Okafor", "Old Ltd", "Met at the fair")
    assert emails(winner) == ["zoe@x.example"]
    assert "Old Ltd" in left["contacts_historicalcontact"]


@pytest.mark.parametrize(("survivor", "expected"), [("501", "501"), ("502", "502")])
def test_what_a_crm_makes_of_an_erased_and_another_person_s_record_is_the_other_s(
    calendar: Connection, crm: Connection, zoe: Contact, survivor: str, expected: str
) -> None:
    sam = meet(calendar, "att_sam", "sam@acme.example", full_name="Sam Smith")
    link(crm, zoe, "501")
    link(crm, sam, "502")
    erase(zoe)
    follow_merge(crm.pk, survivor, ["501", "502"])
    found = ContactLink.objects.get()
    assert (found.contact, found.external_id) == (sam, expected)
    assert latest(sam).merged_into is None


def test_a_crm_that_merges_two_records_of_erased_people_changes_nothing(
    calendar: Connection, crm: Connection, zoe: Contact
) -> None:
    sam = meet(calendar, "att_sam", "sam@acme.example", full_name="Sam Smith")
    link(crm, zoe, "501")
    link(crm, sam, "502")
    erase(zoe)
    erase(sam)
    follow_merge(crm.pk, "501", ["502"])
    assert ContactLink.objects.count() == 2


# --- Effects ----------------------------------------------------------------------------------------------------------


def test_what_has_not_happened_yet_is_closed_and_what_has_stays(calendar: Connection, zoe: Contact) -> None:
    subject = f"contact:{zoe.pk}"
    states = ("pending", "retrying", "waiting", "dead", "running", "succeeded")
    made = {status: make_effect(calendar, subject=subject, status=status) for status in states}
    of_meeting = make_effect(calendar, subject=f"meeting:{the_meeting().pk}", kind="slack.message")
    refund = make_effect(calendar, subject=f"meeting:{the_meeting().pk}", kind="refund.create")
    other = make_effect(calendar)
    erase(zoe)
    found = {effect.pk: (effect.status, effect.close_reason) for effect in Effect.objects.all()}
    for status in ("pending", "retrying", "waiting"):
        assert found[made[status].pk] == ("suppressed", CLOSED)
    assert found[made["dead"].pk] == ("discarded", CLOSED)
    assert found[of_meeting.pk] == ("suppressed", CLOSED)
    assert (found[made["running"].pk][0], found[made["succeeded"].pk][0]) == ("running", "succeeded")
    assert found[refund.pk] == found[other.pk] == ("pending", "")


def test_an_erased_person_is_not_brought_to_a_crm(calendar: Connection, crm: Connection, zoe: Contact) -> None:
    Effect.objects.all().delete()
    erase(zoe)
    plan_contacts(Contact.objects.all(), [crm])
    assert not Effect.objects.exists()


@pytest.mark.slow
def test_what_is_planned_for_an_erased_person_all_the_same_tells_nobody_anything(calendar: Connection) -> None:
    for provider in ("zoom", "slack", "hubspot"):
        make_connection(provider, provider=provider, options={"access_token": "t", "bot_token": "x", "channel": "c"})
    make_pair(calendar, Connection.objects.get(slug="hubspot"), "in")
    with outside_world() as world:
        receive(make_payload("dlv_1"))
        zoe = Contact.objects.get()
        Effect.objects.filter(kind__in=("zoom.meeting", "meeting.upsert")).delete()
        erase(zoe)
        Effect.objects.update(status="pending", close_reason="", due_at=timezone.now())
        run_effects()
        assert world.calls == 0
    reasons = dict(Effect.objects.values_list("kind", "close_reason"))
    assert reasons["contact.upsert"] == "The person was erased."
    assert reasons["slack.message"] == "Nobody attends the meeting any more."


def test_an_erased_person_says_nothing_more(zoe: Contact) -> None:
    erase(zoe)
    said = Said(Consent.Purpose.MARKETING, Consent.Channel.EMAIL, True, timezone.now(), "News, Zoë?")
    assert record_consents(latest(zoe), [said], ConsentSource("a form")) == []
    assert not may_contact(latest(zoe), Consent.Purpose.MARKETING, Consent.Channel.EMAIL)


def test_a_record_that_a_crm_deleted_for_privacy_is_unlinked_and_erases_nobody(crm: Connection, zoe: Contact) -> None:
    link(crm, zoe, "501")
    event = RecordDeleted("contact.privacyDeletion", RecordKind.CONTACT, "501", timezone.now(), is_privacy=True)
    dispatch([event], Origin(crm.pk, crm.slug, Effect().pk, ""))
    assert not ContactLink.objects.exists()
    assert latest(zoe).full_name == "Zoë Okafor"
