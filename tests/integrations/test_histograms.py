"""Times in histograms: sums, quantiles between two edges, and shares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.operations.histograms import EDGES, EMPTY, add, find_quantile, share_below

COUNTS = st.lists(st.integers(0, 50), min_size=len(EMPTY), max_size=len(EMPTY))


def histogram(**counts: int) -> list[int]:
    """With so many at the places that the names tell: at3=5."""
    made = list(EMPTY)
    for name, count in counts.items():
        made[int(name[2:])] = count
    return made


def test_histograms_add_up() -> None:
    assert add([]) == EMPTY
    assert add([histogram(at0=1, at3=2), histogram(at3=5)]) == tuple(histogram(at0=1, at3=7))


@pytest.mark.parametrize(
    ("counts", "share", "seconds"),
    [
        (histogram(), 0.5, None),
        (histogram(at0=4), 0.5, 0.25),
        (histogram(at6=10), 0.5, 25.0),
        (histogram(at0=5, at6=5), 0.5, 0.5),
        (histogram(at13=3), 0.95, EDGES[-1]),
    ],
)
def test_a_quantile_lies_between_the_edges_of_its_count(counts: list[int], share: float, seconds: float | None) -> None:
    assert find_quantile(counts, share) == seconds


@given(COUNTS)
def test_more_of_the_times_take_no_less(counts: list[int]) -> None:
    found = [find_quantile(counts, share) for share in (0.1, 0.5, 0.95, 1.0)]
    told = [seconds for seconds in found if seconds is not None]

    assert len(told) in (0, 4)
    assert told == sorted(told)


def test_the_share_below_an_edge_is_exact() -> None:
    assert share_below(histogram(), 30.0) is None
    assert share_below(histogram(at6=3, at7=1), 30.0) == 0.75
