"""CRMs that send no webhooks are asked for their changes; what they answer becomes a delivery like any other."""

import hashlib
import logging
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from integrations.calls import use_account
from integrations.mappings import get_crm
from integrations.models import Connection, Delivery, Poll
from integrations.providers.base import IncomingRequest
from integrations.providers.crm import Changes

logger = logging.getLogger(__name__)


def list_polled() -> list[int]:
    """The active, paired connections to CRMs that are polled."""
    paired = Connection.objects.filter(status=Connection.Status.ACTIVE, calendar_pairs__isnull=False).distinct()
    return [connection.pk for connection in paired.order_by("id") if get_crm(connection).can_poll]


def poll(connection_id: int) -> UUID | None:
    """Ask once for what has changed since the last time. Returns the new delivery, to be queued; None for no news.

    The first time only remembers from when on to ask. Raises what the adapter raises, and asks again from there then.
    """
    connection = Connection.objects.get(pk=connection_id)
    state, is_first = Poll.objects.get_or_create(connection=connection, defaults={"asked_until": timezone.now()})
    if is_first:
        return None
    crm = get_crm(connection)
    changes = use_account(connection, lambda account: crm.list_changes(account, state.asked_until))
    with transaction.atomic():
        delivery_id = store(connection, changes, timezone.now()) if changes.events else None
        Poll.objects.filter(pk=state.pk).update(asked_until=changes.until or state.asked_until)
    return delivery_id


def store(connection: Connection, changes: Changes, now: datetime) -> UUID | None:
    """The changes as a delivery; None where the same ones were told before."""
    crm = get_crm(connection)
    body = crm.write_delivery(changes.events)
    envelope = crm.read_envelope(IncomingRequest({}, body))
    delivery, is_new = Delivery.objects.get_or_create(
        connection=connection,
        delivery_id=envelope.delivery_id,
        is_accepted=True,
        defaults={
            "event_type": envelope.event_type,
            "subject": envelope.subject,
            "body": body,
            "body_digest": hashlib.sha256(body).digest(),
            "notes": list(changes.notes),
            "received_at": now,
            "queued_at": now,
        },
    )
    return delivery.pk if is_new else None
