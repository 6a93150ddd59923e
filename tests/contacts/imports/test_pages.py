"""Imports and exports in the admin: begun, watched, stopped, gone on with, and their rows and files taken out."""

import csv
import io
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django_q.models import OrmQ

from contacts import jobs
from contacts.claims import Person, Source
from contacts.imports import runs
from contacts.models import Contact, ImportRow, ImportRun
from contacts.upserts import upsert_contact
from integrations.exceptions import RateLimitedError
from integrations.models import Connection
from tests.contacts.imports.support import NOON, PlayedSource, play, refuse, tell, work_off
from tests.factories import make_connection
from tests.integrations.admin.support import (
    get_page,
    list_address,
    page_address,
    press,
    read_log,
    read_messages,
    sign_in,
)

pytestmark = pytest.mark.django_db

LIST = "/admin/contacts/contact/"
UPLOAD, EXPORT = f"{LIST}import/", f"{LIST}export/"
FILE = b"email,name,Shoe size\nzoe@example.com,Zo\xc3\xab,38\nmarc at x,Marc,44\n"


@pytest.fixture
def hubspot() -> Connection:
    return make_connection("hubspot", provider="hubspot", webhook_secret=None, options={"access_token": "token-1"})


def meet(number: int, **fields: Any) -> Contact:
    person = Person(**{"email": f"person.{number}@example.com", "full_name": f"Person {number}", **fields})
    return upsert_contact(person, Source(None, "Fair", "FR", NOON, f"x/{number:09d}"))


def upload(client: Client, content: bytes = FILE, name: str = "people.csv", **values: Any) -> Any:
    file = SimpleUploadedFile(name, content, content_type="text/csv")
    return client.post(UPLOAD, {"file": file, **values}, follow=True)


def read_csv(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200
    assert response["Content-Disposition"].startswith("attachment")
    assert "no-store" in response["Cache-Control"]
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


# --- A file -----------------------------------------------------------------------------------------------------------


def test_a_file_is_tried_dry_and_then_imported_for_real(admin_client: Client) -> None:
    form = get_page(admin_client, UPLOAD)
    assert "checked" in form
    assert "Columns of other names are ignored" in form
    upload(admin_client, is_dry_run="on", default_region="fr")
    dry = ImportRun.objects.get()
    assert (dry.is_dry_run, dry.default_region, str(dry.user)) == (True, "FR", "admin")
    jobs.import_slice(str(dry.pk))
    page = get_page(admin_client, page_address(dry))
    for shown in ("Dry run, nothing is changed: 2 rows read", "Would be created", "is no e-mail address.", "Shoe size"):
        assert shown in page

    asked = get_page(admin_client, page_address(dry, "import_for_real"))
    assert "about 1 contacts are created" in asked
    assert "1 rows are refused, as here." in asked
    response = press(admin_client, dry, "import_for_real")
    real = ImportRun.objects.get(is_dry_run=False)
    assert response.redirect_chain == [(page_address(real), 302)]
    jobs.import_slice(str(real.pk))
    assert Contact.objects.get().full_name == "Zoë"
    assert "import_for_real" not in get_page(admin_client, page_address(dry))


@pytest.mark.parametrize(
    ("content", "values", "problem"),
    [
        (b"city\nParis\n", {}, "no column that says who somebody is"),
        (b"email\n", {}, "There is no line below the header."),
        (b'email,name\na@x.example,"b', {}, "line 2"),
        (b"x" * (20 * 1024 * 1024 + 1), {}, "larger than 20 MiB"),
        (FILE, {"default_region": "F1"}, "Give two letters"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_and_nothing_is_stored(
    admin_client: Client, content: bytes, values: dict[str, str], problem: str
) -> None:
    assert problem in upload(admin_client, content, **values).content.decode()
    assert not ImportRun.objects.exists()
    assert not OrmQ.objects.exists()


def test_only_who_may_add_imports_uploads_a_file() -> None:
    viewer = sign_in("contacts.view_contact", "contacts.view_importrun")
    page = get_page(viewer, LIST)
    assert "Import CSV" not in page
    assert "Export CSV" not in page
    assert viewer.get(UPLOAD).status_code == 403
    assert upload(viewer).status_code == 403
    assert not ImportRun.objects.exists()


# --- A CRM ------------------------------------------------------------------------------------------------------------


def test_an_import_is_begun_on_a_crm_s_page_as_a_dry_run_unless_said_otherwise(
    hubspot: Connection, admin_client: Client
) -> None:
    assert "Import contacts" in get_page(admin_client, page_address(hubspot))
    asked = get_page(admin_client, page_address(hubspot, "import_contacts"))
    assert "Keepsync reads all contacts of HubSpot as hubspot" in asked
    assert "checked" in asked
    press(admin_client, hubspot, "import_contacts", is_dry_run="on")
    dry = ImportRun.objects.get()
    assert (dry.is_dry_run, dry.connection) == (True, hubspot)
    assert OrmQ.objects.count() == 1

    again = press(admin_client, hubspot, "import_contacts")
    assert "is being imported already" in read_messages(again)
    runs.stop(dry)
    press(admin_client, hubspot, "import_contacts")
    assert ImportRun.objects.filter(is_dry_run=False).count() == 1
    assert ("admin", "Began to import its contacts") in read_log(hubspot)
    page = get_page(admin_client, page_address(hubspot))
    assert page_address(dry) in page
    assert "0 created, 0 matched" in page


def test_what_is_no_crm_has_no_such_button(
    calendar_live: Connection, hubspot: Connection, admin_client: Client
) -> None:
    viewer = sign_in("integrations.view_connection")
    assert "Import contacts" not in get_page(admin_client, page_address(calendar_live))
    assert "Import contacts" not in get_page(viewer, page_address(hubspot))
    assert viewer.post(page_address(hubspot, "import_contacts")).status_code == 403
    assert not ImportRun.objects.exists()


# --- Watching, stopping, going on -------------------------------------------------------------------------------------


def test_the_page_asks_for_its_progress_until_the_import_is_over(
    hubspot: Connection, monkeypatch: Any, admin_client: Client
) -> None:
    play(monkeypatch, PlayedSource([[tell(1)], [tell(2)], [tell(3), refuse(4)]]))
    monkeypatch.setattr("contacts.imports.engine.SLICE_S", 0.0)
    run = runs.start_crm(hubspot, is_dry_run=False)
    jobs.import_slice(str(run.pk))
    address = page_address(run, "progress")
    assert f'hx-get="{address}"' in get_page(admin_client, page_address(run))
    part = admin_client.get(address)
    assert "1 of about 4 rows read" in part.content.decode()
    assert 'aria-valuenow="25"' in part.content.decode()
    assert "HX-Refresh" not in part

    work_off(run)
    part = admin_client.get(address)
    assert "4 rows read" in part.content.decode()
    assert part["HX-Refresh"] == "true"
    assert f'hx-get="{address}"' not in get_page(admin_client, page_address(run))


def test_why_it_waits_is_said(hubspot: Connection, monkeypatch: Any, admin_client: Client) -> None:
    def fail(number: int) -> None:
        raise RateLimitedError("HubSpot limits the rate.", retry_after_s=60)

    play(monkeypatch, PlayedSource([[tell(1)]], fail))
    run = work_off(runs.start_crm(hubspot, is_dry_run=False))
    assert "HubSpot limits the rate. The import goes on by itself." in get_page(admin_client, page_address(run))


def test_an_import_is_stopped_and_resumed(hubspot: Connection, monkeypatch: Any, admin_client: Client) -> None:
    play(monkeypatch, PlayedSource([[tell(1)]]))
    run = runs.start_crm(hubspot, is_dry_run=False)
    stopped = press(admin_client, run, "stop")
    assert "It is stopped." in read_messages(stopped)
    assert runs.STOPPED in stopped.content.decode()
    press(admin_client, run, "resume")
    assert OrmQ.objects.count() == 1
    assert work_off(run).status == "done"
    assert "does not fit" in read_messages(press(admin_client, run, "stop"))
    assert [message for _, message in read_log(run)] == ["Stopped", "Resumed"]


def test_viewers_only_look(hubspot: Connection, monkeypatch: Any) -> None:
    play(monkeypatch, PlayedSource([[tell(1), refuse(2)]]))
    run = work_off(runs.start_crm(hubspot, is_dry_run=True))
    open_run = runs.start_crm(hubspot, is_dry_run=False)
    viewer = sign_in("contacts.view_importrun")
    page = get_page(viewer, page_address(run))

    assert "is no e-mail address." in page
    for hidden in ("Import for real", "Download them", "Stop"):
        assert hidden not in page
    for row, button in ((run, "import_for_real"), (open_run, "stop"), (open_run, "resume")):
        assert viewer.post(page_address(row, button)).status_code == 403
    assert viewer.get(page_address(run, "refused")).status_code == 403
    assert viewer.get(page_address(run, "progress")).status_code == 200


@pytest.mark.parametrize("page", ["progress", "refused", "stop"])
def test_strangers_see_nothing_and_what_is_not_there_is_404(
    hubspot: Connection, admin_client: Client, page: str
) -> None:
    run = runs.start_crm(hubspot, is_dry_run=False)
    assert sign_in("contacts.view_contact").get(page_address(run, page)).status_code == 403
    assert admin_client.get(page_address(ImportRun(), page)).status_code == 404


@pytest.mark.parametrize("count", [2, 30])
def test_list_and_page_need_as_many_queries_for_thirty_as_for_two(
    hubspot: Connection, monkeypatch: Any, admin_client: Client, count: int, django_assert_max_num_queries: Any
) -> None:
    for _ in range(count):
        ImportRun.objects.create(source="crm", connection=hubspot, status="done", refused=count, for_review=count)
        run = ImportRun.objects.latest("id")
    for number in range(count):
        ImportRow.objects.create(run=run, number=number, outcome="refused", problem="is wrong.")
        ImportRow.objects.create(run=run, number=number, outcome="for_review", contact=meet(number))
    with django_assert_max_num_queries(6) as queries:
        assert "hubspot" in get_page(admin_client, list_address(ImportRun))
    assert not any("COUNT(" in query["sql"] or '"content",' in query["sql"] for query in queries.captured_queries)
    with django_assert_max_num_queries(8):
        assert "Person 1" in get_page(admin_client, page_address(run))


# --- Refused rows -----------------------------------------------------------------------------------------------------


def test_refused_rows_are_downloaded_mended_and_imported(admin_client: Client) -> None:
    upload(admin_client, FILE + b"=1+1,Eve,40\n")
    run = ImportRun.objects.get()
    jobs.import_slice(str(run.pk))
    rows = read_csv(admin_client.get(page_address(run, "refused")))

    assert rows == [
        {
            "email": "marc at x",
            "name": "Marc",
            "Shoe size": "44",
            "line": "3",
            "external_id": "",
            "problem": "line 3, column email: is no e-mail address.",
        },
        {
            "email": "'=1+1",
            "name": "Eve",
            "Shoe size": "40",
            "line": "4",
            "external_id": "",
            "problem": "line 4, column email: is no e-mail address.",
        },
    ]
    assert read_log(run)[-1] == ("admin", "Downloaded the refused rows")
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys())
    writer.writeheader()
    writer.writerow({**rows[0], "email": "marc@example.com"})
    upload(admin_client, out.getvalue().encode())
    again = ImportRun.objects.latest("id")
    jobs.import_slice(str(again.pk))
    assert [contact.full_name for contact in Contact.objects.all()] == ["Marc", "Zoë"]
    again.refresh_from_db()
    assert again.notes[-1] == "Columns that are ignored: Shoe size."


def test_refused_records_of_a_crm_are_named_by_their_id(
    hubspot: Connection, monkeypatch: Any, admin_client: Client
) -> None:
    row = refuse(7)
    play(monkeypatch, PlayedSource([[type(row)(7, row.values, external_id="r7", field="email", problem="is bad.")]]))
    run = work_off(runs.start_crm(hubspot, is_dry_run=False))
    assert "r7" in get_page(admin_client, page_address(run))
    [told] = read_csv(admin_client.get(page_address(run, "refused")))
    assert (told["external_id"], told["problem"], told["email"]) == (
        "r7",
        "record r7, field email: is bad.",
        "zoe at x",
    )


# --- Export -----------------------------------------------------------------------------------------------------------


def export(client: Client, query: str = "") -> Any:
    return client.post(f"{EXPORT}{query}")


def test_all_contacts_are_exported_after_a_confirmation(admin_client: Client) -> None:
    for number in range(3):
        meet(number)
    assert EXPORT in get_page(admin_client, LIST)
    assert "All contacts are exported." in get_page(admin_client, EXPORT)
    assert [row["full_name"] for row in read_csv(export(admin_client))] == ["Person 2", "Person 1", "Person 0"]


def test_what_the_list_shows_is_exported(admin_client: Client) -> None:
    meet(1)
    Contact.objects.filter(pk=meet(2).pk).update(lead_status="customer")
    query = "?lead_status__exact=customer&q=person"
    page = get_page(admin_client, f"{LIST}{query}")
    assert f"{urlsplit(EXPORT).path}?lead_status__exact=customer&amp;q=person" in page
    assert "with its filters and search" in get_page(admin_client, f"{EXPORT}{query}")

    assert [row["full_name"] for row in read_csv(export(admin_client, query))] == ["Person 2"]
    assert read_csv(export(admin_client, "?q=nobody")) == []
    assert export(admin_client, "?nonsense=1").status_code == 302


def test_selected_contacts_are_exported(admin_client: Client) -> None:
    keys = [str(meet(number).pk) for number in range(3)][:2]
    posted = {"action": "export_selected", "_selected_action": keys}
    asked = admin_client.post(LIST, posted)
    assert "2 contacts are exported." in asked.content.decode()
    rows = read_csv(admin_client.post(LIST, {**posted, "confirmed": "yes"}))

    assert {row["id"] for row in rows} == set(keys)


def test_an_export_is_logged_without_what_was_searched_for(admin_client: Client) -> None:
    meet(1)
    export(admin_client, "?q=person.1@example.com")
    entry = LogEntry.objects.get()

    assert (entry.object_repr, entry.change_message) == ("Contacts", "Exported contacts: those found by q.")
    assert entry.user.get_username() == "admin"


def test_only_who_may_export_exports() -> None:
    contact = meet(1)
    viewer = sign_in("contacts.view_contact")
    posted = {"action": "export_selected", "_selected_action": [str(contact.pk)], "confirmed": "yes"}

    assert "Export the selected" not in get_page(viewer, LIST)
    assert viewer.get(EXPORT).status_code == 403
    assert export(viewer).status_code == 403
    assert viewer.post(LIST, posted).get("Content-Disposition") is None
    assert not LogEntry.objects.exists()


def test_who_may_export_but_not_see_contacts_does_not_export() -> None:
    assert export(sign_in("contacts.export_contact")).status_code == 403
