"""Signs of life: of the workers, and of the jobs by which one sees that the schedule runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from integrations.models import Heartbeat

# A worker that has started or swept, the two jobs of each minute, and the start of the newest cluster of workers.
WORKER, SWEEP, ALERTS, START = "worker", "sweep", "check_alerts", "start"
WORKER_LIMIT = timedelta(minutes=3)
SCHEDULED = {SWEEP: "The schedule's last run", ALERTS: "The last check of alerts"}


@dataclass(frozen=True, slots=True)
class Silence:
    """What does not run, since when (None: it never has), and what to do."""

    what: str
    since: datetime | None
    hint: str

    def describe(self, now: datetime) -> str:
        """For a machine's log."""
        if self.since is None:
            return f"{self.what}: {self.hint}"
        return f"{self.what} is {(now - self.since).total_seconds():.0f} s old: {self.hint}"


_started_at: datetime | None = None


def beat(name: str) -> None:
    """Note that it runs now; where it had not for too long, also from when until when it had not."""
    now = timezone.now()
    late = Heartbeat.objects.filter(name=name, beat_at__lt=now - limit_of(name))
    if not late.update(silent_from=F("beat_at"), silent_until=now, beat_at=now):
        Heartbeat.objects.update_or_create(name=name, defaults={"beat_at": now})


def note_start() -> None:
    """In the process that starts the workers, before it does: they write it down."""
    global _started_at
    _started_at = timezone.now()


def beat_worker() -> None:
    """A worker has begun: the schedule's first run is half a minute away."""
    beat(WORKER)
    if _started_at:
        defaults = {"beat_at": Greatest("beat_at", _started_at)}
        Heartbeat.objects.update_or_create(name=START, defaults=defaults, create_defaults={"beat_at": _started_at})


def limit_of(name: str) -> timedelta:
    return WORKER_LIMIT if name == WORKER else timedelta(minutes=settings.SCHEDULE_SILENCE_MINUTES)


# --- Looking ----------------------------------------------------------------------------------------------------------


def find_silences(now: datetime) -> list[Silence]:
    """In one query. Empty where all runs."""
    beats: dict[str, datetime] = dict(Heartbeat.objects.values_list("name", "beat_at"))
    if WORKER not in beats:
        return [Silence("No worker has run yet", None, "start manage.py qcluster.")]
    if now - beats[WORKER] > WORKER_LIMIT:
        return [Silence("The worker's last sign of life", beats[WORKER], "see whether manage.py qcluster runs.")]
    return list(find_standing(beats, now))


def find_standing(beats: dict[str, datetime], now: datetime) -> Iterator[Silence]:
    """Jobs of the schedule that do not run although a worker does. One that has just started is given its time."""
    for name, what in SCHEDULED.items():
        last = max((beats[each] for each in (name, START) if each in beats), default=now)
        if now - last > limit_of(name):
            yield Silence(what, last, "see what the worker's log says, and start manage.py qcluster anew.")
