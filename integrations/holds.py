"""What is set aside while a connection rests, and goes on when it is back."""

from django.db.models import Case, F, Q, QuerySet, Value, When
from django.utils import timezone

from integrations.models import Connection, Drain, Effect
from integrations.retries import Cause

Status = Effect.Status
DUE = (Status.PENDING, Status.RETRYING)
# It waits for a person, or for the residency policy: not for the connection.
STAYS_WAITING = Q(status=Status.WAITING, cause__in=(Cause.UNKNOWN_OUTCOME, Cause.RESIDENCY))
HAS_FAILED = Q(attempts__gt=F("free_attempts"))
AS_BEFORE = Case(When(HAS_FAILED, then=Value(Status.RETRYING)), default=Value(Status.PENDING))


def set_aside(connection: Connection, cause: Cause) -> None:
    """All that would go out now waits, and says why."""
    Effect.objects.filter(connection=connection, status__in=DUE).update(status=Status.WAITING, cause=cause)


def set_strays_aside(connection: Connection) -> None:
    """The same for a connection that is not active: what was planned while that was decided did not know of it yet."""
    needs_person = connection.status == Connection.Status.NEEDS_REAUTHORISATION
    strays = Effect.objects.filter(connection=connection, status__in=DUE)
    strays.exclude(connection__status=Connection.Status.ACTIVE).update(
        status=Status.WAITING, cause=Cause.REAUTHORISE if needs_person else ""
    )


def release(connection: Connection) -> int:
    """What waited for the connection, and not for a person, goes on. Returns how many effects did."""
    return waiting(connection).update(status=AS_BEFORE, cause="")


def go_on(effects: QuerySet[Effect]) -> int:
    """What waited for the residency policy is due now, with the tries that it has left. Returns how many are."""
    return effects.update(status=AS_BEFORE, cause="", error="", due_at=timezone.now())


def waiting(connection: Connection) -> QuerySet[Effect]:
    found = Effect.objects.filter(connection=connection, status=Status.WAITING)
    return found.exclude(STAYS_WAITING)


def start_afresh(connection: Connection) -> bool:
    """A person has resumed the connection: whatever it rested for is over. Whether effects wait to go on."""
    Drain.objects.filter(pk=connection.pk).update(held_until=None, hold_cause="", failures=0)
    release(connection)
    return Effect.objects.filter(connection=connection, status__in=DUE).exists()
