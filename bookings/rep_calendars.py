"""On which calendar a meeting is booked that a sales rep has made in a CRM.

The one of the record's owner, by the address; else the one that the CRM connection's option `calendar_id` names, or
that of the calendar.live connection; else the only one. Calendars of pairs count whose CRM may write.
"""

from collections.abc import Collection, Sequence

from bookings.calendars import learn
from bookings.exceptions import RefusedError
from bookings.models import Calendar
from integrations.exceptions import TransientError
from integrations.models import Connection, Pair
from integrations.pairs import CALENDAR

NONE = "No calendar belongs to the record's owner, no option calendar_id names one, and there is not just one."
SEVERAL = "Several calendars belong to the record's owner: name one by the option calendar_id of the CRM connection."


def choose_calendar(crm: Connection, emails: Collection[str]) -> Calendar:
    """`emails` are the addresses of the record's owner, as far as they are known.

    Raises RefusedError where no calendar, or more than one, can be meant; TransientError where nobody can tell now.
    """
    connections = list_calendar_connections(crm)
    owned = list_owned(list_known(connections), emails)
    if len(owned) == 1:
        return owned[0]
    learn_all(connections)
    return choose([crm, *connections], emails, list_known(connections))


def list_calendar_connections(crm: Connection) -> list[Connection]:
    """Those whose meetings the CRM may write."""
    paired = Pair.objects.filter(crm=crm).exclude(pattern=Pair.Pattern.IN).values("calendar")
    enabled = Connection.objects.exclude(status=Connection.Status.DISABLED)
    return list(enabled.filter(pk__in=paired).order_by("id"))


def list_known(connections: Sequence[Connection]) -> list[Calendar]:
    return list(Calendar.objects.filter(connection__in=connections).select_related("connection").order_by("id"))


def list_owned(known: Sequence[Calendar], emails: Collection[str]) -> list[Calendar]:
    wanted = {email.strip().casefold() for email in emails} - {""}
    return [each for each in known if each.owner_email.strip().casefold() in wanted]


def choose(connections: Sequence[Connection], emails: Collection[str], known: Sequence[Calendar]) -> Calendar:
    """Of all that there are; `connections` may name one by their option, the first one first."""
    owned = list_owned(known, emails)
    if len(owned) == 1:
        return owned[0]
    naming = [each for each in connections if each.options.get("calendar_id")]
    for connection in naming:
        if named := find_named(owned or known, connection):
            return named
    if len(known) == 1 and not naming:
        return known[0]
    raise RefusedError(SEVERAL if owned else NONE, status=409, code="several_calendars" if owned else "no_calendar")


def find_named(known: Sequence[Calendar], connection: Connection) -> Calendar | None:
    """The calendar that a connection's option names; of a calendar.live connection, one of its own."""
    is_own = connection.provider == CALENDAR
    mine = [each for each in known if each.connection_id == connection.pk] if is_own else known
    return next((each for each in mine if each.external_id == connection.options["calendar_id"]), None)


def learn_all(connections: Sequence[Connection]) -> None:
    """Ask calendar.live for calendars that are not known yet. Its outages are not the CRM's."""
    for connection in connections:
        try:
            learn(connection.slug)
        except TransientError as error:
            raise TransientError(f"{connection} does not say which calendars there are: {error}") from error
