"""`make bench-find-duplicates`: all contacts of a database compared, while webhooks go on being answered.

A database of its own is filled with people.py's contacts, encrypted as always. Then `manage.py find_duplicates` runs
beside what an installation has, with the settings that it ships with and DEBUG=0: gunicorn, a worker, PostgreSQL. A
calendar.live posts bookings of new people at a modest rate all the time, and afterwards at the same rate without the
run. Memory is that of the command and its processes, added up, as the kernel tells of them several times a second;
what they share counts for each of them. All of it shares this machine.
"""

import argparse
import asyncio
import itertools
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from config import database
from integrations.privacy.keys import generate_key
from tests.benchmarks.intake import make_database
from tests.benchmarks.intake import wait_for as wait_for_port
from tests.benchmarks.pace import Sent, send_all
from tests.benchmarks.sync import CALENDAR, SECRET, find_percentiles, make_request
from tests.ports import free_port
from tests.processes.processes import ROOT, Group, run

GOAL_S, GOAL_MIB = 20 * 60, 2048
FILL_LIMIT_S = 3600
SLICE_S = 5
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Bench:
    """An installation, and the processes of it."""

    url: str
    folder: Path
    port: int = field(default_factory=free_port)
    groups: list[Group] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.environ = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": self.url,
            "DEBUG": "0",
            "SECRET_KEY": "of the benchmark " * 4,
            "FIELD_ENCRYPTION_KEYS": generate_key(),
            "BLIND_INDEX_KEY": generate_key(),
            "BASE_URL": f"http://127.0.0.1:{self.port}",
            "ALLOWED_HOSTS": "127.0.0.1",
            "EMAIL_URL": "console://",
        }

    @contextmanager
    def serving(self) -> Iterator[None]:
        try:
            bind = ["-b", f"127.0.0.1:{self.port}"]
            self.start("web", "-m", "gunicorn", "-c", "config/gunicorn.py", *bind, "config.wsgi")
            wait_for_port(self.port)
            yield
        finally:
            for group in self.groups:
                group.stop()

    def start(self, name: str, *arguments: str) -> None:
        self.groups.append(Group(arguments, self.environ, self.folder / f"{name}.log"))

    def manage(self, *arguments: str, timeout_s: float = 60) -> str:
        done = run(list(arguments), self.environ, timeout_s)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        return done.stdout

    def post(self, phase: str, per_s: float) -> list[Sent]:
        """A few seconds of bookings."""
        numbers = itertools.islice(self.numbers, round(per_s * SLICE_S))
        return asyncio.run(send_all(self.port, [make_request(phase, number) for number in numbers], per_s))

    def fetch(self, query: str) -> Any:
        with psycopg.connect(self.url) as connection:
            row = connection.execute(query).fetchone()
        return row and row[0]


@dataclass(slots=True)
class Measured:
    """What the command said, how long it took, and how much memory it had at most."""

    result: dict[str, Any]
    seconds: float
    peak_mib: float
    sent: list[Sent]


# --- Measuring --------------------------------------------------------------------------------------------------------


def measure(bench: Bench, *, per_s: float, workers: int) -> Measured:
    """Run the command. A worker that came earlier would compare all contacts by itself."""
    command = [sys.executable, "manage.py", "find_duplicates", "--json", "--workers", str(workers)]
    log = bench.folder / "find_duplicates.log"
    begun = time.monotonic()
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, env=bench.environ, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
    watcher = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.find_duplicates", "--watch", str(process.pid)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    try:
        sent = post_beside(bench, process, per_s)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    out, peak = process.communicate()[0], watcher.communicate()[0]
    if process.returncode:
        sys.exit(log.read_text()[-3000:])
    ended_s = float(json.loads(peak)["ended_at"]) - begun
    return Measured(json.loads(out), ended_s, json.loads(peak)["peak_mib"], sent)


def post_beside(bench: Bench, process: subprocess.Popen[bytes], per_s: float) -> list[Sent]:
    """Bookings until the command has ended. The worker comes once it has begun."""
    while not bench.fetch("SELECT count(*) FROM contacts_duplicaterun") and process.poll() is None:
        time.sleep(0.05)
    bench.start("worker", "manage.py", "qcluster")
    sent: list[Sent] = []
    while process.poll() is None:
        sent += bench.post("during", per_s)
    return sent


def watch(leader: int) -> None:
    """Until the process is gone: the most memory that its session had at one time."""
    peak = 0
    while (resident := count_resident(leader)) > 0:
        peak = max(peak, resident)
        time.sleep(0.5)
    print(json.dumps({"peak_mib": peak * PAGE_BYTES / 2**20, "ended_at": time.monotonic()}))


def count_resident(leader: int) -> int:
    """Pages of all processes of the session; 0 once its leader is gone."""
    total, is_there = 0, False
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                total += int((folder / "statm").read_text().split()[1])
                is_there |= int(folder.name) == leader
    return total if is_there else 0


# --- Printing ---------------------------------------------------------------------------------------------------------


def print_answers(name: str, sent: list[Sent]) -> None:
    p50, p95, p99, most = find_percentiles([each.latency_s * 1000 for each in sent if each.status == 200])
    refused = sum(each.status != 200 for each in sent)
    print(f"{name:24}{len(sent):>7}{refused:>9}{p50:>9.1f}{p95:>9.1f}{p99:>9.1f}{most:>9.1f}")


def report(measured: Measured, quiet: list[Sent], per_s: float) -> None:
    result = measured.result
    print(f"{result['contacts']:,} contacts, {result['compared']:,} pairs compared: {result['certain']:,} certain, ")
    print(f"{result['review']:,} to review; {result['opened']:,} opened, {result['keys_written']:,} keys written")
    print(", ".join(f"{step} {seconds:.0f} s" for step, seconds in result["seconds"].items()))
    print(f"{measured.seconds:.0f} s, at most {measured.peak_mib:.0f} MiB in all processes of the command")
    print(f"\nwebhooks, {per_s:g} a second   sent  refused   p50 ms   p95 ms   p99 ms   max ms")
    print_answers("beside the run", measured.sent)
    print_answers("without it", quiet)
    is_met = measured.seconds <= GOAL_S and measured.peak_mib <= GOAL_MIB
    refused = sum(each.status != 200 for each in measured.sent)
    print(
        f"goal: {GOAL_S // 60} minutes, {GOAL_MIB} MiB, all answered: {'met' if is_met and not refused else 'MISSED'}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=5, help="bookings a second")
    parser.add_argument("--workers", type=int, default=2, help="processes of the command that read")
    parser.add_argument("--quiet", type=float, default=60, help="seconds of bookings without the run")
    parser.add_argument("--again", action="store_true", help="run it a second time, when there is nothing to write")
    parser.add_argument("--watch", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watch:
        watch(options.watch)
        return
    # So that a stopped benchmark leaves no process behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    database.ensure_running()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(make_database(os.environ["DATABASE_URL"]), Path(folder))
        bench.manage("manage.py", "migrate", "--verbosity=0", timeout_s=300)
        bench.manage("manage.py", "connection", "add", "calendar_live", "--slug", CALENDAR, "--webhook-secret", SECRET)
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, Python {platform.python_version()}")
        begun = time.monotonic()
        fill = ["-m", "tests.benchmarks.fill", "--contacts", str(options.contacts)]
        bench.manage(*fill, timeout_s=FILL_LIMIT_S)
        print(f"filled in {time.monotonic() - begun:.0f} s")
        with bench.serving():
            measured = measure(bench, per_s=options.rate, workers=options.workers)
            quiet = [each for _ in range(round(options.quiet / SLICE_S)) for each in bench.post("quiet", options.rate)]
            report(measured, quiet, options.rate)
            if options.again:
                report(measure(bench, per_s=options.rate, workers=options.workers), quiet, options.rate)


if __name__ == "__main__":
    main()
