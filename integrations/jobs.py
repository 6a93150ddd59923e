"""Background jobs: thin edges around the domain modules. They take ids only."""

import logging
from collections.abc import Callable, Iterable
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.dispatch import receiver
from django.utils import timezone
from django_q.signals import post_spawn

from integrations import (  # (job_runs listens to jobs by being imported)
    correlation,
    crossings,
    deliveries,
    drains,
    effect_actions,
    effects,
    job_runs,  # noqa: F401
    polling,
    refreshes,
    refusals,
    sign_ins,
)
from integrations.connections import set_status
from integrations.exceptions import KeepsyncError
from integrations.holds import start_afresh
from integrations.models import Connection, Delivery, Effect, ReplayPlan
from integrations.operations import (  # (the rules register themselves)
    alert_rules,  # noqa: F401
    alerts,
    certificates,
    checklist,
    counting,
    heartbeats,
    runbook,
    traffic_rules,  # noqa: F401
    upkeep_rules,  # noqa: F401
)
from integrations.privacy import payload_erasure
from integrations.queue import (
    CONTINUE_PURGE,
    CONTINUE_REPLAY,
    DRAIN_CONNECTION,
    LOOK_AT_ALL_CROSSINGS,
    POLL_CONNECTION,
    PROCESS_DELIVERY,
    REFRESH_TOKEN,
    enqueue,
    enqueue_each,
)
from integrations.races import run_race
from integrations.replays import running
from integrations.retention import running as purging

logger = logging.getLogger(__name__)

# A job that calls a provider may first wait for a token, and make its calls a second time with it.
CALLING_TIMEOUT_S = 2 * settings.JOB_TIMEOUT_S + int(refreshes.LONGEST_S)


def process_delivery(delivery_id: str) -> None:
    delay_s = deliveries.process(UUID(delivery_id))
    if delay_s is not None:
        enqueue(PROCESS_DELIVERY, delivery_id, delay_s=delay_s)
    wake_planned()


def drain_connection(connection_id: int) -> None:
    # It works for many, whoever woke it: each effect's own lines have the id of what had led to it.
    correlation.begin()
    # What is due, here or elsewhere, does not wait for the sweeper because one slice went wrong.
    delay_s: float | None = drains.BUSY_S
    try:
        delay_s = drains.drain(connection_id)
    finally:
        if delay_s is not None:
            wake(connection_id, delay_s)
        wake_planned()


def poll_connections() -> None:
    """Every few minutes, by schedule."""
    for connection_id in polling.list_polled():
        enqueue(POLL_CONNECTION, connection_id, timeout_s=CALLING_TIMEOUT_S)


def poll_connection(connection_id: int) -> None:
    try:
        delivery_id = polling.poll(connection_id)
    except KeepsyncError as error:
        logger.warning("polling failed", extra={"connection": connection_id, "exception": str(error)})
        return
    if delivery_id is not None:
        queue_deliveries([delivery_id])


def refresh_tokens() -> None:
    """Each minute, by schedule."""
    for connection_id in refreshes.find_due():
        enqueue(REFRESH_TOKEN, connection_id, timeout_s=CALLING_TIMEOUT_S)


def refresh_token(connection_id: int) -> None:
    try:
        refreshes.refresh_ahead(connection_id)
    except KeepsyncError as error:
        logger.warning("refresh failed", extra={"connection": connection_id, "exception": str(error)})


def check_alerts() -> None:
    """Each minute, by schedule."""
    alerts.check()
    wake_planned()
    heartbeats.beat(heartbeats.ALERTS)


def check_certificate() -> None:
    """Each hour, by schedule."""
    certificates.check_due()
    refusals.forget_old()


def count_hours() -> None:
    """Each minute, by schedule: what the dashboard shows."""
    counting.count_hours(timezone.now())


def check_launch() -> None:
    """Every few minutes, by schedule: evidence that is about to run out is looked for again, and new tasks begin."""
    runbook.ensure_rows(timezone.now())
    checklist.check_due()


@transaction.atomic
def wake(connection_id: int, delay_s: float = 0) -> None:
    """Queue the connection's drain, unless it is queued already for that time or an earlier one."""
    due_at = drains.request_drain(connection_id, delay_s)
    if due_at is not None:
        delay_s = max(0.0, (due_at - timezone.now()).total_seconds())
        enqueue(DRAIN_CONNECTION, connection_id, delay_s=delay_s, timeout_s=CALLING_TIMEOUT_S)


def wake_planned() -> None:
    """Queue the drains of all connections for which effects were planned meanwhile."""
    for connection_id in sorted(effects.take_planned()):
        # One that is queued for a little later is near enough: it is what waits while a drain works.
        if not drains.is_requested(connection_id, drains.BUSY_S):
            wake(connection_id)


@transaction.atomic
def replay_effects(chosen: QuerySet[Effect]) -> list[UUID]:
    """Replay and wake. Returns the ids of those that were replayed."""
    replayed = effect_actions.replay(chosen)
    wake_planned()
    return replayed


@transaction.atomic
def send_effect_again(effect: Effect) -> None:
    effect_actions.send_again(effect)
    wake_planned()


@transaction.atomic
def try_effect_now(effect: Effect) -> None:
    effect_actions.try_now(effect)
    wake_planned()


def queue_deliveries(ids: Iterable[UUID]) -> None:
    enqueue_each(PROCESS_DELIVERY, map(str, ids))


@transaction.atomic
def replay_deliveries(chosen: QuerySet[Delivery]) -> list[UUID]:
    """Replay and queue. Returns the ids of those that were replayed."""
    replayed = deliveries.replay(chosen)
    queue_deliveries(replayed)
    return replayed


# --- Replay plans -----------------------------------------------------------------------------------------------------


def continue_replay(plan_id: str) -> None:
    run_race(lambda: queue_replay(UUID(plan_id), replay_slice(UUID(plan_id))))


def work_on_replay(plan_id: UUID) -> float | None:
    """One slice, for somebody who waits for it. Returns the seconds until the next one, if any."""
    delays: list[float | None] = []
    run_race(lambda: delays.append(replay_slice(plan_id)))
    return delays[-1]


def replay_slice(plan_id: UUID) -> float | None:
    """The same in the open transaction."""
    taken = running.take_slice(plan_id)
    if taken is None:
        return None
    if taken.kind.model is Delivery:
        queue_deliveries(taken.replayed)
    wake_planned()
    return taken.delay_s


def queue_replay(plan_id: UUID, delay_s: float | None = 0) -> None:
    if delay_s is not None:
        enqueue(CONTINUE_REPLAY, str(plan_id), delay_s=delay_s)


@transaction.atomic
def move_replay(plan: ReplayPlan, move: Callable[[ReplayPlan], None]) -> None:
    """Start, resume or cancel a plan, and queue what follows."""
    move(plan)
    queue_replay(plan.pk)


def sweep_replays() -> None:
    """Each minute, by schedule."""
    for plan_id in running.find_idle(timezone.now()):
        queue_replay(plan_id)


# --- Retention --------------------------------------------------------------------------------------------------------


def purge() -> None:
    """Once a day, by schedule."""
    enqueue(CONTINUE_PURGE, str(purging.start()))


def continue_purge(run_id: str) -> None:
    if purging.take_slice(UUID(run_id)):
        enqueue(CONTINUE_PURGE, run_id, delay_s=purging.find_pause())


def sweep_purge() -> None:
    for run_id in purging.find_idle(timezone.now()):
        enqueue(CONTINUE_PURGE, str(run_id))


# --- Upkeep -----------------------------------------------------------------------------------------------------------


@transaction.atomic
def change_status(connection: Connection, status: Connection.Status) -> list[UUID]:
    """Pause, resume or disable a connection. Returns the deliveries that waited for it, and are queued now.

    Effects that waited for a resumed one go on too.
    """
    waiting = set_status(connection, status)
    queue_deliveries(waiting)
    if status == Connection.Status.ACTIVE and start_afresh(connection):
        wake(connection.pk)
    return waiting


def look_at_crossings() -> None:
    """What waits for the residency policy, a few in turn: a contact's country may have become known."""
    for connection_id in sorted(crossings.look_again_in_turn(timezone.now())):
        wake(connection_id)


def queue_look_at_crossings() -> None:
    """In the open transaction of what has changed who may go where."""
    enqueue(LOOK_AT_ALL_CROSSINGS)


def look_at_all_crossings(after: str = "") -> None:
    """Queued when the policy, or a region, was changed: all that wait, some hundreds at a time."""
    woken, last = crossings.look_again_after(UUID(after) if after else None)
    for connection_id in sorted(woken):
        wake(connection_id)
    if last:
        enqueue(LOOK_AT_ALL_CROSSINGS, str(last))


def sweep() -> None:
    """Each minute, by schedule: give forgotten deliveries and effects a job again, and say that the schedule lives.

    What waited to be emptied, and has been worked on, is.
    """
    for name in (heartbeats.WORKER, heartbeats.SWEEP):
        heartbeats.beat(name)
    for connection_id in drains.find_idle(timezone.now()):
        wake(connection_id)
    payload_erasure.erase_due()
    look_at_crossings()
    sweep_purge()
    sign_ins.forget_old()
    forgotten = deliveries.find_forgotten(timezone.now())
    if forgotten:
        queue_deliveries(forgotten)
        logger.warning("forgotten deliveries queued", extra={"count": len(forgotten)})


@receiver(post_spawn, dispatch_uid="worker_heartbeat")
def beat(**_: object) -> None:
    """A worker that has just started is a sign of life too."""
    heartbeats.beat_worker()
