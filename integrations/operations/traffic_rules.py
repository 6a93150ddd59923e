"""The rules about what comes in and goes out: what fails, what waits for too long, what is dead, slow or refused.

Shares and times come from the hourly counts of this hour and the one before; what waits now, from indexes that hold
nothing else.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Case, Count, F, Min, Q, QuerySet, When
from django.db.models.functions import Coalesce
from django.urls import reverse

from integrations import refusals
from integrations.deliveries import WORKING
from integrations.models import Alert, Connection, Delivery, Effect, HourlyCount
from integrations.operations.alert_rules import title_of
from integrations.operations.counting import HOUR, begin_of
from integrations.operations.histograms import EMPTY, add, find_quantile
from integrations.operations.rules import Finding, Limit, Seen, Watched, raises_alert
from integrations.retries import Cause

Level = Alert.Level
What = HourlyCount.What
FAILING_DELIVERIES, FAILING_EFFECTS = "failing_deliveries", "failing_effects"
LATE_DELIVERIES, LATE_EFFECTS = "late_deliveries", "late_effects"
DEAD_LETTERS, SYNC_LAG = "dead_letters", "sync_lag"
WEBHOOKS_REFUSED, CALLS_REFUSED = "webhooks_refused", "calls_refused"
# From so many times the limit on it is critical.
MUCH = 5
FAILED = ("retrying", "dead")
DONE = {
    What.DELIVERY: ("processed", "ignored", "stale"),
    What.EFFECT: ("succeeded", "suppressed"),
}
MODELS: Mapping[What, type[Delivery | Effect]] = {What.DELIVERY: Delivery, What.EFFECT: Effect}
NAMES = {What.DELIVERY: "deliveries", What.EFFECT: "effects"}
# Of a connection's dead letters, so many of the largest groups are named.
GROUPS = 5


def find_list(what: What, connection: Connection, **filters: str) -> str:
    """The page of a connection's deliveries or effects."""
    chosen = urlencode({"connection__id__exact": connection.pk, **filters})
    return f"{reverse(f'admin:integrations_{what}_changelist')}?{chosen}"


def judge(value: float, limit: Limit) -> Alert.Level:
    return Level.CRITICAL if value >= MUCH * limit.opens_at else Level.WARNING


def begin_window(now: datetime) -> datetime:
    """This hour and the one before: between one and two hours."""
    return begin_of(now) - HOUR


# --- Failed share -----------------------------------------------------------------------------------------------------


def find_failing(seen: Seen, what: What) -> Iterator[Finding]:
    counts = count_outcomes(what, seen.now)
    for each in seen.watched:
        outcomes = counts.get(each.connection.pk, {})
        failed = sum(outcomes.get(outcome, 0) for outcome in FAILED)
        tried = failed + sum(outcomes.get(outcome, 0) for outcome in DONE[what])
        share = 100 * failed / tried if tried else 0
        if seen.is_wrong(share, count=tried, connection=each.connection):
            text = (
                f"{failed:,} of {tried:,} {NAMES[what]} since {begin_window(seen.now):%H:%M} UTC have failed "
                f"({share:.0f} %). They are tried again by themselves, and become dead letters after that. "
                "Look at their errors, mend the cause, then replay what is dead."
            )
            worst = max(FAILED, key=lambda outcome: outcomes.get(outcome, 0))
            page = find_list(what, each.connection, status__exact=worst)
            level = Level.CRITICAL if share >= min(MUCH * seen.limit.opens_at, 100) else Level.WARNING
            title = f"{title_of(each)}: many {NAMES[what]} fail"
            yield Finding(each.connection, title, level, text, page=page, press="Look at them")


def count_outcomes(what: What, now: datetime) -> dict[int, dict[str, int]]:
    """Connection → outcome → how many, in one query."""
    found: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    rows = HourlyCount.objects.filter(what=what, hour__gte=begin_window(now)).order_by()
    for connection_id, outcome, count in rows.values_list("connection", "outcome", "count"):
        found[connection_id][outcome] += count
    return found


SHARE = Limit(10, "%", minimum=20, counted="that were tried")


@raises_alert(
    FAILING_DELIVERIES,
    title="Failing deliveries",
    watches="Of a connection's deliveries of this hour and the one before such a share has failed, of so many.",
    limit=SHARE,
)
def find_failing_deliveries(seen: Seen) -> Iterator[Finding]:
    yield from find_failing(seen, What.DELIVERY)


@raises_alert(
    FAILING_EFFECTS,
    title="Failing effects",
    watches="Of a connection's effects of this hour and the one before such a share has failed, of so many.",
    limit=SHARE,
)
def find_failing_effects(seen: Seen) -> Iterator[Finding]:
    yield from find_failing(seen, What.EFFECT)


# --- Backlog ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Late:
    """How many are due, since when the oldest, and the state that it is in."""

    count: int = 0
    since: datetime | None = None
    status: str = ""


def find_late(seen: Seen, what: What, late: Mapping[int, Late], why: str) -> Iterator[Finding]:
    for each in seen.watched:
        found = late.get(each.connection.pk, Late())
        minutes = (seen.now - found.since) / timedelta(minutes=1) if found.since else 0
        if seen.is_wrong(minutes, connection=each.connection):
            text = f"{found.count:,} {NAMES[what]} are due, the oldest since {found.since:%Y-%m-%d %H:%M} UTC. {why}"
            page = find_list(what, each.connection, status__exact=found.status)
            title = f"{title_of(each)}: {NAMES[what]} wait for too long"
            yield Finding(each.connection, title, judge(minutes, seen.limit), text, page=page, press="Look at them")


def count_late(rows: QuerySet[Any], now: datetime) -> dict[int, Late]:
    """By connection, of rows with their `due`; what is due only later does not count."""
    found: dict[int, Late] = {}
    groups = rows.filter(due__lt=now).order_by().values_list("connection", "status").annotate(Count("pk"), Min("due"))
    for connection_id, status, count, since in groups.order_by("due__min"):
        first = found.get(connection_id, Late(0, since, status))
        found[connection_id] = replace(first, count=first.count + count)
    return found


@raises_alert(
    LATE_DELIVERIES,
    title="Backlog of deliveries",
    watches="The oldest delivery that is due has waited for so long, although its connection is worked on.",
    limit=Limit(10, "minutes"),
)
def find_late_deliveries(seen: Seen) -> Iterator[Finding]:
    due = Case(
        When(status=Delivery.Status.RETRYING, then=F("next_attempt_at")),
        When(status=Delivery.Status.PROCESSING, then=F("lease_expires_at")),
        # What was replayed waits since then.
        When(attempts_before_replay__gt=0, then=F("queued_at")),
        default=F("received_at"),
    )
    opened = Delivery.objects.filter(status__in=("received", "processing", "retrying"), connection__status__in=WORKING)
    late = count_late(opened.annotate(due=due), seen.now)
    why = "Too few workers run, or something holds them up: see whether the queue grows, and start more of them."
    yield from find_late(seen, What.DELIVERY, late, why)


@raises_alert(
    LATE_EFFECTS,
    title="Backlog of effects",
    watches="The oldest effect that is due has waited for so long, although its connection may be called.",
    limit=Limit(15, "minutes"),
)
def find_late_effects(seen: Seen) -> Iterator[Finding]:
    resting = Q(status=Effect.Status.WAITING, cause__in=("", Cause.TRANSIENT, Cause.RATE_LIMITED))
    opened = Effect.objects.filter(
        Q(status__in=("pending", "running", "retrying")) | resting, connection__status=Connection.Status.ACTIVE
    )
    late = count_late(opened.annotate(due=Coalesce("due_at", "created_at")), seen.now)
    why = "The provider is away or slow, or allows too few calls: they go out by themselves when it is back."
    yield from find_late(seen, What.EFFECT, late, why)


# --- Dead letters -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Dead:
    """A connection's dead letters by what failed: cause → how many."""

    count: int = 0
    groups: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def describe(self) -> str:
        largest = sorted(self.groups.items(), key=lambda group: (-group[1], group[0]))[:GROUPS]
        more = len(self.groups) - len(largest)
        told = [f"{count:,} {name}" for name, count in largest]
        return "; ".join([*told, *([f"and {more:,} more groups"] if more else [])])


@raises_alert(
    DEAD_LETTERS,
    title="Dead letters",
    watches="So many deliveries or effects of a connection have used up their tries, and wait for a person.",
    limit=Limit(1, "dead letters", calm=1),
)
def find_dead(seen: Seen) -> Iterator[Finding]:
    dead = count_dead()
    for each in seen.watched:
        found = dead.get(each.connection.pk, Dead())
        if seen.is_wrong(found.count, connection=each.connection):
            text = (
                f"{found.count:,} use no more tries: {found.describe()}. Nothing of it arrives by itself any more. "
                "Mend the cause, then replay the group; or discard what is not needed, with a reason."
            )
            level = Level.CRITICAL if found.count >= 100 * seen.limit.opens_at else Level.WARNING
            page = reverse("admin:integrations_delivery_dead_letters")
            title = f"{title_of(each)} has dead letters"
            yield Finding(each.connection, title, level, text, page=page, press="Mend the cause, then replay")


def count_dead() -> dict[int, Dead]:
    """By connection, in two queries over indexes of dead letters only."""
    found: dict[int, Dead] = defaultdict(Dead)
    for what, model in MODELS.items():
        dead = model._default_manager.filter(status="dead").order_by().values_list("connection", "cause")
        for connection_id, cause, count in dead.annotate(count=Count("pk")):
            label = Cause(cause).label.lower() if cause in Cause.values else "unknown"
            found[connection_id].count += count
            found[connection_id].groups[f"{NAMES[what]}, {label}"] += count
    return found


# --- Sync lag ---------------------------------------------------------------------------------------------------------


@raises_alert(
    SYNC_LAG,
    title="Sync lag",
    watches="Of this hour and the one before, 95 % of a connection's changes took so long from webhook to done.",
    limit=Limit(30, "seconds", calm=2 / 3, minimum=20, counted="changes"),
)
def find_lag(seen: Seen) -> Iterator[Finding]:
    times = read_times(seen.now)
    for each in seen.watched:
        counts = times.get(each.connection.pk, EMPTY)
        lag_s = find_quantile(counts, 0.95) or 0.0
        if seen.is_wrong(lag_s, count=sum(counts), connection=each.connection):
            text = (
                f"Of {sum(counts):,} changes since {begin_window(seen.now):%H:%M} UTC, 95 % were there within "
                f"{lag_s:,.0f} seconds; the objective is {seen.limit.opens_at:g}. What comes now stands behind what "
                "waits: look whether the provider is slow or limits the rate, else start more workers."
            )
            page = find_list(What.EFFECT, each.connection, status__exact="succeeded")
            title = f"{title_of(each)} is behind"
            yield Finding(each.connection, title, judge(lag_s, seen.limit), text, page=page, press="Look at them")


def read_times(now: datetime) -> dict[int, tuple[int, ...]]:
    rows = HourlyCount.objects.filter(what=What.EFFECT, outcome="succeeded", hour__gte=begin_window(now)).order_by()
    found: dict[int, list[list[int]]] = defaultdict(list)
    for connection_id, times in rows.values_list("connection", "times"):
        found[connection_id].append(times)
    return {connection_id: add(histograms) for connection_id, histograms in found.items()}


# --- 401 --------------------------------------------------------------------------------------------------------------


@raises_alert(
    WEBHOOKS_REFUSED,
    title="Refused webhooks",
    watches="So many webhooks of this hour and the one before were refused, as no active secret had signed them.",
    limit=Limit(5, "webhooks", calm=0.2),
)
def find_refused_webhooks(seen: Seen) -> Iterator[Finding]:
    for each, refused in count_refused(seen, 0):
        text = (
            f"{refused:,} requests since {begin_window(seen.now):%H:%M} UTC were answered with 401. Either the sender "
            "has another secret than this connection, or somebody tries the address. Compare the secret over there, "
            "add it here, and verify again what was refused: it is kept."
        )
        page = find_list(What.DELIVERY, each.connection, status__exact="rejected")
        title = f"{title_of(each)}: webhooks are refused"
        yield Finding(each.connection, title, judge(refused, seen.limit), text, page=page, press="Look at them")


@raises_alert(
    CALLS_REFUSED,
    title="Refused calls",
    watches="So many calls of this hour and the one before were refused by a provider because of their token (401).",
    limit=Limit(5, "calls", calm=0.2),
)
def find_refused_calls(seen: Seen) -> Iterator[Finding]:
    for each, refused in count_refused(seen, 1):
        text = (
            f"{refused:,} calls since {begin_window(seen.now):%H:%M} UTC were answered with 401, and made again with a "
            "new token where there was one. A token that is refused before its end is used or revoked by somebody "
            "else: see which other program has this account's grant, then authorise the connection again."
        )
        page = reverse("admin:integrations_connection_change", args=[each.connection.pk])
        title = f"{title_of(each)} refuses its token again and again"
        yield Finding(each.connection, title, Level.WARNING, text, page=page, press="Open the connection")


def count_refused(seen: Seen, number: int) -> Iterator[tuple[Watched, int]]:
    """The connections of which too much was refused: webhooks (0) or calls (1)."""
    counts = refusals.sum_up(begin_window(seen.now))
    for each in seen.watched:
        refused = counts.get(each.connection.pk, (0, 0))[number]
        if seen.is_wrong(refused, connection=each.connection):
            yield each, refused
