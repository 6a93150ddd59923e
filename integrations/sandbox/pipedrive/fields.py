"""/api/v2/personFields: the fields that persons have, and making one's own."""

import secrets
from typing import Any

from django.http import HttpRequest, HttpResponse

from integrations.sandbox.pipedrive.answers import answer, answer_page, cut_page, frame, invalid
from integrations.sandbox.pipedrive.records import CustomField, get_store

FIELD_TYPES = (
    *("varchar", "text", "double", "phone", "date", "daterange", "time", "timerange", "set", "enum"),
    *("varchar_auto", "address", "monetary", "org", "people", "user"),
)
STANDARD_FIELDS = {
    "name": "varchar",
    "emails": "varchar",
    "phones": "phone",
    "owner_id": "user",
    "org_id": "org",
    "add_time": "date",
    "update_time": "date",
    "job_title": "varchar",
}


def list_fields(request: HttpRequest) -> HttpResponse:
    standard = [show_field(CustomField(name, name, type_), is_custom=False) for name, type_ in STANDARD_FIELDS.items()]
    custom = [show_field(item, is_custom=True) for item in get_store().read().person_fields.values()]
    page, cursor = cut_page(request, [*standard, *custom])
    return answer_page(page, cursor)


def show_field(item: CustomField, *, is_custom: bool) -> dict[str, Any]:
    options = [{"id": int(number), "label": label} for number, label in item.options.items()]
    return {
        "field_name": item.name,
        "field_code": item.code,
        "field_type": item.type,
        "options": options or None,
        "subfields": None,
        "is_custom_field": is_custom,
        "is_optional_response_field": False,
    }


def create_field(request: HttpRequest) -> HttpResponse:
    """Two fields may have one name, as at Pipedrive: only the code is unique."""
    body = frame.read_object(request)
    name, type_, options = body.get("field_name"), body.get("field_type"), body.get("options", [])
    if not isinstance(name, str) or not 0 < len(name) <= 255:
        raise invalid("field_name must be a text of 1 to 255 characters")
    if type_ not in FIELD_TYPES:
        raise invalid(f"field_type must be one of {', '.join(FIELD_TYPES)}")
    if not isinstance(options, list) or not all(isinstance(item, dict) and "label" in item for item in options):
        raise invalid("options must be a list of objects with a label")
    if bool(options) is not (type_ in ("enum", "set")):
        raise invalid("options go with enum and set, and these need them")
    labels = {str(number): str(item["label"]) for number, item in enumerate(options, start=1)}
    item = CustomField(secrets.token_hex(20), name, str(type_), labels)
    with get_store().change() as state:
        state.person_fields[item.code] = item
    return answer(show_field(item, is_custom=True))
