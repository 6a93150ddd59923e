"""Planning effects. effect_kinds.py declares them, drains.py carries them out, effect_actions.py has what people do.

An effect is planned in the transaction of what causes it, so that both are there or neither. A change of state
coalesces with the open one for its subject; all else happens once for its idempotency key, however often it is planned.
"""

import json
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection as database
from django.db import transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from integrations import correlation, crossings
from integrations.effect_kinds import find_kind
from integrations.models import Effect
from integrations.models.provenance import current_delivery
from integrations.operations.metrics import EFFECTS
from integrations.providers import label_provider

logger = logging.getLogger(__name__)

Status = Effect.Status
OPEN = (Status.PENDING, Status.RUNNING, Status.RETRYING, Status.WAITING)

# The connections with effects that were planned in this context, for the edge to wake their drains.
_planned: ContextVar[set[int] | None] = ContextVar("planned", default=None)

INSERT = """
INSERT INTO integrations_effect AS effect (
    id, connection_id, kind, subject, idempotency_key, is_state, revision, tried_revision, parameters, delivery_id,
    correlation_id, status, cause, error, fingerprint, attempts, free_attempts, repeats, external_id, close_reason,
    priority, created_at, due_at
)
SELECT %(id)s, endpoint.id, %(kind)s, %(subject)s, %(key)s, %(is_state)s, 1, 0, %(parameters)s, %(delivery_id)s,
       COALESCE(
           (SELECT NULLIF(led.correlation_id, '') FROM integrations_delivery AS led WHERE led.id = %(delivery_id)s),
           %(correlation_id)s
       ),
       CASE WHEN endpoint.status <> 'active' OR drain.held_until > %(now)s THEN 'waiting' ELSE 'pending' END,
       CASE WHEN endpoint.status = 'needs_reauthorisation' THEN 'reauthorise'
            WHEN drain.held_until > %(now)s THEN drain.hold_cause ELSE '' END,
       '', '', 0, 0, 0, '', '', %(priority)s, %(now)s, %(due_at)s
FROM integrations_connection AS endpoint
LEFT JOIN integrations_drain AS drain ON drain.connection_id = endpoint.id
WHERE endpoint.id = %(connection_id)s AND endpoint.status <> 'disabled'
"""
COALESCE = """
ON CONFLICT (connection_id, kind, subject)
WHERE is_state AND status IN ('pending', 'running', 'retrying', 'waiting')
DO UPDATE SET revision = effect.revision + 1
"""
ONCE = "ON CONFLICT (idempotency_key) DO UPDATE SET repeats = effect.repeats + 1"
# The effect that it came to, whether that is new, by which id its lines in the log are found, and whether a policy says
# what may go there.
PLANNED = """
RETURNING id, xmax = 0, correlation_id,
          (SELECT endpoint.provider FROM integrations_connection AS endpoint WHERE endpoint.id = effect.connection_id),
          EXISTS (SELECT FROM integrations_regionrule) AND EXISTS (
              SELECT FROM integrations_connection AS there WHERE there.id = effect.connection_id AND there.region <> ''
          )
"""


def plan(
    kind: str,
    *,
    connection_id: int,
    subject: str,
    key: str = "",
    parameters: Mapping[str, Any] | None = None,
    delay_s: float = 0,
) -> None:
    """Plan a change outside, in the open transaction. A disabled connection gets none.

    `key` says what happens only once, such as `slack.message:<meeting>`; a change of state needs none. `delay_s` is for
    what may turn out to be unneeded within that time.
    """
    declared = find_kind(kind)
    effect_id, now = uuid7(), timezone.now()
    if bool(key) == declared.is_state:
        raise ValueError(f"{kind}: give a key to what happens once, and none to a change of state")
    values: dict[str, Any] = {
        "id": effect_id,
        "connection_id": connection_id,
        "kind": kind,
        "subject": subject,
        "key": key or f"{kind}:{subject}:{effect_id}",
        "is_state": declared.is_state,
        "parameters": json.dumps(parameters or {}),
        "delivery_id": current_delivery.get(),
        "correlation_id": correlation.current_id() or correlation.accept(""),
        "priority": declared.priority,
        "now": now,
        "due_at": now + timedelta(seconds=delay_s),
    }
    with database.cursor() as cursor:
        cursor.execute(INSERT + (COALESCE if declared.is_state else ONCE) + PLANNED, values)
        planned = cursor.fetchone()
    if planned:
        *told, has_policy = planned
        transaction.on_commit(partial(note_planned, kind, *told, caller=correlation.current_ids()))
        if has_policy:
            crossings.look_at_planned(told[0])
    planned_here().add(connection_id)


def note_planned(
    kind: str, effect_id: UUID, is_new: bool, correlation_id: str, provider: str, *, caller: tuple[str, ...]
) -> None:
    """In the log, for whoever planned it and for the effect that it came to; and in the metrics."""
    outcome = "planned" if is_new else "repeated"
    EFFECTS.labels(provider=label_provider(provider), kind=kind, outcome=outcome).inc()
    with correlation.carrying(correlation_id, *caller):
        logger.info("effect planned", extra={"effect_id": str(effect_id), "kind": kind, "status": outcome})


def planned_here() -> set[int]:
    """The ids of the connections for which effects were planned in this context and those copied from it."""
    planned = _planned.get()
    if planned is None:
        planned = set()
        _planned.set(planned)
    return planned


def take_planned() -> set[int]:
    """The same since the last call, to be woken by an edge."""
    planned = planned_here()
    _planned.set(None)
    return planned
