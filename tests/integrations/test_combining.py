"""Calls of many threads, run as one."""

import threading
from collections.abc import Sequence

import pytest

from integrations.combining import Combiner


def run_threads(count: int, work: object) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


def test_a_lone_call_is_run_at_once() -> None:
    combiner = Combiner[int, int](lambda items: [item * 2 for item in items], limit=10)
    assert [combiner.call(number) for number in range(3)] == [0, 2, 4]


def test_calls_that_come_while_one_runs_are_run_together() -> None:
    first_runs, others_wait = threading.Event(), threading.Event()
    batches: list[int] = []

    def double(items: Sequence[int]) -> list[int]:
        batches.append(len(items))
        if len(batches) == 1:
            first_runs.set()
            assert others_wait.wait(10)
        return [item * 2 for item in items]

    combiner = Combiner(double, limit=10)
    results: dict[int, int] = {}

    def work(number: int) -> None:
        if number:
            assert first_runs.wait(10)
        results[number] = combiner.call(number)

    def release(waiting: int) -> None:
        while len(combiner.waiting) < waiting:
            pass
        others_wait.set()

    helper = threading.Thread(target=release, args=(5,))
    helper.start()
    run_threads(6, work)
    helper.join(10)
    assert batches == [1, 5]
    assert results == {number: number * 2 for number in range(6)}


def test_every_call_gets_its_own_result_under_load() -> None:
    combiner = Combiner[int, int](lambda items: [item * 2 for item in items], limit=3)
    results: list[tuple[int, int]] = []

    def work(thread: int) -> None:
        for number in range(thread * 1000, thread * 1000 + 200):
            results.append((number, combiner.call(number)))

    run_threads(8, work)
    assert len(results) == 1600
    assert all(result == number * 2 for number, result in results)


@pytest.mark.parametrize("kind", [ValueError, SystemExit])
def test_an_error_reaches_its_calls_and_the_next_one_runs(kind: type[BaseException]) -> None:
    def refuse_odd(items: Sequence[int]) -> list[int]:
        if any(item % 2 for item in items):
            raise kind("odd")
        return list(items)

    combiner = Combiner(refuse_odd, limit=10)
    with pytest.raises(kind, match="odd"):
        combiner.call(1)
    assert combiner.call(2) == 2
