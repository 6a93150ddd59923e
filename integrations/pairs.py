"""Pairs: which CRMs a calendar.live connection keeps in step with. Nothing is synced to a CRM without one."""

from django.db import transaction

from integrations.connections import account_of
from integrations.exceptions import SetupError
from integrations.mappings import fill_defaults, get_crm
from integrations.models import Connection, Drain, Pair

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


def ensure_prepared(connection: Connection) -> None:
    """Before the first record goes to a CRM: make what it lacks there, once for each version of what that is."""
    crm = get_crm(connection)
    state, _ = Drain.objects.get_or_create(connection=connection)
    if state.prepared_version >= crm.setup_version:
        return
    prepare(connection)


def prepare(connection: Connection) -> str:
    """Make what the CRM lacks, now; says what was made."""
    crm = get_crm(connection)
    found = crm.prepare(account_of(connection))
    Drain.objects.update_or_create(connection=connection, defaults={"prepared_version": crm.setup_version})
    return found
