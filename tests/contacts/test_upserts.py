"""Who somebody is, and what a new state of him changes. Each test meets people in the order of its lines."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simple_history.models import HistoricalRecords

from contacts import upserts
from contacts.claims import Person, Source
from contacts.models import CandidatePair, Contact, Identifier
from contacts.upserts import upsert_contact
from integrations.exceptions import TransientError
from integrations.models.provenance import current_delivery
from tests.factories import make_connection

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PHONE = "06 12 34 56 78"
E164 = "+33612345678"


@pytest.fixture
def meet(calendar_live):
    """Meet somebody at a minute past noon; each meeting is a minute later than the one before, unless said."""
    clock = iter(range(1000))

    def meet(attendee_id, email="", minute=None, connection=calendar_live, **person):
        at = next(clock) if minute is None else minute
        seen_at = NOON + timedelta(minutes=at)
        source = Source(connection.pk, "calendar.live", "FR", seen_at, f"uid/ev/{at:019d}")
        return upsert_contact(Person(attendee_id, email, **person), source)

    return meet


def values(contact, kind):
    """The values that the contact holds now."""
    rows = Identifier.objects.filter(contact=contact, kind=kind, is_current=True)
    return [row.value for row in rows]


def emails(contact):
    return values(contact, "email")


def phones(contact):
    return values(contact, "phone")


def pairs():
    return [({pair.first_id, pair.second_id}, pair.reason) for pair in CandidatePair.objects.all()]


# --- Matching --------------------------------------------------------------------------------------------------------


def test_new_person_becomes_a_contact_with_his_identifiers_in_normal_form(meet):
    zoe = meet("att_1", " Zoe@Example.COM ", phone=PHONE, full_name=" Zoë Okafor ", company="Okafor", country="FR")
    zoe.refresh_from_db()
    assert (zoe.full_name, zoe.company, zoe.country, zoe.lead_source) == ("Zoë Okafor", "Okafor", "FR", "calendar.live")
    assert (emails(zoe), phones(zoe), values(zoe, "attendee_id")) == (["zoe@example.com"], [E164], ["att_1"])


def test_same_attendee_id_is_the_same_person(meet):
    assert meet("att_1", "zoe@x.example", full_name="Zoë") == meet("att_1", "other@x.example", full_name="Marc")


def test_attendee_ids_of_two_connections_are_not_compared(meet):
    elsewhere = make_connection("elsewhere")
    assert meet("att_1", "zoe@x.example") != meet("att_1", "marc@x.example", connection=elsewhere)


def test_same_email_is_the_same_person_who_then_has_two_attendee_ids(meet):
    zoe = meet("att_1", "zoe@x.example", full_name="Zoë Okafor")
    assert meet("att_2", "ZOE@x.example ", full_name="Z. Okafor") == zoe
    assert values(zoe, "attendee_id") == ["att_1", "att_2"]
    assert emails(zoe) == ["zoe@x.example"]


def test_same_phone_with_a_compatible_name_is_the_same_person_who_then_has_two_emails(meet):
    zoe = meet("att_1", "zoe@x.example", phone=PHONE, full_name="Zoë Okafor")
    assert meet("att_2", "zoe@private.example", phone="+33 6 12 34 56 78", full_name="Okafor Zoe") == zoe
    assert emails(zoe) == ["zoe@x.example", "zoe@private.example"]
    assert not pairs()


def test_same_phone_with_another_name_and_email_is_another_person_and_the_phone_is_shared(meet):
    zoe = meet("att_1", "zoe@x.example", phone=PHONE, full_name="Zoë Okafor")
    marc = meet("att_2", "marc@x.example", phone=PHONE, full_name="Marc Dubois")
    assert zoe != marc
    assert phones(zoe) == phones(marc) == [E164]
    assert set(Identifier.objects.filter(kind="phone").values_list("is_shared", flat=True)) == {True}
    assert not pairs()


def test_shared_phone_identifies_nobody(meet):
    meet("att_1", "zoe@x.example", phone=PHONE, full_name="Zoë Okafor")
    meet("att_2", "marc@x.example", phone=PHONE, full_name="Marc Dubois")
    third = meet("att_3", "zoe@private.example", phone=PHONE, full_name="Zoë Okafor")
    assert Contact.objects.count() == 3
    assert phones(third) == [E164]


def test_phone_of_somebody_whose_name_is_unknown_is_for_review(meet):
    zoe = meet("att_1", "zoe@x.example", phone=PHONE, full_name="Zoë Okafor")
    unknown = meet("att_2", "someone@x.example", phone=PHONE)
    assert pairs() == [({zoe.pk, unknown.pk}, "phone_held")]
    assert (phones(zoe), phones(unknown)) == ([E164], [])
    assert meet("att_3", "zoe@private.example", phone=PHONE, full_name="Zoë Okafor") == zoe


def test_role_mailbox_never_merges_people(meet):
    reception = meet("att_1", "info@smallco.example", full_name="Reception", company="SmallCo")
    jane = meet("att_2", "Info@SmallCo.example", full_name="Jane Roe", company="SmallCo")
    nameless = meet("att_3", "info@smallco.example")
    assert len({reception, jane, nameless}) == 3
    assert emails(reception) == emails(jane) == emails(nameless) == ["info@smallco.example"]
    assert not pairs()


def test_email_with_two_clearly_different_names_is_two_people_and_shared(meet):
    zoe = meet("att_1", "family@x.example", full_name="Zoë Okafor")
    marc = meet("att_2", "family@x.example", full_name="Marc Okafor")
    third = meet("att_3", "family@x.example", full_name="Zoë Okafor")
    assert len({zoe, marc, third}) == 3
    assert set(Identifier.objects.filter(kind="email").values_list("is_shared", flat=True)) == {True}


def test_attendee_id_decides_where_the_email_is_anothers_and_the_pair_goes_to_review(meet):
    zoe = meet("att_1", "zoe@x.example", full_name="Zoë Okafor")
    marc = meet("att_2", "marc@x.example", full_name="Marc Dubois")
    assert meet("att_2", "zoe@x.example", full_name="Marc Dubois") == marc
    assert emails(zoe) == ["zoe@x.example"]
    assert pairs() == [({zoe.pk, marc.pk}, "email_held")]
    assert meet("att_3", "zoe@x.example", full_name="Zoë Okafor") == zoe


def test_pair_is_opened_once_and_not_again_after_it_was_decided(meet):
    meet("att_1", "zoe@x.example")
    for _ in range(2):
        meet("att_2", "marc@x.example")
        meet("att_2", "zoe@x.example")
    CandidatePair.objects.update(status="distinct")
    meet("att_2", "marc@x.example")
    meet("att_2", "zoe@x.example")
    assert [pair.status for pair in CandidatePair.objects.all()] == ["distinct"]


def test_same_name_and_company_match_where_nothing_contradicts(meet):
    jane = meet("att_1", "info@smallco.example", full_name="Jane Roe", company="SmallCo Ltd")
    assert meet("att_2", "info@smallco.example", full_name="ROE Jane", company="Smallco") == jane


def test_same_name_and_company_with_another_email_is_a_pair(meet):
    jane = meet("att_1", "jane@smallco.example", full_name="Jane Roe", company="SmallCo Ltd")
    other = meet("att_2", "jane.roe@smallco.example", full_name="Jane Roe", company="SmallCo")
    assert pairs() == [({jane.pk, other.pk}, "name_and_company")]


@pytest.mark.parametrize(
    "person", [{"full_name": "Jane", "company": "SmallCo"}, {"full_name": "Jane Roe"}, {"company": "SmallCo"}]
)
def test_single_name_or_missing_company_proves_nothing(meet, person):
    assert meet("att_1", "info@smallco.example", **person) != meet("att_2", "info@smallco.example", **person)
    assert not pairs()


def test_merged_contact_leads_to_the_one_that_it_went_into(meet):
    alias, golden = meet("att_1", "zoe@x.example"), meet("att_2", "z@x.example")
    Contact.objects.filter(pk=alias.pk).update(merged_into=golden)
    assert meet("att_1", "zoe@x.example") == golden


# --- What cannot be normalised ---------------------------------------------------------------------------------------


def test_unreadable_values_are_kept_as_typed_and_never_matched(meet):
    first = meet("att_1", " zoe at x ", phone=" call me ", full_name="Zoë Okafor")
    second = meet("att_2", "zoe at x", phone="call me", full_name="Zoë Okafor")
    assert first != second
    assert (emails(first), phones(first)) == (["zoe at x"], ["call me"])
    assert not Identifier.objects.exclude(kind="attendee_id").exclude(index=None).exists()


def test_unreadable_value_that_comes_again_is_kept_once(meet):
    zoe = meet("att_1", "zoe at x", phone="call me")
    meet("att_1", "zoe at x", phone="call me")
    assert (emails(zoe), phones(zoe)) == (["zoe at x"], ["call me"])


# --- What a new state changes ----------------------------------------------------------------------------------------


def test_newer_state_wins_and_an_older_one_that_comes_late_changes_nothing(meet):
    meet("att_1", "new@x.example", minute=5, full_name="Zoë Martin", company="New", country="FR")
    zoe = meet("att_1", "old@x.example", minute=1, full_name="Zoë Okafor", company="Old", country="GB", timezone="UTC")
    zoe.refresh_from_db()
    assert (zoe.full_name, zoe.company, zoe.country, zoe.timezone) == ("Zoë Martin", "New", "FR", "UTC")
    assert emails(zoe) == ["new@x.example"]


def test_reference_orders_two_states_of_one_second(calendar_live):
    for version in (2, 1):
        source = Source(calendar_live.pk, "calendar.live", "", NOON, f"uid/ev/{version:019d}")
        zoe = upsert_contact(Person("att_1", f"v{version}@x.example", full_name=f"Version {version}"), source)
    zoe.refresh_from_db()
    assert (zoe.full_name, emails(zoe)) == ("Version 2", ["v2@x.example"])


def test_unknown_values_erase_nothing(meet):
    meet("att_1", "zoe@x.example", phone=PHONE, full_name="Zoë", company="Okafor", country="FR", timezone="UTC")
    zoe = meet("att_1", "", phone=" ", full_name="", company="\t", country="", timezone="")
    zoe.refresh_from_db()
    assert (zoe.full_name, zoe.company, zoe.country, zoe.timezone) == ("Zoë", "Okafor", "FR", "UTC")
    assert (emails(zoe), phones(zoe)) == (["zoe@x.example"], [E164])


def test_new_email_of_an_attendee_is_a_rename_and_frees_the_old_one_for_another(meet):
    zoe = meet("att_1", "desk3@x.example", full_name="Zoë Okafor")
    meet("att_1", "zoe@x.example", full_name="Zoë Okafor")
    assert emails(zoe) == ["zoe@x.example"]
    marc = meet("att_2", "desk3@x.example", full_name="Marc Dubois")
    assert marc != zoe
    assert emails(marc) == ["desk3@x.example"]
    assert not Identifier.objects.filter(is_shared=True).exists()


def test_email_that_was_given_up_and_taken_again_is_held_once(meet):
    zoe = meet("att_1", "zoe@x.example")
    meet("att_1", "z@x.example")
    meet("att_1", "zoe@x.example")
    assert emails(zoe) == ["zoe@x.example"]
    assert meet("att_2", "zoe@x.example") == zoe


def test_rename_leaves_the_email_that_came_by_another_way(meet):
    zoe = meet("att_1", "zoe@x.example", phone=PHONE, full_name="Zoë Okafor")
    meet("att_2", "private@x.example", phone=PHONE, full_name="Zoë Okafor")
    meet("att_2", "newer@x.example", phone=PHONE, full_name="Zoë Okafor")
    assert emails(zoe) == ["zoe@x.example", "newer@x.example"]


states = st.lists(
    st.fixed_dictionaries(
        {
            "email": st.sampled_from(["", "a@x.example", "b@x.example", "info@x.example", "no address"]),
            "phone": st.sampled_from(["", PHONE, "+44 20 7946 0958", "no number"]),
            "full_name": st.sampled_from(["", "Zoë Okafor", "Marc Dubois"]),
            "company": st.sampled_from(["", "Okafor", "Dubois"]),
            "country": st.sampled_from(["", "FR", "GB"]),
            "timezone": st.sampled_from(["", "UTC"]),
        }
    ),
    min_size=2,
    max_size=5,
)


@pytest.mark.slow
@given(numbered=states.map(lambda found: list(enumerate(found))).flatmap(lambda found: st.permutations(found)))
@settings(derandomize=True, deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_states_of_a_person_end_the_same_in_any_order_of_arrival(meet, numbered):
    def arrive(order):
        with transaction.atomic():
            for minute, person in order:
                contact = meet("att_1", minute=minute, **person)
            contact.refresh_from_db()
            fields = [contact.full_name, contact.company, contact.country, contact.timezone, contact.provenance]
            held = fields, sorted(emails(contact)), sorted(phones(contact))
            transaction.set_rollback(True)
        return held

    assert arrive(numbered) == arrive(sorted(numbered, key=lambda each: each[0]))


# --- History ---------------------------------------------------------------------------------------------------------


def test_history_names_the_delivery_that_made_a_change(meet):
    delivery_id = UUID(int=7)
    token = current_delivery.set(delivery_id)
    zoe = meet("att_1", "zoe@x.example", full_name="Zoë")
    current_delivery.reset(token)
    meet("att_1", "zoe@x.example", full_name="Zoë Okafor")
    assert [(row.full_name, row.delivery_id) for row in zoe.history.order_by("history_id")] == [
        ("Zoë", delivery_id),
        ("Zoë Okafor", None),
    ]
    assert {row.delivery_id for row in Identifier.history.all()} == {delivery_id}


def test_history_names_the_user_who_made_a_change(meet, rf):
    zoe = meet("att_1", "zoe@x.example", full_name="Zoë")
    request = rf.get("/")
    request.user = User.objects.create(username="olga")
    HistoricalRecords.context.request = request
    try:
        zoe.company = "Okafor"
        zoe.save()
    finally:
        del HistoricalRecords.context.request
    latest = zoe.history.first()
    assert (latest.history_user, latest.delivery_id, latest.company) == (request.user, None, "Okafor")


def test_new_contact_has_one_row_of_history_and_the_same_state_adds_none(meet):
    person = {"phone": PHONE, "full_name": "Zoë Okafor", "company": "Okafor", "country": "FR"}
    zoe = meet("att_1", "zoe@x.example", minute=3, **person)
    before = zoe.updated_at
    for minute in (3, 3, 2, 4):
        meet("att_1", "zoe@x.example", minute=minute, **person)
    assert zoe.history.count() == 1
    assert Identifier.history.count() == 3
    zoe.refresh_from_db()
    assert zoe.updated_at == before


@pytest.mark.parametrize("failures", [1, 2])
def test_identifier_that_was_taken_meanwhile_makes_the_upsert_start_anew(meet, monkeypatch, failures):
    broken = iter(range(failures))
    real = upserts.take

    def take(*arguments):
        if next(broken, None) is not None:
            raise IntegrityError("identifier_held_once")
        return real(*arguments)

    monkeypatch.setattr(upserts, "take", take)
    assert emails(meet("att_1", "zoe@x.example")) == ["zoe@x.example"]
    assert Contact.objects.count() == Contact.history.count() == 1


def test_upsert_that_meets_a_conflict_each_time_is_tried_again_later(meet, monkeypatch):
    def take(*arguments):
        raise IntegrityError("identifier_held_once")

    monkeypatch.setattr(upserts, "take", take)
    with pytest.raises(TransientError):
        meet("att_1", "zoe@x.example")
    assert not Contact.objects.exists()


def test_upsert_of_a_known_person_takes_few_queries(meet, django_assert_max_num_queries):
    meet("att_1", "zoe@x.example", phone=PHONE, full_name="Zoë Okafor", company="Okafor")
    with django_assert_max_num_queries(16):
        meet("att_1", "zoe@x.example", phone=PHONE, full_name="Zoë Okafor", company="Okafor")
