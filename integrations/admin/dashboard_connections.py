"""The dashboard's table of connections: how each stands, its rate budget, and when its token and secret are due."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Max, Q
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from integrations.admin.connections import STATUS_VARIANTS
from integrations.admin.formats import NOTHING, address_of, link, link_to, show_choice, show_instant, show_label
from integrations.admin.panels import Panel
from integrations.admin.secret_buttons import PAGE, sends_webhooks
from integrations.models import Connection, Drain, Token
from integrations.providers import PROVIDERS, name_provider
from integrations.webhook_secrets import ROTATE_AFTER

HIDDEN = ("credentials", "token__access_token", "token__refresh_token", "token__account_name")


def list_connections() -> list[Connection]:
    """With what is shown of each, in one query and without anything that is encrypted."""
    newest = Max("webhook_secrets__created_at", filter=Q(webhook_secrets__retired_at=None))
    found = (
        Connection.objects.exclude(status=Connection.Status.DISABLED).select_related("drain", "token").defer(*HIDDEN)
    )
    return list(found.annotate(secret_made_at=newest).order_by("slug"))


def show_connections(connections: Sequence[Connection], now: datetime) -> Panel:
    rows = [
        [
            link_to(connection),
            name_provider(connection.provider),
            show_choice(connection, "status", STATUS_VARIANTS),
            show_budget(connection, getattr(connection, "drain", None), now),
            show_expiry(getattr(connection, "token", None), now),
            show_secret(connection, now),
        ]
        for connection in connections
    ]
    headers = ["Connection", "Provider", "State", "Calls left", "Token runs out", "Newest secret"]
    return Panel("Connections", headers, rows)


def show_budget(connection: Connection, drain: Drain | None, now: datetime) -> str:
    """Of the provider's burst, as it has filled up again by now."""
    known = PROVIDERS.get(connection.provider)
    if known is None or drain is None or drain.calls_left is None or drain.counted_at is None:
        return NOTHING
    if drain.held_until and drain.held_until > now:
        return f"Rests: {drain.get_hold_cause_display().lower()}"
    come_back = max(0.0, (now - drain.counted_at).total_seconds()) * known.rate.per_s
    return f"{max(0, int(min(known.rate.burst, drain.calls_left + come_back)))} of {known.rate.burst}"


def show_expiry(token: Token | None, now: datetime) -> SafeString | str:
    if token is None or token.expires_at is None:
        return NOTHING
    return show_instant(token.expires_at) if token.expires_at > now else show_label("Has run out", "warning")


def show_secret(connection: Connection, now: datetime) -> SafeString | str:
    """It leads to the page that rotates it."""
    made_at = getattr(connection, "secret_made_at", None)
    if made_at is None or not sends_webhooks(connection):
        return NOTHING
    age = timesince(made_at, now, depth=1) if now - made_at >= timedelta(days=1) else "less than a day"
    return link(address_of(connection, PAGE), f"{age} old{', rotate it' if now - made_at >= ROTATE_AFTER else ''}")
