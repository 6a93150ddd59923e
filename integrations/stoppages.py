"""What stops while a connection cannot be called: why, since when, which flows hang on it, and how much waits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q
from django.utils import timezone

from integrations import oauth, tokens
from integrations.holds import STAYS_WAITING
from integrations.models import Connection, Effect, Pair, Token
from integrations.privacy.encryption import UnreadableValueError
from integrations.providers import PROVIDERS, name_provider

Status = Connection.Status
# In these a connection is meant to be called, now or when it is resumed.
IN_USE = (Status.ACTIVE, Status.PAUSED)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a connection cannot be called, or soon cannot be: sentences that say what to do.

    `since` None: it still can, the token that it has is good until `until`.
    """

    text: str
    since: datetime | None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stoppage:
    """`flows` are sentences, `partners` the connections that it is paired with, `waiting` effects by their kind."""

    problem: Problem
    flows: Sequence[str]
    partners: Sequence[str]
    waiting: Mapping[str, int]

    @property
    def is_stopped(self) -> bool:
        return self.problem.since is not None

    @property
    def count(self) -> int:
        return sum(self.waiting.values())

    def describe(self) -> str:
        """Plain lines, for an alert."""
        lines = [self.problem.text, describe_since(self.problem), f"{self.heading}: {' '.join(self.describe_flows())}"]
        return "\n".join([*lines, self.describe_waiting()])

    @property
    def heading(self) -> str:
        return "What stops" if self.is_stopped else "What will stop"

    def describe_flows(self) -> list[str]:
        """Sentences, with the pairs named; webhooks are not concerned."""
        paired = [f"It is paired with {', '.join(self.partners)}."] if self.partners else []
        return [*(self.flows or ["Nothing goes out there."]), *paired]

    def describe_waiting(self) -> str:
        if not self.count:
            return "No effect waits for it yet."
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.waiting.items()))
        return f"{self.count:,} effect{'' if self.count == 1 else 's'} wait{'s' if self.count == 1 else ''}: {kinds}."


def describe_since(problem: Problem) -> str:
    if problem.since is not None:
        return f"Since {problem.since:%Y-%m-%d %H:%M} UTC."
    return f"The token that it has is good until {problem.until:%Y-%m-%d %H:%M} UTC." if problem.until else ""


# --- Why --------------------------------------------------------------------------------------------------------------


def find_problem(connection: Connection, token: Token | None) -> Problem | None:
    """None where the connection can be called, or is not meant to be. `token` is its row, read whole."""
    if connection.status == Status.NEEDS_REAUTHORISATION:
        return Problem(explain_refusal(connection, token), connection.status_changed_at)
    if token is None or connection.status not in IN_USE:
        return None
    if is_failing(token):
        since = None if is_usable(token) else token.expires_at or token.failed_at
        return Problem(explain_failures(connection, token), since, token.expires_at)
    if is_over(token) and not is_refreshable(connection, token):
        return Problem("Its access token has run out: authorise it again, or set a new one.", token.expires_at)
    return None


def is_failing(token: Token) -> bool:
    """Whether the last refresh has failed in a way that may pass."""
    return bool(token.failures and token.error and token.retry_at)


def is_over(token: Token) -> bool:
    return token.expires_at is not None and token.expires_at <= timezone.now()


def is_usable(token: Token) -> bool:
    """False also for one that cannot be read."""
    try:
        return tokens.is_usable(token)
    except UnreadableValueError:
        return False


def is_refreshable(connection: Connection, token: Token) -> bool:
    """Without a person. True also for one that cannot be read: what is wrong with it is told elsewhere."""
    try:
        return oauth.can_refresh(connection, token)
    except UnreadableValueError:
        return True


def explain_refusal(connection: Connection, token: Token | None) -> str:
    if token is not None and tokens.is_refused(token):
        return tokens.describe_error(token.error, provider=name_provider(connection.provider))
    return (
        f"{name_provider(connection.provider)} refuses the connection's credentials, or its grant was revoked: "
        "authorise it again, or set new credentials."
    )


def explain_failures(connection: Connection, token: Token) -> str:
    told = tokens.describe_error(token.error, provider=name_provider(connection.provider))
    count = "The last refresh has" if token.failures == 1 else f"The last {token.failures} refreshes have"
    return f"{told} {count} failed, lately at {token.failed_at:%Y-%m-%d %H:%M} UTC."


# --- What hangs on it -------------------------------------------------------------------------------------------------


def find_stoppage(connection: Connection, token: Token | None) -> Stoppage | None:
    """None where the connection can be called. `token` is its row, read whole."""
    problem = find_problem(connection, token)
    return measure({connection: problem})[connection.pk] if problem else None


def measure(problems: Mapping[Connection, Problem]) -> dict[int, Stoppage]:
    """By the connections' ids, in two queries."""
    ids = [connection.pk for connection in problems]
    partners, waiting = find_partners(ids), count_waiting(ids)
    return {
        connection.pk: Stoppage(
            problem,
            list_flows(connection),
            tuple(partners.get(connection.pk, ())),
            waiting.get(connection.pk, {}),
        )
        for connection, problem in problems.items()
    }


def list_flows(connection: Connection) -> tuple[str, ...]:
    known = PROVIDERS.get(connection.provider)
    return known.flows if known else ()


def find_partners(ids: Iterable[int]) -> dict[int, list[str]]:
    """Connection → those that it is paired with, by their names."""
    pairs = Pair.objects.filter(Q(calendar__in=ids) | Q(crm__in=ids)).order_by("pk")
    found: dict[int, list[str]] = {}
    for calendar_id, calendar, crm_id, crm in pairs.values_list("calendar", "calendar__slug", "crm", "crm__slug"):
        found.setdefault(calendar_id, []).append(crm)
        found.setdefault(crm_id, []).append(calendar)
    return found


def count_waiting(ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """Connection → kind → effects that go on when it can be called again. Not those that wait for a person."""
    waiting = Effect.objects.filter(connection__in=ids, status=Effect.Status.WAITING)
    waiting = waiting.exclude(STAYS_WAITING).order_by()
    found: dict[int, dict[str, int]] = {}
    for connection_id, kind, count in waiting.values_list("connection", "kind").annotate(count=Count("pk")):
        found.setdefault(connection_id, {})[kind] = count
    return found
