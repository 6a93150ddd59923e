"""Field mappings, owners and pairs in the admin; a mapping taken out as a file, and brought in again."""

import json
from typing import Any

import pytest
import responses
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from integrations.mappings import OUR_FIELDS, export_mapping, fill_defaults
from integrations.models import Connection, FieldMapping, OwnerMapping, Pair
from tests.factories import make_connection
from tests.integrations.admin.support import get_page, page_address, press, read_log, read_messages, sign_in

MAPPINGS = "/admin/integrations/fieldmapping/"
PAIRS = "/admin/integrations/pair/"


@pytest.fixture
def hubspot(db: None) -> Connection:
    return make_connection("hubspot", provider="hubspot")


def export_address(connection: Connection) -> str:
    return f"/admin/integrations/connection/{connection.pk}/mapping.json"


def import_file(client: Client, connection: Connection, content: Any) -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return press(client, connection, "import_mapping", file=SimpleUploadedFile("mapping.json", body))


def add_mapping(client: Client, connection: Connection, field: str, theirs: str) -> str:
    """The page that follows."""
    values = {"connection": connection.pk, "field": field, "theirs": theirs}
    return client.post(f"{MAPPINGS}add/", values, follow=True).content.decode()


# --- Rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_needs_as_many_queries_for_thirty_rows_as_for_two(
    count: int, hubspot: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        FieldMapping.objects.create(connection=hubspot, record="contact", ours="email", theirs=f"email_{number}")
    with django_assert_max_num_queries(6):
        page = get_page(admin_client, MAPPINGS)

    assert "E-mail, the primary key (email)" in page


def test_a_field_is_mapped(hubspot: Connection, admin_client: Client) -> None:
    add_mapping(admin_client, hubspot, "meeting.timezone", " hs_timezone ")
    mapping = FieldMapping.objects.get()

    assert (mapping.record, mapping.ours, mapping.theirs) == ("meeting", "timezone", "hs_timezone")
    assert mapping.history.get().history_user.get_username() == "admin"


def test_every_field_of_ours_is_offered_under_its_record(hubspot: Connection, admin_client: Client) -> None:
    page = get_page(admin_client, f"{MAPPINGS}add/")

    for record, fields in OUR_FIELDS.items():
        assert f'<optgroup label="{record.title()}">' in page
        assert all(f'value="{record}.{ours}"' in page for ours in fields)


def test_a_mapping_is_changed(hubspot: Connection, admin_client: Client) -> None:
    mapping = FieldMapping.objects.create(connection=hubspot, record="contact", ours="timezone", theirs="tz")
    assert '<option value="contact.timezone" selected>' in get_page(admin_client, page_address(mapping))

    values = {"connection": hubspot.pk, "field": "contact.country", "theirs": "tz"}
    admin_client.post(page_address(mapping), values)
    mapping.refresh_from_db()
    assert (mapping.record, mapping.ours, mapping.theirs) == ("contact", "country", "tz")


def test_their_field_is_mapped_once_for_each_record(hubspot: Connection, admin_client: Client) -> None:
    add_mapping(admin_client, hubspot, "contact.email", "name")

    assert "is mapped already" in add_mapping(admin_client, hubspot, "contact.full_name", "name")
    assert "is mapped already" not in add_mapping(admin_client, hubspot, "meeting.title", "name")
    assert FieldMapping.objects.count() == 2


@pytest.mark.parametrize("field", ["", "contact.title", "email", "deal.email"])
def test_only_our_fields_can_be_mapped(field: str, hubspot: Connection, admin_client: Client) -> None:
    page = add_mapping(admin_client, hubspot, field, "x")

    assert "This field is required" in page or "Select a valid choice" in page
    assert not FieldMapping.objects.exists()


def test_only_crms_have_mappings(calendar_live: Connection, admin_client: Client) -> None:
    assert "Select a valid choice" in add_mapping(admin_client, calendar_live, "contact.email", "email")
    assert export_address(calendar_live) not in get_page(admin_client, page_address(calendar_live))


def test_mappings_need_permissions(hubspot: Connection) -> None:
    mapping = FieldMapping.objects.create(connection=hubspot, record="contact", ours="email", theirs="email")
    viewer = sign_in("integrations.view_fieldmapping")

    assert "email" in get_page(viewer, page_address(mapping))
    assert viewer.post(page_address(mapping), {"theirs": "x"}).status_code == 403
    assert viewer.get(f"{MAPPINGS}add/").status_code == 403


# --- As a file --------------------------------------------------------------------------------------------------------


def test_a_connections_page_shows_its_mapping(hubspot: Connection, admin_client: Client) -> None:
    assert "Nothing is mapped yet" in get_page(admin_client, page_address(hubspot))

    FieldMapping.objects.create(connection=hubspot, record="contact", ours="email", theirs="work_email")
    FieldMapping.objects.create(connection=hubspot, record="contact", ours="from_a_later_version", theirs="x")
    page = get_page(admin_client, page_address(hubspot))
    for shown in ("E-mail, the primary key (email)", "work_email", "from_a_later_version", export_address(hubspot)):
        assert shown in page


def test_a_mapping_is_exported_and_imported_by_another_connection(hubspot: Connection, admin_client: Client) -> None:
    fill_defaults(hubspot)
    response = admin_client.get(export_address(hubspot))
    other = make_connection("other", provider="hubspot")

    assert response["Content-Disposition"] == 'attachment; filename="hubspot-mapping.json"'
    assert "are mapped as the file says" in read_messages(import_file(admin_client, other, response.content))
    assert export_mapping(other) == export_mapping(hubspot)
    assert read_log(other) == [("admin", "Imported the field mapping")]


def test_an_import_replaces_what_was_mapped_before(hubspot: Connection, admin_client: Client) -> None:
    fill_defaults(hubspot)
    document = {"provider": "hubspot", "contact": {"email": ["email", "work_email"]}, "meeting": {}}
    response = import_file(admin_client, hubspot, document)

    assert "2 fields are mapped" in read_messages(response)
    assert export_mapping(hubspot) == document


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"provider": "hubspot", "contact": {"emial": ["email"]}, "meeting": {}}, "contact.emial is none of"),
        ({"provider": "hubspot", "contact": {"email": [7]}, "meeting": {}}, "contact.email"),
        ({"provider": "hubspot", "contact": {}}, "meeting"),
        ({"provider": "pipedrive", "contact": {}, "meeting": {}}, "provider is pipedrive"),
        ([], ""),
        (7, ""),
    ],
)
def test_an_import_with_a_mistake_names_the_field_and_changes_nothing(
    document: Any, problem: str, hubspot: Connection, admin_client: Client
) -> None:
    fill_defaults(hubspot)
    before = export_mapping(hubspot)
    message = read_messages(import_file(admin_client, hubspot, document))

    assert message.startswith("Import mapping: ")
    assert problem in message
    assert export_mapping(hubspot) == before
    assert read_log(hubspot) == []


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b"", b"[" * 500, b" " * 300_000])
def test_a_file_that_is_no_mapping_is_refused_at_its_field(
    content: bytes, hubspot: Connection, admin_client: Client
) -> None:
    fill_defaults(hubspot)
    before = export_mapping(hubspot)
    page = import_file(admin_client, hubspot, content).content.decode()

    assert any(text in page for text in ("not UTF-8 JSON", "larger than 256 KiB", "file is empty"))
    assert export_mapping(hubspot) == before


def test_files_need_permissions(hubspot: Connection) -> None:
    fill_defaults(hubspot)
    viewer = sign_in("integrations.view_connection", "integrations.view_fieldmapping")
    nobody = Client()

    assert import_file(viewer, hubspot, {}).status_code == 403
    assert viewer.get(export_address(hubspot)).status_code == 200
    assert nobody.get(export_address(hubspot)).status_code == 302
    User.objects.get().user_permissions.clear()
    assert viewer.get(export_address(hubspot)).status_code == 403


def test_the_file_of_a_connection_that_is_not_there_is_not_found(admin_client: Client, db: None) -> None:
    assert admin_client.get("/admin/integrations/connection/99/mapping.json").status_code == 404


# --- Owners, and what a CRM lacks -------------------------------------------------------------------------------------


def inline(**rows: Any) -> dict[str, Any]:
    prefix = "owner_mappings"
    return {
        f"{prefix}-TOTAL_FORMS": "1",
        f"{prefix}-INITIAL_FORMS": "0",
        **{f"{prefix}-0-{k}": v for k, v in rows.items()},
    }


def test_an_owner_is_mapped_on_the_connections_page(
    hubspot: Connection, admin_client: Client, admin_user: User
) -> None:
    response = admin_client.post(page_address(hubspot), inline(user=admin_user.pk, external_id="7"))
    mapping = OwnerMapping.objects.get()

    assert response.status_code == 302
    assert (mapping.connection, mapping.user, mapping.external_id) == (hubspot, admin_user, "7")
    assert 'value="7"' in get_page(admin_client, page_address(hubspot))


def test_owners_are_asked_for_at_crms_only(calendar_live: Connection, admin_client: Client) -> None:
    assert "owner_mappings" not in get_page(admin_client, page_address(calendar_live))


@responses.activate
def test_prepare_says_what_is_missing(hubspot: Connection, admin_client: Client) -> None:
    assert "Prepare: " in read_messages(press(admin_client, hubspot, "prepare"))
    assert read_log(hubspot) == []


def test_prepare_says_what_was_made(hubspot: Connection, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.providers.hubspot.provider.HubSpot.prepare", lambda self, account: "Made two.")

    assert "Made two." in read_messages(press(admin_client, hubspot, "prepare"))
    assert read_log(hubspot) == [("admin", "Prepared the CRM")]
    assert hubspot.drain.prepared_version >= 1


def test_a_calendar_has_nothing_to_prepare(calendar_live: Connection, admin_client: Client) -> None:
    assert "does not fit" in read_messages(press(admin_client, calendar_live, "prepare"))


@pytest.mark.parametrize("button", ["prepare", "import_mapping"])
def test_a_crms_buttons_change_nothing_before_they_are_confirmed_and_need_permission(
    button: str, hubspot: Connection, admin_client: Client
) -> None:
    viewer = sign_in("integrations.view_connection")

    assert "Cancel" in get_page(admin_client, page_address(hubspot, button))
    assert viewer.get(page_address(hubspot, button)).status_code == 403
    assert viewer.post(page_address(hubspot, button)).status_code == 403
    assert read_log(hubspot) == []


# --- Pairs ------------------------------------------------------------------------------------------------------------


def add_pair(client: Client, calendar: Connection, crm: Connection, pattern: str = "in") -> str:
    values = {"calendar": calendar.pk, "crm": crm.pk, "pattern": pattern, "confirmed": "1"}
    return client.post(f"{PAIRS}add/", values, follow=True).content.decode()


def test_a_pair_is_made_and_the_crm_gets_its_default_mapping(
    calendar_live: Connection, hubspot: Connection, admin_client: Client
) -> None:
    page = add_pair(admin_client, calendar_live, hubspot, "two_way")
    pair = Pair.objects.get()

    assert "was added successfully" in page
    assert (pair.calendar, pair.crm, pair.pattern) == (calendar_live, hubspot, "two_way")
    assert hubspot.field_mappings.exists()
    assert pair.history.get().history_user.get_username() == "admin"
    for connection in (calendar_live, hubspot):
        assert "calendar-live and hubspot" in get_page(admin_client, page_address(connection))


@pytest.mark.parametrize("swapped", [True, False])
def test_only_a_calendar_and_a_crm_can_be_paired(
    swapped: bool, calendar_live: Connection, hubspot: Connection, admin_client: Client
) -> None:
    slack = make_connection("slack", provider="slack")
    page = add_pair(admin_client, hubspot, calendar_live) if swapped else add_pair(admin_client, calendar_live, slack)

    assert "Select a valid choice" in page
    assert not Pair.objects.exists()


def test_two_connections_are_paired_once(calendar_live: Connection, hubspot: Connection, admin_client: Client) -> None:
    add_pair(admin_client, calendar_live, hubspot)

    assert "already exists" in add_pair(admin_client, calendar_live, hubspot, "two_way")
    assert Pair.objects.get().pattern == "in"


def test_a_pairs_pattern_is_changed_and_its_connections_stay(
    calendar_live: Connection, hubspot: Connection, admin_client: Client
) -> None:
    add_pair(admin_client, calendar_live, hubspot)
    pair, other = Pair.objects.get(), make_connection("other", provider="hubspot")
    admin_client.post(page_address(pair), {"pattern": "two_way", "crm": other.pk, "confirmed": "1"})
    pair.refresh_from_db()

    assert (pair.pattern, pair.crm) == ("two_way", hubspot)
    assert pair.history.count() == 2


def test_a_pair_is_deleted(calendar_live: Connection, hubspot: Connection, admin_client: Client) -> None:
    add_pair(admin_client, calendar_live, hubspot)
    admin_client.post(page_address(Pair.objects.get(), "delete"), {"post": "yes"})

    assert not Pair.objects.exists()
    assert "It is in no pair" in get_page(admin_client, page_address(hubspot))


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_of_pairs_needs_as_many_queries_for_thirty_as_for_two(
    count: int, calendar_live: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        crm = make_connection(f"hubspot-{number}", provider="hubspot")
        Pair.objects.create(calendar=calendar_live, crm=crm, pattern="in")
    with django_assert_max_num_queries(6):
        page = get_page(admin_client, PAIRS)

    assert "calendar-live and hubspot-1" in page


def test_pairs_need_permissions(calendar_live: Connection, hubspot: Connection) -> None:
    pair = Pair.objects.create(calendar=calendar_live, crm=hubspot, pattern="in")
    viewer = sign_in("integrations.view_pair")

    assert viewer.post(page_address(pair), {"pattern": "out"}).status_code == 403
    assert viewer.post(page_address(pair, "delete"), {"post": "yes"}).status_code == 403
    assert viewer.get(f"{PAIRS}add/").status_code == 403
