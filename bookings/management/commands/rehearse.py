"""The rehearsal in the shell."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from bookings.rehearsal.cases import STAGING, Case, choose
from bookings.rehearsal.faults import FAULTS
from bookings.rehearsal.records import describe, keep, take
from bookings.rehearsal.runs import Result, run
from bookings.rehearsal.stage import set_stage
from integrations.exceptions import PayloadError, SetupError
from integrations.management.base import KeepsyncCommand, UsageError, quiet_requests

TIMEOUT_S = 60.0


class Command(KeepsyncCommand):
    help = (
        "Run the staging cases against this installation while it runs, and say which pass. Its connections must point "
        "to the sandbox. It books for people whom it makes up, and cancels what it booked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        names = ", ".join(case.name for case in (*STAGING, *FAULTS))
        parser.add_argument("--connection", metavar="S", default="calendar-live", help="of calendar.live")
        parser.add_argument("--case", metavar="NAME", action="append", default=[], help=f"only this one; of {names}")
        parser.add_argument("--with-faults", action="store_true", help="also while the other sides fail")
        parser.add_argument(
            "--take", metavar="FILE", help="play nothing: keep what --json has printed at staging, of the same version"
        )
        parser.add_argument(
            "--timeout", metavar="S", type=float, default=TIMEOUT_S, help="seconds to wait for each thing (60)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit status 1 where a case failed, after the results are printed."""
        self.failed = 0
        super().handle(*args, **options)
        if self.failed:
            raise CommandError(f"{self.failed} of the cases failed.")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["take"]:
            return self.take(options["take"])
        cases = read_cases(options["case"], is_faulty=options["with_faults"])
        if options["timeout"] <= 0:
            raise UsageError("--timeout must be above 0.")
        with quiet_requests():
            try:
                stage = set_stage(options["connection"], options["timeout"])
            except SetupError as error:
                raise UsageError(str(error)) from error
            results = [self.report(result) for result in run(stage, cases)]
        self.failed = sum(not result.has_passed for result in results)
        passed = len(results) - self.failed
        self.say(f"{passed} of {len(results)} cases passed.")
        told = {"passed": passed, "failed": self.failed, "cases": [result.show() for result in results]}
        return {**told, **describe(keep(results))}

    def take(self, name: str) -> dict[str, Any]:
        """What was played elsewhere counts here for the launch checklist, where it is the same version."""
        try:
            taken = take(json.loads(Path(name).read_text()))
        except (OSError, ValueError) as error:
            raise UsageError(f"{name} is no result of rehearse --json: {error}") from error
        except PayloadError as error:
            raise CommandError(str(error)) from error
        self.say(f"The rehearsal of {taken.finished_at:%Y-%m-%d %H:%M} UTC is kept.")
        return describe(taken)

    def report(self, result: Result) -> Result:
        """A line at once: on standard error where standard output is for a program."""
        verdict = "pass" if result.has_passed else "FAIL"
        line = f"{verdict}  {result.name} ({result.seconds:.1f} s){': ' if result.reason else ''}{result.reason}"
        (self.stderr if self.is_json else self.stdout).write(line)
        return result


def read_cases(names: list[str], *, is_faulty: bool) -> list[Case]:
    """A case that is named is run, also one of the faults. Raises UsageError for one that there is not."""
    every = (*STAGING, *FAULTS)
    unknown = [name for name in names if not choose(every, [name])]
    if unknown:
        raise UsageError(f"there is no case {', '.join(unknown)}; there are {', '.join(case.name for case in every)}.")
    return choose(every, names) if names else list(every if is_faulty else STAGING)
