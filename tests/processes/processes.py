"""A process under test: in a group of its own, with its output in a file."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STOP_S = 10
LOG_TAIL = 20_000


class Group:
    """`python ARGUMENTS` as the leader of a process group, so that it can be killed with all its children."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.leader = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def is_running(self) -> bool:
        return self.leader.poll() is None

    def stop(self) -> None:
        """As a process runner does it: the leader is asked, then all that is left is killed."""
        self.leader.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.leader.wait(STOP_S)
        self.kill()

    def kill(self) -> None:
        """kill -9 of the whole group: nobody gets a chance to tidy up."""
        with suppress(ProcessLookupError):
            os.killpg(self.leader.pid, signal.SIGKILL)
        self.leader.wait(STOP_S)

    def read_log(self) -> str:
        return self.log.read_text(errors="replace")[-LOG_TAIL:]


def run(
    arguments: Sequence[str], environment: Mapping[str, str], timeout_s: float = 180
) -> subprocess.CompletedProcess[str]:
    """`python ARGUMENTS` to its end, with its output as text."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
