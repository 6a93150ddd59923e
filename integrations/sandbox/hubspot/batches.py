"""/crm/objects/2026-03/{kind}/batch: up to 100 records at once. What fails in a batch is named in a 207."""

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse

from integrations.sandbox.hubspot.answers import HubSpotError, frame, show_batch, show_record, show_whole
from integrations.sandbox.hubspot.api import create_from, read_kind, read_text
from integrations.sandbox.hubspot.changes import Change, changing
from integrations.sandbox.hubspot.values import read_properties

LARGEST_BATCH = 100

type Step = Callable[[Change, Mapping[str, Any]], dict[str, Any]]


def read_inputs(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The inputs, each one once. Raises HubSpotError (400)."""
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(item, Mapping) for item in inputs):
        raise HubSpotError(400, "Invalid input JSON: inputs must be a list of objects")
    if len(inputs) > LARGEST_BATCH:
        raise HubSpotError(400, f"The maximum batch size is {LARGEST_BATCH}.")
    ids = [(item.get("idProperty"), str(item["id"]).lower()) for item in inputs if "id" in item]
    if len(set(ids)) < len(ids):
        raise HubSpotError(400, "Duplicate IDs found in batch input.")
    return inputs


def run_batch(request: HttpRequest, step: Step, *, status: int = 200) -> HttpResponse:
    """Each input by itself: one that fails (404, 409) leaves the others; what is not valid (400) refuses all."""
    inputs = read_inputs(frame.read_object(request))
    results, errors = [], []
    with changing(frame.find_actor(request)) as change:
        for item in inputs:
            try:
                results.append(step(change, item))
            except HubSpotError as error:
                if error.response.status_code == 400:
                    raise
                errors.append(error.entry(_context(item)))
    return show_batch(change.now, results, errors, status=status)


def _context(item: Mapping[str, Any]) -> dict[str, list[str]]:
    named = {"ids": item.get("id"), "objectWriteTraceId": item.get("objectWriteTraceId")}
    return {name: [str(value)] for name, value in named.items() if value}


def upsert_batch(request: HttpRequest, kind: str) -> HttpResponse:
    kind = read_kind(kind)

    def upsert(change: Change, item: Mapping[str, Any]) -> dict[str, Any]:
        value, id_property = read_text(item, "id"), read_text(item, "idProperty", is_required=False)
        properties = read_properties(change.state, kind, item.get("properties"))
        record = change.find(kind, value, id_property)
        if record is not None:
            return {**show_whole(change.update(record, properties)), "new": False}
        if not id_property:
            record = change.get(kind, value)
        key = read_properties(change.state, kind, {id_property: value})
        return {**show_whole(change.create(kind, {**key, **properties})), "new": True}

    return run_batch(request, upsert)


def update_batch(request: HttpRequest, kind: str) -> HttpResponse:
    kind = read_kind(kind)

    def update(change: Change, item: Mapping[str, Any]) -> dict[str, Any]:
        properties = read_properties(change.state, kind, item.get("properties"))
        record = change.get(kind, read_text(item, "id"), read_text(item, "idProperty", is_required=False))
        return show_whole(change.update(record, properties))

    return run_batch(request, update)


def create_batch(request: HttpRequest, kind: str) -> HttpResponse:
    kind = read_kind(kind)
    return run_batch(request, lambda change, item: show_whole(create_from(change, kind, item)), status=201)


def read_batch(request: HttpRequest, kind: str) -> HttpResponse:
    kind, body = read_kind(kind), frame.read_object(request)
    if not isinstance(body.get("properties"), list) or not isinstance(body.get("propertiesWithHistory"), list):
        raise HubSpotError(400, "Invalid input JSON: properties and propertiesWithHistory are required lists")
    id_property = read_text(body, "idProperty", is_required=False)

    def read(change: Change, item: Mapping[str, Any]) -> dict[str, Any]:
        return show_record(change.get(kind, read_text(item, "id"), id_property), body["properties"])

    return run_batch(request, read)


def archive_batch(request: HttpRequest, kind: str) -> HttpResponse:
    kind = read_kind(kind)
    with changing(frame.find_actor(request)) as change:
        for item in read_inputs(frame.read_object(request)):
            if record := change.find(kind, read_text(item, "id")):
                change.archive(record)
    return HttpResponse(status=204)
