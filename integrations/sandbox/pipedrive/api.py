"""/api/v2: persons and activities; /v1: merging."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse

from integrations.sandbox.frame import View
from integrations.sandbox.pipedrive.answers import Key, answer, answer_page, cut_list, cut_page, frame, invalid
from integrations.sandbox.pipedrive.changes import Change, changing
from integrations.sandbox.pipedrive.records import (
    COMPANY_ID,
    CustomField,
    Record,
    get_store,
    show_record,
)

SORTS = ("id", "update_time", "add_time", "due_date")
SEARCHED = ("name", "email", "phone", "notes", "custom_fields")
LARGEST_SEARCH = 500
MOST_CODES = 15
MARKETING_STATUS = "marketing_status"
# Of what a person can be asked for beside its usual fields, what this Pipedrive has.
INCLUDED = (MARKETING_STATUS,)


# --- Persons and activities -------------------------------------------------------------------------------------------


def read_number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise invalid(f"{name} must be a whole number")
    return int(text)


def lists(entity: str) -> View:
    def list_records(request: HttpRequest) -> HttpResponse:
        sort, direction = request.GET.get("sort_by", "id"), request.GET.get("sort_direction", "asc")
        if sort not in SORTS or direction not in ("asc", "desc"):
            raise invalid(f"sort_by must be one of {', '.join(SORTS)}, sort_direction asc or desc")
        key_of, is_falling = partial(key_by, sort), direction == "desc"
        records = filter_records(request, get_store().read().live(entity))
        records.sort(key=key_of, reverse=is_falling)
        page, cursor = cut_list(request, records, key_of, is_falling=is_falling)
        return answer_page([choose_fields(request, record) for record in page], cursor)

    return list_records


def filter_records(request: HttpRequest, records: Sequence[Record]) -> list[Record]:
    if ids := request.GET.get("ids"):
        wanted = set(ids.split(","))
        if len(wanted) > 100:
            raise invalid("ids may name 100 records at most")
        records = [record for record in records if str(record.id) in wanted]
    for name in ("owner_id", "org_id", "deal_id"):
        if (number := read_number(request, name)) is not None:
            records = [record for record in records if record.values.get(name) == number]
    if (person_id := read_number(request, "person_id")) is not None:
        records = [record for record in records if person_id in participants_of(record)]
    if "done" in request.GET:
        is_done = request.GET["done"] in ("true", "1")
        records = [record for record in records if record.values.get("done") is is_done]
    since, until = (read_instant(request, name) for name in ("updated_since", "updated_until"))
    return [
        record
        for record in records
        if (since is None or record.updated_at >= since) and (until is None or record.updated_at < until)
    ]


def participants_of(record: Record) -> list[int]:
    return [item["person_id"] for item in record.values.get("participants", [])]


def read_instant(request: HttpRequest, name: str) -> datetime | None:
    text = request.GET.get(name)
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError as error:
        raise invalid(f"{name} must be a time in RFC 3339") from error
    if at is not None and at.tzinfo is None:
        raise invalid(f"{name} must carry an offset")
    return at


def key_by(sort: str, record: Record) -> Key:
    """What a list is sorted by, the record's id last."""
    match sort:
        case "add_time":
            return record.added_at.isoformat(), record.id
        case "update_time":
            return record.updated_at.isoformat(), record.id
        case "due_date":
            return record.values.get("due_date") or "", record.id
    return "", record.id


def choose_fields(request: HttpRequest, record: Record) -> dict[str, Any]:
    """The record with the custom fields that `custom_fields` names, or all, and what `include_fields` asks for."""
    shown, state = show_record(record), get_store().read()
    shown.pop(MARKETING_STATUS, None)
    if record.entity != "person":
        return shown
    included = split_names(request, "include_fields")
    if unknown := [name for name in included if name not in INCLUDED]:
        raise invalid(f"include_fields: {unknown[0]} cannot be included")
    if MARKETING_STATUS in included:
        if not state.has_marketing:
            raise invalid(f"include_fields: {MARKETING_STATUS} is not allowed")
        shown[MARKETING_STATUS] = record.values.get(MARKETING_STATUS, "no_consent")
    codes, held = split_names(request, "custom_fields"), shown["custom_fields"]
    if len(codes) > MOST_CODES:
        raise invalid(f"custom_fields may name {MOST_CODES} fields at most")
    has_labels = request.GET.get("include_option_labels") == "true"
    shown["custom_fields"] = {
        code: label_options(item, held.get(code)) if has_labels else held.get(code)
        for code, item in state.person_fields.items()
        if not codes or code in codes
    }
    return shown


def split_names(request: HttpRequest, name: str) -> list[str]:
    return [part for part in request.GET.get(name, "").split(",") if part]


def label_options(item: CustomField, value: Any) -> Any:
    """An option, or several, as `{id, label}`; another value as it is."""
    if value is None or item.type not in ("enum", "set"):
        return value
    shown = [{"id": int(number), "label": item.options[str(number)]} for number in as_list(value)]
    return shown if item.type == "set" else shown[0]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def creates(entity: str) -> View:
    def create_record(request: HttpRequest) -> HttpResponse:
        body = frame.read_object(request)
        with changing(frame.find_actor(request)) as change:
            record = change.create(entity, body)
        return answer(choose_fields(request, record))

    return create_record


def shows(entity: str) -> View:
    def show_one(request: HttpRequest, record_id: int) -> HttpResponse:
        record = Change(get_store().read()).get(entity, record_id, with_deleted=True)
        return answer(choose_fields(request, record))

    return show_one


def updates(entity: str) -> View:
    def update_record(request: HttpRequest, record_id: int) -> HttpResponse:
        body = frame.read_object(request)
        with changing(frame.find_actor(request)) as change:
            record = change.update(change.get(entity, record_id), body)
        return answer(choose_fields(request, record))

    return update_record


def deletes(entity: str) -> View:
    def delete_record(request: HttpRequest, record_id: int) -> HttpResponse:
        with changing(frame.find_actor(request)) as change:
            change.delete(change.get(entity, record_id))
        return answer({"id": record_id})

    return delete_record


# --- Search and merge -------------------------------------------------------------------------------------------------


def search_persons(request: HttpRequest) -> HttpResponse:
    """By a term of at least two characters, or one where it must match as a whole."""
    is_exact = request.GET.get("exact_match") in ("true", "1")
    term = request.GET.get("term", "").strip().lower()
    if len(term) < (1 if is_exact else 2):
        raise invalid("term must have at least 2 characters, or 1 with exact_match")
    fields = [name for name in request.GET.get("fields", "").split(",") if name] or list(SEARCHED)
    if unknown := [name for name in fields if name not in SEARCHED]:
        raise invalid(f"fields: {unknown[0]} is not searched")
    found = [record for record in get_store().read().live("person") if is_found(record, fields, term, is_exact)]
    page, cursor = cut_page(request, found, largest=LARGEST_SEARCH)
    items = [{"result_score": 1.0 if is_exact else 0.5, "item": show_found(record)} for record in page]
    return answer_page({"items": items}, cursor)


def is_found(record: Record, fields: Sequence[str], term: str, is_exact: bool) -> bool:
    texts = {
        "name": [record.values.get("name", "")],
        "email": [way["value"] for way in record.values["emails"]],
        "phone": [way["value"] for way in record.values["phones"]],
        "notes": [record.values.get("notes", "")],
        "custom_fields": [str(value) for value in record.values["custom_fields"].values() if value is not None],
    }
    values = [text.lower() for name in fields for text in texts[name]]
    return term in values if is_exact else any(term in value for value in values)


def show_found(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "type": "person",
        "name": record.values["name"],
        "emails": [way["value"] for way in record.values["emails"]],
        "phones": [way["value"] for way in record.values["phones"]],
        "visible_to": record.values["visible_to"],
        "owner": {"id": record.values["owner_id"]},
        "custom_fields": [str(value) for value in record.values["custom_fields"].values() if value is not None],
        "notes": [record.values["notes"]] if record.values.get("notes") else [],
    }


def merge_persons(request: HttpRequest, record_id: int) -> HttpResponse:
    """The address names who goes, `merge_with_id` who stays: https://pipedrive.readme.io/docs/merging-two-persons"""
    survivor_id = frame.read_object(request).get("merge_with_id")
    if not isinstance(survivor_id, int) or isinstance(survivor_id, bool):
        raise invalid("merge_with_id must be a whole number")
    with changing(frame.find_actor(request)) as change:
        merged = change.merge(change.get("person", record_id), change.get("person", survivor_id))
    return answer(
        {
            "id": merged.id,
            "company_id": COMPANY_ID,
            "merge_what_id": record_id,
            "active_flag": True,
            **{name: merged.values[name] for name in ("name", "first_name", "last_name", "owner_id")},
            "email": merged.values["emails"],
            "phone": merged.values["phones"],
            "add_time": f"{merged.added_at:%Y-%m-%d %H:%M:%S}",
            "update_time": f"{merged.updated_at:%Y-%m-%d %H:%M:%S}",
            "visible_to": str(merged.values["visible_to"]),
        }
    )
