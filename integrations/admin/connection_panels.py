"""How the way out through a connection stands: whether it rests and why, its rate budget, and what is waiting."""

from django.db.models import Count
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from integrations import effects
from integrations.admin.effect_outlook import find_drain
from integrations.admin.formats import NOTHING, address_of_list, format_utc, link, relate
from integrations.admin.panels import Panel, panel_on
from integrations.models import Connection, Drain, Effect
from integrations.providers import PROVIDERS

SHOWN = (*effects.OPEN, Effect.Status.DEAD)


@panel_on(Connection)
def show_outgoing(request: HttpRequest, connection: Connection) -> Panel | None:
    """None where nothing has ever gone out."""
    state, counts = find_drain(connection), count_effects(connection)
    if state is None and not counts:
        return None
    rows: list[list[object]] = [["Effects", show_counts(connection, counts)]]
    if state is not None:
        rows += [
            ["Rests", describe_rest(state)],
            ["Outages and rate limits since the last success", state.failures],
            ["Calls left", describe_budget(connection, state)],
        ]
    return Panel("Outgoing", rows=rows)


def count_effects(connection: Connection) -> dict[str, int]:
    """Open and dead effects by status, in one query."""
    mine = Effect.objects.filter(connection=connection, status__in=SHOWN).order_by()
    return dict(mine.values_list("status").annotate(count=Count("pk")))


def show_counts(connection: Connection, counts: dict[str, int]) -> SafeString | str:
    """With links to the lists, in the order in which an effect takes these states."""
    links = [
        (link(address_of_list(Effect, connection__id__exact=connection.pk, status__exact=status), text),)
        for status in SHOWN
        if (text := f"{counts.get(status, 0):,} {status.value}") and counts.get(status)
    ]
    return format_html_join(", ", "{}", links) or "None is open."


def describe_rest(state: Drain) -> str:
    if state.held_until is None or state.held_until <= timezone.now():
        return "No"
    cause = state.get_hold_cause_display() or "Unknown"
    return f"{cause}: nothing goes out until {format_utc(state.held_until)}, {relate(state.held_until)}"


def describe_budget(connection: Connection, state: Drain) -> str:
    """As it was counted last; it fills up again by itself."""
    provider = PROVIDERS.get(connection.provider)
    if provider is None or state.calls_left is None or state.counted_at is None:
        return NOTHING
    left = max(0, int(state.calls_left))
    rate = f"{provider.rate.per_s:g} a second come back"
    return f"{left} of {provider.rate.burst} at {format_utc(state.counted_at)}; {rate}"
