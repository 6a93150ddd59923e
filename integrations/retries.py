"""When a failed delivery or effect is tried again, and why it failed. Pure."""

import random
from collections.abc import Callable

from django.db import models

# Mean delays, in seconds, before the second, third, … try. After the last one the row is a dead letter.
SCHEDULE_S = (5, 30, 2 * 60, 10 * 60, 60 * 60, 4 * 60 * 60, 12 * 60 * 60)
RETRY_AFTER_MAX_S = 24 * 60 * 60
SHORTEST_S = 0.5


class Cause(models.TextChoices):
    """The typed reason of a failure."""

    TRANSIENT = "transient", "Transient"
    RATE_LIMITED = "rate_limited", "Rate-limited"
    REAUTHORISE = "reauthorise", "Waits for reauthorisation"
    CONFIGURATION = "configuration", "Configuration"
    PERMANENT = "permanent", "Never accepted by the other side"
    PAYLOAD = "payload", "Cannot be read"
    UNKNOWN_OUTCOME = "unknown_outcome", "Outcome unknown"
    CONFLICT = "conflict", "Conflict"
    RESIDENCY = "residency", "Residency"
    BUG = "bug", "Bug in Keepsync"


# A bug is tried again as well: tries are harmless, and the release that mends it heals what waits.
RETRIED = {Cause.TRANSIENT, Cause.RATE_LIMITED, Cause.BUG}


def next_delay(
    attempts: int,
    cause: Cause,
    *,
    retry_after_s: float | None = None,
    uniform: Callable[[float, float], float] = random.uniform,
) -> float | None:
    """Seconds until the next try after `attempts` tries (1 or more), or None where it is dead.

    Full jitter: even from zero to twice the mean, so that many rows that failed together don't come back together.
    The other side's Retry-After is a lower bound, clamped to a day.
    """
    if cause not in RETRIED or attempts > len(SCHEDULE_S):
        return None
    delay = max(uniform(0, 2 * SCHEDULE_S[attempts - 1]), SHORTEST_S)
    return delay if retry_after_s is None else max(delay, min(retry_after_s, RETRY_AFTER_MAX_S))
