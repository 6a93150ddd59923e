"""What the tests of the runbook share: a report now, and a task of the tests' own."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from django.utils import timezone

from integrations.operations import runbook
from integrations.operations.runbook import Part, Rhythm, Task, get_task


def report(name: str) -> list[Part]:
    return list(get_task(name).report(timezone.now()))


@contextmanager
def declared(
    rhythm: Rhythm = Rhythm.DAILY, report: Callable[[datetime], Iterable[Part]] = lambda now: [Part("It is so.")]
) -> Iterator[Task]:
    """The only task of the runbook, for the length of a test."""
    before = dict(runbook._tasks)
    runbook._tasks.clear()
    runbook.runbook_task("made_up", rhythm, "Made up", what="Look at it.")(report)
    try:
        yield get_task("made_up")
    finally:
        runbook._tasks.clear()
        runbook._tasks.update(before)
