"""Counting deliveries and effects by the hour in which they came about, again and again while they change.

An hour is counted as a whole, from a bounded range of primary keys, and its counts are replaced together: to count
twice is to count once. It is counted again

1. while it lasts, and once after it is over;
2. when something of it was tried again since, however late: a retry, a replay;
3. in turn, a few at each run, while it holds what a person may close without a try, such as a dead letter.

Hours that nobody has counted yet, as after an upgrade, follow as far as a run's time goes, the newest first.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID

from django.db import connection as database
from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Greatest
from django.utils import timezone

from integrations.ids import first_id_at, made_at
from integrations.models import Attempt, CountedHour, Delivery, Effect, HourlyCount
from integrations.operations.histograms import EDGES, EMPTY
from integrations.operations.standing import count_open

What = HourlyCount.What
HOUR = timedelta(hours=1)
# How far back it is counted: the dashboard's longest period.
REACH = timedelta(days=30)
# What was tried shortly before the last count may have ended after it.
OVERLAP = timedelta(minutes=5)
# How long one run goes on with hours that can wait, and how many of those that a person may change it looks at.
RUN_S = 5.0
IN_TURN = 3
# What becomes something else without a try: by a person, or by a connection that is resumed.
UNSETTLED = {
    What.DELIVERY: {"received", "processing", "retrying", "dead", "rejected"},
    What.EFFECT: {"pending", "running", "retrying", "waiting", "dead"},
}

# From receipt until it was first worked on to its end: a replay does not make it slower.
DELIVERIES = """
SELECT delivery.connection_id, delivery.status, CASE delivery.status WHEN 'dead' THEN delivery.cause ELSE '' END,
       width_bucket(
           extract(epoch FROM COALESCE(done.at, delivery.processed_at) - delivery.received_at), %(edges)s::numeric[]
       ),
       count(*)
FROM integrations_delivery AS delivery
LEFT JOIN LATERAL (
    SELECT min(finished_at) AS at FROM integrations_attempt WHERE delivery_id = delivery.id AND outcome = 'succeeded'
) AS done ON TRUE
WHERE delivery.id >= %(first)s AND delivery.id < %(end)s
GROUP BY 1, 2, 3, 4
"""
# The sync lag: from the receipt of a delivery until the state that it changed was first there.
EFFECTS = """
SELECT effect.connection_id, effect.status, CASE effect.status WHEN 'dead' THEN effect.cause ELSE '' END,
       CASE WHEN effect.status = 'succeeded' AND effect.is_state THEN width_bucket(
           extract(epoch FROM COALESCE(done.at, effect.finished_at) - delivery.received_at), %(edges)s::numeric[]
       ) END,
       count(*)
FROM integrations_effect AS effect
LEFT JOIN integrations_delivery AS delivery ON delivery.id = effect.delivery_id
LEFT JOIN LATERAL (
    SELECT min(finished_at) AS at FROM integrations_attempt WHERE effect_id = effect.id AND outcome = 'succeeded'
) AS done ON TRUE
WHERE effect.id >= %(first)s AND effect.id < %(end)s
GROUP BY 1, 2, 3, 4
"""
STATEMENTS: Mapping[What, str] = {What.DELIVERY: DELIVERIES, What.EFFECT: EFFECTS}


def count_hours(now: datetime) -> None:
    """Bring the counts up to date. Two at once do no harm."""
    ends_at = time.monotonic() + RUN_S
    counted: set[datetime] = set()
    for hour in chain(find_changed(now), find_unsettled(now)):
        if hour not in counted:
            count_hour(hour)
            counted.add(hour)
    note_open(now)
    for hour in find_uncounted(now):
        if time.monotonic() >= ends_at:
            break
        count_hour(hour)


# --- Which hours ------------------------------------------------------------------------------------------------------


def find_changed(now: datetime) -> list[datetime]:
    """The hours since the last count, and those of what was tried since, the newest first."""
    last = CountedHour.objects.aggregate(last=Max("counted_at"))["last"] or now
    since = max(min(last, now) - OVERLAP, now - REACH)
    begin = begin_of(since)
    recent = {begin + number * HOUR for number in range((begin_of(now) - begin) // HOUR + 1)}
    tried = Attempt.objects.filter(pk__gte=first_id_at(since)).order_by()
    late: set[datetime] = set()
    for field in ("delivery_id", "effect_id"):
        older = tried.filter(**{f"{field}__lt": first_id_at(begin), f"{field}__gte": first_id_at(now - REACH)})
        late |= {hour_of(key) for key in older.values_list(field, flat=True).distinct()}
    return sorted(recent | late, reverse=True)


def find_unsettled(now: datetime) -> list[datetime]:
    """A few of those in which a person may have closed something: the ones that were counted longest ago."""
    unsettled = CountedHour.objects.filter(is_settled=False, hour__gte=begin_of(now - REACH))
    return list(unsettled.order_by("counted_at", "hour").values_list("hour", flat=True)[:IN_TURN])


def find_uncounted(now: datetime) -> Iterator[datetime]:
    """The newest first."""
    begin = begin_of(now - REACH)
    known = set(CountedHour.objects.filter(hour__gte=begin).order_by().values_list("hour", flat=True))
    hour = begin_of(now)
    while hour > begin:
        hour -= HOUR
        if hour not in known:
            yield hour


def begin_of(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def hour_of(key: UUID) -> datetime:
    """The hour in which a UUIDv7 was made."""
    return begin_of(made_at(key))


# --- One hour ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def count_hour(hour: datetime) -> None:
    """Replace the counts of one hour. Whoever counts it at the same time waits, and then sees what has changed."""
    CountedHour.objects.bulk_create(
        [CountedHour(hour=hour, counted_at=timezone.now())],
        update_conflicts=True,
        unique_fields=["hour"],
        update_fields=["counted_at"],
    )
    counts = [count for what in What for count in read_counts(what, hour)]
    HourlyCount.objects.filter(hour=hour).delete()
    HourlyCount.objects.bulk_create(counts)
    is_settled = not any(count.outcome in UNSETTLED[What(count.what)] for count in counts)
    CountedHour.objects.filter(hour=hour).update(is_settled=is_settled)


def read_counts(what: What, hour: datetime) -> list[HourlyCount]:
    """As the rows are at this moment."""
    times: dict[tuple[int, str, str], list[int]] = defaultdict(lambda: list(EMPTY))
    totals: dict[tuple[int, str, str], int] = defaultdict(int)
    with database.cursor() as cursor:
        bounds: dict[str, Any] = {"first": first_id_at(hour), "end": first_id_at(hour + HOUR), "edges": list(EDGES)}
        cursor.execute(STATEMENTS[what], bounds)
        for connection_id, outcome, cause, bucket, count in cursor.fetchall():
            totals[connection_id, outcome, cause] += count
            if bucket is not None:
                times[connection_id, outcome, cause][bucket] += count
    return [
        HourlyCount(
            hour=hour,
            what=what,
            connection_id=key[0],
            outcome=key[1],
            cause=key[2],
            count=total,
            times=times[key],
        )
        for key, total in totals.items()
    ]


def note_open(now: datetime) -> None:
    """Keep the most that was open within this hour, which has been counted."""
    hour = CountedHour.objects.filter(hour=begin_of(now))
    hour.update(
        open_deliveries=Greatest("open_deliveries", count_open(Delivery)),
        open_effects=Greatest("open_effects", count_open(Effect)),
    )
