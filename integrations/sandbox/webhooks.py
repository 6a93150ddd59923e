"""Webhooks of Stripe, HubSpot, Zoom and Pipedrive: one log and one sending thread for each, with retries and faults.

How a provider uses it, after its own change is made and its own lock is given back:

    from integrations.sandbox.runtime import get_sender

    get_sender("zoom").send({"event": "meeting.deleted", ...}, subject="meeting 123")

- `send(body, subject=...)` logs the body (any JSON value) and returns its Delivery at once; the thread signs and posts
  it, and tries again at the provider's times, shortened by SANDBOX_RETRY_FACTOR, until a 2xx comes.
- `deliveries()` is the log for pages and `_sandbox/state`, newest first; `redeliver(id)` posts one again, with the same
  bytes; `clear()` forgets all of them (for `_sandbox/reset`).
- Without SANDBOX_<PROVIDER>_WEBHOOK_URL a delivery is logged as failed and nothing is posted.
- Faults come from the `WebhookKnobs` that the `knobs` callable returns at each send(); see runtime.get_sender().
"""

import json
import logging
import random
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from integrations.sandbox.clock import utc_now
from integrations.sandbox.persistence import StateFile, decode, encode
from integrations.sandbox.posting import Attempt, post
from integrations.sandbox.signing import Endpoint, Scheme

logger = logging.getLogger(__name__)

KEPT = 500
# A delivery that is held back goes out by itself after this time, so that reordering never loses one.
LONGEST_HOLD = timedelta(seconds=5)
# Enough to sort a delivery that was held back right behind the one that it waited for.
JUST_AFTER = timedelta(microseconds=1)
# The thread looks again at least this often, so that a moved system clock can't make it sleep for ever.
LONGEST_WAIT_S = 60.0


class UnknownDeliveryError(LookupError):
    """No delivery has that id (any more)."""


@dataclass(frozen=True)
class WebhookKnobs:
    """Faults of a sender, as probabilities from 0 to 1, drawn for every delivery.

    drop: logged as sent, but never posted. double: posted twice at the same instant. reorder: held back until the next
    delivery is out, or for 5 seconds.
    """

    drop: float = 0.0
    double: float = 0.0
    reorder: float = 0.0


@dataclass(frozen=True)
class Mishap:
    """What the knobs do to one delivery."""

    is_dropped: bool = False
    is_doubled: bool = False
    is_reordered: bool = False


def draw_mishap(knobs: WebhookKnobs, draw: Callable[[], float]) -> Mishap:
    """Three numbers for every delivery, whatever the knobs are, so that a seed gives the same row every time."""
    return Mishap(draw() < knobs.drop, draw() < knobs.double, draw() < knobs.reorder)


@dataclass(frozen=True)
class Delivery:
    """One webhook. `body` is JSON text; `due_at` is the next try, None where none is planned."""

    id: str
    subject: str
    body: str
    created_at: datetime
    status: Literal["pending", "delivered", "failed", "dropped"] = "pending"
    due_at: datetime | None = None
    is_held: bool = False
    copies: int = 1
    tries: int = 0
    attempts: tuple[Attempt, ...] = ()
    note: str = ""


@dataclass
class Log:
    """All deliveries of one provider by id, in order of creation."""

    deliveries: dict[str, Delivery] = field(default_factory=dict)


def no_faults() -> WebhookKnobs:
    return WebhookKnobs()


def draw_fraction() -> float:
    return random.SystemRandom().random()


class WebhookSender:
    """The log of one provider's webhooks, and the thread that posts what is due, one delivery after the other."""

    def __init__(
        self,
        provider: str,
        scheme: Scheme,
        endpoint: Endpoint | None,
        *,
        file: StateFile,
        retry_factor: float = 1.0,
        knobs: Callable[[], WebhookKnobs] = no_faults,
        draw: Callable[[], float] = draw_fraction,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._section = f"{provider}_webhooks"
        self._scheme = scheme
        self._endpoint = endpoint
        self._file = file
        self._retry_factor = retry_factor
        self._knobs = knobs
        self._draw = draw
        self._clock = clock
        saved = file.load(self._section)
        self._log: Log = Log() if saved is None else decode(Log, saved)
        self._condition = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name=f"{provider}-webhooks", daemon=True)

    @property
    def has_endpoint(self) -> bool:
        return self._endpoint is not None

    def start(self) -> None:
        if self._endpoint is not None:
            self._thread.start()

    def stop(self) -> None:
        """Finish the delivery in hand, if any, and end the thread."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def send(self, body: Any, *, subject: str = "") -> Delivery:
        """Log a JSON value and plan its first try; `subject` says to people what it is about."""
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        with self._condition:
            delivery = Delivery(f"whd_{secrets.token_hex(8)}", subject, text, self._clock())
            if self._endpoint is None:
                return self._store(replace(delivery, status="failed", note="no endpoint is configured"))
            return self._store(self._plan(delivery))

    def deliveries(self) -> Sequence[Delivery]:
        """The log, newest first."""
        with self._condition:
            return list(reversed(self._log.deliveries.values()))

    def redeliver(self, delivery_id: str) -> Delivery:
        """Plan the delivery again, with a fresh set of retries. Raises UnknownDeliveryError."""
        with self._condition:
            delivery = self._log.deliveries.get(delivery_id)
            if delivery is None:
                raise UnknownDeliveryError(f"No delivery {delivery_id}.")
            return self._store(replace(delivery, status="pending", due_at=self._clock(), copies=1, tries=0, note=""))

    def clear(self) -> None:
        """Forget the log; what was still to be sent is not sent."""
        with self._condition:
            self._log = Log()
            self._save()

    def send_due(self) -> int:
        """Post everything that is due by the clock; the number of deliveries tried."""
        sent = 0
        while self._endpoint is not None and not self._is_stopping and (delivery := self._find_due()) is not None:
            self._record(delivery, self._post_copies(self._endpoint, delivery))
            sent += 1
        return sent

    def _plan(self, delivery: Delivery) -> Delivery:
        mishap = draw_mishap(self._knobs(), self._draw)
        if mishap.is_dropped:
            return replace(delivery, status="dropped", note="dropped on purpose: never posted")
        delivery = replace(delivery, due_at=self._clock(), copies=2 if mishap.is_doubled else 1)
        held = [item for item in self._log.deliveries.values() if item.is_held]
        if mishap.is_reordered and not held:
            return replace(delivery, due_at=self._clock() + LONGEST_HOLD, is_held=True, note="held back on purpose")
        for item in held:
            self._store(replace(item, due_at=self._clock() + JUST_AFTER, is_held=False))
        return delivery

    def _next(self) -> Delivery | None:
        """The delivery with the earliest plan, whether it is due or not."""
        planned = [item for item in self._log.deliveries.values() if item.due_at is not None]
        return min(planned, key=lambda item: item.due_at or item.created_at, default=None)

    def _find_due(self) -> Delivery | None:
        with self._condition:
            delivery = self._next()
            return delivery if delivery and delivery.due_at and delivery.due_at <= self._clock() else None

    def _post_copies(self, endpoint: Endpoint, delivery: Delivery) -> list[Attempt]:
        body = self._scheme.body_of_try(delivery.body, delivery.tries).encode()

        def post_once(_: int) -> Attempt:
            headers = self._scheme.sign(endpoint, body, self._clock())
            return post(endpoint.url, body, headers=headers, at=self._clock(), timeout_s=self._scheme.timeout_s)

        with ThreadPoolExecutor(delivery.copies) as pool:  # all at the same instant: the hardest case for the receiver
            return list(pool.map(post_once, range(delivery.copies)))

    def _record(self, sent: Delivery, attempts: Sequence[Attempt]) -> None:
        """Log one try of a delivery, as it was when sent; a redelivery asked for meanwhile is still to be done."""
        with self._condition:
            current = self._log.deliveries.get(sent.id)
            if current is None:
                return
            current = replace(current, attempts=(*current.attempts, *attempts))
            if current.due_at == sent.due_at:
                current = self._conclude(replace(current, tries=current.tries + 1, due_at=None, is_held=False))
            self._store(current)

    def _conclude(self, delivery: Delivery) -> Delivery:
        newest = delivery.attempts[-delivery.copies :]
        if any(200 <= (attempt.http_status or 0) < 300 for attempt in newest):
            return replace(delivery, status="delivered")
        if delivery.tries > len(self._scheme.retry_after_s):
            return replace(delivery, status="failed")
        pause_s = self._scheme.retry_after_s[delivery.tries - 1] * self._retry_factor
        return replace(delivery, due_at=self._clock() + timedelta(seconds=pause_s))

    def _store(self, delivery: Delivery) -> Delivery:
        log = self._log.deliveries
        log[delivery.id] = delivery
        for old in list(log)[: max(len(log) - KEPT, 0)]:
            del log[old]
        self._save()
        self._condition.notify_all()
        return delivery

    def _save(self) -> None:
        if self._file.is_kept:
            self._file.save(self._section, encode(self._log))

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                self.send_due()
            except Exception:
                # The thread is the only sender; whatever goes wrong with one delivery must not end it.
                logger.exception("the webhook sender failed; it goes on")
            with self._condition:
                if not self._is_stopping:
                    self._condition.wait(self._seconds_to_next())

    def _seconds_to_next(self) -> float:
        delivery = self._next()
        if delivery is None or delivery.due_at is None:
            return LONGEST_WAIT_S
        return min(max((delivery.due_at - self._clock()).total_seconds(), 0.0), LONGEST_WAIT_S)
