"""Times on the admin's pages: by the wall clock of a zone, and in UTC."""

from datetime import datetime

from django.utils.html import format_html

from bookings.timezones import zone
from integrations.admin.formats import format_utc, relate


def show_local(moment: datetime, zone_name: str) -> str:
    """The wall-clock time in the zone, and the same in UTC, and how far away it is, below it."""
    local = moment.astimezone(zone(zone_name))
    return format_html(
        '<span class="whitespace-nowrap">{} <span class="text-subtle">{}</span></span>'
        '<br><span class="text-xs text-subtle whitespace-nowrap">{}</span>',
        f"{local:%a %Y-%m-%d %H:%M}",
        zone_name,
        f"{format_utc(moment)}, {relate(moment)}",
    )
