"""/crm/properties/2026-03/{kind}: which properties there are, and making one's own."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.hubspot.answers import HubSpotError, frame, show_property
from integrations.sandbox.hubspot.api import read_kind, read_text
from integrations.sandbox.hubspot.catalog import Property
from integrations.sandbox.hubspot.records import State, get_store

NAME = re.compile("[a-z][a-z0-9_]{0,99}")
FIELD_TYPES = {
    "string": ("text", "textarea", "phonenumber", "html", "file"),
    "number": ("number",),
    "bool": ("booleancheckbox",),
    "date": ("date",),
    "datetime": ("date",),
    "enumeration": ("select", "radio", "checkbox", "booleancheckbox"),
    "phone_number": ("phonenumber",),
}
MOST_UNIQUE = 10


def find(state: State, kind: str, name: str) -> Property:
    item = state.properties_of(kind).get(name)
    if item is None:
        raise HubSpotError(404, f"No property with the name {name} exists for {kind}.")
    return item


def find_own(state: State, kind: str, name: str) -> Property:
    item = find(state, kind, name)
    if item.is_standard:
        raise HubSpotError(400, f"{name} is HubSpot's own property and cannot be changed.")
    return item


def list_properties(request: HttpRequest, kind: str) -> HttpResponse:
    items = get_store().read().properties_of(read_kind(kind)).values()
    return JsonResponse({"results": [show_property(item) for item in items]})


def show_one(request: HttpRequest, kind: str, name: str) -> HttpResponse:
    return JsonResponse(show_property(find(get_store().read(), read_kind(kind), name)))


def create_property(request: HttpRequest, kind: str) -> HttpResponse:
    kind, body = read_kind(kind), frame.read_object(request)
    item = read_property(kind, body)
    with get_store().change() as state:
        known = state.properties_of(kind)
        if item.name in known:
            raise HubSpotError(409, f'A property named "{item.name}" already exists.')
        if item.is_unique and len([one for one in known.values() if one.is_unique]) >= MOST_UNIQUE:
            raise HubSpotError(400, f"An object has {MOST_UNIQUE} unique properties at most.")
        state.custom_properties[f"{kind}/{item.name}"] = item
    return JsonResponse(show_property(item), status=201)


def read_property(kind: str, body: Mapping[str, Any]) -> Property:
    """A new property from a PropertyCreateParams. Raises HubSpotError (400)."""
    name, type_, field_type, label, group = (
        read_text(body, field) for field in ("name", "type", "fieldType", "label", "groupName")
    )
    if not NAME.fullmatch(name):
        raise HubSpotError(400, "A property's name is a lower-case letter, then lower-case letters, digits and _.")
    if field_type not in FIELD_TYPES.get(type_, ()):
        raise HubSpotError(400, f"The type {type_} does not go with the field type {field_type}.")
    return Property(
        kind,
        name,
        type_,
        field_type,
        label,
        group,
        read_text(body, "description", is_required=False),
        read_options(body.get("options", []), type_),
        is_unique=body.get("hasUniqueValue") is True,
    )


def read_options(options: object, type_: str) -> tuple[tuple[str, ...], ...]:
    try:
        read = tuple((str(item["value"]), str(item["label"])) for item in options)  # type: ignore[attr-defined]
    except (TypeError, KeyError) as error:
        raise HubSpotError(400, "Invalid input JSON: each option needs a value and a label") from error
    if bool(read) is not (type_ == "enumeration"):
        raise HubSpotError(400, "An enumeration needs options, and nothing else has them.")
    return read


def update_property(request: HttpRequest, kind: str, name: str) -> HttpResponse:
    kind, body = read_kind(kind), frame.read_object(request)
    with get_store().change() as state:
        item = find_own(state, kind, name)
        if "label" in body:
            item = replace(item, label=read_text(body, "label"))
        if "options" in body:
            item = replace(item, options=read_options(body["options"], item.type))
        state.custom_properties[f"{kind}/{name}"] = item
    return JsonResponse(show_property(item))


def archive_property(request: HttpRequest, kind: str, name: str) -> HttpResponse:
    kind = read_kind(kind)
    with get_store().change() as state:
        find_own(state, kind, name)
        del state.custom_properties[f"{kind}/{name}"]
    return HttpResponse(status=204)
