"""Alerts: opened when a rule finds something, updated while it does, closed when it does not any more.

A rule is one function with `raises_alert` in integrations/operations/alert_rules.py.
Each newly opened alert is told once.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F, Max, Q
from django.utils import timezone

from integrations.models import Alert, Connection, Token
from integrations.operations.alert_messages import announce
from integrations.stoppages import Problem, Stoppage, measure

logger = logging.getLogger(__name__)

TITLE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Watched:
    """A connection that is not disabled, with its token, and when its newest active webhook secret was made."""

    connection: Connection
    token: Token | None
    secret_made_at: datetime | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the rules look at: all connections, at one moment."""

    now: datetime
    watched: Sequence[Watched]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule has found. `connection` None: it concerns the whole installation.

    With a `problem` the text goes on with what stops, and how much waits.
    """

    connection: Connection | None
    title: str
    level: Alert.Level
    text: str = ""
    problem: Problem | None = None


type Rule = Callable[[Seen], Iterable[Finding]]

_rules: dict[str, Rule] = {}


def raises_alert(kind: str) -> Callable[[Rule], Rule]:
    """Let the rule open alerts of this kind: at most one for each connection."""

    def register(rule: Rule) -> Rule:
        _rules[kind] = rule
        return rule

    return register


def list_kinds() -> frozenset[str]:
    """Those that some rule opens."""
    return frozenset(_rules)


# --- Opening and closing ----------------------------------------------------------------------------------------------


def open_alert(kind: str, finding: Finding) -> bool:
    """Open it and tell it, or update the one that is open. Returns whether it is new."""
    fields = {"title": finding.title[:TITLE_LENGTH], "text": finding.text, "level": finding.level}
    seen = Alert.objects.filter(kind=kind, connection=finding.connection, closed_at=None)
    if seen.update(**fields, times_seen=F("times_seen") + 1, updated_at=timezone.now()):
        return False
    try:
        with transaction.atomic():
            announce(Alert.objects.create(kind=kind, connection=finding.connection, **fields))
    except IntegrityError:
        # Another process has opened it at this moment, and tells it.
        return False
    logger.warning("alert opened", extra={"kind": kind, "connection": str(finding.connection or "")})
    return True


def close_alert(kind: str, connection: Connection | None) -> bool:
    """Returns whether one was open."""
    return bool(Alert.objects.filter(kind=kind, connection=connection, closed_at=None).update(closed_at=timezone.now()))


def list_open(connection: Connection | None = None) -> list[Alert]:
    """All that are open, or one connection's: the newest first."""
    found = Alert.objects.filter(closed_at=None).select_related("connection").defer("connection__credentials")
    return list((found.filter(connection=connection) if connection else found).order_by("-pk"))


# --- The check --------------------------------------------------------------------------------------------------------


def check() -> None:
    """Ask all rules. Two at once do no harm."""
    seen = look()
    found = {kind: findings for kind, rule in _rules.items() if (findings := ask(kind, rule, seen)) is not None}
    stoppages = find_stoppages([finding for findings in found.values() for finding in findings])
    for kind, findings in found.items():
        for finding in findings:
            open_alert(kind, tell_stoppage(finding, stoppages))
    close_others(found)


def find_stoppages(findings: Sequence[Finding]) -> dict[int, Stoppage]:
    problems = {each.connection: each.problem for each in findings if each.connection and each.problem}
    return measure(problems) if problems else {}


def tell_stoppage(finding: Finding, stoppages: Mapping[int, Stoppage]) -> Finding:
    if finding.connection is None or finding.problem is None:
        return finding
    told = stoppages[finding.connection.pk].describe()
    return replace(finding, text="\n".join(filter(None, (finding.text, told))))


def look() -> Seen:
    """All connections that are not disabled, in two queries."""
    connections = Connection.objects.exclude(status=Connection.Status.DISABLED).order_by("pk")
    secrets = Max("webhook_secrets__created_at", filter=Q(webhook_secrets__retired_at=None))
    found = list(connections.annotate(secret_made_at=secrets))
    tokens = Token.objects.in_bulk([connection.pk for connection in found])
    watched = [Watched(each, tokens.get(each.pk), each.secret_made_at) for each in found]
    return Seen(timezone.now(), watched)


def ask(kind: str, rule: Rule, seen: Seen) -> list[Finding] | None:
    """None where the rule fails: the others are asked all the same, and what it had found stays open."""
    try:
        return list(rule(seen))
    except Exception:
        logger.exception("alert rule failed", extra={"kind": kind})
        return None


def close_others(found: dict[str, list[Finding]]) -> None:
    """What is open and was not found any more, also of connections that are disabled now."""
    for alert in Alert.objects.filter(closed_at=None, kind__in=found):
        if alert.connection_id not in {each.connection.pk if each.connection else None for each in found[alert.kind]}:
            Alert.objects.filter(pk=alert.pk, closed_at=None).update(closed_at=timezone.now())
