"""The sandbox as the rehearsal uses it: its customers' pages, what each provider holds, and the knobs of its faults."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

from integrations import http
from integrations.exceptions import KeepsyncError, PermanentError

NAME = "The sandbox"
SLOT = re.compile(r'name="slot" id="[^"]*" value="([^"]+)"')
# https://docs.stripe.com/testing: a card that is always declined.
DECLINED_CARD = "4000 0000 0000 0002"

type Record = dict[str, Any]


class NotASandboxError(KeepsyncError):
    """The address leads to something else."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Who books. `answers` are those of the booking form, by their keys."""

    full_name: str
    email: str
    company: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)


# --- Requests ---------------------------------------------------------------------------------------------------------


def send(method: str, url: str, **arguments: Any) -> requests.Response:
    """Any answer. Raises OutageError where there is none."""
    return http.send(method, url, provider=NAME, **arguments)


def expect(response: requests.Response, *statuses: int) -> requests.Response:
    """Raises PermanentError for another status than these."""
    if response.status_code not in statuses:
        raise PermanentError(f"{NAME} answers {response.status_code}, where {statuses[0]} was expected.")
    return response


@dataclass(frozen=True, slots=True)
class Played:
    """One provider of the sandbox; `url` is where it is played, without a slash at the end."""

    url: str

    def read(self) -> Record:
        """Its records by kind. Raises NotASandboxError where nobody is played there."""
        response = send("GET", f"{self.url}/_sandbox/state")
        state = http.read_error(response)
        if response.status_code != 200 or not isinstance(state, dict) or not isinstance(state.get("records"), dict):
            raise NotASandboxError(f"{self.url} is no sandbox.")
        records: Record = state["records"]
        return records

    def read_knobs(self) -> Record:
        knobs: Record = expect(send("GET", f"{self.url}/_sandbox/knobs"), 200).json()
        return knobs

    def turn(self, knobs: Mapping[str, Any]) -> None:
        """All knobs at once: what is left out is off."""
        expect(send("PUT", f"{self.url}/_sandbox/knobs", json=dict(knobs)), 200)

    @contextmanager
    def turned(self, **knobs: Any) -> Iterator[None]:
        """These knobs until the block ends, then those that there were."""
        before = self.read_knobs()
        self.turn(knobs)
        try:
            yield
        finally:
            self.turn(before)


# --- A customer of calendar.live --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Customer:
    """What a customer does in the browser. `origin` is the sandbox's address."""

    origin: str

    @property
    def calendar(self) -> Played:
        return Played(f"{self.origin}/calendar-live")

    def list_slots(self, slug: str) -> list[str]:
        """Starts that can be booked and where nobody is booked yet, in order."""
        page = expect(send("GET", f"{self.origin}/book/{slug}/"), 200).text
        taken = {event["start"] for event in self.calendar.read()["events"] if event["status"] != "cancelled"}
        return [slot for slot in SLOT.findall(page) if format_instant(datetime.fromisoformat(slot)) not in taken]

    def book(self, slug: str, slot: str, guest: Guest) -> str:
        """The page that follows: the booking's, or that of its payment. PermanentError where the slot is taken."""
        fields = {"slot": slot, "full_name": guest.full_name, "email": guest.email, "company": guest.company}
        answer = expect(send("POST", f"{self.origin}/book/{slug}/", data={**fields, **guest.answers}), 302)
        return answer.headers["Location"]

    def find_event(self, guest: Guest) -> Record:
        """The newest event that the guest attends."""
        for event in reversed(self.calendar.read()["events"]):
            if any(attendee["email"] == guest.email for attendee in event["attendees"]):
                found: Record = event
                return found
        raise PermanentError("calendar.live has no event for the booking.")

    def read_event(self, event_id: str) -> Record:
        return next(event for event in self.calendar.read()["events"] if event["id"] == event_id)

    def reschedule(self, event_id: str, slot: str) -> None:
        expect(send("POST", f"{self.origin}/bookings/{event_id}/reschedule/", data={"slot": slot}), 302)

    def cancel(self, event_id: str, attendee_id: str = "") -> None:
        """Of a group, only the attendee's place where one is named."""
        params = {"attendee": attendee_id} if attendee_id else {}
        expect(send("POST", f"{self.origin}/bookings/{event_id}/cancel/", params=params), 302)

    def pay(self, checkout_url: str) -> None:
        expect(send("POST", checkout_url, data={"action": "pay", "number": "4242 4242 4242 4242"}), 302)

    def try_declined_card(self, checkout_url: str) -> None:
        expect(send("POST", checkout_url, data={"action": "pay", "number": DECLINED_CARD}), 402)

    def let_expire(self, checkout_url: str) -> None:
        """The checkout's time is over."""
        expect(send("POST", checkout_url, data={"action": "expire"}), 302)

    # --- calendar.live's own delivery log

    def list_deliveries(self, event_id: str) -> list[Record]:
        """The webhooks about an event, oldest first."""
        return [row for row in self.calendar.read()["deliveries"] if row["event_id"] == event_id]

    def redeliver(self, delivery_id: str) -> None:
        expect(send("POST", f"{self.origin}/calendar-live/deliveries/{delivery_id}/redeliver/"), 302)


def format_instant(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
