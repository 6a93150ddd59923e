"""What a rule of alerts is: a function that yields what it finds, declared with a title, a limit, and what it watches.

Where there is a limit, an alert opens above it and is over only well below it, so that it does not flap.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.apps import apps as global_apps

from integrations.models import Alert, AlertRule, Connection, Token
from integrations.stoppages import Problem

# How much of the limit is still too much for one that is open.
CALM = 0.5


@dataclass(frozen=True, slots=True)
class Limit:
    """It opens from `opens_at` on, in this `unit`, and is over below the share `calm` of it.

    With fewer than `minimum` (of `counted`) nothing opens. A `calm` of 1: it is over where it would not open.
    """

    opens_at: float
    unit: str
    calm: float = CALM
    minimum: int = 0
    counted: str = ""


@dataclass(frozen=True, slots=True)
class Watched:
    """A connection that is not disabled, with its token, and when its newest active webhook secret was made."""

    connection: Connection
    token: Token | None
    secret_made_at: datetime | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a rule looks at: all connections, at one moment, and what it has open: connection's id and `about`."""

    now: datetime
    watched: Sequence[Watched]
    limit: Limit
    opened: frozenset[tuple[int | None, str]] = frozenset()

    def is_wrong(self, value: float, *, count: int = 0, connection: Connection | None = None, about: str = "") -> bool:
        """Whether `value`, concluded from `count` events, opens an alert or keeps the one that there is."""
        if (connection.pk if connection else None, about) in self.opened:
            return value > 0 and value >= self.limit.opens_at * self.limit.calm
        return value >= self.limit.opens_at and count >= self.limit.minimum


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule has found. `connection` None: it concerns the whole installation.

    `about` tells several findings of one connection apart. `page` is where something can be done, `press` what the link
    says. With a `problem` the text goes on with what stops, and how much waits.
    """

    connection: Connection | None
    title: str
    level: Alert.Level
    text: str = ""
    problem: Problem | None = None
    about: str = ""
    page: str = ""
    press: str = ""

    @property
    def key(self) -> tuple[int | None, str]:
        return self.connection.pk if self.connection else None, self.about


type Find = Callable[[Seen], Iterable[Finding]]


def always() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Rule:
    """`watches` is a sentence for people. `why_not` says why it concludes nothing in this installation, or nothing."""

    kind: str
    title: str
    watches: str
    find: Find
    limit: Limit | None = None
    why_not: Callable[[], str] = field(default=always)


_rules: dict[str, Rule] = {}


def raises_alert(
    kind: str, *, title: str, watches: str, limit: Limit | None = None, why_not: Callable[[], str] = always
) -> Callable[[Find], Find]:
    """Let the function open alerts of this kind: at most one for each connection and what it is about."""

    def register(find: Find) -> Find:
        _rules[kind] = Rule(kind, title, watches, find, limit, why_not)
        return find

    return register


def list_rules() -> list[Rule]:
    return list(_rules.values())


def find_rule(kind: str) -> Rule | None:
    """None for one that this version does not know any more."""
    return _rules.get(kind)


# --- What administrators have decided ---------------------------------------------------------------------------------


def keep_rows(*, using: str, apps: Any = global_apps, **_: Any) -> None:
    """After every migration: a row for each rule."""
    with suppress(LookupError):  # Before the migration that makes the table.
        model = apps.get_model("integrations", "AlertRule")
        model.objects.using(using).bulk_create([model(kind=kind) for kind in _rules], ignore_conflicts=True)


def read_decisions() -> dict[str, AlertRule]:
    """By kind; a rule without a row yet has what it is shipped with."""
    return {kind: AlertRule(kind=kind) for kind in _rules} | {row.kind: row for row in AlertRule.objects.all()}


def decide_limit(rule: Rule, decided: AlertRule) -> Limit:
    if rule.limit is None:
        return Limit(0, "")
    opens_at = rule.limit.opens_at if decided.opens_at is None else decided.opens_at
    minimum = rule.limit.minimum if decided.minimum is None else decided.minimum
    return replace(rule.limit, opens_at=opens_at, minimum=minimum)
