"""Measures the admin's first page: `python -m tests.benchmarks.dashboard --rows N` with a database of its own.

N deliveries and N effects of 30 days, with an attempt at each, are put into DATABASE_URL as they would lie there; one
in a hundred is dead, one in a hundred open. Then all hours are counted, and the page is asked for in each period.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.db import connection as database  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from integrations.jobs import beat  # noqa: E402
from integrations.models import Connection, CountedHour, HourlyCount  # noqa: E402
from integrations.operations import counting  # noqa: E402

PROVIDERS = ("hubspot", "salesforce", "pipedrive", "zoom", "slack")
ROUNDS = 15
# A UUIDv7 of each instant: 48 bits of milliseconds, the version, and what tells rows of one millisecond apart.
ROWS = """
CREATE TEMPORARY TABLE rows AS
SELECT number, at, (
    lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000a' || lpad(to_hex(number), 15, '0')
)::uuid AS id
FROM generate_series(1, %(count)s) AS number, LATERAL (
    SELECT %(now)s::timestamptz - interval '30 days' * (1 - number::float8 / %(count)s) AS at
) AS moment
"""
DELIVERIES = """
INSERT INTO integrations_delivery (
    id, connection_id, delivery_id, is_accepted, event_type, subject, status, cause, error, fingerprint, attempts,
    attempts_before_replay, discard_reason, duplicates, notes, body, headers, body_digest, received_at, processed_at
)
SELECT id, %(calendar)s, 'dlv_' || number, TRUE, 'event.updated', 'evt_' || number / 3,
       CASE number %% 100 WHEN 0 THEN 'dead' WHEN 1 THEN 'retrying' WHEN 2 THEN 'stale' ELSE 'processed' END,
       CASE number %% 100 WHEN 0 THEN (ARRAY['payload', 'bug', 'configuration'])[1 + number / 100 %% 3] ELSE '' END,
       '', CASE number %% 100 WHEN 0 THEN 'f' || number %% 7 ELSE '' END, 1, 0, '', 0, '[]',
       decode(repeat(md5(number::text), 24), 'hex'), '""', decode(md5(number::text), 'hex'), at,
       CASE WHEN number %% 100 > 1 THEN at + interval '1 second' * (number %% 9) END
FROM rows
"""
EFFECTS = """
INSERT INTO integrations_effect (
    id, connection_id, kind, subject, idempotency_key, is_state, revision, tried_revision, parameters, delivery_id,
    status, cause, error, fingerprint, attempts, free_attempts, repeats, external_id, close_reason, priority,
    created_at, finished_at
)
SELECT id, (%(others)s::bigint[])[1 + number %% 5], 'contact.upsert', 'contact:' || number, 'bench:' || number,
       TRUE, 1, 1, '{}', id,
       CASE number %% 100 WHEN 0 THEN 'dead' WHEN 1 THEN 'waiting' WHEN 2 THEN 'suppressed' ELSE 'succeeded' END,
       CASE number %% 100 WHEN 0 THEN 'permanent' WHEN 1 THEN 'reauthorise' ELSE '' END,
       '', '', 1, 0, 0, '', '', 0, at,
       CASE WHEN number %% 100 > 1 THEN at + interval '1 second' * (2 + number %% 40) END
FROM rows
"""
ATTEMPTS = """
INSERT INTO integrations_attempt
       (id, {about}_id, number, outcome, cause, error, calls, worker, started_at, finished_at)
SELECT overlay(id::text placing '{mark}' from 20 for 1)::uuid, id, 1, 'succeeded', '', '', '[]', 'bench', at,
       at + interval '1 second' * (2 + number %% 40)
FROM rows WHERE number %% 100 > 1
"""


def fill(count: int) -> None:
    calendar = Connection.objects.create(slug="calendar-live", provider="calendar_live")
    others = [Connection.objects.create(slug=provider, provider=provider).pk for provider in PROVIDERS]
    values: dict[str, Any] = {"count": count, "now": timezone.now(), "calendar": calendar.pk, "others": others}
    attempts = [ATTEMPTS.format(about=about, mark=mark) for about, mark in (("delivery", "8"), ("effect", "9"))]
    with database.cursor() as cursor:
        for statement in (ROWS, DELIVERIES, EFFECTS, *attempts):
            cursor.execute(statement, values)
        cursor.execute("DROP TABLE rows")
        cursor.execute("VACUUM ANALYZE")


def count_all() -> int:
    """How many hours there are."""
    while next(iter(counting.find_uncounted(timezone.now())), None):
        counting.count_hours(timezone.now())
    return CountedHour.objects.count()


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    done = work()
    return time.perf_counter() - begun, done


def measure(period: str, client: Client) -> str:
    address = f"/admin/?period={period}"
    with CaptureQueriesContext(database) as context:
        assert client.get(address).status_code == 200
    captured = list(context)
    begun = time.process_time()
    times = sorted(timed(lambda: client.get(address))[0] * 1000 for _ in range(ROUNDS))
    # Beside other processes the time that passes says little about the page.
    own = (time.process_time() - begun) * 1000 / ROUNDS
    asked = sum(float(query["time"]) for query in captured) * 1000
    told = f"{len(captured)} queries, of the database {asked:.0f} ms"
    return (
        f"{period:>4}  p50 {statistics.median(times):4.0f} ms  slowest {times[-1]:4.0f} ms  own {own:4.0f} ms  {told}"
    )


def explain(client: Client) -> None:
    """The plan of each query of the page that asks for deliveries, effects or counts."""
    with CaptureQueriesContext(database) as captured:
        client.get("/admin/?period=30d")
    with database.cursor() as cursor:
        for query in captured:
            if any(f'FROM "integrations_{table}"' in query["sql"] for table in ("delivery", "effect")) or (
                "integrations_hourlycount" in query["sql"]
            ):
                cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF) {query['sql']}")
                print("\n".join([query["sql"][:300], *(f"    {line}" for [line] in cursor.fetchall())]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--explain", action="store_true", help="show the plans too")
    options = parser.parse_args()
    seconds, _ = timed(lambda: fill(options.rows))
    print(f"{options.rows:,} deliveries and as many effects in {seconds:.0f} s")
    seconds, hours = timed(count_all)
    print(f"{hours} hours counted at first in {seconds:.1f} s: {HourlyCount.objects.count():,} counts")
    seconds, _ = timed(lambda: counting.count_hours(timezone.now() + timedelta(seconds=1)))
    print(f"one run after that: {seconds * 1000:.0f} ms")
    beat()
    client = Client()
    client.force_login(User.objects.create_superuser("bench"))
    client.get("/admin/")
    for period in ("24h", "7d", "30d"):
        print(measure(period, client))
    if options.explain:
        explain(client)


if __name__ == "__main__":
    main()
