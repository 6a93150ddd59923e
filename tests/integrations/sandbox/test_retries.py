from datetime import timedelta

import pytest

from integrations.sandbox.calendar_live.retries import RETRY_AFTER_S, retry_delay


def test_retries_come_at_the_contracts_times_and_then_end() -> None:
    delays = [retry_delay(tries, factor=1, swing=0) for tries in range(1, 9)]
    assert delays == [
        timedelta(seconds=10),
        timedelta(minutes=1),
        timedelta(minutes=5),
        timedelta(minutes=30),
        timedelta(hours=2),
        timedelta(hours=6),
        timedelta(hours=12),
        None,
    ]


@pytest.mark.parametrize("tries", range(1, len(RETRY_AFTER_S) + 1))
def test_the_swing_stays_within_a_fifth(tries: int) -> None:
    exact = timedelta(seconds=RETRY_AFTER_S[tries - 1])
    assert retry_delay(tries, factor=1, swing=-1) == exact * 0.8
    assert retry_delay(tries, factor=1, swing=1) == exact * 1.2


def test_the_factor_shortens_every_pause() -> None:
    assert retry_delay(2, factor=0.02, swing=0) == timedelta(seconds=1.2)
