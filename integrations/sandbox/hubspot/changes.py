"""What can happen to records: create, update, archive, merge, associate; and the webhooks that HubSpot sends of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from integrations.sandbox.clock import utc_now
from integrations.sandbox.hubspot.answers import HubSpotError, missing
from integrations.sandbox.hubspot.catalog import (
    ASSOCIATION_TYPES,
    MERGED_IDS,
    MORE_EMAILS,
    OBJECT_TYPE_IDS,
    Property,
)
from integrations.sandbox.hubspot.owners import user_id
from integrations.sandbox.hubspot.records import Association, Record, State, get_store
from integrations.sandbox.runtime import get_sender
from integrations.sandbox.staff import APP, Actor

PORTAL_ID, APP_ID = 62515, 5
EVENTS_PER_WEBHOOK = 100
SUBSCRIPTIONS = (
    "creation",
    "propertyChange",
    "deletion",
    "merge",
    "associationChange",
    "privacyDeletion",
)


class Change:
    """One change of the state, and who makes it."""

    def __init__(self, state: State, *, by: Actor = APP) -> None:
        self.state = state
        self.now: datetime = utc_now()
        self.events: list[dict[str, Any]] = []
        self._by = by
        self._indexes: dict[tuple[str, str], dict[str, str]] = {}

    # --- Finding ------------------------------------------------------------------------------------------------------

    def find(self, kind: str, value: str, id_property: str | None = None) -> Record | None:
        """The live record by its id, also one that was merged into it, or by a unique property."""
        if id_property in (None, "", "hs_object_id"):
            record = self.state.resolve(value)
        else:
            self._require_unique(kind, id_property)
            record = self.state.records.get(self._index(kind, id_property).get(value.strip().lower(), ""))
        return record if record and record.kind == kind and record.is_live else None

    def get(self, kind: str, value: str, id_property: str | None = None) -> Record:
        record = self.find(kind, value, id_property)
        if record is None:
            raise missing(value)
        return record

    def _require_unique(self, kind: str, name: str) -> None:
        item = self.state.properties_of(kind).get(name)
        if item is None or not item.is_unique:
            raise HubSpotError(400, f"Property '{name}' is not a unique property of {kind}; idProperty needs one.")

    def _index(self, kind: str, name: str) -> dict[str, str]:
        if (kind, name) not in self._indexes:
            made: dict[str, str] = {}
            for record in self.state.live(kind):
                made |= dict.fromkeys(_keys(record, name), record.id)
            self._indexes[kind, name] = made
        return self._indexes[kind, name]

    # --- Writing ------------------------------------------------------------------------------------------------------

    def create(self, kind: str, properties: Mapping[str, str]) -> Record:
        """Raises HubSpotError (409) where a unique value is another record's, 400 for a meeting without its time."""
        if kind == "meetings" and not properties.get("hs_timestamp"):
            raise HubSpotError(400, "Property values were not valid: hs_timestamp is required to create a meeting")
        self._require_free(kind, properties, None)
        record = Record(self._new_id(), kind, {}, self.now, self.now)
        self._announce(record, "creation", changeFlag="NEW")
        return self._store(record, properties)

    def update(self, record: Record, properties: Mapping[str, str]) -> Record:
        """Raises HubSpotError (409) where a unique value is another record's."""
        self._require_free(record.kind, properties, record.id)
        return self._store(replace(record, updated_at=self.now), properties)

    def archive(self, record: Record, *, is_erased: bool = False) -> None:
        self._put(replace(record, archived_at=self.now, properties={} if is_erased else record.properties))
        for key in [key for key, item in self.state.associations.items() if record.id in (item.from_id, item.to_id)]:
            del self.state.associations[key]
        self._announce(record, "privacyDeletion" if is_erased else "deletion", changeFlag="DELETED")

    def merge(self, primary: Record, other: Record) -> Record:
        """One record with an id of its own: the primary's values, completed by the other's. Cannot be undone."""
        if primary.id == other.id:
            raise HubSpotError(400, "A contact cannot be merged with itself.")
        values = {**other.properties, **{name: value for name, value in primary.properties.items() if value}}
        moved = len([name for name in values if not primary.properties.get(name)])
        values |= _merged_lists(primary, other)
        merged = Record(self._new_id(), primary.kind, {}, min(primary.created_at, other.created_at), self.now)
        for gone in (primary, other):
            self._put(replace(gone, merged_into=merged.id))
        self._put(replace(merged, properties=values))
        self._move_associations({primary.id, other.id}, merged.id)
        self._announce(
            merged,
            "merge",
            objectId=int(merged.id),
            primaryObjectId=int(primary.id),
            mergedObjectIds=[int(other.id)],
            newObjectId=int(merged.id),
            numberOfPropertiesMoved=moved,
        )
        return self.state.records[merged.id]

    def associate(self, one: Record, two: Record) -> None:
        if (one.kind, two.kind) not in ASSOCIATION_TYPES:
            raise HubSpotError(400, f"No association type exists between {one.kind} and {two.kind}.")
        for a, b in ((one, two), (two, one)):
            link = Association(a.kind, a.id, b.kind, b.id, ASSOCIATION_TYPES[a.kind, b.kind])
            self.state.associations[f"{a.id}:{b.id}"] = link

    def dissociate(self, one: Record, two: Record) -> None:
        for key in (f"{one.id}:{two.id}", f"{two.id}:{one.id}"):
            self.state.associations.pop(key, None)

    def _require_free(self, kind: str, properties: Mapping[str, str], record_id: str | None) -> None:
        known = self.state.properties_of(kind)
        for name, value in properties.items():
            holder = self._index(kind, name).get(value.strip().lower()) if known[name].is_unique and value else None
            if holder and holder != record_id:
                noun = kind.removesuffix("s").capitalize()
                raise HubSpotError(409, f"{noun} already exists. Existing ID: {holder}")

    def _store(self, record: Record, properties: Mapping[str, str]) -> Record:
        changed = {name: value for name, value in properties.items() if record.properties.get(name, "") != value}
        kept = {name: value for name, value in {**record.properties, **changed}.items() if value}
        stored = self._put(replace(record, properties=kept))
        for name, value in changed.items():
            told = tell_value(self.state.properties_of(record.kind)[name], value)
            self._announce(stored, "propertyChange", propertyName=name, propertyValue=told)
        return stored

    def _put(self, record: Record) -> Record:
        before = self.state.records.get(record.id)
        self.state.records[record.id] = record
        for (kind, name), index in self._indexes.items():
            if kind == record.kind:
                for key in _keys(before, name) if before else ():
                    index.pop(key, None)
                index |= dict.fromkeys(_keys(record, name) if record.is_live else (), record.id)
        return record

    def _move_associations(self, old_ids: set[str], new_id: str) -> None:
        for key, link in list(self.state.associations.items()):
            if old_ids & {link.from_id, link.to_id}:
                del self.state.associations[key]
                ends = [new_id if end in old_ids else end for end in (link.from_id, link.to_id)]
                self.state.associations[":".join(ends)] = replace(link, from_id=ends[0], to_id=ends[1])

    def _new_id(self) -> str:
        self.state.last_id += 1
        return str(self.state.last_id)

    # --- Webhooks -----------------------------------------------------------------------------------------------------

    def _announce(self, record: Record, what: str, **details: Any) -> None:
        """One event, for contacts under their own name, for meetings under the general one."""
        self.state.last_event_id += 1
        prefix = "contact" if record.kind == "contacts" else "object"
        event: dict[str, Any] = {
            "eventId": self.state.last_event_id,
            "subscriptionId": 1000 + SUBSCRIPTIONS.index(what),
            "portalId": PORTAL_ID,
            "appId": APP_ID,
            "occurredAt": round(self.now.timestamp() * 1000),
            "subscriptionType": f"{prefix}.{what}",
            "attemptNumber": 0,
            "objectId": int(record.id),
            "changeSource": "CRM_UI" if self._by.is_person else "INTEGRATION",
            "sourceId": f"userId:{user_id(self._by.number)}" if self._by.is_person else str(APP_ID + self._by.number),
        }
        if prefix == "object":
            event["objectTypeId"] = OBJECT_TYPE_IDS[record.kind]
        self.events.append({**event, **details})


@contextmanager
def changing(by: Actor = APP) -> Iterator[Change]:
    """A change that is kept as a whole or not at all; its events go out once it is kept, in arrays of up to 100."""
    with get_store().change() as state:
        change = Change(state, by=by)
        yield change
    for first in range(0, len(change.events), EVENTS_PER_WEBHOOK):
        events = change.events[first : first + EVENTS_PER_WEBHOOK]
        get_sender("hubspot").send(events, subject=describe_events(events))


def tell_value(item: Property, value: str) -> str:
    """Webhooks tell times in milliseconds since 1970."""
    if item.type != "datetime" or not value:
        return value
    return str(round(datetime.fromisoformat(value).timestamp() * 1000))


def describe_events(events: Sequence[Mapping[str, Any]]) -> str:
    """For example: contact.creation 101 and 4 more."""
    first = f"{events[0]['subscriptionType']} {events[0]['objectId']}"
    return first if len(events) == 1 else f"{first} and {len(events) - 1} more"


def _keys(record: Record, name: str) -> set[str]:
    """The values by which a record is found; a contact also answers to its further addresses."""
    values = [record.properties.get(name, "")]
    if name == "email":
        values += record.properties.get(MORE_EMAILS, "").split(";")
    return {value.strip().lower() for value in values if value.strip()}


def _merged_lists(primary: Record, other: Record) -> dict[str, str]:
    ids = [*primary.properties.get(MERGED_IDS, "").split(";"), *other.properties.get(MERGED_IDS, "").split(";")]
    emails = (_keys(primary, "email") | _keys(other, "email")) - {primary.properties.get("email", "")}
    if not primary.properties.get("email"):
        emails -= {other.properties.get("email", "")}
    return {
        MERGED_IDS: ";".join(filter(None, [*ids, primary.id, other.id])),
        MORE_EMAILS: ";".join(sorted(emails)),
    }
