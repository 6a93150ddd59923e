"""The test's end of tests/processes/token_users.py."""

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes.processes import LOG_TAIL, ROOT, STOP_S
from tests.processes.waiting import DEADLINE_S


@dataclass
class Nursery:
    """Processes on the database at `url`, forked when they are ordered."""

    url: str
    log: Path
    leader: subprocess.Popen[str] | None = None

    def repair(self) -> None:
        """Start it, unless it is running."""
        if self.leader and self.leader.poll() is None:
            return
        with self.log.open("ab") as errors:
            self.leader = subprocess.Popen(
                [sys.executable, "-m", "tests.processes.token_users"],
                cwd=ROOT,
                env={**os.environ, "DATABASE_URL": self.url},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )

    def order(self, do: str, **arguments: Any) -> Any:
        """What the order of this name returns; see token_users.py. It ends with all its processes where none comes."""
        assert self.leader
        assert self.leader.stdin
        assert self.leader.stdout
        self.leader.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.leader.stdin.flush()
        ready, _, _ = select.select([self.leader.stdout], [], [], DEADLINE_S)
        line = self.leader.stdout.readline() if ready else ""
        if not line:
            self.stop()
        assert line, f"no answer to {do}"
        return json.loads(line)

    def stop(self) -> None:
        """With all that it has forked."""
        if not self.leader:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.leader.pid, signal.SIGKILL)
        with suppress(BrokenPipeError, ValueError):
            self.leader.communicate(timeout=STOP_S)

    def read_log(self) -> str:
        return self.log.read_text(errors="replace")[-LOG_TAIL:]
