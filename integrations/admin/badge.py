"""The number beside Alerts in the navigation: it stands on every page, so a process asks for it only now and then."""

import time
from dataclasses import dataclass

from django.http import HttpRequest

from integrations.models import Alert

VIEW = "integrations.view_alert"
REMEMBERED_S = 20.0


@dataclass(slots=True)
class Known:
    """The open alerts that are neither muted nor mere reminders, and until when that is taken for granted."""

    count: int = 0
    until: float = 0.0


known = Known()


def count_loud(request: HttpRequest) -> str | None:
    """None where there are none, and for who may not see them."""
    if not request.user.has_perm(VIEW):
        return None
    if time.monotonic() >= known.until:
        loud = Alert.objects.filter(closed_at=None, muted_at=None).exclude(level=Alert.Level.INFO)
        known.count, known.until = loud.count(), time.monotonic() + REMEMBERED_S
    return f"{known.count:,}" if known.count else None
