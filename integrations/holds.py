"""What is set aside while a connection rests, and goes on when it is back."""

from django.db.models import Case, F, Q, QuerySet, Value, When

from integrations.models import Connection, Drain, Effect
from integrations.retries import Cause

Status = Effect.Status
DUE = (Status.PENDING, Status.RETRYING)


def set_aside(connection: Connection, cause: Cause) -> None:
    """All that would go out now waits, and says why."""
    Effect.objects.filter(connection=connection, status__in=DUE).update(status=Status.WAITING, cause=cause)


def release(connection: Connection) -> int:
    """What waited for the connection, and not for a person, goes on. Returns how many effects did."""
    has_failed = Q(attempts__gt=F("free_attempts"))
    return waiting(connection).update(
        status=Case(When(has_failed, then=Value(Status.RETRYING)), default=Value(Status.PENDING)), cause=""
    )


def waiting(connection: Connection) -> QuerySet[Effect]:
    found = Effect.objects.filter(connection=connection, status=Status.WAITING)
    return found.exclude(cause=Cause.UNKNOWN_OUTCOME)


def start_afresh(connection: Connection) -> bool:
    """A person has resumed the connection: whatever it rested for is over. Whether effects wait to go on."""
    Drain.objects.filter(pk=connection.pk).update(held_until=None, hold_cause="", failures=0)
    release(connection)
    return Effect.objects.filter(connection=connection, status__in=DUE).exists()
