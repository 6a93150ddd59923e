"""Why a person is the contact that was found: the words, and the ways that only imports take."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from contacts.claims import Person, Source
from contacts.links import link_record
from contacts.models import CandidatePair, Contact, ContactLink, Identifier, Matched
from contacts.upserts import upsert_each
from integrations.models import Connection
from tests.contacts.families import emails
from tests.factories import make_connection

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
By = Matched.By
PHONE, E164 = "06 12 34 56 78", "+33612345678"


@pytest.fixture
def crm(db: None) -> Connection:
    return make_connection("hubspot", provider="hubspot")


def meet(connection: Connection | None, *, minute: int = 0, met_at: datetime | None = None, **person):
    """One person as a connection, or a file, tells of him."""
    record = person.get("external_id") or person.get("attendee_id", "row")
    seen_at = NOON + timedelta(minutes=minute)
    source = Source(
        connection.pk if connection else None, "test", "FR", seen_at, f"ref/{record}",
        met_at=met_at, is_modest=person.pop("is_modest", False),
    )  # fmt: skip
    return upsert_each([(Person(**person), source)])[0]


def said_of(contact: Contact, kind: str) -> list[tuple[str, str]]:
    rows = Identifier.objects.filter(contact=contact, kind=kind).order_by("pk")
    return [(row.matched_by, row.matched_because) for row in rows]


# --- The words --------------------------------------------------------------------------------------------------------


def test_whoever_nobody_matched_is_new_and_says_so(calendar_live):
    zoe = meet(calendar_live, attendee_id="att_1", email="zoe@x.example")
    assert (zoe.by, zoe.because) == (By.NEW, "nobody here has what identifies this person")
    assert said_of(zoe.contact, "attendee_id") == [("new", "nobody here has what identifies this person")]


def test_a_match_by_phone_names_the_number_and_both_names(calendar_live):
    zoe = meet(calendar_live, attendee_id="att_1", email="zoe@x.example", phone=PHONE, full_name="Zoë Okafor")
    again = meet(calendar_live, attendee_id="att_2", email="z@private.example", phone=PHONE, full_name="Z. Okafor")
    because = f"it has the number {E164}, and Z. Okafor can be Zoë Okafor"
    assert (again.contact, again.by, again.because) == (zoe.contact, By.PHONE, because)
    assert said_of(zoe.contact, "attendee_id")[1] == ("phone", because)
    assert said_of(zoe.contact, "email")[1] == ("phone", because)


def test_a_match_by_email_names_the_address(calendar_live):
    meet(calendar_live, attendee_id="att_1", email="zoe@x.example", full_name="Zoë Okafor")
    again = meet(calendar_live, attendee_id="att_2", email="ZOE@x.example", full_name="Zoë Okafor")
    assert (again.by, again.because) == (By.EMAIL, "it has the address zoe@x.example")


def test_a_match_by_attendee_id_comes_before_all_others(calendar_live):
    zoe = meet(calendar_live, attendee_id="att_1", email="zoe@x.example")
    again = meet(calendar_live, attendee_id="att_1", email="new@x.example")
    assert (again.contact, again.by) == (zoe.contact, By.ATTENDEE_ID)


def test_a_match_by_name_and_company_names_both(calendar_live):
    meet(calendar_live, attendee_id="att_1", full_name="Zoë Okafor", company="Acme Ltd")
    again = meet(calendar_live, attendee_id="att_2", full_name="Okafor Zoe", company="ACME")
    assert again.by == By.NAME_AND_COMPANY
    assert "Zoë Okafor at Acme Ltd" in again.because


def test_a_new_contact_says_which_mailbox_and_which_name_were_no_proof(calendar_live):
    meet(calendar_live, attendee_id="att_1", email="home@okafor.example", full_name="Zoë Okafor")
    marc = meet(
        calendar_live, attendee_id="att_2", email="home@okafor.example",
        more_emails=("info@okafor.example",), full_name="Marc Okafor",
    )  # fmt: skip
    assert marc.by == By.NEW
    assert "home@okafor.example is used by Zoë Okafor as well, so it is shared" in marc.because
    assert "info@okafor.example is a mailbox of several people" in marc.because


# --- A CRM's records --------------------------------------------------------------------------------------------------


def test_a_record_is_linked_to_the_contact_that_matches_with_the_reason(calendar_live, crm):
    zoe = meet(calendar_live, attendee_id="att_1", email="zoe@x.example", full_name="Zoë Okafor").contact
    found = meet(crm, external_id="17", email="Zoe@x.example", phone=PHONE, full_name="Zoë Okafor")
    link = ContactLink.objects.get()
    assert (found.contact, found.by) == (zoe, By.EMAIL)
    assert (link.contact, link.external_id, link.matched_by) == (zoe, "17", "email")
    assert link.matched_because == "it has the address zoe@x.example"
    assert link.pushed_at is None


def test_a_linked_record_is_found_whatever_it_is_called_by_now(crm):
    zoe = meet(crm, external_id="17", email="zoe@x.example", full_name="Zoë Okafor")
    again = meet(crm, minute=1, external_id="17", email="zoe@new.example", full_name="Zoë Martin")
    assert (again.contact, again.by) == (zoe.contact, By.LINK)
    assert ContactLink.objects.count() == 1


def test_an_email_that_changes_in_the_crm_is_a_rename_and_the_old_one_may_go_to_somebody_else(crm):
    zoe = meet(crm, external_id="17", email="sales1@x.example", full_name="Zoë Okafor").contact
    meet(crm, minute=1, external_id="17", email="zoe@x.example", full_name="Zoë Okafor")
    assert emails(zoe) == ["zoe@x.example"]
    marc = meet(crm, minute=2, external_id="18", email="sales1@x.example", full_name="Marc Dubois").contact
    assert (emails(zoe), emails(marc)) == (["zoe@x.example"], ["sales1@x.example"])


def test_an_older_state_of_the_record_takes_no_email_back(crm):
    zoe = meet(crm, minute=5, external_id="17", email="new@x.example", full_name="Zoë Okafor").contact
    meet(crm, minute=1, external_id="17", email="old@x.example", full_name="Zoë Okafor")
    assert emails(zoe) == ["new@x.example"]


def test_all_addresses_and_numbers_of_a_record_are_the_contacts(crm):
    zoe = meet(
        crm, external_id="17", email="zoe@x.example", more_emails=("z@private.example", "zoe@x.example"),
        phone=PHONE, more_phones=("06 99 99 99 99",), full_name="Zoë Okafor",
    ).contact  # fmt: skip
    assert emails(zoe) == ["z@private.example", "zoe@x.example"]
    assert Identifier.objects.filter(kind="phone").count() == 2


def test_a_second_address_of_a_record_finds_the_contact_too(calendar_live, crm):
    zoe = meet(calendar_live, attendee_id="att_1", email="z@private.example", full_name="Zoë Okafor").contact
    found = meet(crm, external_id="17", email="zoe@x.example", more_emails=("z@private.example",), full_name="Zoë O.")
    assert (found.contact, found.by) == (zoe, By.EMAIL)


def test_two_records_of_one_person_are_two_contacts_to_review(crm):
    first = meet(crm, external_id="17", email="zoe@x.example", phone=PHONE, full_name="Zoë Okafor")
    second = meet(crm, external_id="18", email="zoe@x.example", phone=PHONE, full_name="Zoë Okafor")
    assert first.contact != second.contact
    assert [link.contact for link in ContactLink.objects.order_by("pk")] == [first.contact, second.contact]
    pair = CandidatePair.objects.get()
    assert {pair.first, pair.second} == {first.contact, second.contact}
    assert list(second.for_review) == [pair]
    again = meet(crm, minute=1, external_id="18", email="zoe@x.example", phone=PHONE, full_name="Zoë Okafor")
    assert (again.contact, again.for_review) == (second.contact, [])


def test_a_record_of_a_merged_contact_is_found_at_the_one_that_it_went_into(crm):
    winner, loser = Contact.objects.create(full_name="Zoë"), Contact.objects.create(full_name="Zoe")
    link_record(loser, crm.pk, "17", By.NEW, "")
    Contact.objects.filter(pk=loser.pk).update(merged_into=winner)
    assert meet(crm, external_id="17", full_name="Zoë").contact == winner


# --- Modest sources ---------------------------------------------------------------------------------------------------


def test_a_modest_source_fills_what_is_unknown_and_leaves_what_is_known(calendar_live, crm):
    meet(calendar_live, attendee_id="att_1", email="zoe@x.example", full_name="Zoë Okafor")
    found = meet(
        crm, minute=9, external_id="17", email="zoe@x.example", full_name="Zoe OKAFOR", company="Acme", is_modest=True
    )
    assert (found.contact.full_name, found.contact.company) == ("Zoë Okafor", "Acme")


def test_a_modest_source_changes_what_it_has_set_itself(crm):
    meet(crm, external_id="17", full_name="Zoë Okafor", company="Acme", is_modest=True)
    found = meet(crm, minute=1, external_id="17", full_name="Zoë Okafor", company="Beta", is_modest=True)
    assert found.contact.company == "Beta"


def test_a_file_needs_no_connection_and_renames_nobody(calendar_live):
    zoe = meet(calendar_live, attendee_id="att_1", email="zoe@x.example", full_name="Zoë Okafor").contact
    found = meet(None, minute=1, email="zoe@x.example", more_emails=("z@private.example",), full_name="Zoë Okafor")
    assert (found.contact, found.by) == (zoe, By.EMAIL)
    assert emails(zoe) == ["z@private.example", "zoe@x.example"]
    assert {row.introduced_by for row in Identifier.objects.filter(value__isnull=False, kind="email")} == {
        f"{calendar_live.pk}:att_1", "",
    }  # fmt: skip


# --- Who was erased ---------------------------------------------------------------------------------------------------


def erase(contact: Contact, at: datetime) -> None:
    """As an erasure leaves a contact: an empty row, and identifiers of which only the blind index is left."""
    Contact.objects.filter(pk=contact.pk).update(
        full_name="", company="", name_words=[], name_company=None, provenance={}, erased_at=at
    )
    Identifier.objects.filter(contact=contact).update(value="")
    Identifier.objects.filter(contact=contact, kind="phone").update(is_current=False)


@pytest.fixture
def erased(calendar_live, crm) -> Contact:
    zoe = meet(calendar_live, attendee_id="att_1", email="zoe@x.example", phone=PHONE, full_name="Zoë Okafor").contact
    link_record(zoe, crm.pk, "17", By.NEW, "")
    erase(zoe, NOON + timedelta(hours=1))
    return zoe


def is_empty(contact: Contact) -> bool:
    row = Contact.objects.get(pk=contact.pk)
    return not (row.full_name or row.company or any(each.value for each in row.identifiers.all()))


@pytest.mark.parametrize(
    "person",
    [
        {"attendee_id": "att_1", "email": "other@x.example", "full_name": "Zoë Okafor"},
        {"attendee_id": "att_9", "email": "zoe@x.example", "full_name": "Zoë Okafor"},
    ],
)
def test_what_was_booked_before_the_erasure_brings_nobody_back(calendar_live, erased, person):
    found = meet(calendar_live, minute=600, met_at=NOON, **person)
    assert (found.contact, found.is_erased) == (erased, True)
    assert is_empty(erased)
    assert Contact.objects.count() == 1


def test_a_source_that_does_not_tell_when_brings_nobody_back(erased):
    assert meet(None, minute=600, email="zoe@x.example", full_name="Zoë Okafor").is_erased
    assert is_empty(erased)


def test_a_record_of_somebody_erased_brings_nobody_back(crm, erased):
    assert meet(crm, minute=600, external_id="17", email="new@x.example", full_name="Zoë Okafor").is_erased
    assert is_empty(erased)


def test_whoever_books_again_after_the_erasure_is_somebody_new(calendar_live, erased):
    booked = NOON + timedelta(hours=2)
    found = meet(calendar_live, minute=120, met_at=booked, attendee_id="att_1", email="zoe@x.example", phone=PHONE)
    assert (found.by, found.is_erased) == (By.NEW, False)
    assert found.contact != erased
    assert emails(found.contact) == ["zoe@x.example"]
    again = meet(calendar_live, minute=121, met_at=booked, attendee_id="att_1", email="zoe@x.example")
    assert again.contact == found.contact
    assert is_empty(erased)


def test_somebody_else_never_gets_the_address_of_somebody_erased_by_an_old_state(calendar_live, erased):
    marc = meet(calendar_live, attendee_id="att_2", email="marc@x.example", full_name="Marc Dubois").contact
    found = meet(
        calendar_live, minute=1, met_at=NOON, attendee_id="att_2", email="marc@x.example",
        more_emails=("zoe@x.example",), full_name="Marc Dubois",
    )  # fmt: skip
    assert (found.contact, emails(marc)) == (marc, ["marc@x.example"])
    assert not CandidatePair.objects.exists()


def test_a_number_of_somebody_erased_is_free(calendar_live, erased):
    marc = meet(calendar_live, attendee_id="att_2", email="m@x.example", phone=PHONE, full_name="Marc Dubois").contact
    assert list(marc.identifiers.filter(kind="phone").values_list("is_current", "is_shared")) == [(True, False)]
    assert timezone.now() > NOON
