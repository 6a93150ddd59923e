"""/services/data: records, upserts and queries."""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.salesforce.answers import SalesforceError, frame, missing
from integrations.sandbox.salesforce.catalog import WRITABLE
from integrations.sandbox.salesforce.changes import (
    DuplicateIdError,
    delete,
    find_by_external_id,
    get_external_id,
    get_row,
    insert,
    update,
    upsert,
)
from integrations.sandbox.salesforce.records import Row, State, get_store, read_state
from integrations.sandbox.salesforce.soql import Parser
from integrations.sandbox.staff import Actor

ROWS_PER_PAGE, LARGEST_BATCH = 2000, 200
BATCH_SIZE = re.compile(r"batchSize=(\d+)")


def read_object(request: HttpRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise SalesforceError("JSON_PARSER_ERROR", "The body is not JSON.") from error
    if not isinstance(body, dict):
        raise SalesforceError("JSON_PARSER_ERROR", "The body must be an object.")
    return body


def read_sobject(name: str) -> str:
    if name not in WRITABLE:
        raise missing()
    return name


# --- Records ----------------------------------------------------------------------------------------------------------


def create_row(request: HttpRequest, sobject: str) -> HttpResponse:
    body = read_object(request)
    with get_store().change() as state:
        row = insert(state, read_sobject(sobject), body, by=frame.find_actor(request))
    return JsonResponse({"id": row.id, "success": True, "errors": []}, status=201)


def show_row(request: HttpRequest, sobject: str, record_id: str) -> HttpResponse:
    row = get_row(get_store().read(), read_sobject(sobject), record_id)
    return JsonResponse(show_whole(request, row))


def show_whole(request: HttpRequest, row: Row) -> dict[str, Any]:
    shown = row.show()
    names = [name for name in request.GET.get("fields", "").split(",") if name]
    if unknown := [name for name in names if name not in shown]:
        raise SalesforceError("INVALID_FIELD", f"No such column '{unknown[0]}' on sobject of type {row.sobject}")
    chosen = {name: shown[name] for name in ("Id", *names)} if names else shown
    attributes = {"type": row.sobject, "url": f"/services/data/v59.0/sobjects/{row.sobject}/{row.id}"}
    return {"attributes": attributes, **{name: value for name, value in chosen.items() if value is not None}}


def update_row(request: HttpRequest, sobject: str, record_id: str) -> HttpResponse:
    body = read_object(request)
    with get_store().change() as state:
        update(state, get_row(state, read_sobject(sobject), record_id), body, by=frame.find_actor(request))
    return HttpResponse(status=204)


def delete_row(request: HttpRequest, sobject: str, record_id: str) -> HttpResponse:
    with get_store().change() as state:
        delete(state, get_row(state, read_sobject(sobject), record_id), by=frame.find_actor(request))
    return HttpResponse(status=204)


# --- By external id ---------------------------------------------------------------------------------------------------


def upsert_row(request: HttpRequest, sobject: str, name: str, value: str) -> HttpResponse:
    """201 created, 200 updated, 300 where several have that value."""
    body = read_object(request)
    if "Id" in body or name in body:
        raise SalesforceError("INVALID_FIELD", "The Id and the external id stand in the address only.")
    how: dict[str, Any] = {
        "is_update_only": request.GET.get("updateOnly") == "true",
        "by": frame.find_actor(request),
    }
    try:
        with get_store().change() as state:
            row, is_new = upsert(state, read_sobject(sobject), name, value, body, **how)
    except DuplicateIdError as error:
        return show_several(error.rows)
    status = 201 if is_new else 200
    return JsonResponse({"id": row.id, "success": True, "errors": [], "created": is_new}, status=status)


def show_by_external_id(request: HttpRequest, sobject: str, name: str, value: str) -> HttpResponse:
    state = get_store().read()
    rows = find_by_external_id(state, read_sobject(sobject), get_external_id(state, sobject, name), value)
    if not rows:
        raise missing()
    return JsonResponse(show_whole(request, rows[0])) if len(rows) == 1 else show_several(rows)


def show_several(rows: list[Row]) -> HttpResponse:
    paths = [f"/services/data/v59.0/sobjects/{row.sobject}/{row.id}" for row in rows]
    return JsonResponse(paths, safe=False, status=300)


def upsert_rows(request: HttpRequest, sobject: str, name: str) -> HttpResponse:
    """Up to 200 records, each by itself unless `allOrNone`; the external id stands in each body."""
    body, sobject = read_object(request), read_sobject(sobject)
    records = body.get("records")
    if not isinstance(records, list) or not 0 < len(records) <= LARGEST_BATCH:
        raise SalesforceError("INVALID_INPUT", f"records must be a list of 1 to {LARGEST_BATCH} objects.")
    results, by = [], frame.find_actor(request)
    try:
        with get_store().change() as state:
            results = [upsert_one(state, sobject, name, record, by=by) for record in records]
            if body.get("allOrNone") is True and not all(result["success"] for result in results):
                raise RolledBackError
    except RolledBackError:
        rolled_back = {"statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK", "message": "Rolled back.", "fields": []}
        undone = {"id": "", "success": False, "errors": [rolled_back]}
        results = [undone if result["success"] else result for result in results]
    return JsonResponse(results, safe=False)


class RolledBackError(Exception):
    """One record of an all-or-none request failed."""


def upsert_one(state: State, sobject: str, name: str, record: Any, *, by: Actor) -> dict[str, Any]:
    try:
        kind, value = read_record(record, name)
        if kind != sobject:
            raise SalesforceError("INVALID_TYPE", f"The records must be of type {sobject}.")
        values = {field: item for field, item in record.items() if field not in ("attributes", name)}
        row, is_new = upsert(state, sobject, name, value, values, by=by)
    except SalesforceError as error:
        return {"id": "", "success": False, "errors": [error.entry()]}
    except DuplicateIdError:
        message = f"{name}: more than one record found for external id field"
        several = SalesforceError("DUPLICATE_EXTERNAL_ID", message, fields=[name])
        return {"id": "", "success": False, "errors": [several.entry()]}
    return {"id": row.id, "success": True, "errors": [], "created": is_new}


def read_record(record: Any, name: str) -> tuple[str, str]:
    """A record's type and external id. Raises SalesforceError."""
    attributes = record.get("attributes") if isinstance(record, Mapping) else None
    if not isinstance(attributes, Mapping) or not isinstance(attributes.get("type"), str):
        raise SalesforceError("INVALID_TYPE", "Each record needs attributes with its type.")
    value = record.get(name)
    if not isinstance(value, str) or not value:
        raise SalesforceError("MISSING_ARGUMENT", f"{name} not specified", fields=[name])
    return attributes["type"], value


# --- Queries ----------------------------------------------------------------------------------------------------------


def query(request: HttpRequest) -> HttpResponse:
    return run_query(request, request.GET.get("q", ""), 0, with_deleted=False)


def query_all(request: HttpRequest) -> HttpResponse:
    return run_query(request, request.GET.get("q", ""), 0, with_deleted=True)


def query_more(request: HttpRequest, locator: str) -> HttpResponse:
    """The locator is opaque to a caller; here it holds the query itself and where to go on."""
    try:
        soql, first, with_deleted = json.loads(base64.urlsafe_b64decode(locator))
    except (ValueError, TypeError) as error:
        raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator") from error
    return run_query(request, soql, first, with_deleted=with_deleted)


def run_query(request: HttpRequest, soql: str, first: int, *, with_deleted: bool) -> HttpResponse:
    state = read_state(frame.find_account(request))
    asked_for = Parser(state, soql).read()
    rows = asked_for.run(state, with_deleted=with_deleted)
    if not asked_for.fields:
        return JsonResponse({"totalSize": len(rows), "done": True, "records": []})
    asked = BATCH_SIZE.search(request.headers.get("Sforce-Query-Options", ""))
    end = first + (min(max(int(asked[1]), 200), ROWS_PER_PAGE) if asked else ROWS_PER_PAGE)
    body: dict[str, Any] = {"totalSize": len(rows), "done": end >= len(rows), "records": rows[first:end]}
    if end < len(rows):
        locator = base64.urlsafe_b64encode(json.dumps([soql, end, with_deleted]).encode()).decode()
        root = request.path.partition("/query")[0]
        body["nextRecordsUrl"] = f"{root}/query/{locator}"
    return JsonResponse(body)
