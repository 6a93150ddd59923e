"""The webhook sender: one daemon thread that posts what the delivery log has planned."""

import contextlib
import hashlib
import hmac
import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from integrations.sandbox.calendar_live.exceptions import NotFoundError
from integrations.sandbox.calendar_live.outbox import next_planned, record_attempts
from integrations.sandbox.calendar_live.records import Delivery
from integrations.sandbox.calendar_live.retries import retry_delay
from integrations.sandbox.calendar_live.world import Moment, World
from integrations.sandbox.posting import Attempt, post
from integrations.sandbox.signing import Endpoint

logger = logging.getLogger(__name__)

TIMEOUT_S = 10.0
# The thread looks again at least this often, so that a moved system clock can't make it sleep for ever.
LONGEST_WAIT_S = 60.0


def sign(secret: str, body: bytes) -> str:
    """Lower-case hex HMAC-SHA256 of the exact bytes (WEBHOOKS.md)."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def random_swing() -> float:
    return random.SystemRandom().uniform(-1, 1)


class Sender:
    """Posts due deliveries in order of their time, one after the other, and logs each try.

    One at a time, so that "after" means something: the reordering knob depends on it.
    """

    def __init__(
        self,
        world: World,
        endpoint: Endpoint | None,
        *,
        retry_factor: float,
        swing: Callable[[], float] = random_swing,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._world = world
        self._endpoint = endpoint
        self._retry_factor = retry_factor
        self._swing = swing
        self._timeout_s = timeout_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="calendar-live-sender", daemon=True)

    def start(self) -> None:
        if self._endpoint is not None:
            self._thread.start()

    def stop(self) -> None:
        """Finish the delivery in hand, if any, and end the thread."""
        self._stopping.set()
        with self._world.change():
            pass  # wakes the thread
        if self._thread.is_alive():
            self._thread.join()

    def send_due(self) -> int:
        """Post everything that is due by the world's clock; the number of deliveries tried."""
        sent = 0
        while self._endpoint is not None and (delivery := self._find_due()) is not None:
            self._send(self._endpoint, delivery)
            sent += 1
            if self._stopping.is_set():
                break
        return sent

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.send_due()
            except Exception:
                # The thread is the only sender; whatever goes wrong with one delivery must not end it.
                logger.exception("the webhook sender failed; it goes on")
                self._stopping.wait(1)
            self._world.wait(self._seconds_to_next)

    def _find_due(self) -> Delivery | None:
        moment = self._world.read()
        planned = next_planned(moment)
        return planned[0] if planned and planned[1] <= moment.now else None

    def _seconds_to_next(self, moment: Moment) -> float:
        if self._stopping.is_set():
            return 0.0
        planned = next_planned(moment)
        if planned is None:
            return LONGEST_WAIT_S
        return min(max((planned[1] - moment.now).total_seconds(), 0.0), LONGEST_WAIT_S)

    def _send(self, endpoint: Endpoint, delivery: Delivery) -> None:
        copies = 2 if delivery.is_doubled or self._world.read().state.knobs.is_doubling else 1
        attempts = self._post_copies(endpoint, delivery, copies)
        retry_after = retry_delay(delivery.tries + 1, factor=self._retry_factor, swing=self._swing())
        # A reset meanwhile has forgotten the delivery.
        with contextlib.suppress(NotFoundError), self._world.change() as moment:
            record_attempts(moment, delivery, attempts, retry_after=retry_after)

    def _post_copies(self, endpoint: Endpoint, delivery: Delivery, copies: int) -> list[Attempt]:
        if copies == 1:
            return [self._post(endpoint, delivery)]
        with ThreadPoolExecutor(copies) as pool:  # all at the same instant: the hardest case for the receiver
            return list(pool.map(lambda _: self._post(endpoint, delivery), range(copies)))

    def _post(self, endpoint: Endpoint, delivery: Delivery) -> Attempt:
        body = delivery.body.encode()
        headers = {
            "User-Agent": "calendar.live-sandbox",
            "X-CL-Delivery-ID": delivery.id,
            "X-CL-Signature": sign(endpoint.secret, body),
        }
        return post(endpoint.url, body, headers=headers, at=self._world.clock(), timeout_s=self._timeout_s)
