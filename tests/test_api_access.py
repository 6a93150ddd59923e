"""The REST API's doors: who may read, how errors look, and the schema."""

import json
from uuid import UUID

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from tests.factories import read_sample, receive

LISTS = ["contacts", "candidate-pairs", "meetings", "deliveries", "effects"]
SOME_ID = UUID(int=1)
ADDRESSES = [
    *(f"/api/{name}/" for name in LISTS),
    *(f"/api/{name}/{SOME_ID}/" for name in LISTS),
    f"/api/meetings/{SOME_ID}/occurrences/",
    "/api/availability/",
    "/api/schema/",
    "/api/docs/",
]


@pytest.mark.django_db
@pytest.mark.parametrize("address", ADDRESSES)
def test_without_credentials_is_401(address):
    response = APIClient().get(address)
    assert response.status_code == 401
    assert response.json() == {
        "code": "not_authenticated",
        "message": "Authentication credentials were not provided.",
    }
    assert response["WWW-Authenticate"] == "Token"


@pytest.mark.django_db
@pytest.mark.parametrize("header", ["Token wrong", "Token", "Token a b", "Bearer x", "Basic eDp5"])
def test_wrong_credentials_are_401(header):
    response = APIClient(headers={"Authorization": header}).get("/api/contacts/")
    assert response.status_code == 401
    assert response.json().keys() == {"code", "message"}


@pytest.mark.django_db
def test_token_of_a_disabled_user_is_401(api, admin_user):
    admin_user.is_active = False
    admin_user.save()
    assert api.get("/api/contacts/").status_code == 401


@pytest.mark.parametrize("name", [*LISTS, "schema", "docs"])
def test_token_opens(api, name):
    assert api.get(f"/api/{name}/").status_code == 200


@pytest.mark.parametrize("name", [*LISTS, "schema", "docs"])
def test_admin_session_opens(admin_client, name):
    assert admin_client.get(f"/api/{name}/").status_code == 200


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("key", [SOME_ID, "7", "x"])
def test_what_is_not_there_is_404_in_error_form(api, name, key):
    response = api.get(f"/api/{name}/{key}/")
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"
    assert response.json().keys() == {"code", "message"}


@pytest.mark.parametrize(
    ("name", "method"),
    [
        (name, method)
        for name in LISTS
        for method in ("post", "put", "patch", "delete")
        if (name, method) != ("meetings", "post")
    ],
)
def test_lists_are_for_reading_only(api, name, method):
    response = getattr(api, method)(f"/api/{name}/", {})
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("name", LISTS)
def test_unknown_filter_is_400_and_is_named(api, name):
    response = api.get(f"/api/{name}/", {"colour": "red"})
    assert (response.status_code, response.json()["field"]) == (400, "colour")


@pytest.mark.parametrize(
    ("name", "parameter"),
    [("meetings", "status"), ("deliveries", "status"), ("effects", "status"), ("candidate-pairs", "status")],
)
def test_value_that_there_is_not_is_400_and_names_the_filter(api, name, parameter):
    response = api.get(f"/api/{name}/", {parameter: "purple"})
    assert (response.status_code, response.json()["field"]) == (400, parameter)


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("contacts", "email"),
        ("contacts", "phone"),
        ("contacts", "external_id"),
        ("meetings", "external_id"),
        ("meetings", "calendar_event_uid"),
        ("deliveries", "delivery_id"),
        ("deliveries", "connection"),
        ("effects", "subject"),
        ("effects", "kind"),
    ],
)
def test_nul_in_a_filter_is_400_and_names_it(api, name, parameter):
    response = api.get(f"/api/{name}/", {parameter: "x\0y"})
    assert (response.status_code, response.json()["field"]) == (400, parameter)


@pytest.mark.parametrize("name", LISTS)
def test_cursor_that_there_is_not_is_404_in_error_form(api, name):
    response = api.get(f"/api/{name}/", {"cursor": "rubbish"})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_error_messages_do_not_quote_what_was_asked_for(api):
    response = api.get("/api/meetings/", {"status": "zoe@example.com"})
    assert "zoe" not in json.dumps(response.json())


def test_schema_is_made_without_warnings(capfd, tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"))
    assert "Warning" not in capfd.readouterr().err


def test_schema_names_the_fields_of_the_design(api):
    schemas = api.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()["components"]
    assert list(schemas["schemas"]["Contact"]["properties"]) == [
        "id", "full_name", "company", "emails", "phones", "lead_source", "lead_score", "lead_status", "owner",
        "external_ids", "merged_into", "created_at", "updated_at",
    ]  # fmt: skip


def test_schema_names_the_fields_of_an_effect_and_says_which_may_be_null(api):
    schemas = api.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()["components"]
    properties = schemas["schemas"]["Effect"]["properties"]
    assert list(properties) == [
        "id", "connection", "kind", "subject", "status", "cause", "attempts", "external_id", "created_at",
        "finished_at",
    ]  # fmt: skip
    nullable = [name for name, schema in properties.items() if schema.get("nullable")]
    assert nullable == ["cause", "external_id", "finished_at"]


@pytest.mark.django_db
def test_webhook_address_needs_no_token(calendar_live):
    assert receive(read_sample("ping")).status == "processed"


def test_an_unknown_address_is_404_in_the_error_form_and_a_missing_slash_is_added(api: APIClient) -> None:
    response = api.get("/api/nothing/here/")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert api.get("/api/contacts", follow=True).status_code == 200
