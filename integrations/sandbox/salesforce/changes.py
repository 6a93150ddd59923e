"""What can happen to rows: insert, update, upsert by an external id, delete, merge."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from integrations.sandbox.clock import utc_now
from integrations.sandbox.salesforce.answers import SalesforceError, missing
from integrations.sandbox.salesforce.catalog import DEFAULTS, MERGEABLE, REQUIRED, Field
from integrations.sandbox.salesforce.records import Row, State, find_user, format_instant, make_id
from integrations.sandbox.salesforce.values import RECORD_ID, read_values
from integrations.sandbox.staff import APP, Actor

MOST_LOSERS = 2


class DuplicateIdError(Exception):
    """Several rows have the external id (300)."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__("several rows have this external id")
        self.rows = rows


def get_row(state: State, sobject: str, record_id: str) -> Row:
    """Raises SalesforceError (404) for what is unknown, deleted, or another kind of record."""
    row = state.find(record_id) if RECORD_ID.fullmatch(record_id) else None
    if row is None or row.sobject != sobject:
        raise missing()
    if row.is_deleted:
        raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted", status=404)
    return row


def get_external_id(state: State, sobject: str, name: str) -> Field:
    field = state.fields_of(sobject).get(name.lower())
    if field is None or not field.is_external_id:
        message = f"Provided external ID field does not exist or is not accessible: {name}"
        raise SalesforceError("NOT_FOUND", message, status=404)
    return field


def find_by_external_id(state: State, sobject: str, field: Field, value: str) -> list[Row]:
    """External ids do not mind case."""
    return [row for row in state.rows_of(sobject) if str(row.values.get(field.name) or "").lower() == value.lower()]


def insert(state: State, sobject: str, body: Mapping[str, Any], *, by: Actor = APP) -> Row:
    user_id = find_user(by)
    values = {**DEFAULTS[sobject], "OwnerId": user_id, **read_values(state, sobject, body)}
    lacking = [name for name in REQUIRED[sobject] if values.get(name) is None]
    if lacking:
        message = f"Required fields are missing: [{', '.join(lacking)}]"
        raise SalesforceError("REQUIRED_FIELD_MISSING", message, fields=lacking)
    state.last_number += 1
    now = utc_now()
    made = Row(make_id(sobject, state.last_number), sobject, {}, now, now, created_by=user_id)
    return _store(state, made, values, by=by)


def update(state: State, row: Row, body: Mapping[str, Any], *, by: Actor = APP) -> Row:
    values = read_values(state, row.sobject, body)
    emptied = [name for name in REQUIRED[row.sobject] if name in values and values[name] is None]
    if emptied:
        message = f"Required fields are missing: [{', '.join(emptied)}]"
        raise SalesforceError("REQUIRED_FIELD_MISSING", message, fields=emptied)
    return _store(state, row, values, by=by)


def find_account(state: State, name: str) -> Row:
    """The Account of this name, which is made where there is none."""
    for row in state.rows_of("Account"):
        if row.values["Name"] == name:
            return row
    state.last_number += 1
    now = utc_now()
    made = Row(make_id("Account", state.last_number), "Account", {"Name": name}, now, now)
    state.rows[made.id] = made
    return made


def upsert(
    state: State,
    sobject: str,
    name: str,
    value: str,
    body: Mapping[str, Any],
    *,
    is_update_only: bool = False,
    by: Actor = APP,
) -> tuple[Row, bool]:
    """The row, and whether it is new. Raises SalesforceError, DuplicateIdError."""
    field = get_external_id(state, sobject, name)
    rows = find_by_external_id(state, sobject, field, value)
    if len(rows) > 1:
        raise DuplicateIdError(rows)
    if rows:
        return update(state, rows[0], body, by=by), False
    if is_update_only:
        raise missing()
    return insert(state, sobject, {**body, field.name: value}, by=by), True


def delete(state: State, row: Row, *, master_id: str | None = None, by: Actor = APP) -> None:
    gone = replace(row, is_deleted=True, master_id=master_id, changed_at=utc_now(), changed_by=find_user(by))
    state.rows[row.id] = gone


def merge(state: State, master: Row, losers: list[Row], changed: Mapping[str, Any], *, by: Actor = APP) -> Row:
    """The losers are deleted, and what hung on them hangs on the master, which keeps its own values.

    Raises SalesforceError.
    """
    if master.sobject not in MERGEABLE or not 0 < len(losers) <= MOST_LOSERS:
        raise SalesforceError("INVALID_OPERATION", "Contacts or Leads can be merged, up to three at once.")
    if master.id in {loser.id for loser in losers}:
        raise SalesforceError("INVALID_ID_FIELD", "A record cannot be merged with itself.")
    for loser in losers:
        delete(state, loser, master_id=master.id, by=by)
        for row in state.rows_of("Event"):
            if row.values.get("WhoId") == loser.id:
                _store(state, row, {"WhoId": master.id}, by=by)
    return update(state, master, changed, by=by)


def _store(state: State, row: Row, changed: Mapping[str, Any], *, by: Actor) -> Row:
    _require_unique(state, row, changed)
    values = {**row.values, **changed}
    if row.sobject == "Event":
        values = _complete_times(values, changed)
    stored = replace(row, values=values, changed_at=utc_now(), changed_by=find_user(by))
    state.rows[row.id] = stored
    return stored


def _require_unique(state: State, row: Row, changed: Mapping[str, Any]) -> None:
    for name, value in changed.items():
        field = state.fields_of(row.sobject).get(name.lower())
        if field is None or not field.is_unique or value is None:
            continue
        for other in find_by_external_id(state, row.sobject, field, str(value)):
            if other.id != row.id:
                message = f"duplicate value found: {name} duplicates value on record with id: {other.id[:15]}"
                raise SalesforceError("DUPLICATE_VALUE", message, fields=[name])


def _complete_times(values: dict[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """An Event has start, end and length; the end follows from the length unless it is given. May refuse."""
    start = datetime.fromisoformat(values["StartDateTime"])
    if changed.get("DurationInMinutes") is not None and changed.get("EndDateTime") is None:
        end = start + timedelta(minutes=values["DurationInMinutes"])
    elif values.get("EndDateTime"):
        end = datetime.fromisoformat(values["EndDateTime"])
    else:
        message = "Required fields are missing: [DurationInMinutes]"
        raise SalesforceError("REQUIRED_FIELD_MISSING", message, fields=["DurationInMinutes"])
    if end < start:
        message = "Event duration can't be negative"
        raise SalesforceError("FIELD_INTEGRITY_EXCEPTION", message, fields=["EndDateTime"])
    times = {"ActivityDateTime": values["StartDateTime"], "EndDateTime": format_instant(end)}
    return {**values, **times, "DurationInMinutes": round((end - start).total_seconds() / 60)}
