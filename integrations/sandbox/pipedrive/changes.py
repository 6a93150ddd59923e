"""What can happen to persons and activities, and the webhooks that Pipedrive sends of it."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from integrations.sandbox.clock import utc_now
from integrations.sandbox.pipedrive.answers import PipedriveError, invalid, missing
from integrations.sandbox.pipedrive.inputs import ACTIVITY, PERSON, read_body
from integrations.sandbox.pipedrive.records import (
    COMPANY_ID,
    USER_ID,
    Record,
    State,
    format_instant,
    get_store,
    show_record,
)
from integrations.sandbox.runtime import get_sender
from integrations.sandbox.staff import APP, Actor

DEFAULTS: dict[str, dict[str, Any]] = {
    "person": {"emails": [], "phones": [], "visible_to": 3, "label_ids": [], "custom_fields": {}},
    "activity": {"type": "task", "busy": False, "done": False, "participants": []},
}
WAYS = ("emails", "phones")


class Change:
    """One change of the state, and who makes it."""

    def __init__(self, state: State, *, by: Actor = APP) -> None:
        self.state = state
        self.now = utc_now()
        self.webhooks: list[dict[str, Any]] = []
        self._by = by

    def get(self, entity: str, record_id: int, *, with_deleted: bool = False) -> Record:
        """Raises PipedriveError (404)."""
        record = self.state.records_of(entity).get(str(record_id))
        if record is None or (record.is_deleted and not with_deleted):
            raise missing(entity)
        return record

    def create(self, entity: str, body: Mapping[str, Any]) -> Record:
        """Raises PipedriveError (400)."""
        values = self._read(entity, body)
        if entity == "person" and "name" not in values:
            raise invalid("name: is required")
        if entity == "activity":
            values.setdefault("subject", str(values.get("type", "task")).capitalize())
        self.state.last_id += 1
        record = Record(self.state.last_id, entity, {}, self.now, self.now)
        record = self._store(record, {**DEFAULTS[entity], **self._name_user(entity), **values})
        self._announce("create", record, show_record(record), None)
        return record

    def update(self, record: Record, body: Mapping[str, Any], **meta: Any) -> Record:
        """Raises PipedriveError (400). Custom fields that are not sent stay."""
        values = self._read(record.entity, body)
        if "custom_fields" in values:
            values["custom_fields"] = {**record.values["custom_fields"], **values["custom_fields"]}
        stored = self._store(replace(record, updated_at=self.now), values)
        before, after = show_record(record), show_record(stored)
        previous = {name: before.get(name) for name in after if before.get(name) != after[name]}
        if set(previous) - {"update_time"} or meta:
            self._announce("change", stored, after, previous, **meta)
        return stored

    def delete(self, record: Record, **meta: Any) -> None:
        self._put(replace(record, is_deleted=True, updated_at=self.now))
        self._announce("delete", record, None, show_record(record), **meta)

    def merge(self, loser: Record, survivor: Record) -> Record:
        """The survivor wins, and is completed by the other; activities move. Cannot be undone."""
        if loser.id == survivor.id:
            raise PipedriveError(400, "Cannot merge a person with itself")
        given = {name: value for name, value in loser.values.items() if not survivor.values.get(name)}
        given |= {name: _unite(survivor.values[name], loser.values[name]) for name in WAYS}
        given["custom_fields"] = {
            **loser.values["custom_fields"],
            **{code: value for code, value in survivor.values["custom_fields"].items() if value is not None},
        }
        self._move_activities(loser.id, survivor.id)
        self.delete(loser, merged_to_id=str(survivor.id))
        gone = self.state.persons[str(loser.id)]
        self._put(replace(gone, merged_into=survivor.id))
        body = {name: value for name, value in given.items() if name in PERSON}
        return self.update(survivor, body, merged_from_id=str(loser.id))

    def _name_user(self, entity: str) -> dict[str, int]:
        """Whose a record is where nobody else is named."""
        user_id = USER_ID + self._by.number
        return {"owner_id": user_id, **({"creator_user_id": user_id} if entity == "activity" else {})}

    def _read(self, entity: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return read_body(self.state, body, PERSON if entity == "person" else ACTIVITY)

    def _store(self, record: Record, values: Mapping[str, Any]) -> Record:
        kept = {name: value for name, value in {**record.values, **values}.items() if value is not None}
        if "name" in values:
            first, _, last = values["name"].partition(" ")
            kept |= {"first_name": first, "last_name": last}
        if "participants" in values:
            kept.pop("person_id", None)
            if primary := [item["person_id"] for item in values["participants"] if item["primary"]]:
                kept["person_id"] = primary[0]
        return self._put(replace(record, values=kept))

    def _put(self, record: Record) -> Record:
        self.state.records_of(record.entity)[str(record.id)] = record
        return record

    def _move_activities(self, old_id: int, new_id: int) -> None:
        for activity in self.state.live("activity"):
            ids = {item["person_id"]: item["primary"] for item in activity.values["participants"]}
            if old_id in ids:
                is_primary = ids.pop(old_id) or ids.get(new_id, False)
                ids[new_id] = is_primary
                moved = [{"person_id": person, "primary": primary} for person, primary in ids.items()]
                self.update(activity, {"participants": moved})

    def _announce(
        self, action: str, record: Record, data: dict[str, Any] | None, previous: dict[str, Any] | None, **meta: Any
    ) -> None:
        """https://pipedrive.readme.io/docs/guide-for-webhooks-v2"""
        self.webhooks.append(
            {
                "data": data,
                "previous": previous,
                "meta": {
                    "action": action,
                    "entity": record.entity,
                    "entity_id": str(record.id),
                    "company_id": str(COMPANY_ID),
                    "user_id": str(USER_ID + self._by.number),
                    "id": secrets.token_hex(16),
                    "correlation_id": secrets.token_hex(16),
                    "timestamp": format_instant(self.now),
                    "type": "general",
                    "version": "2.0",
                    "webhook_id": "1",
                    "webhook_owner_id": str(USER_ID),
                    "change_source": "app" if self._by.is_person else "api",
                    "is_bulk_edit": False,
                    "permitted_user_ids": ["*"],
                    "attempt": 1,
                    **meta,
                },
            }
        )


@contextmanager
def changing(by: Actor = APP) -> Iterator[Change]:
    """A change that is kept as a whole or not at all; its webhooks, one for each record, go out once it is kept."""
    with get_store().change() as state:
        change = Change(state, by=by)
        yield change
    for body in change.webhooks:
        meta = body["meta"]
        get_sender("pipedrive").send(body, subject=f"{meta['action']}.{meta['entity']} {meta['entity_id']}")


def _unite(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = {way["value"].lower() for way in ours}
    return [
        *ours,
        *({**way, "primary": not ours and way["primary"]} for way in theirs if way["value"].lower() not in known),
    ]
