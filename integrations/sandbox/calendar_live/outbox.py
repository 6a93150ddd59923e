"""The delivery log: what is to be sent, what was sent, and what the knobs do to it. No network here."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from integrations.sandbox.calendar_live.catalog import ACCOUNT_ID, API_VERSION
from integrations.sandbox.calendar_live.documents import format_instant
from integrations.sandbox.calendar_live.exceptions import NotFoundError
from integrations.sandbox.calendar_live.records import Delivery, Knobs
from integrations.sandbox.calendar_live.world import Moment
from integrations.sandbox.posting import Attempt
from integrations.sandbox.webhooks import JUST_AFTER, LONGEST_HOLD

KEPT_FOR = timedelta(days=30)
HELD = "held back until after the next one"


def enqueue(moment: Moment, event_type: str, data: Mapping[str, Any], event_id: str | None = None) -> Delivery | None:
    """Log a webhook and plan its first try; None where the account has no endpoint.

    A disabled endpoint gets it as `failed` without a try, so that it can be redelivered later.
    """
    if not moment.has_endpoint:
        return None
    _forget_old(moment)
    delivery = _new_delivery(moment, event_type, data, event_id)
    if not moment.state.is_endpoint_enabled:
        delivery = replace(delivery, status="failed", note="endpoint disabled")
    else:
        delivery = _apply_knobs(moment, delivery)
    moment.state.deliveries[delivery.id] = delivery
    return delivery


def redeliver(moment: Moment, delivery_id: str) -> Delivery:
    """Plan the same delivery again, with a fresh set of retries. Raises NotFoundError."""
    delivery = find_delivery(moment, delivery_id)
    again = replace(delivery, status="pending", due_at=moment.now, tries=0, note="", is_held=False, is_doubled=False)
    return _store(moment, again)


def find_delivery(moment: Moment, delivery_id: str) -> Delivery:
    delivery = moment.state.deliveries.get(delivery_id)
    if delivery is None:
        raise NotFoundError(f"No delivery {delivery_id}.")
    return delivery


def next_planned(moment: Moment) -> tuple[Delivery, datetime] | None:
    """The delivery that is due first, with its time."""
    planned = [(item, item.due_at) for item in moment.state.deliveries.values() if item.due_at is not None]
    return min(planned, key=lambda pair: pair[1], default=None)


def record_attempts(
    moment: Moment, sent: Delivery, attempts: Sequence[Attempt], *, retry_after: timedelta | None
) -> Delivery:
    """Log one try (several attempts where it was doubled) of a delivery, given as it was when sent.

    1. Any 2xx: delivered. 2. Any 410: failed, and the endpoint is disabled.
    3. Otherwise a retry after the given time, or failed where it is None.
    """
    current = find_delivery(moment, sent.id)
    current = replace(current, attempts=(*current.attempts, *attempts))
    if current.due_at != sent.due_at:
        # Somebody asked for a redelivery meanwhile: that one is still to be done.
        return _store(moment, current)
    current = replace(current, tries=current.tries + 1, due_at=None, is_held=False)
    statuses = {attempt.http_status or 0 for attempt in attempts}
    if any(200 <= status < 300 for status in statuses):
        return _store(moment, replace(current, status="delivered"))
    if 410 in statuses:
        _disable_endpoint(moment)
        return _store(moment, replace(current, status="failed"))
    if retry_after is None:
        return _store(moment, replace(current, status="failed"))
    return _store(moment, replace(current, status="pending", due_at=moment.now + retry_after))


def set_knobs(moment: Moment, knobs: Knobs) -> None:
    moment.state.knobs = knobs


def enable_endpoint(moment: Moment) -> None:
    moment.state.is_endpoint_enabled = True


def _new_delivery(moment: Moment, event_type: str, data: Mapping[str, Any], event_id: str | None) -> Delivery:
    delivery_id = f"dlv_{secrets.token_hex(8)}"
    envelope = {
        "id": delivery_id,
        "type": event_type,
        "created_at": format_instant(moment.now),
        "account_id": ACCOUNT_ID,
        "api_version": API_VERSION,
        "data": data,
    }
    return Delivery(
        id=delivery_id,
        event_type=event_type,
        event_id=event_id,
        # Kept as text: every try must send, and sign, the same bytes.
        body=json.dumps(envelope, ensure_ascii=False),
        created_at=moment.now,
    )


def _apply_knobs(moment: Moment, delivery: Delivery) -> Delivery:
    """What a person switched on for the next deliveries goes before what is drawn for every delivery."""
    knobs, mishap = moment.state.knobs, moment.draw_mishap()
    if knobs.drop_next or mishap.is_dropped:
        moment.state.knobs = replace(knobs, drop_next=max(knobs.drop_next - 1, 0))
        return replace(delivery, status="delivered", note="dropped: logged as delivered, never sent")
    delivery = replace(delivery, is_doubled=mishap.is_doubled)
    if knobs.is_holding_next:
        moment.state.knobs = replace(knobs, is_holding_next=False)
        return replace(delivery, is_held=True, note=HELD)
    held = [item for item in moment.state.deliveries.values() if item.is_held]
    due_at = moment.now + timedelta(milliseconds=knobs.latency_ms)
    if mishap.is_reordered and not held:
        return replace(delivery, is_held=True, due_at=due_at + LONGEST_HOLD, note=HELD)
    for item in held:
        _store(moment, replace(item, due_at=due_at + JUST_AFTER, is_held=False, note="was held back"))
    return replace(delivery, due_at=due_at)


def _disable_endpoint(moment: Moment) -> None:
    moment.state.is_endpoint_enabled = False
    for pending in [item for item in moment.state.deliveries.values() if item.status == "pending"]:
        _store(moment, replace(pending, status="failed", due_at=None, is_held=False, note="endpoint disabled"))


def _forget_old(moment: Moment) -> None:
    old = [item.id for item in moment.state.deliveries.values() if item.created_at < moment.now - KEPT_FOR]
    for delivery_id in old:
        del moment.state.deliveries[delivery_id]


def _store(moment: Moment, delivery: Delivery) -> Delivery:
    moment.state.deliveries[delivery.id] = delivery
    return delivery
