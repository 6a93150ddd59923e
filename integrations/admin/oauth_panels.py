"""How a connection's grant stands: what stops without it, whose it is, what it covers, and how it was obtained."""

from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from integrations import oauth, tokens
from integrations.admin.formats import (
    NOTHING,
    address_of,
    address_of_list,
    format_utc,
    link,
    relate,
    show_instant,
    show_label,
    show_lines,
)
from integrations.admin.oauth_buttons import BUTTONS, CHANGE, PAGE, has_oauth, has_secrets, name_authorise, token_of
from integrations.admin.oauth_page import name_account
from integrations.admin.panels import Panel, panel_on
from integrations.authorisations import missing_scopes
from integrations.models import Authorisation, Connection, Effect, Token
from integrations.providers import name_provider
from integrations.stoppages import IN_USE, Stoppage, find_stoppage, is_failing, is_over, is_refreshable, is_usable

Outcome = Authorisation.Outcome
OUTCOME_VARIANTS = {
    Outcome.STARTED: "",
    Outcome.GRANTED: "success",
    Outcome.REFUSED: "warning",
    Outcome.FAILED: "danger",
}
SHOWN_WALKS = 10


def link_to_authorise(request: HttpRequest, connection: Connection) -> list[SafeString]:
    if not has_oauth(connection) or not request.user.has_perm(CHANGE):
        return []
    return [link(address_of(connection, PAGE), name_authorise(connection))]


def link_to_buttons(request: HttpRequest, connection: Connection) -> list[SafeString]:
    """To authorise it, and to what can be done with its grant."""
    if not request.user.has_perm(CHANGE):
        return []
    fitting = [link(address_of(connection, button.name), button.label) for button in BUTTONS if button.fits(connection)]
    return [*link_to_authorise(request, connection), *fitting]


# --- What stops -------------------------------------------------------------------------------------------------------


@panel_on(Connection, rank=-2)
def show_stoppage(request: HttpRequest, connection: Connection) -> Panel | None:
    stoppage = find_stoppage(connection, token_of(connection))
    if stoppage is None:
        return None
    return Panel(
        stoppage.heading,
        rows=[
            ["Why", stoppage.problem.text],
            ["Since", describe_since(stoppage)],
            [stoppage.heading, show_lines(stoppage.describe_flows())],
            ["Effects that wait", show_waiting(connection, stoppage)],
        ],
        links=link_to_authorise(request, connection),
        note="Webhooks still come in, and are worked on. What waits goes on by itself afterwards.",
    )


def describe_since(stoppage: Stoppage) -> str:
    problem = stoppage.problem
    if problem.since is not None:
        return f"{format_utc(problem.since)}, {relate(problem.since)}"
    return f"Not yet: the token runs out {relate(problem.until)}" if problem.until else NOTHING


def show_waiting(connection: Connection, stoppage: Stoppage) -> SafeString | str:
    """By kind, each with a link to the list."""
    if not stoppage.count:
        return "None yet"
    chosen = {"connection__id__exact": connection.pk, "status__exact": Effect.Status.WAITING.value}
    links = [
        (link(address_of_list(Effect, **chosen, kind=kind), f"{count:,} {kind}"),)
        for kind, count in sorted(stoppage.waiting.items())
    ]
    return format_html_join(", ", "{}", links)


# --- The grant --------------------------------------------------------------------------------------------------------


@panel_on(Connection, rank=-1)
def show_grant(request: HttpRequest, connection: Connection) -> Panel | None:
    """None for a connection that needs none."""
    token, links = token_of(connection), link_to_buttons(request, connection)
    if token is None:
        is_keyed = has_secrets(connection) and not has_oauth(connection)
        empty = "It is called with the credentials that are set by hand." if is_keyed else "It was not authorised yet."
        return Panel("Authorisation", empty=empty, links=links) if is_keyed or has_oauth(connection) else None
    rows: list[list[object]] = [
        ["Account", name_account(token)],
        ["Authorised", describe_author(connection)],
        ["Scopes", ", ".join(oauth.split_scopes(token.scope)) or "Not known"],
        ["Scopes that are missing", show_missing(connection)],
        ["Access token", describe_expiry(token)],
        ["Obtained last", f"{format_utc(token.obtained_at)}, {relate(token.obtained_at)}"],
        ["Next refresh", describe_next(connection, token)],
    ]
    if token.error:
        rows.append(["Failed refreshes", describe_failures(connection, token)])
    note = "The tokens themselves are never shown."
    return Panel("Authorisation", rows=rows, links=links, note=note)


def describe_author(connection: Connection) -> str:
    """Who, and when, as far as it was in the browser."""
    granted = connection.authorisations.filter(outcome=Outcome.GRANTED).select_related("user")
    walk = granted.defer("verifier").order_by("-pk").first()
    if walk is None:
        return "Not in the browser: its token was set by hand, or by the application itself"
    return f"By {walk.user or 'a user who was deleted'}, {format_utc(walk.finished_at or walk.started_at)}"


def show_missing(connection: Connection) -> SafeString | str:
    missing = missing_scopes(connection) if has_oauth(connection) else []
    if not missing:
        return "None"
    purposes = oauth.find_oauth(connection).purposes
    return show_lines([f"{scope}: without it fails {purposes.get(scope, 'what needs it')}" for scope in missing])


def describe_expiry(token: Token) -> str:
    if not token.access_token:
        return "None"
    if token.expires_at is None:
        return "Its provider does not say when it runs out: it counts until it is refused"
    return f"{'Ran out' if is_over(token) else 'Runs out'} {relate(token.expires_at)}, {format_utc(token.expires_at)}"


def describe_next(connection: Connection, token: Token) -> str:
    if not is_refreshable(connection, token):
        return "Never: nothing but a person can renew it"
    if connection.status not in IN_USE or (tokens.is_refused(token) and is_over(token)):
        return "None before a person has done something"
    at = token.retry_at or tokens.due_at(token.obtained_at, token.expires_at)
    return f"{format_utc(at)}, {relate(at)}"


def describe_failures(connection: Connection, token: Token) -> str:
    told = tokens.describe_error(token.error, provider=name_provider(connection.provider))
    lately = f", lately {relate(token.failed_at)}" if token.failed_at else ""
    return f"{token.failures} in a row{lately}. {told}"


@panel_on(Connection, rank=-1)
def show_walks(request: HttpRequest, connection: Connection) -> Panel | None:
    walks = connection.authorisations.select_related("user").defer("verifier").order_by("-pk")[:SHOWN_WALKS]
    rows = [
        [
            show_instant(walk.started_at),
            walk.user or NOTHING,
            show_label(walk.get_outcome_display(), OUTCOME_VARIANTS[Outcome(walk.outcome)]),
            walk.error or NOTHING,
        ]
        for walk in walks
    ]
    return Panel("Authorisations", headers=["Begun", "By", "Outcome", "What was said"], rows=rows) if rows else None


# --- In the list ------------------------------------------------------------------------------------------------------


def describe_token(connection: Connection) -> str:
    """The token's state in one label, or when it runs out."""
    token = token_of(connection)
    if token is None:
        return NOTHING
    if connection.status == Connection.Status.NEEDS_REAUTHORISATION or tokens.is_refused(token):
        return show_label("Refused", "danger")
    if is_failing(token):
        return show_label("Refresh fails", "warning" if is_usable(token) else "danger")
    if token.expires_at is None:
        return NOTHING
    if is_over(token):
        return show_label("Ran out", "warning")
    return show_instant(token.expires_at)
