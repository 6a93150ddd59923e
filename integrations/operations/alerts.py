"""Alerts: opened when a rule finds something, updated while it does, closed when it does not any more.

Each change is an entry of the alert's history, in the same transaction; those that people should hear of are told
afterwards, in one message for several where there are many (alert_messages.py).
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F, Max, Q
from django.utils import timezone

from integrations.models import Alert, AlertEntry, Connection, Token
from integrations.operations.alert_messages import tell_due
from integrations.operations.muting import end_mutes
from integrations.operations.rules import Finding, Rule, Seen, Watched, decide_limit, list_rules, read_decisions
from integrations.stoppages import Stoppage, measure

logger = logging.getLogger(__name__)

What = AlertEntry.What
TITLE_LENGTH, TEXT_LENGTH = 200, 4000
RULE_FAILS = "rule_fails"

type Key = tuple[str, int | None, str]


# --- Opening and closing ----------------------------------------------------------------------------------------------


def open_alert(kind: str, finding: Finding) -> bool:
    """Returns False where it is open already, as another process has opened it at this moment."""
    fields = {"kind": kind, "connection": finding.connection, "about": finding.about, **read_fields(finding)}
    try:
        with transaction.atomic():
            alert = Alert.objects.create(**fields)
            AlertEntry.objects.create(alert=alert, what=What.OPENED, note=alert.title, is_due=True)
    except IntegrityError:
        return False
    logger.warning("alert opened", extra={"kind": kind, "connection": str(finding.connection or "")})
    return True


def read_fields(finding: Finding) -> dict[str, str]:
    """What is written again whenever it is seen."""
    return {
        "title": finding.title[:TITLE_LENGTH],
        "text": finding.text[:TEXT_LENGTH],
        "level": finding.level,
        "page": finding.page,
        "press": finding.press,
    }


@transaction.atomic
def update(alert: Alert, finding: Finding) -> None:
    """As it is seen now. That it became critical is told; another level or title is kept as an entry."""
    changed = {name: value for name, value in read_fields(finding).items() if getattr(alert, name) != value}
    # Of two processes that see it at once, one writes the entry.
    seen = Alert.objects.filter(pk=alert.pk, closed_at=None, level=alert.level, title=alert.title)
    if not changed or not seen.update(**changed):
        return
    note = finding.title[:TITLE_LENGTH]
    if changed.get("level") == Alert.Level.CRITICAL:
        AlertEntry.objects.create(alert=alert, what=What.WORSE, note=note, is_due=not alert.is_muted)
    elif "level" in changed or "title" in changed:
        AlertEntry.objects.create(alert=alert, what=What.UPDATED, note=note)


def touch(ids: Sequence[int]) -> None:
    """They were seen once more."""
    Alert.objects.filter(pk__in=ids, closed_at=None).update(times_seen=F("times_seen") + 1, updated_at=timezone.now())


@transaction.atomic
def close(alert: Alert, *, user: User | None = None, note: str = "") -> bool:
    """Returns whether it was open. That it is over is told where that it was open was."""
    if not Alert.objects.filter(pk=alert.pk, closed_at=None).update(closed_at=timezone.now()):
        return False
    AlertEntry.objects.create(alert=alert, what=What.CLOSED, user=user, note=note, is_due=not alert.is_muted)
    return True


def close_alert(kind: str, connection: Connection | None, about: str = "", *, user: User | None = None) -> bool:
    """Returns whether one was open."""
    alert = Alert.objects.filter(kind=kind, connection=connection, about=about, closed_at=None).first()
    return alert is not None and close(alert, user=user)


def list_open(connection: Connection | None = None) -> list[Alert]:
    """All that are open, or one connection's: the newest first."""
    found = Alert.objects.filter(closed_at=None).select_related("connection").defer("connection__credentials")
    return list((found.filter(connection=connection) if connection else found).order_by("-pk"))


# --- The check --------------------------------------------------------------------------------------------------------


def check() -> None:
    """Ask all rules, then tell what is new. Two at once do no harm."""
    now = timezone.now()
    end_mutes(now)
    known = {key_of(alert): alert for alert in Alert.objects.filter(closed_at=None)}
    found = ask_all(now, known)
    stoppages = find_stoppages([finding for findings in found.values() for finding in findings])
    for kind, findings in found.items():
        for finding in findings:
            told = tell_stoppage(finding, stoppages)
            if alert := known.get((kind, *finding.key)):
                update(alert, told)
            else:
                open_alert(kind, told)
    touch([known[kind, *each.key].pk for kind, those in found.items() for each in those if (kind, *each.key) in known])
    close_others(found, known.values())
    tell_due()


def key_of(alert: Alert) -> Key:
    return alert.kind, alert.connection_id, alert.about


def ask_all(now: datetime, known: Iterable[Key]) -> dict[str, list[Finding]]:
    """Kind → findings. A rule that fails is left out, and is a finding itself; one that is off finds nothing."""
    decisions, watched = read_decisions(), look()
    found: dict[str, list[Finding]] = {RULE_FAILS: []}
    for rule in list_rules():
        opened = frozenset((connection_id, about) for kind, connection_id, about in known if kind == rule.kind)
        seen = Seen(now, watched, decide_limit(rule, decisions[rule.kind]), opened)
        findings = ask(rule, seen) if decisions[rule.kind].is_enabled else []
        if findings is None:
            found[RULE_FAILS].append(tell_failure(rule))
        else:
            found[rule.kind] = findings
    return found


def look() -> Sequence[Watched]:
    """All connections that are not disabled, in two queries."""
    connections = Connection.objects.exclude(status=Connection.Status.DISABLED).order_by("pk")
    secrets = Max("webhook_secrets__created_at", filter=Q(webhook_secrets__retired_at=None))
    found = list(connections.annotate(secret_made_at=secrets))
    tokens = Token.objects.in_bulk([connection.pk for connection in found])
    return [Watched(each, tokens.get(each.pk), each.secret_made_at) for each in found]


def ask(rule: Rule, seen: Seen) -> list[Finding] | None:
    """None where the rule fails: the others are asked all the same, and what it had found stays open."""
    if rule.why_not():
        return []
    try:
        return list(rule.find(seen))
    except Exception:
        logger.exception("alert rule failed", extra={"kind": rule.kind})
        return None


def tell_failure(rule: Rule) -> Finding:
    text = (
        f"{rule.watches} That could not be looked at: the worker's log says why. What it had found before stays open, "
        "and nothing new is found until it works again."
    )
    return Finding(None, f"The rule “{rule.title}” fails", Alert.Level.WARNING, text, about=rule.kind)


def find_stoppages(findings: Sequence[Finding]) -> dict[int, Stoppage]:
    problems = {each.connection: each.problem for each in findings if each.connection and each.problem}
    return measure(problems) if problems else {}


def tell_stoppage(finding: Finding, stoppages: Mapping[int, Stoppage]) -> Finding:
    if finding.connection is None or finding.problem is None:
        return finding
    told = stoppages[finding.connection.pk].describe()
    return replace(finding, text="\n".join(filter(None, (finding.text, told))))


def close_others(found: Mapping[str, Sequence[Finding]], known: Iterable[Alert]) -> None:
    """What is open and was not found any more, also of connections that are disabled now."""
    still = {(kind, *finding.key) for kind, findings in found.items() for finding in findings}
    for alert in known:
        if alert.kind in found and key_of(alert) not in still:
            close(alert)
