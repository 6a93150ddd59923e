"""Background jobs: thin edges around the domain modules. They take ids only."""

import logging
from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.dispatch import receiver
from django.utils import timezone
from django_q.signals import post_spawn

from integrations import deliveries
from integrations.connections import set_status
from integrations.models import Connection, Delivery, Heartbeat
from integrations.queue import PROCESS_DELIVERY, enqueue, enqueue_each

logger = logging.getLogger(__name__)

WORKER_HEARTBEAT = "worker"


def process_delivery(delivery_id: str) -> None:
    delay_s = deliveries.process(UUID(delivery_id))
    if delay_s is not None:
        enqueue(PROCESS_DELIVERY, delivery_id, delay_s=delay_s)


def queue_deliveries(ids: Iterable[UUID]) -> None:
    enqueue_each(PROCESS_DELIVERY, map(str, ids))


@transaction.atomic
def replay_deliveries(chosen: QuerySet[Delivery]) -> list[UUID]:
    """Replay and queue. Returns the ids of those that were replayed."""
    replayed = deliveries.replay(chosen)
    queue_deliveries(replayed)
    return replayed


@transaction.atomic
def change_status(connection: Connection, status: Connection.Status) -> list[UUID]:
    """Pause, resume or disable a connection. Returns the deliveries that waited for it, and are queued now."""
    waiting = set_status(connection, status)
    queue_deliveries(waiting)
    return waiting


def sweep() -> None:
    """Each minute, by schedule: give forgotten deliveries a job again, and say that the schedule is alive."""
    beat()
    forgotten = deliveries.find_forgotten(timezone.now())
    if forgotten:
        queue_deliveries(forgotten)
        logger.warning("forgotten deliveries queued", extra={"count": len(forgotten)})


@receiver(post_spawn, dispatch_uid="worker_heartbeat")
def beat(**_: object) -> None:
    """A worker that has just started is a sign of life too: the schedule's first run is half a minute away."""
    Heartbeat.objects.update_or_create(name=WORKER_HEARTBEAT, defaults={"beat_at": timezone.now()})
