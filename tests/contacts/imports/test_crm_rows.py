"""A CRM's contacts as rows: in our words, with their record, and with the account's token kept good."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from contacts.claims import Person, Source
from contacts.imports import runs
from contacts.models import Consent, Contact, ContactLink, Identifier, ImportRun
from contacts.upserts import upsert_contact
from integrations.exceptions import RateLimitedError, ReauthoriseError, SetupError
from integrations.models import Connection, Drain, OwnerMapping
from integrations.providers.base import Account
from integrations.providers.crm import ContactPage, FoundConsent, FoundContact, UnreadContact
from integrations.providers.hubspot.provider import HubSpot
from tests.contacts.imports.support import NOON, counts, work_off
from tests.factories import make_connection

pytestmark = pytest.mark.django_db

VALUES = {"firstname": "Zoë", "lastname": "Okafor", "company": "Okafor", "country": "France"}


@pytest.fixture
def hubspot() -> Connection:
    options = {"access_token": "token-1", "default_region": "FR"}
    return make_connection("hubspot", provider="hubspot", webhook_secret=None, options=options)


def find(external_id: str = "r1", **fields: Any) -> FoundContact:
    fields = {"values": VALUES, "changed_at": NOON, "emails": ("zoe@example.com",), **fields}
    return FoundContact(external_id, **fields)


@pytest.fixture
def list_contacts(monkeypatch: Any) -> Callable[..., list[dict[str, Any]]]:
    """Let HubSpot answer with these pages, each found by its number as the cursor; an exception is raised once."""

    def let_answer(*pages: ContactPage | Exception) -> list[dict[str, Any]]:
        asked: list[dict[str, Any]] = []
        answers = list(pages)

        def answer(self: HubSpot, account: Account, *, fields: Sequence[str], cursor: str, size: int) -> ContactPage:
            asked.append({"fields": fields, "cursor": cursor, "size": size})
            page = answers[int(cursor or 0)]
            if isinstance(page, Exception):
                answers.remove(page)
                raise page
            return page

        monkeypatch.setattr(HubSpot, "list_contacts", answer)
        return asked

    return let_answer


def fill(connection: Connection, **options: Any) -> ImportRun:
    return work_off(runs.start_crm(connection, **{"is_dry_run": False, **options}))


def test_all_pages_are_read_and_each_contact_has_its_record(hubspot: Connection, list_contacts: Any) -> None:
    marc = find(
        "r2", values={"firstname": "Marc"}, emails=("marc@example.com", "m@example.com"), phones=("0612345678",)
    )
    asked = list_contacts(ContactPage([find()], "1", total=2), ContactPage([], "2"), ContactPage([marc]))
    run = fill(hubspot)

    assert counts(run) == {"read": 2, "created": 2, "matched": 0, "for_review": 0, "refused": 0, "erased": 0}
    assert [call["cursor"] for call in asked] == ["", "1", "2"]
    assert {"firstname", "lastname", "email", "phone"} <= set(asked[0]["fields"])
    assert asked[0]["size"] == HubSpot.page_size
    links = dict(ContactLink.objects.values_list("external_id", "contact"))
    zoe, marc_too = Contact.objects.get(pk=links["r1"]), Contact.objects.get(pk=links["r2"])
    assert (zoe.full_name, zoe.company, zoe.country, zoe.lead_source) == ("Zoë Okafor", "Okafor", "FR", "HubSpot")
    held = [row.value for row in Identifier.objects.filter(contact=marc_too).order_by("kind", "pk")]
    assert held == ["marc@example.com", "m@example.com", "+33612345678"]
    assert zoe.provenance["full_name"] == [NOON.isoformat(), "hubspot/r1"]


def test_somebody_who_booked_before_is_found(
    calendar_live: Connection, hubspot: Connection, list_contacts: Any
) -> None:
    source = Source(calendar_live.pk, "calendar.live", "FR", NOON - timedelta(days=1), "uid/1")
    zoe = upsert_contact(Person("att_1", "Zoe@example.com", full_name="Zoe O"), source)
    list_contacts(ContactPage([find()]))
    run = fill(hubspot)
    zoe.refresh_from_db()

    assert (run.created, run.matched, zoe.full_name, zoe.company) == (0, 1, "Zoe O", "Okafor")
    assert zoe.lead_source == "calendar.live"
    assert ContactLink.objects.get().contact == zoe


def test_a_record_whose_address_has_changed_is_the_same_person(hubspot: Connection, list_contacts: Any) -> None:
    list_contacts(ContactPage([find()]))
    fill(hubspot)
    newer: dict[str, Any] = {"emails": ("zoe@private.example",), "values": {"firstname": "Zoë", "lastname": "Blanc"}}
    for day in (2, 1):
        list_contacts(ContactPage([find(**newer, changed_at=NOON + timedelta(days=day))]))
        run = fill(hubspot)
        newer = {}
    [zoe] = Contact.objects.all()

    assert (run.created, run.matched, zoe.full_name) == (0, 1, "Zoë Blanc")


def test_what_cannot_be_read_or_says_nothing_is_refused(hubspot: Connection, list_contacts: Any) -> None:
    empty = find("r2", values={"company": "Okafor"}, emails=())
    list_contacts(ContactPage([find(), empty], unread=[UnreadContact("r3", "updatedAt", "is no time.")]))
    run = fill(hubspot)

    assert [(row.number, row.external_id, row.field, row.problem) for row in run.rows.all()] == [
        (2, "r2", "", "it has no name, no e-mail address and no phone number."),
        (3, "r3", "updatedAt", "is no time."),
    ]
    assert run.rows.all()[0].values["company"] == "Okafor"
    assert (run.read, run.created, run.refused) == (3, 1, 2)


def test_values_that_mean_nothing_here_are_left_out(hubspot: Connection, list_contacts: Any) -> None:
    hubspot.field_mappings.create(record="contact", ours="timezone", theirs="tz")
    hubspot.field_mappings.create(record="contact", ours="lead_status", theirs="status")
    hubspot.field_mappings.create(record="contact", ours="lead_score", theirs="score")
    hubspot.field_mappings.create(record="contact", ours="full_name", theirs="name")
    values = {"name": "Zoë", "tz": "Mars/Olympus", "status": "hot", "score": "many"}
    list_contacts(ContactPage([find(values=values)]))
    fill(hubspot)
    [zoe] = Contact.objects.all()

    assert (zoe.full_name, zoe.timezone, zoe.lead_status, zoe.lead_score) == ("Zoë", "", "new", 0)


def test_source_score_status_and_owner_are_taken_over(hubspot: Connection, list_contacts: Any) -> None:
    olga = User.objects.create(username="olga")
    OwnerMapping.objects.create(connection=hubspot, user=olga, external_id="o1")
    for ours, theirs in (("lead_source", "src"), ("lead_status", "st"), ("lead_score", "sc"), ("owner", "own")):
        hubspot.field_mappings.create(record="contact", ours=ours, theirs=theirs)
    list_contacts(ContactPage([find(values={"src": "Fair", "st": "Customer", "sc": 30.0, "own": "o1"})]))
    fill(hubspot)
    [zoe] = Contact.objects.all()

    assert (zoe.lead_source, zoe.lead_status, zoe.lead_score, zoe.owner) == ("Fair", "customer", 30, olga)


def test_consents_come_with_their_contact_once(hubspot: Connection, list_contacts: Any) -> None:
    said = FoundConsent("email", is_given=False, said_at=NOON, wording="HubSpot: opted out of all e-mail")
    for _ in range(2):
        list_contacts(ContactPage([find(consents=(said,))]))
        fill(hubspot)
    consent = Consent.objects.get()

    assert (consent.purpose, consent.channel, consent.is_given) == ("marketing", "email", False)
    assert (consent.source, consent.given_at, consent.wording) == ("HubSpot", NOON, "HubSpot: opted out of all e-mail")


def test_a_refused_token_waits_for_a_person_and_then_goes_on(hubspot: Connection, list_contacts: Any) -> None:
    list_contacts(ReauthoriseError("HubSpot refuses the token (401)."), ContactPage([find()]))
    run = fill(hubspot)
    hubspot.refresh_from_db()
    assert (hubspot.status, run.status) == ("needs_reauthorisation", "waiting")
    assert "HubSpot refuses the token (401)." in run.problem

    Connection.objects.update(status=Connection.Status.ACTIVE)
    assert work_off(run).status == "done"


def test_a_rate_limit_is_waited_out(hubspot: Connection, list_contacts: Any) -> None:
    list_contacts(RateLimitedError("HubSpot limits the rate.", retry_after_s=0.0001), ContactPage([find()]))
    assert fill(hubspot).status == "waiting"


def test_a_connection_that_rests_is_left_alone(hubspot: Connection, list_contacts: Any) -> None:
    Drain.objects.create(connection=hubspot, held_until=timezone.now() + timedelta(minutes=5), hold_cause="transient")
    asked = list_contacts(ContactPage([find()]))
    run = fill(hubspot)

    assert (run.status, asked) == ("waiting", [])
    assert "hubspot rests until" in run.problem
    assert run.leased_until is not None


def test_what_is_no_crm_is_not_pulled(calendar_live: Connection) -> None:
    with pytest.raises(SetupError):
        fill(calendar_live)
