"""Finding a calendar by calendar.live's id: among those that are known, else among those that calendar.live names."""

from django.db.models import QuerySet
from django.utils import timezone

from bookings.models import Calendar
from integrations.calls import use_account
from integrations.events import CalendarRef
from integrations.exceptions import KeepsyncError, TransientError
from integrations.models import Connection
from integrations.pairs import CALENDAR
from integrations.providers.calendar_live.client import list_calendars


def find_calendars(external_id: str, slug: str | None = None) -> list[Calendar]:
    """Those of this id at enabled connections, or at the one named. Raises TransientError where nobody can tell."""
    return list_known(external_id, slug) or (learn(slug) and list_known(external_id, slug)) or []


def list_known(external_id: str, slug: str | None) -> list[Calendar]:
    named = Calendar.objects.filter(external_id=external_id).exclude(connection__status=Connection.Status.DISABLED)
    found = named.filter(connection__slug=slug) if slug else named
    return list(found.select_related("connection").order_by("id"))


def learn(slug: str | None) -> bool:
    """Ask calendar.live for its calendars. One connection that does not answer leaves it open what it has."""
    enabled = list_connections()
    away: KeepsyncError | None = None
    for connection in enabled.filter(slug=slug) if slug else enabled:
        try:
            enter(connection, use_account(connection, list_calendars))
        except TransientError as error:
            away = error
        except KeepsyncError:
            continue
    if away:
        raise away
    return True


def list_connections() -> QuerySet[Connection]:
    """To calendar.live, without those that are disabled."""
    return Connection.objects.filter(provider=CALENDAR).exclude(status=Connection.Status.DISABLED)


def enter(connection: Connection, found: list[CalendarRef]) -> None:
    """Those that are not known yet."""
    now = timezone.now()
    rows = [
        Calendar(
            connection=connection,
            external_id=each.id,
            name=each.name,
            timezone=each.timezone,
            owner_email=each.owner_email.strip(),
            seen_at=now,
        )
        for each in found
    ]
    Calendar.objects.bulk_create(rows, ignore_conflicts=True)
