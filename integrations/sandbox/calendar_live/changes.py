"""What the API can do to events and holds, from parsed inputs."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from integrations.sandbox.calendar_live.catalog import CALENDARS
from integrations.sandbox.calendar_live.events import (
    add_event,
    attendee_id,
    change_event,
    new_event_id,
    new_uid,
    require_free,
    require_room,
)
from integrations.sandbox.calendar_live.exceptions import InvalidInputError, VersionMismatchError
from integrations.sandbox.calendar_live.inputs import require_fields, require_order
from integrations.sandbox.calendar_live.records import Attendee, Event, Hold
from integrations.sandbox.calendar_live.schedule import Interval
from integrations.sandbox.calendar_live.world import Moment


def create_event(moment: Moment, values: Mapping[str, Any]) -> Event:
    """A new event from a parsed EventInput. Raises InvalidInputError, SlotTakenError."""
    require_fields(values, "calendar_id", "title", "start", "end")
    require_order(values["start"], values["end"])
    fields: dict[str, Any] = {"timezone": CALENDARS[values["calendar_id"]].timezone, **values}
    hold_id = fields.pop("hold_id", None)
    fields["attendees"] = _merge_attendees(moment, values.get("attendees", ()), known=())
    event = Event(
        id=new_event_id(),
        uid=new_uid(),
        source="api",
        created_at=moment.second,
        updated_at=moment.second,
        **fields,
    )
    _require_room(moment, event, hold_id)
    return add_event(moment, event)


def update_event(moment: Moment, event: Event, values: Mapping[str, Any], *, based_on: str) -> Event:
    """Change the fields that a parsed EventInput carries; `based_on` is the If-Match header.

    A hold that ran out protects nothing any more; free/busy decides.
    Raises VersionMismatchError, InvalidInputError, SlotTakenError.
    """
    if based_on.strip() != f'"{event.version}"':
        raise VersionMismatchError(event)
    if event.status == "cancelled":
        raise InvalidInputError("The event is cancelled.", field="status")
    fields = dict(values)
    hold_id = fields.pop("hold_id", None)
    if "attendees" in fields:
        fields["attendees"] = _merge_attendees(moment, fields["attendees"], known=event.attendees)
    wanted = replace(event, **fields)
    require_order(wanted.start, wanted.end)
    if not {"calendar_id", "start", "end", "timezone", "recurrence"}.isdisjoint(fields):
        _require_room(moment, wanted, hold_id)
    return change_event(moment, event, **fields)


def hold_slot(moment: Moment, values: Mapping[str, Any]) -> Hold:
    """Hold a slot until it is confirmed by an event or expires. Raises SlotTakenError."""
    _forget_expired_holds(moment)
    require_free(moment, values["calendar_id"], [Interval(values["start"], values["end"])])
    hold = Hold(
        id=f"hold_{secrets.token_hex(6)}",
        calendar_id=values["calendar_id"],
        start=values["start"],
        end=values["end"],
        expires_at=moment.second + timedelta(seconds=values["ttl_seconds"]),
    )
    moment.state.holds[hold.id] = hold
    return hold


def release_hold(moment: Moment, hold_id: str) -> None:
    moment.state.holds.pop(hold_id, None)


def _require_room(moment: Moment, event: Event, hold_id: str | None) -> None:
    require_room(moment, event, ignoring={hold_id} if hold_id else ())
    if hold_id:
        release_hold(moment, hold_id)


def _merge_attendees(
    moment: Moment, sent: Sequence[Mapping[str, str | None]], *, known: Sequence[Attendee]
) -> tuple[Attendee, ...]:
    """The attendees sent, each once; what is known of one (response, consent) stays where nothing new was sent."""
    known_by_id = {attendee.id: attendee for attendee in known}
    merged: dict[str, Attendee] = {}
    for item in sent:
        person_id = attendee_id(moment, item["email"] or "")
        person = known_by_id.get(person_id) or Attendee(person_id, item["email"] or "")
        merged[person_id] = replace(person, **item)  # type: ignore[arg-type]  # the keys are fields that hold texts
    return tuple(merged.values())


def _forget_expired_holds(moment: Moment) -> None:
    for hold in [hold for hold in moment.state.holds.values() if hold.expires_at <= moment.now]:
        del moment.state.holds[hold.id]
