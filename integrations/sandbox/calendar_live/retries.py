"""When a delivery is tried again: WEBHOOKS.md, "Sender's rules". Pure."""

from datetime import timedelta

RETRY_AFTER_S = (10, 60, 5 * 60, 30 * 60, 2 * 3600, 6 * 3600, 12 * 3600)
JITTER = 0.2


def retry_delay(tries: int, *, factor: float, swing: float) -> timedelta | None:
    """The pause after the given number of failed tries (1 or more), or None where no retry is left.

    `factor` shortens all pauses alike; `swing` between -1 and 1 picks the place in the ±20 % around the pause.
    """
    if tries > len(RETRY_AFTER_S):
        return None
    return timedelta(seconds=RETRY_AFTER_S[tries - 1] * factor * (1 + JITTER * swing))
