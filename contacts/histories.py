"""The history rows of what contacts hold: whose they are, what they tell, and forgetting them."""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Model, QuerySet

from integrations.privacy.encryption import show_unreadable

# What says nothing about a person.
UNTOLD = frozenset({"id", "provenance", "created_at", "updated_at", "pushed_hash"})
CHANGES = {"+": "created", "~": "changed", "-": "deleted"}


def history_of(model: type[Model]) -> QuerySet[Any]:
    history: Any = model.history.model  # type: ignore[attr-defined]
    rows: QuerySet[Any] = history._default_manager.order_by("history_id")
    return rows


def list_held_ids(model: type[Model], family: Collection[UUID]) -> set[Any]:
    """Ids of the rows that these contacts hold, and of those that they held when they were deleted.

    While contacts were merged the winner held what is the loser's again: the last holder counts.
    """
    history = history_of(model)
    held = history.filter(contact__in=family).values("id")
    latest = history.filter(id__in=held).order_by("id", "-history_id").distinct("id")
    return {row_id for row_id, holder in latest.values_list("id", "contact_id") if holder in family}


def list_deliveries(*changed: tuple[type[Model], Collection[Any]]) -> set[UUID]:
    """Those that led to a change of these rows: models with the ids of theirs."""
    found = [find_history(*rows).filter(delivery_id__isnull=False).order_by() for rows in changed]
    first, *others = [rows.values_list("delivery_id", flat=True) for rows in found]
    return set(first.union(*others).order_by())


def find_history(model: type[Model], ids: Collection[Any]) -> QuerySet[Any]:
    return history_of(model).filter(id__in=ids)


def delete_history(model: type[Model], ids: Collection[Any]) -> None:
    find_history(model, ids).delete()


# --- Telling ----------------------------------------------------------------------------------------------------------


@show_unreadable()
def tell_changes(model: type[Model], ids: Collection[Any]) -> list[dict[str, Any]]:
    """Every change of these rows, oldest first: `{"at", "what", "id", "change", "by", "delivery", "fields"}`."""
    rows = history_of(model).filter(id__in=ids).select_related("history_user").order_by("id", "history_id")
    told = list(tell_each(str(model._meta.verbose_name), rows))
    return sorted(told, key=lambda change: str(change["at"]))


def tell_each(what: str, rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for row, fields in compare_each(rows):
        yield {
            "at": show(row.history_date),
            "what": what,
            "id": str(row.id),
            "change": CHANGES[row.history_type],
            "by": row.history_user.get_username() if row.history_user else None,
            "delivery": show(row.delivery_id),
            "fields": fields,
        }


def compare_each(rows: Iterable[Any]) -> Iterator[tuple[Any, dict[str, dict[str, Any]]]]:
    """Each history row, oldest first of its record, with what it changed: field → old and new, as JSON."""
    before: dict[Any, dict[str, Any]] = {}
    for row in rows:
        values = {name: show(value) for name, value in read_values(row).items()}
        yield row, {} if row.history_type == "-" else compare(before.get(row.id, {}), values)
        before[row.id] = values


def read_values(row: Any) -> dict[str, Any]:
    """Field → value, of those that are recorded."""
    return {field.name: getattr(row, field.attname) for field in row.tracked_fields if field.name not in UNTOLD}


def compare(old: dict[str, Any], new: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What differs; of a new row all that is not empty."""
    return {
        name: {"old": old.get(name), "new": value}
        for name, value in new.items()
        if value != old.get(name) and (old or value not in ("", None, [], {}))
    }


def show(value: Any) -> Any:
    """As JSON. Instants are ISO 8601 in UTC with Z."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case None | bool() | int() | float() | str() | list() | dict():
            return value
    return str(value)
