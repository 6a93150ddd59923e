"""HubSpot's search: filter groups (any of them, all filters of one), sorts and pages. Reads the state only.

The real search lags some seconds behind; this one does not.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from integrations.sandbox.hubspot.answers import HubSpotError, all_properties
from integrations.sandbox.hubspot.catalog import Property
from integrations.sandbox.hubspot.records import Record, State
from integrations.sandbox.hubspot.values import read_instant

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
LONGEST_PAGE, MOST_RESULTS = 200, 10_000
MOST_GROUPS, MOST_FILTERS = 5, 18
REQUIRED = {"filterGroups": list, "sorts": list, "properties": list, "limit": int, "after": str}

type Compare = Callable[[Any, Any], bool]
type Test = Callable[[Record], bool]

COMPARISONS: dict[str, Compare] = {
    "EQ": lambda held, value: held == value,
    "NEQ": lambda held, value: held != value,
    "GT": lambda held, value: held > value,
    "GTE": lambda held, value: held >= value,
    "LT": lambda held, value: held < value,
    "LTE": lambda held, value: held <= value,
    "CONTAINS_TOKEN": lambda held, value: str(value).replace("*", "") in str(held),
    "NOT_CONTAINS_TOKEN": lambda held, value: str(value).replace("*", "") not in str(held),
}


def search_records(state: State, kind: str, body: Mapping[str, Any]) -> tuple[list[Record], int, str | None]:
    """One page, the number of all records found, and the next page's `after`. Raises HubSpotError (400)."""
    for name, wanted in REQUIRED.items():
        if not isinstance(body.get(name), wanted) or isinstance(body[name], bool):
            raise HubSpotError(400, f"Invalid input JSON: {name} is required and must be a {wanted.__name__}")
    limit, first = body["limit"], int(body["after"] or 0) if (body["after"] or "0").isdigit() else -1
    if not 0 < limit <= LONGEST_PAGE or first < 0:
        raise HubSpotError(400, f"limit must be from 1 to {LONGEST_PAGE}, and after what the last page named")
    if first + limit > MOST_RESULTS:
        raise HubSpotError(400, f"A search gives {MOST_RESULTS} results at most.")
    known = state.properties_of(kind)
    is_found = _read_groups(known, body["filterGroups"])
    found = [record for record in state.live(kind) if is_found(record)]
    for sort in reversed(body["sorts"]):
        found = _sort(found, known, sort)
    end = first + limit
    return found[first:end], len(found), str(end) if end < len(found) else None


def _read_groups(known: Mapping[str, Property], groups: Sequence[Any]) -> Test:
    """Whether a record is found: read once, so that a bad filter is refused however few records there are."""
    if len(groups) > MOST_GROUPS:
        raise HubSpotError(400, f"A search takes {MOST_GROUPS} filter groups at most.")
    tests = [_read_group(known, group) for group in groups]
    return lambda record: not tests or any(all(test(record) for test in group) for group in tests)


def _read_group(known: Mapping[str, Property], group: Any) -> list[Test]:
    filters = group.get("filters") if isinstance(group, Mapping) else None
    if not isinstance(filters, list) or len(filters) > MOST_FILTERS:
        raise HubSpotError(400, f"Invalid input JSON: a filter group has up to {MOST_FILTERS} filters")
    return [_read_filter(known, item) for item in filters]


def _read_filter(known: Mapping[str, Property], item: Any) -> Test:
    if not isinstance(item, Mapping) or item.get("propertyName") not in known:
        raise HubSpotError(400, "There was a problem with the request: a filter names no property of this object")
    field, operator = known[item["propertyName"]], item.get("operator")
    if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        return lambda record: bool(_held(record, field)) is (operator == "HAS_PROPERTY")
    if operator in ("IN", "NOT_IN"):
        values = [_comparable(field, value) for value in _texts(item.get("values"))]
        return lambda record: (_comparable(field, _held(record, field)) in values) is (operator == "IN")
    (value,) = (_comparable(field, text) for text in _texts([item.get("value")]))
    if operator == "BETWEEN":
        (high,) = (_comparable(field, text) for text in _texts([item.get("highValue")]))
        return lambda record: bool(held := _held(record, field)) and value <= _comparable(field, held) <= high
    if operator not in COMPARISONS:
        raise HubSpotError(400, f"Invalid input JSON: {operator} is no operator")
    return lambda record: _compare(field, operator, _held(record, field), value)


def _compare(field: Property, operator: str, held: str, value: Any) -> bool:
    """A record without the value is found by a negative operator only."""
    if not held:
        return operator in ("NEQ", "NOT_CONTAINS_TOKEN")
    return COMPARISONS[operator](_comparable(field, held), value)


def _held(record: Record, field: Property) -> str:
    return all_properties(record).get(field.name, "")


def _texts(values: object) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise HubSpotError(400, "Invalid input JSON: a filter's values must be texts")
    return values


def _comparable(field: Property, value: str) -> Any:
    """The value in its natural order; texts compare without case."""
    try:
        if field.type == "datetime":
            return read_instant(value) if value else LONG_AGO
        return float(value or 0) if field.type == "number" else value.lower()
    except ValueError as error:
        raise HubSpotError(400, f"A filter's value does not fit {field.name}.") from error


def _sort(found: list[Record], known: Mapping[str, Property], sort: Any) -> list[Record]:
    """`name`, `-name`, or the older `{propertyName, direction}`."""
    name, is_falling = str(sort).removeprefix("-"), str(sort).startswith("-")
    if isinstance(sort, Mapping):
        name, is_falling = str(sort.get("propertyName")), sort.get("direction") == "DESCENDING"
    if name not in known:
        raise HubSpotError(400, f"There is no property {name} to sort by.")
    return sorted(found, key=lambda record: all_properties(record).get(name, ""), reverse=is_falling)
