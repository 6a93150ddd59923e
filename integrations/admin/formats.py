"""How values look on the admin's pages: instants, labels, links, texts that a program wrote."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Model
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil

NOTHING = "-"
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
UNITS = ((DAY_S, "d", HOUR_S, "h"), (HOUR_S, "h", MINUTE_S, "min"), (MINUTE_S, "min", 1, "s"))


def show_instant(moment: datetime | None) -> SafeString | str:
    """How long ago or ahead, and the time in UTC below it."""
    if moment is None:
        return NOTHING
    return format_html(
        '{}<br><span class="text-xs text-subtle whitespace-nowrap">{}</span>', relate(moment), format_utc(moment)
    )


def relate(moment: datetime) -> str:
    """The distance from now in words, without no-break spaces: "3 minutes ago", "in 2 hours"."""
    now = timezone.now()
    if moment > now:
        return f"in {timeuntil(moment, now, depth=1)}"
    return f"{timesince(moment, now, depth=1)} ago" if (now - moment).total_seconds() >= 60 else "just now"


def format_utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def format_span(span: timedelta) -> str:
    """The two largest units of it. Clocks differ: what seems to come before its cause came at once."""
    seconds = max(0.0, span.total_seconds())
    if seconds < MINUTE_S:
        return format_seconds(seconds)
    unit, name, smaller, smaller_name = next(each for each in UNITS if seconds >= each[0])
    rest = int(seconds % unit // smaller)
    return f"{int(seconds // unit)} {name}" + (f" {rest} {smaller_name}" if rest else "")


def format_seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def show_label(text: str, variant: str = "") -> SafeString:
    """A coloured label: variant is info, success, warning, danger, primary, or empty for grey."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "variant": variant})


def show_choice(row: Model, field: str, variants: Mapping[Any, str]) -> SafeString | str:
    """The label of a choice field's value."""
    value = getattr(row, field)
    if not value:
        return NOTHING
    return show_label(getattr(row, f"get_{field}_display")(), variants.get(value, ""))


def link_to(row: Model, text: object = None) -> SafeString:
    """A link to the row's page in the admin."""
    return link(address_of(row), text if text is not None else row)


def link(address: str, text: object) -> SafeString:
    return format_html('<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>', address, text)


def address_of(row: Model, page: str = "change") -> str:
    """The address of a row's page: change, or a button's name."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=[row.pk])


def address_of_list(model: type[Model], **filters: object) -> str:
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{urlencode(filters)}" if filters else address


def show_lines(lines: Iterable[object]) -> SafeString:
    """Each on its own line."""
    return format_html_join("", "<p>{}</p>", ((line,) for line in lines))


def show_folded(summary: str, text: str) -> SafeString:
    return format_html(
        '<details><summary class="cursor-pointer">{}</summary>'
        '<pre class="font-mono text-xs whitespace-pre-wrap mt-2">{}</pre></details>',
        summary,
        text,
    )


def format_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def read_uuid(text: str) -> UUID | None:
    """What somebody typed into a search, as an id; None where it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
