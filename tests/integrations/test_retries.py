"""When a failed delivery is tried again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.retries import RETRIED, RETRY_AFTER_MAX_S, SCHEDULE_S, Cause, next_delay


def middle(low: float, high: float) -> float:
    return (low + high) / 2


def test_the_mean_delays_are_the_schedule() -> None:
    delays = [next_delay(attempts, Cause.TRANSIENT, uniform=middle) for attempts in range(1, len(SCHEDULE_S) + 1)]
    assert delays == [5, 30, 120, 600, 3600, 14400, 43200]


def test_after_the_last_delay_it_is_dead() -> None:
    assert next_delay(len(SCHEDULE_S) + 1, Cause.TRANSIENT) is None


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause not in RETRIED])
def test_what_trying_again_cannot_help_is_dead_at_once(cause: Cause) -> None:
    assert next_delay(1, cause) is None


def test_retry_after_is_a_lower_bound_and_clamped_to_a_day() -> None:
    assert next_delay(1, Cause.RATE_LIMITED, retry_after_s=100, uniform=middle) == 100
    assert next_delay(3, Cause.RATE_LIMITED, retry_after_s=1, uniform=middle) == 120
    assert next_delay(1, Cause.RATE_LIMITED, retry_after_s=10**9, uniform=middle) == RETRY_AFTER_MAX_S


@settings(derandomize=True, deadline=None)
@given(st.integers(1, len(SCHEDULE_S)))
def test_jitter_spreads_from_almost_zero_to_twice_the_mean(attempts: int) -> None:
    delay = next_delay(attempts, Cause.TRANSIENT)
    assert delay is not None
    assert 0 < delay <= 2 * SCHEDULE_S[attempts - 1]
