"""Pairs: which CRMs a calendar.live connection keeps in step with. Nothing is synced to a CRM without one."""

import logging
from collections.abc import Callable

from django.db import transaction

from integrations.calls import use_account
from integrations.exceptions import PermanentError, SetupError
from integrations.mappings import fill_defaults, get_crm
from integrations.models import Connection, Drain, Pair

logger = logging.getLogger(__name__)

CALENDAR = "calendar_live"


@transaction.atomic
def make_pair(calendar: Connection, crm: Connection, pattern: str) -> Pair:
    """Join two connections, or change the pattern in which they are joined. The CRM gets its default mapping.

    Raises SetupError where they are no calendar and CRM.
    """
    if calendar.provider != CALENDAR:
        raise SetupError(f"{calendar} is no calendar.live connection: name that one first, then the CRM.")
    get_crm(crm)
    if pattern not in Pair.Pattern.values:
        raise SetupError(f"the pattern is none of {', '.join(Pair.Pattern.values)}.")
    fill_defaults(crm)
    pair = Pair.objects.filter(calendar=calendar, crm=crm).first() or Pair(calendar=calendar, crm=crm)
    pair.pattern = pattern
    pair.save()
    return pair


def list_crms(calendar_id: int) -> list[Connection]:
    """The CRM connections to which a calendar.live connection's bookings go."""
    paired = Connection.objects.filter(calendar_pairs__calendar=calendar_id)
    return list(paired.exclude(status=Connection.Status.DISABLED).order_by("id"))


def find_connection(provider: str) -> Connection | None:
    """The way to a provider that is in no pair, such as Zoom: the first connection that is not disabled."""
    enabled = Connection.objects.filter(provider=provider).exclude(status=Connection.Status.DISABLED)
    return enabled.order_by("id").first()


def save_prepared[T](connection: Connection, save: Callable[[], T]) -> T:
    """Save records at a CRM that has what they need, also where somebody has deleted it there meanwhile."""
    is_fresh = ensure_prepared(connection)
    try:
        return save()
    except SetupError:
        if is_fresh:
            raise
        prepare(connection)
        return save()


def ensure_prepared(connection: Connection) -> bool:
    """Before the first record goes to a CRM: make what it lacks there, once for each version of what that is.

    Where the CRM doesn't let itself be looked at, the records themselves will say what is missing. Returns whether it
    was done now.
    """
    if Drain.objects.filter(pk=connection.pk, prepared_version__gte=get_crm(connection).setup_version).exists():
        return False
    try:
        prepare(connection)
    except SetupError:
        raise
    except PermanentError as error:
        logger.warning("not prepared", extra={"connection": connection.slug, "exception": str(error)})
        note_prepared(connection)
    return True


def prepare(connection: Connection) -> str:
    """Make what the CRM lacks, now; says what was made."""
    found = use_account(connection, get_crm(connection).prepare)
    note_prepared(connection)
    return found


def note_prepared(connection: Connection) -> None:
    version = get_crm(connection).setup_version
    Drain.objects.update_or_create(connection=connection, defaults={"prepared_version": version})
