"""What people change about a contact in a CRM, and what they say at a booking: who may write, and what follows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from bookings.models import Conflict
from contacts.models import CandidatePair, Contact, ContactLink, Identifier
from contacts.sync import UPSERT
from integrations.events import Origin, Outcome, RecordChanged, RecordKind, dispatch
from integrations.models import Connection, Effect, FieldRule, FieldWrite, OwnerMapping, Pair
from integrations.pairs import make_pair
from integrations.providers import get_provider
from integrations.providers.base import Rate
from tests.bookings.flows.fakes import World, outside_world
from tests.bookings.flows.playing import pair_with_hubspot, run_effects, tell

pytestmark = pytest.mark.django_db
NOBODY: dict[str, Any] = {"event_type": None, "answers": []}
# Later than the sample's booking.
LATER = datetime(2026, 12, 1, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def hubspot(calendar_live: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setattr(type(get_provider("hubspot")), "rate", Rate(per_s=1000, burst=1000))
    crm = pair_with_hubspot(calendar_live)
    set_pattern("two_way")
    return crm


@pytest.fixture
def world() -> Iterator[World]:
    with outside_world() as made:
        yield made


@pytest.fixture
def contact(world: World) -> Contact:
    """Booked, and at the CRM."""
    book()
    return the_contact()


def book(version: int = 1, **event: Any) -> None:
    tell(version=version, **{**NOBODY, **event})
    run_effects()


def set_pattern(pattern: str) -> None:
    Pair.objects.update(pattern=pattern)


def set_rule(field: str, owner: str, mode: str = "overwrite", policy: str = "last_write_wins") -> None:
    pair = Pair.objects.get()
    FieldRule.objects.create(pair=pair, record="contact", field=field, owner=owner, mode=mode, policy=policy)


def change(crm: Connection, *, minute: Any = 0, **values: Any) -> Outcome:
    """Somebody changes the record's properties over there."""
    record_id = ContactLink.objects.filter(connection=crm).latest("id").external_id
    event = RecordChanged(
        "contact.propertyChange", RecordKind.CONTACT, record_id, values, LATER + timedelta(minutes=minute)
    )
    return dispatch([event], Origin(crm.pk, crm.slug, None, "FR"))


def the_contact() -> Contact:
    return Contact.objects.get()


def verdicts(contact: Contact) -> list[tuple[str, list[str]]]:
    rows = FieldWrite.objects.filter(subject=f"contact:{contact.pk}").order_by("id")
    return list(rows.values_list("verdict", "fields"))


def waiting(crm: Connection) -> int:
    return Effect.objects.filter(kind=UPSERT, connection=crm, status="pending").count()


def there(world: World) -> dict[str, Any]:
    """The record's properties over there."""
    [record] = world.hubspot.contacts.values()
    return record


# --- Taken over -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("properties", "field", "value"),
    [
        ({"company": "New Ltd"}, "company", "New Ltd"),
        ({"lastname": "Martin"}, "full_name", "Zoë Martin"),
        ({"firstname": "Zoe", "lastname": "Martin"}, "full_name", "Zoe Martin"),
        ({"company": ""}, "company", ""),
    ],
)
def test_a_change_over_there_is_a_change_here(
    properties: dict[str, str], field: str, value: str, contact: Contact, hubspot: Connection
) -> None:
    assert change(hubspot, **properties) == Outcome.APPLIED

    assert getattr(the_contact(), field) == value
    assert verdicts(contact) == [("applied", [field])]
    assert the_contact().history.first().history_type == "~"


def test_what_was_taken_over_is_not_sent_back(contact: Contact, hubspot: Connection, world: World) -> None:
    change(hubspot, company="New Ltd")
    book(version=2, title="Moved")
    calls = world.hubspot.count(".*/contacts/batch/update")

    assert waiting(hubspot) == 0
    assert calls == 0
    assert there(world)["company"] != "New Ltd"  # The fake has not heard of it: a call would have sent it.


def test_it_goes_on_to_the_other_crms(
    calendar_live: Connection, contact: Contact, hubspot: Connection, world: World
) -> None:
    other = pair_with_hubspot(calendar_live, "hubspot-two")
    book(version=2, title="For the other one")
    change_of_first = RecordChanged(
        "c", RecordKind.CONTACT, ContactLink.objects.get(connection=hubspot).external_id, {"company": "New"}, LATER
    )
    dispatch([change_of_first], Origin(hubspot.pk, hubspot.slug, None, "FR"))

    assert (waiting(hubspot), waiting(other)) == (0, 1)


def test_the_owner_over_there_is_the_owner_here(contact: Contact, hubspot: Connection, admin_user: User) -> None:
    property_name = hubspot.field_mappings.get(record="contact", ours="owner").theirs
    OwnerMapping.objects.create(connection=hubspot, user=admin_user, external_id="77")
    change(hubspot, **{property_name: "77"})
    assert the_contact().owner == admin_user

    change(hubspot, minute=1, **{property_name: "78"})
    assert the_contact().owner == admin_user
    assert verdicts(contact)[-1] == ("blocked", ["owner"])


def test_our_own_push_comes_back_and_is_dropped(contact: Contact, hubspot: Connection, world: World) -> None:
    before = the_contact().history.count()
    change(hubspot, company=there(world)["company"], firstname=there(world)["firstname"])

    assert the_contact().history.count() == before
    assert verdicts(contact) == [("echo", ["company", "full_name"])]


def test_a_word_that_comes_late_does_not_undo_a_newer_one(contact: Contact, hubspot: Connection) -> None:
    change(hubspot, minute=5, company="Newer")

    assert change(hubspot, minute=4, company="Older") == Outcome.STALE
    assert the_contact().company == "Newer"
    assert verdicts(contact)[-1] == ("stale", ["company"])


def test_a_record_that_is_nobodys_here_changes_nothing(contact: Contact, hubspot: Connection) -> None:
    event = RecordChanged("c", RecordKind.CONTACT, "no-such-record", {"company": "New"}, LATER)

    assert dispatch([event], Origin(hubspot.pk, hubspot.slug, None, "FR")) == Outcome.APPLIED
    assert not FieldWrite.objects.exists()


# --- Identifiers ------------------------------------------------------------------------------------------------------


def test_another_address_over_there_is_a_rename(contact: Contact, hubspot: Connection) -> None:
    before = Identifier.objects.filter(contact=contact, kind="email").count()
    change(hubspot, email="Zoe@New.example")

    [email] = Identifier.objects.filter(contact=contact, kind="email", is_current=True)
    assert email.value == "zoe@new.example"
    assert Identifier.objects.filter(contact=contact, kind="email").count() == before
    assert Contact.objects.count() == 1


def test_the_address_of_another_contact_is_put_up_for_review(contact: Contact, hubspot: Connection) -> None:
    tell(
        id="evt_other", uid="other", attendees=[{"id": "att_2", "email": "bo@acme.example", "full_name": "Bo Lund"}],
        **NOBODY,
    )  # fmt: skip
    link = ContactLink.objects.get(contact=contact)
    event = RecordChanged("c", RecordKind.CONTACT, link.external_id, {"email": "bo@acme.example"}, LATER)
    dispatch([event], Origin(hubspot.pk, hubspot.slug, None, "FR"))

    assert CandidatePair.objects.get().reason == "email_held"
    assert "bo@acme.example" not in [row.value for row in Identifier.objects.filter(contact=contact)]
    assert verdicts(contact)[-1] == ("blocked", ["email"])
    assert not Effect.objects.filter(status="pending", subject=f"contact:{contact.pk}").exists()


def test_a_second_address_may_take_the_lead(contact: Contact, hubspot: Connection) -> None:
    change(hubspot, email="zoe@new.example")
    change(hubspot, minute=1, email="zoe@newer.example")
    change(hubspot, minute=2, email="zoe@new.example")

    current = Identifier.objects.filter(contact=contact, kind="email", is_current=True)
    assert [row.value for row in current] == ["zoe@new.example"]


# --- Blocked ----------------------------------------------------------------------------------------------------------


def test_what_may_not_be_written_is_put_right_over_there(contact: Contact, hubspot: Connection, world: World) -> None:
    set_pattern("in")
    change(hubspot, company="New Ltd")
    assert (the_contact().company, waiting(hubspot)) == (contact.company, 1)
    assert verdicts(contact) == [("blocked", ["company"])]

    run_effects()
    assert world.hubspot.count(".*/contacts/batch/update") == 1


def test_what_insists_over_there_is_not_fought_with(contact: Contact, hubspot: Connection) -> None:
    set_pattern("in")
    change(hubspot, company="New Ltd")
    run_effects()
    change(hubspot, minute=1, company="New Ltd")

    assert waiting(hubspot) == 0
    assert verdicts(contact)[-1] == ("blocked", ["company"])


def test_without_a_pair_nothing_comes_in(contact: Contact, hubspot: Connection) -> None:
    Pair.objects.all().delete()
    change(hubspot, company="New Ltd")

    assert the_contact().company == contact.company


def test_an_appended_value_stands_below_ours_on_both_sides(contact: Contact, hubspot: Connection) -> None:
    set_rule("company", "calendar", mode="append")
    change(hubspot, company="New Ltd")

    assert the_contact().company == f"{contact.company}\nNew Ltd"
    assert waiting(hubspot) == 1


# --- Both sides -------------------------------------------------------------------------------------------------------


def change_both(crm: Connection, policy: str, *, minute: int = 5) -> None:
    """Somebody books with another company, and before that is sent the CRM says a third one."""
    set_rule("company", "calendar", policy=policy)
    tell(version=2, attendee={"company": "Booked"}, **NOBODY)
    change(crm, minute=minute, company="Told")


def test_the_owner_wins(contact: Contact, hubspot: Connection) -> None:
    change_both(hubspot, "owner_wins")

    assert the_contact().company == "Booked"
    assert verdicts(contact)[-1] == ("blocked", ["company"])


def test_the_last_write_wins(contact: Contact, hubspot: Connection) -> None:
    change_both(hubspot, "last_write_wins")

    assert the_contact().company == "Told"


def test_a_person_is_asked_and_until_then_each_side_keeps_what_it_has(
    contact: Contact, hubspot: Connection, world: World
) -> None:
    change_both(hubspot, "ask")
    conflict = Conflict.objects.get()
    sent = world.hubspot.count(".*/contacts/batch/update")
    run_effects()

    assert (conflict.kind, conflict.field, conflict.ours, conflict.theirs) == ("field", "company", "Booked", "Told")
    assert (conflict.contact, conflict.meeting, conflict.status) == (contact, None, "open")
    assert (conflict.ours_by, conflict.theirs_by) == ("calendar.live", "hubspot")
    assert world.hubspot.count(".*/contacts/batch/update") == sent
    assert the_contact().company == "Booked"


def test_the_same_field_has_one_open_conflict_with_the_latest_values(contact: Contact, hubspot: Connection) -> None:
    change_both(hubspot, "ask")
    change(hubspot, minute=6, company="Told again")

    assert Conflict.objects.get().theirs == "Told again"


# --- What is said at a booking ----------------------------------------------------------------------------------------


def test_moving_a_meeting_does_not_say_anew_what_was_said_at_its_booking(contact: Contact, hubspot: Connection) -> None:
    change(hubspot, company="New Ltd")
    book(version=2, updated_at="2026-12-02T10:00:00Z")

    assert the_contact().company == "New Ltd"


def test_what_is_said_anew_at_a_booking_counts(contact: Contact, hubspot: Connection) -> None:
    change(hubspot, company="New Ltd")
    book(version=2, updated_at="2026-12-02T10:00:00Z", attendee={"company": "Newest Ltd"})

    assert the_contact().company == "Newest Ltd"


def test_where_the_crm_owns_a_field_a_booking_only_fills_it_in(contact: Contact, hubspot: Connection) -> None:
    set_pattern("out")
    book(version=2, attendee={"company": "Booked"}, updated_at="2026-12-02T10:00:00Z")
    assert the_contact().company == contact.company
    assert verdicts(contact) == [("blocked", ["company"])]

    change(hubspot, company="")
    book(version=3, attendee={"company": "Booked anew"}, updated_at="2026-12-03T10:00:00Z")
    assert the_contact().company == "Booked anew"


def test_a_pair_that_is_made_later_has_its_rules_at_once(calendar_live: Connection, contact: Contact) -> None:
    make_pair(calendar_live, Connection.objects.get(slug="hubspot"), "out")
    book(version=2, attendee={"company": "Booked"})

    assert the_contact().company == contact.company
