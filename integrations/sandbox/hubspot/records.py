"""What HubSpot holds. Records are frozen: a change replaces one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from integrations.sandbox.hubspot.catalog import STANDARD, Property
from integrations.sandbox.persistence import encode
from integrations.sandbox.runtime import get_state_file
from integrations.sandbox.store import Store


@dataclass(frozen=True)
class Record:
    """A contact or a meeting. One that was merged away keeps the id of the record that it is part of."""

    id: str
    kind: str
    properties: dict[str, str]
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None
    merged_into: str | None = None

    @property
    def is_live(self) -> bool:
        return self.archived_at is None and self.merged_into is None


@dataclass(frozen=True)
class Association:
    """One direction; the other one is a record of its own."""

    from_kind: str
    from_id: str
    to_kind: str
    to_id: str
    type_id: int


@dataclass
class State:
    records: dict[str, Record] = field(default_factory=dict)
    associations: dict[str, Association] = field(default_factory=dict)
    custom_properties: dict[str, Property] = field(default_factory=dict)
    last_id: int = 100
    last_event_id: int = 0

    def properties_of(self, kind: str) -> Mapping[str, Property]:
        """All properties of a kind of record, by name."""
        custom = {item.name: item for item in self.custom_properties.values() if item.kind == kind}
        return {**STANDARD[kind], **custom}

    def live(self, kind: str) -> list[Record]:
        return [record for record in self.records.values() if record.kind == kind and record.is_live]

    def resolve(self, record_id: str) -> Record | None:
        """The record of that id, or the one that it was merged into."""
        record = self.records.get(record_id)
        while record is not None and record.merged_into:
            record = self.records.get(record.merged_into)
        return record

    def linked(self, record_id: str, kind: str) -> list[Association]:
        return [item for item in self.associations.values() if item.from_id == record_id and item.to_kind == kind]


@cache
def get_store() -> Store[State]:
    return Store(State, "hubspot", get_state_file())


def show_records() -> dict[str, Any]:
    """All records as JSON values, for `_sandbox/state`."""
    state = get_store().read()
    kinds = {kind: [encode(item) for item in state.records.values() if item.kind == kind] for kind in STANDARD}
    return {
        **kinds,
        "associations": [encode(item) for item in state.associations.values()],
        "custom_properties": [encode(item) for item in state.custom_properties.values()],
    }
