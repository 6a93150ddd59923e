"""What Pipedrive holds. Records are frozen: a change replaces one; a deleted one can still be read by its id."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from integrations.sandbox.persistence import encode
from integrations.sandbox.runtime import get_state_file
from integrations.sandbox.store import Store

COMPANY_ID, USER_ID = 77, 1


@dataclass(frozen=True)
class Record:
    """A person or an activity; `values` are the fields as the API shows them."""

    id: int
    entity: str
    values: dict[str, Any]
    added_at: datetime
    updated_at: datetime
    is_deleted: bool = False
    merged_into: int | None = None


@dataclass(frozen=True)
class CustomField:
    """Of a person; the API knows it by its code of 40 characters. `options` are labels by their ids."""

    code: str
    name: str
    type: str
    options: dict[str, str] = field(default_factory=dict)


@dataclass
class State:
    persons: dict[str, Record] = field(default_factory=dict)
    activities: dict[str, Record] = field(default_factory=dict)
    person_fields: dict[str, CustomField] = field(default_factory=dict)
    last_id: int = 0
    has_marketing: bool = True

    def records_of(self, entity: str) -> dict[str, Record]:
        return self.persons if entity == "person" else self.activities

    def live(self, entity: str) -> list[Record]:
        return [record for record in self.records_of(entity).values() if not record.is_deleted]


@cache
def get_store() -> Store[State]:
    return Store(State, "pipedrive", get_state_file())


def format_instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def show_record(record: Record) -> dict[str, Any]:
    """As API v2 shows it."""
    return {
        "id": record.id,
        **record.values,
        "add_time": format_instant(record.added_at),
        "update_time": format_instant(record.updated_at),
        "is_deleted": record.is_deleted,
    }


def show_records() -> dict[str, Any]:
    state = get_store().read()
    return {
        "persons": [show_record(record) for record in state.persons.values()],
        "activities": [show_record(record) for record in state.activities.values()],
        "person_fields": [encode(item) for item in state.person_fields.values()],
    }
