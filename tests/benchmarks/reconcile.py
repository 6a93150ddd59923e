"""`make bench-reconcile`: 100,000 events against 100,000 records, of which one in a hundred differs.

A calendar.live and a HubSpot are played by town.py, and the database is filled to match. Then `manage.py reconcile` is
run twice in a process of its own, which tells its time, its queries and its peak memory. The first run repairs; the
second, over the same window, must find what waits for a person and nothing else.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from config import database
from integrations.privacy.keys import generate_key
from tests.benchmarks import town
from tests.benchmarks.intake import make_database
from tests.benchmarks.intake import wait_for as wait_for_port
from tests.ports import free_port
from tests.processes.processes import Group, run

QUICK, WHOLE = 5_000, 100_000
# What of WAYS is repaired, and what waits for a person.
KINDS = {
    town.MISSING_HERE: "missing_here",
    town.OLDER_HERE: "field_differs",
    town.OTHER_HERE: "field_differs",
    town.MISSING_THERE: "missing_there",
}


# --- The benchmark ----------------------------------------------------------------------------------------------------


def compare(count: int, latency_ms: float) -> bool:
    """Whether both runs found what they had to find."""
    expected = Counter(KINDS[way] for number in range(count) if (way := town.way_of(number)))
    port = free_port()
    database.ensure_running()
    with tempfile.TemporaryDirectory() as folder:
        environ = make_environ(make_database(os.environ["DATABASE_URL"]), port)
        arguments = ["--port", str(port), "--events", str(count), "--latency-ms", str(latency_ms)]
        server = Group(["-m", "tests.benchmarks.town", *arguments], environ, Path(folder) / "town.log")
        try:
            wait_for_port(port)
            step(["manage.py", "migrate", "--verbosity", "0"], environ)
            begun = time.perf_counter()
            call(f"filling.fill_database({count}, 'http://127.0.0.1:{port}')", environ)
            tell(f"{count:,} events are known here after {time.perf_counter() - begun:.0f} s")
            show("first run", count, first := take(environ))
            show("second run", count, second := take(environ, "--since", f"{town.BEGIN:%Y-%m-%d}"))
        finally:
            server.kill()
    waits = sum(town.way_of(number) == town.OTHER_HERE for number in range(count))
    return first["by_kind"] == expected and second["repaired"] == 0 and second["escalated"] == waits


def make_environ(url: str, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": url,
        "DEBUG": "0",
        "SECRET_KEY": "of the benchmark " * 4,
        "FIELD_ENCRYPTION_KEYS": generate_key(),
        "BLIND_INDEX_KEY": generate_key(),
        "BASE_URL": f"http://127.0.0.1:{port}",
        "ALLOWED_HOSTS": "127.0.0.1",
        "EMAIL_URL": "console://",
        "ALLOW_PRIVATE_PROVIDERS": "1",
    }


def take(environ: dict[str, str], *arguments: str) -> dict[str, Any]:
    """What one run of the command said and took."""
    found: dict[str, Any] = json.loads(call(f"measuring.measure({list(arguments)!r})", environ).splitlines()[-1])
    return found


def call(what: str, environ: dict[str, str]) -> str:
    """A function of the benchmark's own, in a process with Django."""
    module = what.partition(".")[0]
    code = f"from tests.benchmarks import {module}; {what}"
    return step(["manage.py", "shell", "--no-imports", "--command", code], environ)


def step(arguments: list[str], environ: dict[str, str]) -> str:
    done = run(arguments, environ, timeout_s=3600)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def show(title: str, count: int, found: dict[str, Any]) -> None:
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(found["by_kind"].items()))
    tell(
        f"{title}: {found['checked']:,} checked in {found['seconds']:.0f} s, "
        f"{1000 * found['queries'] / found['checked']:.0f} queries per 1,000, peak {found['peak_mib']:.0f} MiB; "
        f"{found['repaired']:,} repaired, {found['escalated']:,} wait for a person ({kinds or 'nothing found'})"
    )


def tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} events")
    parser.add_argument("--events", type=int, default=WHOLE)
    parser.add_argument("--latency-ms", type=float, default=20, help="of each answer")
    options = parser.parse_args()
    now = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    tell(f"{now} UTC, {os.cpu_count()} cores, Python {platform.python_version()}")
    is_right = compare(QUICK if options.quick else options.events, options.latency_ms)
    raise SystemExit(0 if is_right else "It did not find what differs.")


if __name__ == "__main__":
    main()
