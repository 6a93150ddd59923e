"""What Zoom holds: meetings and registrants."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from integrations.sandbox.runtime import get_state_file
from integrations.sandbox.store import Store, show_state

ACCOUNT_ID = "sandbox-account"
HOST_ID, HOST_EMAIL = "KdcuGIm1QgePTO8WbOqwIQ", "host@acme.example"
HOST_DOMAIN = "@acme.example"


@dataclass(frozen=True)
class Meeting:
    """`start_time` is UTC, None for a meeting without one; a deleted one is kept to be shown, and found by nobody."""

    id: int
    uuid: str
    host: str
    created_at: datetime
    topic: str = "Zoom Meeting"
    type: int = 2
    start_time: datetime | None = None
    duration: int = 60
    timezone: str = "UTC"
    agenda: str = ""
    password: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    recurrence: dict[str, Any] | None = None
    tracking_fields: list[Any] = field(default_factory=list)
    status: str = "waiting"
    deleted_at: datetime | None = None

    @property
    def join_url(self) -> str:
        return f"https://zoom.example/j/{self.id}"

    @property
    def has_registration(self) -> bool:
        return self.settings.get("approval_type") in (0, 1)


@dataclass(frozen=True)
class Registrant:
    id: str
    meeting_id: int
    email: str
    first_name: str
    created_at: datetime
    status: str = "approved"
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def join_url(self) -> str:
        return f"https://zoom.example/w/{self.meeting_id}?tk={self.id}"


@dataclass
class State:
    """`writes` counts creates and updates by host and UTC day, for the daily limit."""

    meetings: dict[str, Meeting] = field(default_factory=dict)
    registrants: dict[str, Registrant] = field(default_factory=dict)
    writes: dict[str, int] = field(default_factory=dict)

    def live_meetings(self, host: str) -> list[Meeting]:
        return [item for item in self.meetings.values() if item.host == host and item.deleted_at is None]

    def registrants_of(self, meeting_id: int) -> list[Registrant]:
        return [item for item in self.registrants.values() if item.meeting_id == meeting_id]


@cache
def get_store() -> Store[State]:
    return Store(State, "zoom", get_state_file())


def show_records() -> dict[str, Any]:
    return show_state(get_store().read())
