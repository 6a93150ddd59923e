"""A file that was exported is imported again: everybody is found, and nothing changes."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from contacts.claims import Person, Source
from contacts.consent import ConsentSource, Said, record_consents
from contacts.imports import csv_rows, engine, runs
from contacts.imports.csv_files import FileError
from contacts.imports.exports import export_contacts
from contacts.imports.outcomes import describe
from contacts.models import Consent, Contact, ContactLink, Identifier, ImportRow, ImportRun, PoolMember
from contacts.upserts import upsert_contact
from integrations.exceptions import StateError
from integrations.models import Connection, Effect, Pair
from integrations.privacy import encryption
from tests.contacts.imports.support import NOON, counts, snapshot, work_off
from tests.factories import make_connection

pytestmark = pytest.mark.django_db


def meet(connection: Connection, number: int, **fields: Any) -> Contact:
    person = Person(**{"attendee_id": f"att_{number}", "email": f"person.{number}@example.com", **fields})
    return upsert_contact(person, Source(connection.pk, "calendar.live", "FR", NOON, f"uid/{number:019d}"))


def write_file(contacts: Any = None) -> bytes:
    return "".join(export_contacts(Contact.objects.all() if contacts is None else contacts)).encode()


def read_file(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def bring(content: bytes | str, **options: Any) -> ImportRun:
    content = content.encode() if isinstance(content, str) else content
    return work_off(runs.start_csv(content, **{"file_name": "contacts.csv", "is_dry_run": False, **options}))


def make_people(calendar_live: Connection) -> None:
    """Of every kind that a file must lead back to."""
    zoe = meet(calendar_live, 1, full_name="Zoë Okafor", phone="06 12 34 56 78", company="Okafor", country="FR")
    meet(calendar_live, 1, email="zoe@private.example", phone="+4930901820", full_name="Zoë Okafor", timezone="UTC")
    zoe.refresh_from_db()
    zoe.notes, zoe.lead_status, zoe.owner = "=1+1\n'-'", "qualified", User.objects.create(username="@olga")
    zoe.save()
    for day, is_given in enumerate((True, False)):
        said = Said(
            Consent.Purpose.MARKETING, Consent.Channel.EMAIL, is_given=is_given, given_at=NOON + timedelta(days=-day)
        )
        record_consents(zoe, [said], ConsentSource("calendar.live"))
    meet(calendar_live, 2, email="info@okafor.example", full_name="Marc Dubois", lead_score=30)
    meet(calendar_live, 3, email="", full_name="Nobody else")
    meet(calendar_live, 4, email="no address", phone="call me", full_name="")
    meet(calendar_live, 5, email="=cmd@x.example", full_name="+Plus Sign")
    alias = meet(calendar_live, 6)
    Contact.objects.filter(pk=alias.pk).update(merged_into=zoe)
    Contact.objects.create(erased_at=NOON)


def test_an_exported_file_finds_everybody_again_and_changes_nothing(calendar_live: Connection) -> None:
    make_people(calendar_live)
    # Which state set a field last is news: the file said the same later.
    before = snapshot("provenance")
    content = write_file()
    run = bring(content)

    assert counts(run) == {"read": 5, "created": 0, "matched": 5, "for_review": 0, "refused": 0, "erased": 0}
    assert snapshot("provenance") == before
    assert [{**row, "updated_at": ""} for row in read_file(write_file())] == [
        {**row, "updated_at": ""} for row in read_file(content)
    ]


def test_an_exported_file_makes_the_same_people_elsewhere(calendar_live: Connection) -> None:
    make_people(calendar_live)
    content = write_file(Contact.objects.exclude(full_name__isnull=True))
    Contact.objects.update(merged_into=None)
    for model in (Consent, Identifier, Contact):
        model.objects.all().delete()
    run = bring(content)
    brought = {row["full_name"]: row for row in read_file(write_file())}

    # Those without an address of their own, or a number, or a company are known by their id only.
    assert (run.created, run.refused) == (2, 3)
    for row in read_file(content):
        if row["full_name"] in brought:
            changed = {"id", "created_at", "updated_at"}
            assert {**brought[row["full_name"]], **{name: row[name] for name in changed}} == row


def test_a_file_says_what_it_holds(calendar_live: Connection) -> None:
    make_people(calendar_live)
    rows = {row["full_name"]: row for row in read_file(write_file())}
    zoe = rows["Zoë Okafor"]

    assert len(rows) == 5
    assert (zoe["email"], zoe["other_emails"]) == ("zoe@private.example", "")
    assert (zoe["phone"], zoe["owner"], zoe["notes"]) == ("+4930901820", "'@olga", "'=1+1\n'-'")
    assert (zoe["marketing_email"], zoe["marketing_email_at"]) == ("yes", "2026-11-20T12:00:00Z")
    assert rows[""]["as_typed"] == "no address; call me"
    assert rows["'+Plus Sign"]["email"] == "'=cmd@x.example"


@pytest.mark.parametrize("count", [3, 30])
def test_an_export_takes_as_many_queries_for_thirty_as_for_three(
    calendar_live: Connection, count: int, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        meet(calendar_live, number)
    with django_assert_max_num_queries(3):
        assert len(read_file(write_file())) == count


def test_what_cannot_be_read_is_left_empty_and_an_import_does_not_write_over_it(
    calendar_live: Connection, settings: Any
) -> None:
    zoe = meet(calendar_live, 1, full_name="Zoë Okafor")
    settings.FIELD_ENCRYPTION_KEYS = {"k9": b"9" * 32}
    encryption.cipher.cache_clear()
    [row] = read_file(write_file())

    assert (row["id"], row["full_name"], row["email"]) == (str(zoe.pk), "", "")


# --- Files that people wrote ------------------------------------------------------------------------------------------


def test_a_file_makes_contacts_and_names_what_is_wrong(calendar_live: Connection) -> None:
    run = bring(
        "name;e-mail;telephone;company\n"
        "Zoë Okafor;zoe@example.com;06 12 34 56 78;Okafor\n"
        "Marc;marc at x;;\n"
        "Zoe Okafor;;+33 6 12 34 56 78;\n",
        default_region="fr",
    )

    assert counts(run) == {"read": 3, "created": 1, "matched": 1, "for_review": 0, "refused": 1, "erased": 0}
    assert [describe(row) for row in run.rows.all()] == ["line 3, column email: is no e-mail address."]
    [contact] = Contact.objects.all()
    assert (contact.lead_source, contact.full_name) == ("import", "Zoë Okafor")
    assert (run.content, run.file_name, run.total) == (None, "contacts.csv", 3)


def test_a_dry_run_keeps_the_file_for_the_real_one(calendar_live: Connection) -> None:
    dry = bring("email\nzoe@example.com\nmarc at x\n", is_dry_run=True)
    assert (dry.content is not None, dry.created, dry.refused) == (True, 1, 1)
    assert not Contact.objects.exists()
    real = work_off(runs.run_for_real(dry))

    assert (counts(real), real.file_name) == (counts(dry), dry.file_name)
    assert [run.content for run in ImportRun.objects.all()] == [None, None]
    with pytest.raises(StateError):
        runs.run_for_real(ImportRun.objects.get(pk=dry.pk))


def test_a_file_is_read_page_by_page_and_goes_on_in_its_middle(calendar_live: Connection, monkeypatch: Any) -> None:
    monkeypatch.setattr(engine, "SLICE_S", 0.0)
    monkeypatch.setattr(csv_rows, "PAGE", 10)
    lines = "".join(f"person.{number}@example.com\n" for number in range(25))
    run = runs.start_csv(f"email\n{lines}".encode(), file_name="x.csv", is_dry_run=False)
    places = []
    while engine.work(run.pk) is not None:
        run.refresh_from_db()
        places.append((run.cursor, run.read, run.created))
    run.refresh_from_db()

    assert places == [("10", 10, 10), ("20", 20, 20)]
    assert (run.status, run.read, run.created) == ("done", 25, 25)


def test_an_older_file_does_not_change_what_is_known_since(calendar_live: Connection) -> None:
    zoe = meet(calendar_live, 1, full_name="Zoë Blanc")
    bring(f"id,name,company,updated_at\n{zoe.pk},Zoë Okafor,Okafor,2026-11-01\n")
    zoe.refresh_from_db()

    assert (zoe.full_name, zoe.company) == ("Zoë Blanc", "Okafor")


def test_a_row_with_an_id_edits_and_one_without_fills_in(calendar_live: Connection) -> None:
    zoe, marc = meet(calendar_live, 1, full_name="Zoë"), meet(calendar_live, 2, full_name="Marc")
    PoolMember.objects.create(user=User.objects.create(username="olga"))
    run = bring(
        "id,email,name,company\n"
        f"{zoe.pk},new@example.com,Zoë Okafor,Okafor\n"
        ",person.2@example.com,Marc Dubois,Dubois\n"
        f"{marc.pk!s:.8},person.3@example.com,Eve,\n"
    )
    zoe.refresh_from_db()
    marc.refresh_from_db()

    assert (run.created, run.matched) == (1, 2)
    assert (zoe.full_name, zoe.company) == ("Zoë Okafor", "Okafor")
    assert (marc.full_name, marc.company) == ("Marc", "Dubois")
    held = Identifier.objects.filter(contact=zoe, kind="email").values_list("matched_by", flat=True)
    assert list(held) == ["new", "id"]
    # Nobody's turn in the pool is taken.
    assert not Contact.objects.filter(owner__isnull=False).exists()


def test_what_a_file_changes_goes_where_the_contact_is_already(calendar_live: Connection) -> None:
    crm = make_connection("hubspot", provider="hubspot", webhook_secret=None, options={"access_token": "token-1"})
    other = make_connection("other", provider="hubspot", webhook_secret=None, options={"access_token": "token-1"})
    Pair.objects.create(calendar=calendar_live, crm=crm, pattern=Pair.Pattern.TWO_WAY)
    changed, same = meet(calendar_live, 1, full_name="Zoë"), meet(calendar_live, 2, full_name="Marc")
    for number, contact in enumerate((changed, same)):
        ContactLink.objects.create(contact=contact, connection=crm, external_id=str(number))
    ContactLink.objects.create(contact=changed, connection=other, external_id="1")
    bring("email,company\nperson.1@example.com,Okafor\nperson.2@example.com,\nperson.3@example.com,New\n")

    assert [(each.connection, each.subject) for each in Effect.objects.all()] == [(crm, f"contact:{changed.pk}")]


def test_a_file_without_rows_or_that_breaks_off_is_not_stored() -> None:
    for content in (b"email\n", b'email,name\na@x.example,"b'):
        with pytest.raises(FileError):
            runs.start_csv(content, file_name="x.csv", is_dry_run=True)
    assert not ImportRun.objects.exists()


def test_a_file_that_is_gone_cannot_go_on(calendar_live: Connection) -> None:
    run = runs.start_csv(b"email\nzoe@example.com\n", file_name="x.csv", is_dry_run=False)
    runs.stop(run)
    runs.forget_old(timezone.now() + timedelta(days=8))
    run = runs.list_runs().get(pk=run.pk)

    assert not runs.may_resume(run)
    with pytest.raises(StateError):
        runs.resume(run)
    assert not ImportRow.objects.exists()
