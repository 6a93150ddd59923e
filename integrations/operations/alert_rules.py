"""The rules about connections: their grants, tokens, scopes and secrets; and about signing in.

What a rule yields is open for as long as it yields it. Those about traffic and upkeep stand beside this module.
"""

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Sum
from django.urls import reverse

from integrations import oauth
from integrations.models import Alert, ChangeCount, Connection
from integrations.operations.rules import Finding, Limit, Seen, Watched, raises_alert
from integrations.providers import PROVIDERS, name_provider
from integrations.providers.oauth import OAuth
from integrations.sign_ins import ATTACKED, Door, find_closed
from integrations.stoppages import IN_USE, Problem, find_problem, is_failing, is_refreshable, is_usable

Level = Alert.Level
NEEDS_REAUTHORISATION, REFRESH_FAILING = "needs_reauthorisation", "refresh_failing"
TOKEN_EXPIRING, MISSING_SCOPES, SECRET_OLD = "token_expiring", "missing_scopes", "secret_old"
MISSED_WEBHOOKS, SIGN_INS_REFUSED = "missed_webhooks", "sign_ins_refused"
# One failure so shortly before the token's end is told too.
LATE = timedelta(minutes=10)
# So many times as old as a secret that is to be rotated, it is no mere reminder any more: 90 days.
VERY_OLD = 3


@raises_alert(
    NEEDS_REAUTHORISATION,
    title="Needs reauthorisation",
    watches="Nothing goes out to a connection before a person has authorised it again.",
)
def find_refused(seen: Seen) -> Iterator[Finding]:
    for each in seen.watched:
        if each.connection.status == Connection.Status.NEEDS_REAUTHORISATION:
            title = f"{title_of(each)} needs to be authorised again"
            yield Finding(each.connection, title, Level.CRITICAL, problem=find_problem(each.connection, each.token))


@raises_alert(
    REFRESH_FAILING,
    title="Failing refreshes",
    watches="So many refreshes of a token have failed in a row, or one within ten minutes of its end.",
    limit=Limit(3, "refreshes", calm=1),
)
def find_failing(seen: Seen) -> Iterator[Finding]:
    for each in seen.watched:
        token = each.token
        if token is None or each.connection.status not in IN_USE or not is_failing(token):
            continue
        is_late = token.expires_at is not None and token.expires_at <= seen.now + LATE
        if seen.is_wrong(token.failures, connection=each.connection) or is_late:
            level = Level.WARNING if is_usable(token) else Level.CRITICAL
            title = f"{title_of(each)}: its token cannot be refreshed"
            yield Finding(each.connection, title, level, problem=find_problem(each.connection, token))


@raises_alert(
    TOKEN_EXPIRING,
    title="Token runs out",
    watches="A token that nobody but a person can renew runs out within so many days, or has.",
    limit=Limit(3, "days before its end"),
)
def find_expiring(seen: Seen) -> Iterator[Finding]:
    for each in seen.watched:
        if not is_expiring(each, seen):
            continue
        if problem := find_problem(each.connection, each.token):
            yield Finding(each.connection, f"{title_of(each)}: its token has run out", Level.CRITICAL, problem=problem)
        else:
            yield warn_of_end(each)


def is_expiring(each: Watched, seen: Seen) -> bool:
    token = each.token
    if token is None or token.expires_at is None or each.connection.status not in IN_USE or is_failing(token):
        return False
    is_near = token.expires_at <= seen.now + timedelta(days=seen.limit.opens_at)
    return is_near and not is_refreshable(each.connection, token)


def warn_of_end(each: Watched) -> Finding:
    ends_at = each.token.expires_at if each.token else None
    text = "Nothing but a person can renew it: authorise the connection again, or set a new token, before that."
    problem = Problem(text, since=None, until=ends_at)
    return Finding(each.connection, f"{title_of(each)}: its token runs out soon", Level.WARNING, problem=problem)


@raises_alert(MISSING_SCOPES, title="Missing scopes", watches="Less was granted to a connection than is needed.")
def find_missing_scopes(seen: Seen) -> Iterator[Finding]:
    for each in seen.watched:
        known = PROVIDERS.get(each.connection.provider)
        if known is None or known.oauth is None or each.token is None or not each.token.scope:
            continue
        missing = oauth.compare_scopes(oauth.wanted_scopes(each.connection), each.token.scope)
        if missing and each.connection.status in IN_USE:
            title = f"{title_of(each)} was not given all scopes"
            yield Finding(each.connection, title, Level.WARNING, text=explain_missing(missing, known.oauth))


def explain_missing(missing: list[str], declared: OAuth) -> str:
    lines = [f"{scope}: without it fails {declared.purposes.get(scope, 'what needs it')}." for scope in missing]
    return "\n".join([*lines, "Authorise the connection again, and allow them."])


@raises_alert(
    SECRET_OLD,
    title="Old webhook secret",
    watches="A connection's newest webhook secret is older than so many days; three times as old, it is a warning.",
    limit=Limit(30, "days", calm=1),
)
def find_old_secrets(seen: Seen) -> Iterator[Finding]:
    for each in seen.watched:
        known = PROVIDERS.get(each.connection.provider)
        if known is None or not known.signature_header or each.secret_made_at is None:
            continue
        days = (seen.now - each.secret_made_at).days
        if seen.is_wrong(days, connection=each.connection):
            level = Level.WARNING if days >= VERY_OLD * seen.limit.opens_at else Level.INFO
            text = f"The newest was made {days} days ago: rotate it. Its page leads through it, step by step, no gap."
            page = reverse("admin:integrations_connection_secrets", args=[each.connection.pk])
            title = f"{title_of(each)}: its webhook secret is old"
            yield Finding(each.connection, title, level, text=text, page=page, press="Rotate it")


@raises_alert(
    MISSED_WEBHOOKS,
    title="Missed webhooks",
    watches="Of today's and yesterday's changes such a share came by reconciliation only, and so many.",
    limit=Limit(2, "%", minimum=3, counted="missed changes"),
)
def find_missed(seen: Seen) -> Iterator[Finding]:
    lately = ChangeCount.objects.filter(day__gte=seen.now.date() - timedelta(days=1)).order_by()
    sums = lately.values_list("connection").annotate(missed=Sum("missed"), checked=Sum("checked"))
    counts = {key: (missed, checked) for key, missed, checked in sums}
    for each in seen.watched:
        missed, checked = counts.get(each.connection.pk, (0, 0))
        share = 100 * missed / checked if checked else 0
        if each.connection.status in IN_USE and seen.is_wrong(share, count=missed, connection=each.connection):
            text = (
                f"{missed:,} of {checked:,} changes since yesterday had come by no webhook; a reconciliation brought "
                "them. See over there whether its webhooks reach this address, and what they are answered."
            )
            yield Finding(each.connection, f"{title_of(each)}: webhooks are missed", Level.WARNING, text=text)


@raises_alert(
    SIGN_INS_REFUSED,
    title="Refused sign-ins",
    watches="An address tries many passwords, or one account is tried from everywhere.",
)
def find_refused_sign_ins(seen: Seen) -> Iterator[Finding]:
    doors = list(find_closed(seen.now, ATTACKED).values_list("door", flat=True))
    if doors:
        text = (
            f"Refused at this moment: {doors.count(Door.ADDRESS):,} addresses, and {doors.count(Door.ACCOUNT):,} "
            "accounts in browsers that are not known. Known browsers are let in. An administrator sees which under "
            "Sign-ins."
        )
        yield Finding(None, "Somebody tries many passwords", Level.WARNING, text=text)


def title_of(each: Watched) -> str:
    return f"{each.connection} ({name_provider(each.connection.provider)})"
