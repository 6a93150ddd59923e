"""/crm/objects/2026-03/{kind}: one record at a time, lists, search, merge and associations."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import QueryDict

from integrations.sandbox.hubspot.answers import (
    HubSpotError,
    frame,
    missing,
    show_associations,
    show_batch,
    show_default_association,
    show_record,
    show_whole,
)
from integrations.sandbox.hubspot.catalog import ASSOCIATION_TYPES, KINDS
from integrations.sandbox.hubspot.changes import Change, changing
from integrations.sandbox.hubspot.records import Record, get_store
from integrations.sandbox.hubspot.search import search_records
from integrations.sandbox.hubspot.values import read_properties

LONGEST_PAGE = 100


def read_kind(name: str) -> str:
    if name not in KINDS:
        raise HubSpotError(400, f"Unable to infer object type from: {name}")
    return KINDS[name]


def read_text(body: Mapping[str, Any], name: str, *, is_required: bool = True) -> str:
    """A text of the body. Raises HubSpotError (400) for another type, and where it is required and missing."""
    value = body.get(name, None if is_required else "")
    if not isinstance(value, str) or (is_required and not value):
        raise HubSpotError(400, f"Invalid input JSON: {name} must be a text")
    return value


def split_names(query: QueryDict, name: str) -> list[str]:
    """A list given by commas, by repetition, or both."""
    return [part for value in query.getlist(name) for part in value.split(",") if part]


# --- One record -------------------------------------------------------------------------------------------------------


def create_record(request: HttpRequest, kind: str) -> HttpResponse:
    body = frame.read_object(request)
    with changing(frame.find_actor(request)) as change:
        record = create_from(change, read_kind(kind), body)
    return JsonResponse(show_whole(record), status=201)


def create_from(change: Change, kind: str, body: Mapping[str, Any]) -> Record:
    """Create from `properties` and `associations`, both required since 2026-03. Raises HubSpotError."""
    if "properties" not in body or not isinstance(body.get("associations"), list):
        raise HubSpotError(400, "Invalid input JSON: properties and associations are required")
    ends = [_read_end(change, kind, association) for association in body["associations"]]
    record = change.create(kind, read_properties(change.state, kind, body["properties"]))
    for end in ends:
        change.associate(record, end)
    return record


def _read_end(change: Change, kind: str, association: object) -> Record:
    """The other record of `{to: {id}, types: [{associationCategory, associationTypeId}]}`."""
    try:
        types = {(item["associationCategory"], item["associationTypeId"]) for item in association["types"]}  # type: ignore[index]
        record_id = association["to"]["id"]  # type: ignore[index]
    except (TypeError, KeyError) as error:
        raise HubSpotError(400, "Invalid input JSON: an association needs to.id and types") from error
    for (from_kind, to_kind), type_id in ASSOCIATION_TYPES.items():
        if from_kind == kind and types == {("HUBSPOT_DEFINED", type_id)}:
            return change.get(to_kind, str(record_id))
    raise HubSpotError(400, f"Invalid association types for {kind}")


def show_one(request: HttpRequest, kind: str, record_id: str) -> HttpResponse:
    kind = read_kind(kind)
    state = get_store().read()
    record = Change(state).find(kind, record_id, request.GET.get("idProperty"))
    if record is None and request.GET.get("archived") == "true":
        record = state.records.get(record_id)
    if record is None or record.kind != kind:
        raise missing(record_id)
    shown = show_record(record, split_names(request.GET, "properties"))
    kinds = [read_kind(name) for name in split_names(request.GET, "associations")]
    if associations := show_associations(state, record, kinds):
        shown["associations"] = associations
    return JsonResponse(shown)


def update_record(request: HttpRequest, kind: str, record_id: str) -> HttpResponse:
    kind, body = read_kind(kind), frame.read_object(request)
    with changing(frame.find_actor(request)) as change:
        record = change.get(kind, record_id, request.GET.get("idProperty"))
        record = change.update(record, read_properties(change.state, kind, body.get("properties")))
    return JsonResponse(show_whole(record))


def archive_record(request: HttpRequest, kind: str, record_id: str) -> HttpResponse:
    with changing(frame.find_actor(request)) as change:
        # Archiving what is archived already is no error at HubSpot.
        if record := change.find(read_kind(kind), record_id):
            change.archive(record)
    return HttpResponse(status=204)


def erase_record(request: HttpRequest, kind: str) -> HttpResponse:
    body = frame.read_object(request)
    with changing(frame.find_actor(request)) as change:
        id_property = read_text(body, "idProperty", is_required=False)
        change.archive(change.get(read_kind(kind), read_text(body, "objectId"), id_property), is_erased=True)
    return HttpResponse(status=204)


# --- Lists and search -------------------------------------------------------------------------------------------------


def list_records(request: HttpRequest, kind: str) -> HttpResponse:
    kind, limit, after = read_kind(kind), request.GET.get("limit", "10"), request.GET.get("after", "0")
    if not (limit.isdigit() and 0 < int(limit) <= LONGEST_PAGE and after.isdigit()):
        raise HubSpotError(400, f"limit must be from 1 to {LONGEST_PAGE}, and after what the last page named")
    is_archived = request.GET.get("archived") == "true"
    found = [record for record in get_store().read().records.values() if record.kind == kind]
    found = [record for record in found if (record.archived_at is not None) is is_archived and not record.merged_into]
    page = [record for record in found if int(record.id) > int(after)][: int(limit) + 1]
    names = split_names(request.GET, "properties")
    body: dict[str, Any] = {"results": [show_record(record, names) for record in page[: int(limit)]]}
    if len(page) > int(limit):
        body["paging"] = {"next": {"after": page[int(limit) - 1].id}}
    return JsonResponse(body)


def search(request: HttpRequest, kind: str) -> HttpResponse:
    body, kind = frame.read_object(request), read_kind(kind)
    found, total, after = search_records(get_store().read(), kind, body)
    answer: dict[str, Any] = {"total": total, "results": [show_record(item, body["properties"]) for item in found]}
    if after:
        answer["paging"] = {"next": {"after": after}}
    return JsonResponse(answer)


# --- Merge and associations -------------------------------------------------------------------------------------------


def merge(request: HttpRequest, kind: str) -> HttpResponse:
    body, kind = frame.read_object(request), read_kind(kind)
    with changing(frame.find_actor(request)) as change:
        primary = change.get(kind, read_text(body, "primaryObjectId"))
        merged = change.merge(primary, change.get(kind, read_text(body, "objectIdToMerge")))
    return JsonResponse(show_whole(merged))


def associate_default(request: HttpRequest, kind: str, record_id: str, to_kind: str, to_id: str) -> HttpResponse:
    with changing(frame.find_actor(request)) as change:
        one, two = change.get(read_kind(kind), record_id), change.get(read_kind(to_kind), to_id)
        change.associate(one, two)
        results = [
            show_default_association(one.kind, one.id, two.kind, two.id),
            show_default_association(two.kind, two.id, one.kind, one.id),
        ]
    return show_batch(change.now, results, [])


def dissociate(request: HttpRequest, kind: str, record_id: str, to_kind: str, to_id: str) -> HttpResponse:
    with changing(frame.find_actor(request)) as change:
        change.dissociate(change.get(read_kind(kind), record_id), change.get(read_kind(to_kind), to_id))
    return HttpResponse(status=204)


def read_associations(request: HttpRequest, kind: str, to_kind: str) -> HttpResponse:
    """Of several records at once; one that has none is named among the errors, as HubSpot does."""
    kind, to_kind, state = read_kind(kind), read_kind(to_kind), get_store().read()
    inputs = frame.read_object(request).get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(item, Mapping) for item in inputs):
        raise HubSpotError(400, "Invalid input JSON: inputs must be a list of objects")
    change, results, errors = Change(state), [], []
    for record_id in (read_text(item, "id") for item in inputs):
        record = change.find(kind, record_id)
        links = state.linked(record.id, to_kind) if record else []
        if links:
            to = [{"toObjectId": link.to_id, "associationTypes": [show_type(link.type_id)]} for link in links]
            results.append({"from": {"id": record_id}, "to": to})
        else:
            errors.append(missing(record_id).entry({"fromObjectId": [record_id]}))
    return show_batch(change.now, results, errors)


def show_type(type_id: int) -> dict[str, Any]:
    return {"category": "HUBSPOT_DEFINED", "typeId": type_id, "label": None}


def list_associations(request: HttpRequest, kind: str, record_id: str, to_kind: str) -> HttpResponse:
    state = get_store().read()
    record = Change(state).get(read_kind(kind), record_id)
    results = [
        {
            "toObjectId": int(link.to_id),
            "associationTypes": [show_type(link.type_id)],
        }
        for link in state.linked(record.id, read_kind(to_kind))
    ]
    return JsonResponse({"results": results})
