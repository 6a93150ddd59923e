"""How HubSpot answers: objects, properties, and errors. https://developers.hubspot.com/docs/api-reference/error-handling"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.http import HttpResponse, JsonResponse

from integrations.sandbox.clock import utc_now
from integrations.sandbox.frame import Frame, Refusals, RefusedError
from integrations.sandbox.hubspot.catalog import ASSOCIATION_TYPES, CREATED, DEFAULTS, MODIFIED, Property
from integrations.sandbox.hubspot.records import Record, State

CATEGORIES = {400: "VALIDATION_ERROR", 404: "OBJECT_NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 409: "CONFLICT"}


def format_instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class HubSpotError(RefusedError):
    """A refusal that can also be one entry of a batch's `errors`."""

    def __init__(
        self, status: int, message: str, *, category: str = "", context: Mapping[str, list[str]] | None = None
    ):
        self.category = category or CATEGORIES.get(status, "INTERNAL_ERROR")
        self.message = message
        self.context = dict(context or {})
        body: dict[str, Any] = {
            "status": "error",
            "message": message,
            "correlationId": secrets.token_hex(16),
            "category": self.category,
        }
        super().__init__(JsonResponse(body | ({"context": self.context} if self.context else {}), status=status))

    def entry(self, context: Mapping[str, list[str]]) -> dict[str, Any]:
        """The error as one of several in a 207."""
        return {
            "status": "error",
            "category": self.category,
            "message": self.message,
            "context": {**self.context, **context},
            "errors": [],
            "links": {},
        }


def missing(record_id: str) -> HubSpotError:
    return HubSpotError(404, "resource not found", context={"ids": [record_id]})


def refuse_token() -> HttpResponse:
    message = "Authentication credentials not found. This API supports OAuth 2.0 authentication."
    return HubSpotError(401, message, category="INVALID_AUTHENTICATION").response


def refuse_rate(retry_after_s: int) -> HttpResponse:
    body = {
        "status": "error",
        "message": "You have reached your ten_secondly_rolling limit.",
        "errorType": "RATE_LIMIT",
        "correlationId": secrets.token_hex(16),
        "policyName": "TEN_SECONDLY_ROLLING",
        "category": "RATE_LIMITS",
    }
    return JsonResponse(body, status=429, headers={"Retry-After": str(retry_after_s)})


def refuse(status: int, message: str) -> HttpResponse:
    return HubSpotError(status, message).response


frame = Frame("hubspot", Refusals(refuse_token, refuse_rate, refuse))


def show_record(record: Record, names: Collection[str] = ()) -> dict[str, Any]:
    """A SimplePublicObject with the properties named, or the usual ones; properties without a value are left out."""
    wanted = {*DEFAULTS[record.kind], *names}
    return {
        "id": record.id,
        "properties": {name: value for name, value in all_properties(record).items() if name in wanted and value},
        "createdAt": format_instant(record.created_at),
        "updatedAt": format_instant(record.updated_at),
        "archived": record.archived_at is not None,
        **({"archivedAt": format_instant(record.archived_at)} if record.archived_at else {}),
    }


def show_whole(record: Record) -> dict[str, Any]:
    """A SimplePublicObject with every property that is set, as after a write."""
    return show_record(record, record.properties)


def all_properties(record: Record) -> dict[str, str]:
    return {
        **record.properties,
        "hs_object_id": record.id,
        CREATED[record.kind]: format_instant(record.created_at),
        MODIFIED[record.kind]: format_instant(record.updated_at),
    }


def show_associations(state: State, record: Record, kinds: Sequence[str]) -> dict[str, Any]:
    """The `associations` of an object, for the kinds asked for."""
    shown = {}
    for kind in kinds:
        if links := state.linked(record.id, kind):
            label = f"{record.kind.removesuffix('s')}_to_{kind.removesuffix('s')}"
            shown[kind] = {"results": [{"id": link.to_id, "type": label} for link in links]}
    return shown


def show_batch(started: datetime, results: list[Any], errors: list[Any], *, status: int = 200) -> HttpResponse:
    """A batch's answer: `status`, or 207 where something in it failed."""
    body: dict[str, Any] = {
        "status": "COMPLETE",
        "results": results,
        "startedAt": format_instant(started),
        "completedAt": format_instant(utc_now()),
    }
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    return JsonResponse(body, status=207 if errors else status)


def show_default_association(from_kind: str, from_id: str, to_kind: str, to_id: str) -> dict[str, Any]:
    return {
        "from": {"id": from_id},
        "to": {"id": to_id},
        "associationSpec": {
            "associationCategory": "HUBSPOT_DEFINED",
            "associationTypeId": ASSOCIATION_TYPES[from_kind, to_kind],
        },
    }


def show_property(item: Property) -> dict[str, Any]:
    options = [
        {"value": value, "label": label, "hidden": False, "displayOrder": order, "description": ""}
        for order, (value, label) in enumerate(item.options)
    ]
    return {
        "name": item.name,
        "label": item.label,
        "type": item.type,
        "fieldType": item.field_type,
        "groupName": item.group,
        "description": item.description,
        "options": options,
        "hasUniqueValue": item.is_unique,
        "hubspotDefined": item.is_standard,
        "hidden": False,
        "formField": not item.is_read_only,
        "archived": False,
        "modificationMetadata": {
            "archivable": not item.is_standard,
            "readOnlyDefinition": item.is_standard,
            "readOnlyValue": item.is_read_only,
        },
    }
