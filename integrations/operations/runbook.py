"""The runbook: what people look at each day, week, month and quarter. It comes due by itself, and is signed off.

A task is one function with `runbook_task`, in the layer that it is about: it writes the task's report, of the moment at
which it is called, from rolled-up figures and indexes. A task that was left undone is not due twice: one sign-off
covers it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from integrations.exceptions import StateError
from integrations.models import RunbookTask, SignOff

# By the clock of the operators' zone.
DUE_AT = time(9)


class Rhythm(StrEnum):
    DAILY = "Daily"
    WEEKLY = "Weekly"
    MONTHLY = "Monthly"
    QUARTERLY = "Quarterly"


# How long a task may be due before it is overdue.
GRACE = {
    Rhythm.DAILY: timedelta(hours=8),
    Rhythm.WEEKLY: timedelta(days=2),
    Rhythm.MONTHLY: timedelta(days=7),
    Rhythm.QUARTERLY: timedelta(days=14),
}

# From the first day of a period into the next one.
STEPS = {
    Rhythm.DAILY: timedelta(days=1),
    Rhythm.WEEKLY: timedelta(days=7),
    Rhythm.MONTHLY: timedelta(days=31),
    Rhythm.QUARTERLY: timedelta(days=92),
}


@dataclass(frozen=True, slots=True)
class Part:
    """A table of a report, which names no person. `links` are texts with addresses; `empty` is said without rows."""

    title: str
    headers: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    links: Sequence[tuple[str, str]] = ()
    note: str = ""
    empty: str = "Nothing."


type Reporter = Callable[[datetime], Iterable[Part]]


@dataclass(frozen=True, slots=True)
class Task:
    name: str
    rhythm: Rhythm
    title: str
    what: str
    report: Reporter


_tasks: dict[str, Task] = {}


def runbook_task(name: str, rhythm: Rhythm, title: str, *, what: str) -> Callable[[Reporter], Reporter]:
    """Put a task into the runbook; `what` says what is to be done with its report."""

    def register(report: Reporter) -> Reporter:
        _tasks[name] = Task(name, rhythm, title, what, report)
        return report

    return register


def list_tasks() -> list[Task]:
    """Those that come most often first."""
    return sorted(_tasks.values(), key=lambda task: list(Rhythm).index(task.rhythm))


def get_task(name: str) -> Task:
    """Raises KeyError for one that is not declared."""
    return _tasks[name]


# --- When a task is due -----------------------------------------------------------------------------------------------


def find_due(rhythm: Rhythm, after: datetime, zone: ZoneInfo) -> datetime:
    """The first time at which such a task comes due after an instant: at nine by the zone's clock, as UTC tells it."""
    begin = begin_of(rhythm, after.astimezone(zone).date())
    while (due := datetime.combine(begin, DUE_AT, zone)) <= after:
        begin = begin_of(rhythm, begin + STEPS[rhythm])
    return due.astimezone(UTC)


def begin_of(rhythm: Rhythm, day: date) -> date:
    """The first day of the period that the day is in; weeks begin on Monday."""
    if rhythm == Rhythm.DAILY:
        return day
    if rhythm == Rhythm.WEEKLY:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if rhythm == Rhythm.MONTHLY else date(day.year, day.month - (day.month - 1) % 3, 1)


class Standing(StrEnum):
    OVERDUE = "Overdue"
    DUE = "Due"
    COMING = "Coming"


@dataclass(frozen=True, slots=True)
class State:
    task: Task
    due_at: datetime
    standing: Standing
    signed_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.standing != Standing.COMING


def ensure_rows(now: datetime) -> None:
    """A task that is new comes due at its next time: nothing of a new installation is overdue."""
    known = dict(RunbookTask.objects.values_list("name", "title"))
    changed = [
        RunbookTask(name=each.name, title=each.title, since=now)
        for each in list_tasks()
        if known.get(each.name) != each.title
    ]
    RunbookTask.objects.bulk_create(changed, update_conflicts=True, unique_fields=["name"], update_fields=["title"])


def look(now: datetime) -> list[State]:
    """How the tasks stand, in one query: what waits longest first."""
    rows = RunbookTask.objects.filter(name__in=_tasks).annotate(signed_at=Max("sign_offs__signed_at")).order_by("name")
    return sorted(map_states(rows, now), key=lambda state: state.due_at)


def map_states(rows: Iterable[Any], now: datetime) -> Iterator[State]:
    zone = ZoneInfo(settings.OPERATORS_TIME_ZONE)
    for row in rows:
        task = _tasks[row.name]
        due_at = find_due(task.rhythm, row.signed_at or row.since, zone)
        yield State(task, due_at, find_standing(task, due_at, now), row.signed_at)


def find_standing(task: Task, due_at: datetime, now: datetime) -> Standing:
    if now < due_at:
        return Standing.COMING
    return Standing.OVERDUE if now >= due_at + GRACE[task.rhythm] else Standing.DUE


def find_state(task: Task, now: datetime) -> State:
    """Raises StopIteration where it has no row yet."""
    return next(state for state in look(now) if state.task is task)


# --- Its report, and its end ------------------------------------------------------------------------------------------


def sign_off(task: Task, user: Any, note: str) -> SignOff:
    """The task is done: the report of this moment is kept. Raises StateError where it is not due."""
    now = timezone.now()
    state = find_state(task, now)
    if not state.is_open:
        raise StateError("It is not due: it has been signed off meanwhile.")
    report = [asdict(part) for part in task.report(now)]
    values = {"report": report, "note": note, "signed_by_id": user.pk, "signed_at": now}
    try:
        with transaction.atomic():
            return SignOff.objects.create(task_id=task.name, due_at=state.due_at, **values)
    except IntegrityError as error:
        raise StateError("Somebody else has signed it off at this moment.") from error


def read_report(sign_off: SignOff) -> list[Part]:
    return [Part(**part) for part in sign_off.report]
