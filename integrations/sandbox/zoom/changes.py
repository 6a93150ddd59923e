"""What can happen to meetings and registrants, and the webhooks that Zoom sends of it."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from integrations.sandbox.clock import utc_now
from integrations.sandbox.runtime import get_sender
from integrations.sandbox.zoom.answers import (
    DAILY_LIMIT,
    NO_REGISTRATION,
    NO_USER,
    VALIDATION,
    ZoomError,
    host_id,
    no_meeting,
    show_brief,
    show_registrant,
)
from integrations.sandbox.zoom.inputs import DEFAULT_SETTINGS
from integrations.sandbox.zoom.records import ACCOUNT_ID, HOST_DOMAIN, HOST_EMAIL, HOST_ID, Meeting, Registrant, State

WRITES_PER_DAY = 100


def find_host(user_id: str) -> str:
    """The e-mail address of `me`, of the host's id, or of a colleague. Raises ZoomError (1001)."""
    if user_id in ("me", HOST_ID):
        return HOST_EMAIL
    if user_id.lower().endswith(HOST_DOMAIN):
        return user_id.lower()
    raise ZoomError(404, NO_USER, f"User does not exist: {user_id}.")


def find_meeting(state: State, meeting_id: str) -> Meeting:
    meeting = state.meetings.get(meeting_id.replace(" ", ""))
    if meeting is None or meeting.deleted_at is not None:
        raise no_meeting(meeting_id)
    return meeting


def count_write(state: State, host: str) -> None:
    """Creates and updates together, per host and UTC day. Raises ZoomError (429), which no waiting of seconds cures."""
    day = f"{host} {utc_now():%Y-%m-%d}"
    if state.writes.get(day, 0) >= WRITES_PER_DAY:
        raise ZoomError(429, 429, DAILY_LIMIT)
    state.writes[day] = state.writes.get(day, 0) + 1


def create_meeting(state: State, host: str, fields: Mapping[str, Any]) -> Meeting:
    count_write(state, host)
    meeting = Meeting(
        80_000_000_000 + secrets.randbelow(10**10),
        secrets.token_urlsafe(16),
        host,
        utc_now(),
        **{"password": secrets.token_hex(3), **fields, "settings": {**DEFAULT_SETTINGS, **fields.get("settings", {})}},
    )
    state.meetings[str(meeting.id)] = meeting
    return meeting


def update_meeting(state: State, meeting: Meeting, fields: Mapping[str, Any]) -> Meeting:
    """A start in the past is left out without a word, as the specification says."""
    changed = dict(fields)
    if (start := changed.get("start_time")) and start < utc_now():
        del changed["start_time"]
    changed["settings"] = {**meeting.settings, **fields.get("settings", {})}
    meeting = replace(meeting, **changed)
    state.meetings[str(meeting.id)] = meeting
    return meeting


def delete_meeting(state: State, meeting: Meeting) -> None:
    state.meetings[str(meeting.id)] = replace(meeting, deleted_at=utc_now())


def add_registrant(
    state: State, meeting: Meeting, email: str, first_name: str, details: Mapping[str, Any]
) -> tuple[Registrant, bool]:
    """The registrant, and whether it is new: the same address again is the same registrant. Raises ZoomError."""
    if not meeting.has_registration:
        raise ZoomError(404, NO_REGISTRATION, f"Registration has not been enabled for this meeting: {meeting.id}.")
    for known in state.registrants_of(meeting.id):
        if known.email.lower() == email.lower():
            return known, False
    status = "pending" if meeting.settings["approval_type"] == 1 else "approved"
    registrant = Registrant(secrets.token_urlsafe(16), meeting.id, email, first_name, utc_now(), status, dict(details))
    state.registrants[registrant.id] = registrant
    return registrant, True


def find_registrant(state: State, meeting: Meeting, registrant_id: str) -> Registrant:
    registrant = state.registrants.get(registrant_id)
    if registrant is None or registrant.meeting_id != meeting.id:
        raise ZoomError(400, VALIDATION, f"The value that you entered for the registrant is invalid: {registrant_id}.")
    return registrant


def announce(
    event: str, meeting: Meeting, *, registrant: Registrant | None = None, before: Meeting | None = None
) -> None:
    """Send the webhook; to be called when the change is kept."""
    shown = show_brief(meeting)
    if registrant is not None:
        shown["registrant"] = show_registrant(registrant)
    payload: dict[str, Any] = {
        "account_id": ACCOUNT_ID,
        "operator": meeting.host,
        "operator_id": host_id(meeting.host),
        "object": shown,
    }
    if before is not None:
        old, new = show_brief(before), show_brief(meeting)
        payload["old_object"] = {name: old.get(name) for name in ("id", "uuid", *_changed(old, new))}
        payload["object"] = {name: new.get(name) for name in ("id", "uuid", *_changed(old, new))}
        payload["time_stamp"] = milliseconds(utc_now())
    body = {"event": event, "event_ts": milliseconds(utc_now()), "payload": payload}
    get_sender("zoom").send(body, subject=f"{event} {meeting.id}")


def milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [name for name in new if old.get(name) != new[name]]
