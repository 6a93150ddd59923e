"""Counting what was refused for want of authority (401): webhooks here, and our calls at the providers."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection as database
from django.db.models import Sum
from django.utils import timezone

from integrations.models import RefusalCount

KEPT = timedelta(days=30)
ADD = """
INSERT INTO integrations_refusalcount AS counted (connection_id, hour, webhooks, calls)
VALUES (%(connection)s, date_trunc('hour', %(now)s, 'UTC'), %(webhooks)s, %(calls)s)
ON CONFLICT (hour, connection_id) DO UPDATE
SET webhooks = counted.webhooks + EXCLUDED.webhooks, calls = counted.calls + EXCLUDED.calls
"""


def count_webhook(connection_id: int) -> None:
    add(connection_id, webhooks=1, calls=0)


def count_call(connection_id: int) -> None:
    add(connection_id, webhooks=0, calls=1)


def add(connection_id: int, *, webhooks: int, calls: int) -> None:
    values: dict[str, Any] = {"connection": connection_id, "now": timezone.now(), "webhooks": webhooks, "calls": calls}
    with database.cursor() as cursor:
        cursor.execute(ADD, values)


def sum_up(since: datetime) -> dict[int, tuple[int, int]]:
    """Connection → webhooks and calls of the hours from `since` on."""
    rows = RefusalCount.objects.filter(hour__gte=since).order_by().values_list("connection")
    return {key: (webhooks, calls) for key, webhooks, calls in rows.annotate(Sum("webhooks"), Sum("calls"))}


def forget_old() -> None:
    RefusalCount.objects.filter(hour__lt=timezone.now() - KEPT).delete()
