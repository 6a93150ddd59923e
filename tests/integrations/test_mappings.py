"""Mappings: a CRM's default one, one as a file, and what is wrong with a file that is refused."""

import copy
from typing import Any

import pytest

from integrations.exceptions import PayloadError, SetupError
from integrations.mappings import (
    OUR_FIELDS,
    export_mapping,
    fill_defaults,
    get_crm,
    hash_values,
    import_mapping,
    map_values,
    read_mapping,
)
from integrations.models import Connection, FieldMapping
from tests.factories import make_connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def crm(db: None) -> Connection:
    made = make_connection("hubspot", provider="hubspot")
    fill_defaults(made)
    return made


def rows(crm: Connection) -> set[tuple[str, str, str]]:
    return set(crm.field_mappings.values_list("record", "ours", "theirs"))


# --- Defaults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["hubspot", "salesforce", "pipedrive"])
def test_every_crm_has_a_default_mapping_of_fields_that_are_ours(provider: str) -> None:
    crm = make_connection(provider, provider=provider)
    fill_defaults(crm)
    assert {record for record, _, _ in rows(crm)} == {"contact", "meeting"}
    assert all(ours in OUR_FIELDS[record] for record, ours, _ in rows(crm))
    contact = dict(read_mapping(crm, "contact"))
    meeting = dict(read_mapping(crm, "meeting"))
    assert "email" in contact
    assert {"external_id", "calendar_event_uid", "payment_session_id"} <= meeting.keys()
    assert {"start", "start_date"} & meeting.keys()


def test_defaults_are_filled_in_once_and_never_over_an_administrators(crm: Connection) -> None:
    before = rows(crm)
    fill_defaults(crm)
    assert rows(crm) == before
    crm.field_mappings.exclude(ours="email").delete()
    fill_defaults(crm)
    assert [ours for _, ours, _ in rows(crm)] == ["email"]


def test_what_is_no_crm_has_no_mapping() -> None:
    with pytest.raises(SetupError, match=r"calendar-live is no CRM, but calendar\.live"):
        get_crm(make_connection())


# --- Values -----------------------------------------------------------------------------------------------------------


def test_values_go_under_their_names_to_as_many_fields_as_there_are() -> None:
    mapping = [("email", "Email"), ("email", "Email2__c"), ("phone", "Phone"), ("company", "Company")]
    assert map_values(mapping, {"email": "zoe@x.example", "phone": None, "country": "FR"}) == {
        "Email": "zoe@x.example",
        "Email2__c": "zoe@x.example",
        "Phone": None,
    }


def test_a_hash_is_that_of_the_values_whatever_their_order() -> None:
    assert hash_values({"a": 1, "b": None}) == hash_values({"b": None, "a": 1})
    assert len({hash_values(each) for each in ({"a": 1}, {"a": "1"}, {"a": None}, {}, {"b": 1})}) == 5


# --- As a file --------------------------------------------------------------------------------------------------------


def test_an_exported_mapping_is_imported_as_it_was(crm: Connection) -> None:
    crm.field_mappings.create(record="contact", ours="email", theirs="work_email")
    document = export_mapping(crm)
    assert document["provider"] == "hubspot"
    assert document["contact"]["email"] == ["email", "work_email"]
    before = rows(crm)
    other = make_connection("hubspot-two", provider="hubspot")
    assert import_mapping(other, document) == len(before)
    assert rows(other) == before
    assert import_mapping(crm, document) == len(before)
    assert rows(crm) == before
    assert export_mapping(crm) == document


def test_an_imported_mapping_replaces_the_one_that_was_there(crm: Connection) -> None:
    document = {"provider": "hubspot", "contact": {"email": [" email "]}, "meeting": {}}
    assert import_mapping(crm, document) == 1
    assert rows(crm) == {("contact", "email", "email")}


def change(document: dict[str, Any], path: str, value: Any) -> Any:
    changed = copy.deepcopy(document)
    *parents, last = path.split(".")
    inside = changed
    for name in parents:
        inside = inside[name]
    inside[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("provider", "salesforce", "provider is salesforce, and this connection is hubspot."),
        ("provider", None, "provider is null."),
        ("provider", 7, "provider is not a text."),
        ("contact", [], "contact is not an object."),
        ("meeting", None, "meeting is null."),
        ("contact.shoe_size", ["x"], "contact.shoe_size is none of full_name, first_name"),
        ("contact.email", "email", "contact.email is not a list."),
        ("contact.email", ["email", ""], "contact.email[1] is not a field name of 1 to 128 characters"),
        ("contact.email", [7], "contact.email[0] is not a field name"),
        ("contact.email", [None], "contact.email[0] is not a field name"),
        ("contact.email", ["x" * 129], "contact.email[0] is not a field name"),
        ("contact.email", ["e\x00mail"], "contact.email[0] is not a field name"),
        (
            "contact.email",
            ["same", " same "],
            "contact.email[1] is not a field name of 1 to 128 characters that stands",
        ),
        ("contact.phone", ["email"], "contact.phone[0] is not a field name"),
        ("meeting.email", ["x"], "meeting.email is none of external_id"),
    ],
)
def test_a_file_with_a_mistake_is_refused_by_the_fields_name_and_changes_nothing(
    crm: Connection, path: str, value: Any, message: str
) -> None:
    before = rows(crm)
    with pytest.raises(PayloadError) as caught:
        import_mapping(crm, change(export_mapping(crm), path, value))
    assert str(caught.value).startswith(message)
    assert rows(crm) == before


@pytest.mark.parametrize("document", [None, [], "text", 7])
def test_what_is_no_object_is_refused(crm: Connection, document: Any) -> None:
    before = rows(crm)
    with pytest.raises(PayloadError, match="is not an object"):
        import_mapping(crm, document)
    assert rows(crm) == before


def test_a_change_of_the_mapping_is_kept_in_its_history(crm: Connection) -> None:
    before = FieldMapping.history.count()
    import_mapping(crm, {"provider": "hubspot", "contact": {"email": ["email"]}, "meeting": {}})
    assert FieldMapping.history.filter(history_type="+").count() == 1
    assert FieldMapping.history.count() > before + 1
