"""What was said in the workspace."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from integrations.sandbox.runtime import get_state_file
from integrations.sandbox.store import Store, show_state

TEAM, TEAM_ID, USER, USER_ID, BOT_ID = "Acme", "T0ACME0001", "keepsync", "U0KEEPSYNC", "B0KEEPSYNC"
APP_ID = "A0KEEPSYNC"


@dataclass(frozen=True)
class Message:
    """`channel` is an id for the API, and the webhook's own path for an incoming webhook."""

    ts: str
    channel: str
    text: str
    sent_at: datetime
    blocks: list[Any] = field(default_factory=list)
    attachments: list[Any] = field(default_factory=list)
    thread_ts: str = ""
    channel_name: str = ""
    is_from_webhook: bool = False


@dataclass
class State:
    messages: dict[str, Message] = field(default_factory=dict)


@cache
def get_store() -> Store[State]:
    return Store(State, "slack", get_state_file())


def show_records() -> dict[str, Any]:
    return show_state(get_store().read())


def new_ts(state: State, at: datetime) -> str:
    """A timestamp that no message has: Slack's id of a message within its channel."""
    microseconds = int(at.timestamp() * 1_000_000)
    while (ts := f"{microseconds // 1_000_000:010d}.{microseconds % 1_000_000:06d}") in state.messages:
        microseconds += 1
    return ts
