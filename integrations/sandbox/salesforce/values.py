"""Which values Salesforce accepts for a field, and how it keeps them."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from integrations.sandbox.salesforce.answers import SalesforceError
from integrations.sandbox.salesforce.catalog import SHOW_AS, Field
from integrations.sandbox.salesforce.records import State, format_instant

EMAIL = re.compile(r"[^@\s,;<>()]+@[^@\s,;<>()]+\.[^@\s,;<>().]+")
RECORD_ID = re.compile("[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")


def read_values(state: State, sobject: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A body's fields as kept, under their proper names. Raises SalesforceError."""
    known, values = state.fields_of(sobject), {}
    for name, value in body.items():
        if name == "attributes":
            continue
        field = known.get(name.lower())
        if field is None:
            raise SalesforceError("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject}")
        if field.is_read_only:
            message = f"Unable to create/update fields: {field.name}. Please check the security settings of this field."
            raise SalesforceError("INVALID_FIELD_FOR_INSERT_UPDATE", message, fields=[field.name])
        values[field.name] = read_value(state, sobject, field, value)
    return values


def read_value(state: State, sobject: str, field: Field, value: Any) -> Any:
    """An empty text is no value."""
    if value is None or value == "":
        return None
    match field.kind:
        case "bool" if isinstance(value, bool):
            return value
        case "number" if isinstance(value, int) and not isinstance(value, bool):
            return value
        case "instant" if isinstance(value, str):
            return format_instant(read_instant(value, field.name))
        case "date" if isinstance(value, str):
            return read_date(value, field.name)
        case "id" if isinstance(value, str):
            return read_reference(state, field, value)
        case "text" | "email" if isinstance(value, str):
            return read_text(sobject, field, value)
    code = "JSON_PARSER_ERROR"
    raise SalesforceError(code, f"Cannot deserialize instance of {field.kind} from the value of {field.name}")


def read_text(sobject: str, field: Field, value: str) -> str:
    if field.kind == "email" and not EMAIL.fullmatch(value):
        message = f"Email: invalid email address: {value}"
        raise SalesforceError("INVALID_EMAIL_ADDRESS", message, fields=[field.name])
    if len(value) > field.length:
        message = f"{field.name}: data value too large: {value[:20]}… (max length={field.length})"
        raise SalesforceError("STRING_TOO_LONG", message, fields=[field.name])
    if field.name == "ShowAs" and value not in SHOW_AS:
        message = f"Show Time As: bad value for restricted picklist field: {value}"
        raise SalesforceError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, fields=[field.name])
    return value.strip() if field.kind == "email" else value


def read_reference(state: State, field: Field, value: str) -> str:
    """The full id of a record that is there. Raises SalesforceError."""
    if not RECORD_ID.fullmatch(value):
        message = f"{field.name}: id value of incorrect type: {value}"
        raise SalesforceError("MALFORMED_ID", message, fields=[field.name])
    row = state.find(value)
    if field.refers_to and (row is None or row.sobject not in field.refers_to):
        raise SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    if row is not None and row.is_deleted:
        raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted")
    return row.id if row else value


def read_instant(value: str, name: str) -> datetime:
    """ISO 8601; without a zone it is UTC here, as for a user whose zone is GMT."""
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise SalesforceError("JSON_PARSER_ERROR", f"Cannot deserialize instance of datetime from {name}") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def read_date(value: str, name: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError as error:
        raise SalesforceError("JSON_PARSER_ERROR", f"Cannot deserialize instance of date from {name}") from error
