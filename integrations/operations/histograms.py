"""Times in a histogram: how many fell below which edge. Pure."""

from collections.abc import Iterable, Sequence

# Seconds. A count stands for the times from the edge before it up to its own; the last one for all above.
EDGES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14400.0)
EMPTY = (0,) * (len(EDGES) + 1)


def add(histograms: Iterable[Sequence[int]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(EMPTY, *histograms, strict=True)))


def find_quantile(counts: Sequence[int], share: float) -> float | None:
    """The seconds within which this share of the times lies, as if they were spread evenly between two edges.

    None where there are none. Above the last edge the edge itself is told.
    """
    wanted, seen, begin = share * sum(counts), 0, 0.0
    if not wanted:
        return None
    for count, end in zip(counts, EDGES, strict=False):
        if count and seen + count >= wanted:
            return begin + (end - begin) * (wanted - seen) / count
        seen, begin = seen + count, end
    return EDGES[-1]


def share_below(counts: Sequence[int], edge_s: float) -> float | None:
    """The share of the times below one of the edges; None where there are none."""
    total = sum(counts)
    return sum(counts[: EDGES.index(edge_s) + 1]) / total if total else None
