"""Where a meeting is: its external id at each connection, the page over there, and how far behind it was."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from django.utils.html import format_html
from django.utils.safestring import SafeString

from bookings.models import Payment
from bookings.tracing.reading import Trace
from integrations.admin.formats import NOTHING, format_span, link_to, show_instant, show_label
from integrations.admin.panels import Panel
from integrations.models import Connection, Token
from integrations.providers import PROVIDERS, name_provider
from integrations.providers.sites import Shown, Site

HEADERS = ["Connection", "External id", "Over there", "State", "Last sent", "Sync lag"]
NOTE = "Sync lag: from the last change at calendar.live until it was at this connection too."
STRIPE = "stripe"


def show_places(trace: Trace, lags: Mapping[int, timedelta]) -> Panel:
    sites = find_sites([trace.meeting.connection, *(link.connection for link in trace.links)])
    links, payments = list_link_rows(trace, sites, lags), map(make_payment_row, trace.payments)
    rows = [*list_calendar_rows(trace, sites), *links, *payments]
    return Panel("Where it is", headers=HEADERS, rows=rows, empty="It is nowhere but here.", note=NOTE)


def list_calendar_rows(trace: Trace, sites: Mapping[int, Site]) -> Iterator[list[object]]:
    """None while calendar.live has not got it."""
    meeting, connection = trace.meeting, trace.meeting.connection
    if not meeting.is_pending:
        page = find_page(connection.provider, sites[connection.pk], Shown.MEETING, meeting.external_id)
        state = show_label("Its calendar", "info")
        yield [link_to(connection), meeting.external_id, open_there(connection.provider, page), state, NOTHING, NOTHING]


def list_link_rows(trace: Trace, sites: Mapping[int, Site], lags: Mapping[int, timedelta]) -> Iterator[list[object]]:
    for link in trace.links:
        connection = link.connection
        page = find_page(connection.provider, sites[connection.pk], Shown.MEETING, link.external_id)
        state = show_label("Deleted there", "warning") if link.is_gone else show_label("Is there", "success")
        lag = lags.get(connection.pk)
        yield [
            link_to(connection),
            link.external_id,
            NOTHING if link.is_gone else open_there(connection.provider, page),
            state,
            show_instant(link.pushed_at),
            NOTHING if lag is None else format_span(lag),
        ]


def make_payment_row(payment: Payment) -> list[object]:
    """At Stripe, through a connection of ours or calendar.live's own account."""
    connection = payment.connection
    site = Site(connection.base_url) if connection else Site()
    page = find_page(STRIPE, site, Shown.PAYMENT, payment.payment_intent or "")
    return [
        link_to(connection) if connection else "Stripe, through calendar.live",
        payment.session_id or payment.payment_intent or NOTHING,
        open_there(STRIPE, page),
        link_to(payment, payment.get_status_display()),
        NOTHING,
        NOTHING,
    ]


def find_sites(connections: Iterable[Connection]) -> dict[int, Site]:
    """Connection id → where its records are; whose account it is says its token."""
    known = {connection.pk: connection for connection in connections}
    tokens = {token.pk: token for token in Token.objects.filter(pk__in=known).only("account_id", "api_url")}
    sites: dict[int, Site] = {}
    for key, connection in known.items():
        token = tokens.get(key)
        address = connection.base_url or (token.api_url if token else "")
        sites[key] = Site(address, token.account_id if token else "", connection.options)
    return sites


def find_page(provider: str, site: Site, shown: Shown, external_id: str) -> str:
    known = PROVIDERS.get(provider)
    return known.find_page(site, shown, external_id) if known else ""


def open_there(provider: str, page: str) -> SafeString | str:
    """In a window of its own, which is told nothing about this one."""
    if not page:
        return NOTHING
    return format_html(
        '<a href="{}" target="_blank" rel="noopener noreferrer" class="{}">Open in {}</a>',
        page,
        "text-primary-600 dark:text-primary-500",
        name_provider(provider),
    )
