"""`make bench-intake`: the webhook's intake against a bare WSGI function, in the same run, under the same server.

Both are served by gunicorn with the same workers and threads; the function does the HMAC and one INSERT. The load
comes from one process on the same machine. Prints rates, latencies and the ratio, and that rows stored = ids accepted.
"""

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from config import database
from tests.benchmarks.load import Result, make_requests, run_load

SECRET = "whsec_bench"
SLUG = "bench"
DATABASE = "keepsync_bench"
PORTS = {"bare": 18461, "keepsync": 18462}
APPLICATIONS = {"bare": "tests.benchmarks.bare:application", "keepsync": "config.wsgi:application"}
TABLES = {"bare": "bare_delivery", "keepsync": "integrations_delivery"}
CONCURRENCIES = (1, 16, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=4000, help="deliveries of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side at each concurrency, by turns")
    parser.add_argument("--full", action="store_true", help="serve all of Keepsync, not with INTAKE_ONLY=1")
    options = parser.parse_args()
    database.ensure_running()
    url = make_database(os.environ["DATABASE_URL"])
    environ = {**os.environ, "DATABASE_URL": url, "BENCH_SECRET": SECRET, "INTAKE_ONLY": "0" if options.full else "1"}
    manage(environ, "migrate", "--verbosity=0")
    manage(environ, "connection", "add", "calendar_live", "--slug", SLUG, "--webhook-secret", SECRET)
    with serve("bare", environ), serve("keepsync", environ):
        print_header()
        for concurrency in CONCURRENCIES:
            compare(concurrency, options.requests, options.rounds, url)


def make_database(url: str) -> str:
    """A fresh database on the same server."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in ("DROP DATABASE IF EXISTS {} WITH (FORCE)", "CREATE DATABASE {}"):
            connection.execute(sql.SQL(statement).format(sql.Identifier(DATABASE)))
        made = psycopg.conninfo.make_conninfo(url, dbname=DATABASE)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare_delivery (delivery_id text PRIMARY KEY, body bytea NOT NULL)")
    return made


def manage(environ: dict[str, str], *words: str) -> None:
    full = {**environ, "INTAKE_ONLY": "0"}
    subprocess.run([sys.executable, "manage.py", *words], env=full, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def serve(side: str, environ: dict[str, str]) -> Iterator[None]:
    port = PORTS[side]
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "--log-level", "warning"]
    process = subprocess.Popen([*command, "-b", f"127.0.0.1:{port}", APPLICATIONS[side]], env=environ)
    try:
        wait_for(port)
        yield
    finally:
        process.terminate()
        process.wait(30)


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def compare(concurrency: int, requests: int, rounds: int, url: str) -> None:
    count = requests if concurrency > 1 else requests // 4
    results: dict[str, list[Result]] = {side: [] for side in APPLICATIONS}
    for side in APPLICATIONS:
        measure(side, 200, concurrency, url)
    for _ in range(rounds):
        for side in APPLICATIONS:
            results[side].append(measure(side, count, concurrency, url))
    middle = {side: statistics.median_low(result.rate for result in runs) for side, runs in results.items()}
    for side, runs in results.items():
        run = next(run for run in runs if run.rate == middle[side])
        quantiles = " ".join(f"{run.percentile_ms(percent):8.1f}" for percent in (50, 95, 99))
        print(f"{concurrency:>11}  {side:<9} {run.rate:>9.0f} {quantiles}")
    print(f"{'':>11}  ratio     {middle['keepsync'] / middle['bare']:>9.2f}")


def measure(side: str, count: int, concurrency: int, url: str) -> Result:
    sample = read_sample()
    made = list(make_requests(count, path=f"/webhooks/{SLUG}/", secret=SECRET, sample=sample))
    before = count_rows(side, url)
    result = run_load(PORTS[side], made, concurrency)
    stored = count_rows(side, url) - before
    if result.refused or stored != len(result.accepted):
        sys.exit(f"{side}: {len(result.accepted)} accepted, {stored} stored, {result.refused} refused")
    return result


def read_sample() -> dict[str, Any]:

    folder = Path(__file__).parent.parent / "contracts" / "calendar_live" / "samples"
    return dict(json.loads((folder / "event_created.json").read_text()))


def count_rows(side: str, url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(TABLES[side]))).fetchone()
    return row[0] if row else 0


def print_header() -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, Python {platform.python_version()}")
    print("rows stored = ids accepted in every run; rates are medians")
    print(f"{'concurrency':>11}  {'':<9} {'per s':>9} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8}")


if __name__ == "__main__":
    main()
