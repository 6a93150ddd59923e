"""Faults of a played provider ("knobs"): set by page or by JSON, drawn once for every request.

How they are used:

- `get_faults("stripe")` is the one object of that provider in this process; `.knobs` are the knobs as they are now,
  `.set(knobs)` replaces all of them and starts the random numbers again from `seed`.
- Nobody draws by hand: `frame.Frame.api()` puts every request of a provider through them.
- A webhook sender takes `knobs=partial(read_webhook_knobs, "stripe"), draw=get_faults("stripe").draw_for_webhook`.
- `parse_knobs(Knobs, {...})` reads JSON strictly; what is left out has its default, so `{}` turns everything off.
"""

import dataclasses
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Protocol, get_type_hints

from integrations.sandbox.webhooks import WebhookKnobs

LONGEST_LATENCY_MS = 60_000
LONGEST_RETRY_AFTER_S = 86_400
LONGEST = {
    "latency_ms": LONGEST_LATENCY_MS,
    "token_latency_ms": LONGEST_LATENCY_MS,
    "retry_after_s": LONGEST_RETRY_AFTER_S,
    "token_lifetime_s": 365 * 86_400,
}
# Drawn by itself, so that it adds up with nothing.
OWN_RATES = ("rate_token_5xx",)


class KnobError(ValueError):
    """A value that cannot be used; `field` is its name, such as `webhooks.drop`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}.")
        self.field = field


class Fault(StrEnum):
    RATE_LIMITED = "429"
    REFUSED = "4xx"
    FAILING = "5xx"
    TIMEOUT = "time-out"
    LOST = "lost answer"


@dataclass(frozen=True)
class Knobs:
    """Rates are probabilities from 0 to 1, together at most 1.

    rate_429, rate_5xx: refused, nothing is done. rate_timeout: nothing is done, and no answer comes for 12 seconds.
    rate_lost: the request is carried out, then the connection breaks or a proxy answers 504. is_down: everything
    answers 503. is_revoked: every token answers 401, and none is given.

    Of tokens: token_lifetime_s is that of the access tokens given from now on, 0 for the provider's own;
    token_latency_ms and rate_token_5xx are met at the authorisation server only, besides the others.
    """

    latency_ms: int = 0
    rate_429: float = 0.0
    rate_5xx: float = 0.0
    rate_lost: float = 0.0
    rate_timeout: float = 0.0
    retry_after_s: int = 1
    seed: int = 0
    is_down: bool = False
    is_revoked: bool = False
    token_lifetime_s: int = 0
    token_latency_ms: int = 0
    rate_token_5xx: float = 0.0
    webhooks: WebhookKnobs = field(default_factory=WebhookKnobs)

    def rates(self) -> Mapping[Fault, float]:
        return {
            Fault.RATE_LIMITED: self.rate_429,
            Fault.FAILING: self.rate_5xx,
            Fault.TIMEOUT: self.rate_timeout,
            Fault.LOST: self.rate_lost,
        }


class Rated(Protocol):
    """Any knobs: a frozen dataclass with a seed, and its faults' rates."""

    @property
    def seed(self) -> int: ...

    def rates(self) -> Mapping[Fault, float]: ...


class Faults[K: Rated]:
    """One provider's knobs, and the random numbers that they are drawn with."""

    def __init__(self, knobs: K) -> None:
        self._lock = threading.Lock()
        self._knobs = knobs
        # Two rows of numbers, so that the webhooks' thread does not change which requests fail.
        self._random, self._webhook_random = random.Random(0), random.Random(0)  # noqa: S311

    @property
    def knobs(self) -> K:
        return self._knobs

    def set(self, knobs: K) -> None:
        with self._lock:
            self._knobs = knobs
            self._random, self._webhook_random = random.Random(knobs.seed), random.Random(knobs.seed)  # noqa: S311

    def draw_fraction(self) -> float:
        with self._lock:
            return self._random.random()

    def draw_for_webhook(self) -> float:
        with self._lock:
            return self._webhook_random.random()

    def draw(self) -> Fault | None:
        """The fault of the next request; one number decides, so a seed gives the same row of faults every time."""
        number = self.draw_fraction()
        for fault, rate in self._knobs.rates().items():
            if number < rate:
                return fault
            number -= rate
        return None


@cache
def get_faults(provider: str) -> Faults[Knobs]:
    return Faults(Knobs())


def read_webhook_knobs(provider: str) -> WebhookKnobs:
    return get_faults(provider).knobs.webhooks


def parse_knobs[K](kind: type[K], value: object, *, prefix: str = "") -> K:
    """A dataclass of knobs from a JSON value. Raises KnobError for an unknown name or a value that cannot be."""
    if not isinstance(value, Mapping):
        raise KnobError(prefix.rstrip(".") or "The body", "must be a JSON object")
    kinds = get_type_hints(kind)
    read = {}
    for name, item in value.items():
        if name not in kinds:
            raise KnobError(f"{prefix}{name}", f"is no knob; there are {', '.join(kinds)}")
        read[name] = _parse_knob(kinds[name], item, f"{prefix}{name}")
    knobs = kind(**read)
    if sum(item for name, item in vars(knobs).items() if name.startswith("rate_") and name not in OWN_RATES) > 1:
        raise KnobError("The rates", "may add up to 1 at most")
    return knobs


def _parse_knob(kind: type, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return parse_knobs(kind, value, prefix=f"{name}.")
    if kind is bool:
        if not isinstance(value, bool):
            raise KnobError(name, "must be true or false")
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else int):
        raise KnobError(name, "must be a number" if kind is float else "must be a whole number")
    longest = LONGEST.get(name, 2**63)
    if not 0 <= value <= (1 if kind is float else longest):
        raise KnobError(name, f"must be from 0 to {1 if kind is float else longest}")
    return kind(value)
