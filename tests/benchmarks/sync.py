"""`make bench-sync`: how long a booking takes from its webhook to the CRM, and how that recovers from an outage.

It starts what an installation has, with the settings that it ships with and DEBUG=0: gunicorn, a worker, PostgreSQL.
Beside them run a calendar.live that posts signed bookings of new people at fixed times, whatever is answered, and a
CRM with a fixed latency (crm.py). All of them share this machine.

The lag of a booking is from `received_at` of its delivery to `finished_at` of the later of its two effects, the upserts
of its contact and of its meeting. The yardstick is direct.py, a bare function that calls the CRM within the request,
under the same server and at the same rate, in the same minute.
"""

import argparse
import asyncio
import hashlib
import hmac
import itertools
import json
import os
import platform
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import requests

from config import database
from integrations.privacy.keys import generate_key
from tests.benchmarks.intake import make_database, read_sample
from tests.benchmarks.intake import wait_for as wait_for_port
from tests.benchmarks.pace import Sent, send_all
from tests.ports import free_port
from tests.processes.processes import Group, run

SECRET = "whsec_bench"
CALENDAR, CRM = "bench", "bench-crm"
GOAL_LAG_S, GOAL_RECOVERY_S = 2.0, 60.0
# Lags are judged over so many seconds, and an outage comes after so many quiet ones.
WINDOW_S = 5
LEAD_S = 10
# How long to wait for the last booking after it was sent.
DEADLINE_S = 300
PERCENTS = (50, 95, 99)

LAGS = """
SELECT extract(epoch FROM delivery.received_at)::float, extract(epoch FROM max(effect.finished_at))::float
FROM integrations_delivery AS delivery JOIN integrations_effect AS effect ON effect.delivery_id = delivery.id
WHERE delivery.delivery_id LIKE %s AND effect.kind IN ('contact.upsert', 'meeting.upsert')
GROUP BY delivery.id
HAVING count(DISTINCT effect.kind) = 2 AND bool_and(effect.status IN ('succeeded', 'suppressed'))
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Synced:
    """A booking that is in the CRM; POSIX seconds."""

    received_at: float
    finished_at: float

    @property
    def lag_s(self) -> float:
        return self.finished_at - self.received_at


@dataclass
class Bench:
    """An installation with a CRM, and the processes of both."""

    url: str
    folder: Path
    latency_ms: float
    crm_port: int = field(default_factory=free_port)
    web_port: int = field(default_factory=free_port)
    direct_port: int = field(default_factory=free_port)
    groups: list[Group] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.crm_url = f"http://127.0.0.1:{self.crm_port}"
        self.environ = {
            **os.environ,
            "DATABASE_URL": self.url,
            "DEBUG": "0",
            "SECRET_KEY": "of the benchmark " * 4,
            "FIELD_ENCRYPTION_KEYS": generate_key(),
            "BLIND_INDEX_KEY": generate_key(),
            "BASE_URL": f"http://127.0.0.1:{self.web_port}",
            "ALLOWED_HOSTS": "127.0.0.1",
            "EMAIL_URL": "console://",
            "ALLOW_PRIVATE_PROVIDERS": "1",
            "BENCH_SECRET": SECRET,
            "BENCH_CRM": self.crm_url,
        }

    # --- Processes

    @contextmanager
    def running(self) -> Iterator[None]:
        try:
            self.start()
            yield
        finally:
            for group in self.groups:
                group.stop()

    def start(self) -> None:
        crm = ["-m", "tests.benchmarks.crm", "--port", str(self.crm_port), "--latency-ms", str(self.latency_ms)]
        self.start_group("crm", *crm)
        wait_for_port(self.crm_port)
        self.manage("migrate", "--verbosity=0")
        self.manage("connection", "add", "calendar_live", "--slug", CALENDAR, "--webhook-secret", SECRET)
        crm_options = ["--base-url", self.crm_url, "--option", "access_token=bench"]
        self.manage("connection", "add", "hubspot", "--slug", CRM, *crm_options)
        self.manage("connection", "test", CRM)
        self.manage("pair", CALENDAR, CRM, "--pattern", "out")
        self.start_group("worker", "manage.py", "qcluster")
        self.serve("web", "config.wsgi", self.web_port)
        self.serve("direct", "tests.benchmarks.direct:application", self.direct_port)

    def serve(self, name: str, application: str, port: int) -> None:
        bind = ["-b", f"127.0.0.1:{port}"]
        self.start_group(name, "-m", "gunicorn", "-c", "config/gunicorn.py", *bind, application)
        wait_for_port(port)

    def start_group(self, name: str, *arguments: str) -> None:
        self.groups.append(Group(arguments, self.environ, self.folder / f"{name}.log"))

    def manage(self, *arguments: str) -> None:
        done = run(["manage.py", *arguments], self.environ)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)

    # --- The CRM

    def ask_crm(self, method: str, **arguments: Any) -> dict[str, Any]:
        return dict(requests.request(method, f"{self.crm_url}/bench", timeout=60, **arguments).json())

    # --- Bookings

    def post(self, port: int, phase: str, *, count: int, per_s: float) -> list[Sent]:
        """`count` bookings of new people, sent at the rate; each must have been answered 200."""
        numbers = itertools.islice(self.numbers, count)
        sent = asyncio.run(send_all(port, [make_request(phase, number) for number in numbers], per_s))
        refused = [each.status for each in sent if each.status != 200]
        if refused:
            sys.exit(f"{phase}: {len(refused)} of {count} bookings were not accepted (statuses {sorted(set(refused))})")
        return sent

    def wait_for_sync(self, phase: str, *, count: int) -> list[Synced]:
        """The bookings that are in the CRM: all of them, or those that are when the time is over."""
        deadline = time.monotonic() + DEADLINE_S
        while len(synced := self.fetch_synced(phase)) < count and time.monotonic() < deadline:
            time.sleep(1)
        return synced

    def fetch_synced(self, phase: str) -> list[Synced]:
        with psycopg.connect(self.url) as connection:
            return [Synced(*row) for row in connection.execute(LAGS, [f"{phase}-%"]).fetchall()]


# --- Bookings ---------------------------------------------------------------------------------------------------------


def make_request(phase: str, number: int) -> bytes:
    """A signed webhook of one booking by a person whom nobody has seen before."""
    key, name = f"{phase}-{number}", spell(number)
    payload = read_sample()
    payload["id"] = key
    event = payload["data"]["event"]
    event.update(id=key, uid=f"{key}@calendar.live")
    event["attendees"][0].update(
        id=f"att-{key}",
        email=f"zoe@{name.lower()}.example",
        full_name=f"Zoë {name}",
        phone=f"+3361{number:07d}",
        company=f"{name} SARL",
    )
    body = json.dumps(payload).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST /webhooks/{CALENDAR}/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Forwarded-Proto: https\r\nX-CL-Delivery-ID: {key}\r\nX-CL-Signature: {signature}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def spell(number: int) -> str:
    """A name of its own for each number, in syllables."""
    consonants, vowels = "bdfgklmnprst", "aeiou"
    syllables = [consonant + vowel for consonant in consonants for vowel in vowels]
    digits = [number // len(syllables) ** place % len(syllables) for place in range(4)]
    return "".join(syllables[digit] for digit in digits).capitalize()


# --- What is measured -------------------------------------------------------------------------------------------------


def measure_lag(bench: Bench, *, per_s: float, seconds: float) -> None:
    """The yardstick, then Keepsync at the same rate."""
    yardstick = bench.post(bench.direct_port, "direct", count=round(per_s * min(seconds, LEAD_S)), per_s=per_s)
    bench.ask_crm("DELETE")
    count = round(per_s * seconds)
    accepted = bench.post(bench.web_port, "steady", count=count, per_s=per_s)
    synced = bench.wait_for_sync("steady", count=count)
    world = bench.ask_crm("GET")
    print(f"\n{per_s:g} bookings a second for {seconds:g} s: {len(synced)} of {count} are in the CRM")
    print(f"{'':36}{'p50 s':>9}{'p95 s':>9}{'p99 s':>9}{'max s':>9}")
    print_row("Keepsync answers the webhook", [each.latency_s for each in accepted])
    bare = print_row("bare function: webhook to CRM", [each.latency_s for each in yardstick])
    lag = print_row("Keepsync: webhook to CRM (sync lag)", [each.lag_s for each in synced])
    print(f"{'ratio':36}" + "".join(f"{mine / its:>9.1f}" for mine, its in zip(lag, bare, strict=True)))
    calls = sum(world["calls"].values())
    print(f"{calls} calls of the CRM, most in ten seconds {world['most_calls']}: {show_calls(world)}")
    check_records(world, len(synced), count)
    print(f"goal: p95 below {GOAL_LAG_S:g} s: {'met' if lag[1] < GOAL_LAG_S else 'MISSED'}")


def measure_recovery(bench: Bench, *, per_s: float, outage_s: float, after_s: float) -> None:
    """Bookings go on at the rate while the CRM is down, and after."""
    bench.ask_crm("DELETE")
    moments: dict[bool, float] = {}

    def set_down(*, is_down: bool) -> None:
        bench.ask_crm("PUT", json={"is_down": is_down})
        moments[is_down] = time.time()

    timers = [
        threading.Timer(LEAD_S, set_down, kwargs={"is_down": True}),
        threading.Timer(LEAD_S + outage_s, set_down, kwargs={"is_down": False}),
    ]
    for timer in timers:
        timer.start()
    count = round(per_s * (LEAD_S + outage_s + after_s))
    bench.post(bench.web_port, "outage", count=count, per_s=per_s)
    synced = bench.wait_for_sync("outage", count=count)
    world = bench.ask_crm("GET")
    down_at, up_at = moments[True], moments[False]
    print(f"\nThe CRM down for {up_at - down_at:.0f} s, at the same rate: {len(synced)} of {count} are in the CRM")
    print_windows(synced, up_at)
    held = [each for each in synced if each.received_at < up_at]
    caught_up_s = max((each.finished_at for each in held), default=up_at) - up_at
    recovery_s = find_recovery(synced, up_at)
    print(f"the last booking from before the end was in the CRM {caught_up_s:.1f} s after it")
    print(f"{sum(world['calls'].values())} calls of the CRM: {show_calls(world)}")
    check_records(world, len(synced), count)
    print(f"p95 of the lag was back below {GOAL_LAG_S:g} s within {recovery_s:g} s")
    print(f"goal: within {GOAL_RECOVERY_S:g} s: {'met' if recovery_s <= GOAL_RECOVERY_S else 'MISSED'}")


def list_windows(synced: Sequence[Synced], since: float) -> list[tuple[int, list[float]]]:
    """Lags by when they ended, in windows; each with the seconds from `since` to its end."""
    windows: dict[int, list[float]] = {}
    for each in synced:
        if each.finished_at >= since:
            windows.setdefault(int((each.finished_at - since) // WINDOW_S), []).append(each.lag_s)
    return [((index + 1) * WINDOW_S, lags) for index, lags in sorted(windows.items())]


def find_recovery(synced: Sequence[Synced], since: float) -> int:
    """The end of the last window with a p95 above the goal."""
    bad = [ends_s for ends_s, lags in list_windows(synced, since) if find_percentiles(lags)[1] >= GOAL_LAG_S]
    return max(bad, default=0)


def find_percentiles(values: Sequence[float]) -> list[float]:
    """p50, p95, p99 and the greatest."""
    cuts = statistics.quantiles(values, n=100, method="inclusive") if len(values) > 1 else list(values) * 99
    return [*(cuts[percent - 1] for percent in PERCENTS), max(values)] if values else [float("nan")] * 4


def check_records(world: dict[str, Any], synced: int, count: int) -> None:
    """Each booking once over there: a contact, a meeting, and that the one attends the other."""
    held = {name: world[name] for name in ("contacts", "meetings", "attending")}
    print(f"CRM records: {', '.join(f'{number} {name}' for name, number in held.items())}; bookings: {count}")
    if synced != count or any(number != count for number in held.values()):
        sys.exit("FAILED: the CRM does not hold each booking once.")


# --- Printing ---------------------------------------------------------------------------------------------------------


def print_header(latency_ms: float) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"default settings with DEBUG=0; each booking has a person of its own; the CRM answers in {latency_ms:g} ms")


def print_row(name: str, seconds: Sequence[float]) -> list[float]:
    found = find_percentiles(seconds)
    print(f"{name:36}" + "".join(f"{value:>9.3f}" for value in found))
    return found


def print_windows(synced: Sequence[Synced], since: float) -> None:
    print(f"{'seconds after the end of the outage':36}{'bookings':>9}{'p50 s':>9}{'p95 s':>9}")
    for ends_s, lags in list_windows(synced, since):
        p50, p95, *_ = find_percentiles(lags)
        print(f"{f'{ends_s - WINDOW_S} to {ends_s}':>36}{len(lags):>9}{p50:>9.2f}{p95:>9.2f}")


def show_calls(world: dict[str, Any]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(world["calls"].items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=50, help="bookings a second")
    parser.add_argument("--seconds", type=float, default=60, help="for how long the lag is measured")
    parser.add_argument("--outage", type=float, default=120, help="seconds for which the CRM is down; 0 for none")
    parser.add_argument("--after", type=float, default=90, help="seconds of traffic after the outage")
    parser.add_argument("--latency-ms", type=float, default=50, help="of the CRM")
    parser.add_argument("--quick", action="store_true", help="10 s and an outage of 10 s: whether it works, no figures")
    parser.add_argument("--logs", type=Path, help="a folder in which the processes' logs are kept")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.outage, options.after = 10, 10, 20
    # So that a stopped benchmark leaves no process behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    database.ensure_running()
    with tempfile.TemporaryDirectory() as folder:
        url = make_database(os.environ["DATABASE_URL"])
        bench = Bench(url, options.logs or Path(folder), options.latency_ms)
        bench.folder.mkdir(parents=True, exist_ok=True)
        with bench.running():
            print_header(options.latency_ms)
            measure_lag(bench, per_s=options.rate, seconds=options.seconds)
            if options.outage:
                measure_recovery(bench, per_s=options.rate, outage_s=options.outage, after_s=options.after)


if __name__ == "__main__":
    main()
