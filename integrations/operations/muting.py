"""What a person does with an alert that is open: mute it for a time, or take it upon himself."""

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from integrations.exceptions import StateError
from integrations.models import Alert, AlertEntry

What = AlertEntry.What
REASON_LENGTH = 500


@transaction.atomic
def mute(alert: Alert, *, user: User, reason: str, length: timedelta | None) -> datetime | None:
    """Tell nothing of it for so long, or until it is over. Returns when it is told again. Raises StateError."""
    if not reason.strip():
        raise StateError("Say why it is muted.")
    now = timezone.now()
    ends_at = now + length if length else None
    change(alert, muted_at=now, muted_until=ends_at, muted_by=user, mute_reason=reason.strip()[:REASON_LENGTH])
    AlertEntry.objects.filter(alert=alert, is_due=True).update(is_due=False)
    until = f"until {ends_at:%Y-%m-%d %H:%M} UTC" if ends_at else "until it is over"
    note = f"{until}: {reason.strip()}"[:REASON_LENGTH]
    AlertEntry.objects.create(alert=alert, what=What.MUTED, user=user, note=note)
    return ends_at


@transaction.atomic
def unmute(alert: Alert, *, user: User) -> None:
    """Whoever does it knows that it is open: nobody is told of that. Raises StateError."""
    change(alert, muted_at=None, muted_until=None, muted_by=None, mute_reason="")
    AlertEntry.objects.create(alert=alert, what=What.UNMUTED, user=user)


def end_mutes(now: datetime) -> None:
    """Those whose time is over: that they are still open is told."""
    for alert in Alert.objects.filter(closed_at=None, muted_until__lte=now):
        with transaction.atomic():
            muted = Alert.objects.filter(pk=alert.pk, muted_until=alert.muted_until, closed_at=None)
            if muted.update(muted_at=None, muted_until=None, muted_by=None, mute_reason=""):
                AlertEntry.objects.create(alert=alert, what=What.UNMUTED, note=alert.title, is_due=True)


@transaction.atomic
def take(alert: Alert, *, user: User) -> None:
    """Raises StateError."""
    change(alert, taken_by=user)
    AlertEntry.objects.create(alert=alert, what=What.TAKEN, user=user)


@transaction.atomic
def give_back(alert: Alert, *, user: User) -> None:
    """Raises StateError."""
    change(alert, taken_by=None)
    AlertEntry.objects.create(alert=alert, what=What.RELEASED, user=user)


def change(alert: Alert, **fields: object) -> None:
    if not Alert.objects.filter(pk=alert.pk, closed_at=None).update(**fields):
        raise StateError("It is over.")
