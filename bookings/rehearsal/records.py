"""What the launch checklist knows of rehearsals."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from bookings.models import Rehearsal
from bookings.rehearsal.cases import STAGING
from bookings.rehearsal.runs import Result
from integrations.exceptions import PayloadError
from integrations.operations.version import read_version


def keep(results: Iterable[Result]) -> Rehearsal:
    """What was played here has come to its end."""
    cases = {result.name: result.has_passed for result in results}
    return Rehearsal.objects.create(version=read_version(), cases=cases, finished_at=timezone.now())


def describe(rehearsal: Rehearsal) -> dict[str, str]:
    """What `take` needs beside the cases."""
    return {"version": rehearsal.version, "finished_at": rehearsal.finished_at.isoformat()}


def take(document: Any) -> Rehearsal:
    """Keep what `rehearse --json` has printed at another installation. Raises PayloadError for another version's."""
    if not isinstance(document, Mapping) or document.get("version") != read_version():
        raise PayloadError("version", f"is not the one that runs here, {read_version()}: rehearse this one at staging.")
    cases, finished_at = read_cases(document.get("cases")), read_finished(document.get("finished_at"))
    return Rehearsal.objects.create(
        version=read_version(), cases=cases, finished_at=min(finished_at, timezone.now()), is_own=False
    )


def read_cases(cases: Any) -> dict[str, bool]:
    try:
        return {str(case["name"])[:64]: case["passed"] is True for case in cases}
    except (KeyError, TypeError) as error:
        raise PayloadError("cases", "are not what rehearse --json has printed.") from error


def read_finished(text: Any) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (TypeError, ValueError) as error:
        raise PayloadError("finished_at", "is no time.") from error


def find_last_full() -> Rehearsal | None:
    """The newest that played all staging cases."""
    names = [case.name for case in STAGING]
    return Rehearsal.objects.filter(cases__has_keys=names).order_by("-finished_at").first()


def list_failed(rehearsal: Rehearsal) -> list[str]:
    """Of the staging cases."""
    return [case.name for case in STAGING if not rehearsal.cases.get(case.name)]
