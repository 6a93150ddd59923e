"""A run of the rehearsal: one case after the other, each with what came of it."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bookings.models import Meeting
from bookings.rehearsal.cases import Case
from bookings.rehearsal.checks import check_effects
from bookings.rehearsal.stage import CaseFailedError, Stage
from integrations.exceptions import KeepsyncError


@dataclass(frozen=True, slots=True)
class Result:
    """`reason` says why a case failed; empty where it passed."""

    name: str
    reason: str
    seconds: float

    @property
    def has_passed(self) -> bool:
        return not self.reason

    def show(self) -> dict[str, object]:
        return {"name": self.name, "passed": self.has_passed, "reason": self.reason, "seconds": self.seconds}


def run(stage: Stage, cases: Iterable[Case]) -> Iterator[Result]:
    """The result of each case as soon as it is over. Its bookings are cancelled, whatever came of it."""
    for case in cases:
        started = time.monotonic()
        reason = play(stage, case)
        yield Result(case.name, reason, round(time.monotonic() - started, 1))


def play(stage: Stage, case: Case) -> str:
    """Why the case failed; empty where it passed and left nothing to do behind."""
    try:
        try:
            case.play(stage)
        finally:
            cancelled = stage.cancel_all()
        stage.wait(lambda: check_cancelled(stage, cancelled))
    except CaseFailedError as failure:
        return str(failure)
    except KeepsyncError as error:
        return f"the sandbox did not do what it was asked to: {error}"
    return ""


def check_cancelled(stage: Stage, event_ids: Sequence[str]) -> list[str]:
    """What is still to be done for bookings that were cancelled: it would get in the next case's way."""
    found = Meeting.objects.filter(connection=stage.calendar, external_id__in=event_ids)
    standing = found.exclude(status=Meeting.Status.CANCELLED)
    still_open = [problem for meeting in found for problem in check_effects(meeting)]
    return ["its booking could not be cancelled"] * standing.exists() or still_open
