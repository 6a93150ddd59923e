"""Payloads and rows for tests, with sensible defaults."""

import copy
import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.test import Client
from django.utils import timezone

from integrations.connections import add_connection
from integrations.deliveries import process
from integrations.models import Connection, Delivery

CONTRACT = Path(__file__).parent / "contracts" / "calendar_live"
SAMPLES = sorted((CONTRACT / "samples").glob("*.json"))
SECRET = "whsec_test_4d2f"


def read_sample(name: str) -> dict[str, Any]:
    return json.loads((CONTRACT / "samples" / f"{name}.json").read_text())


def make_connection(slug: str = "calendar-live", **arguments: Any) -> Connection:
    arguments = {"provider": "calendar_live", "webhook_secret": SECRET, **arguments}
    return add_connection(slug=slug, **arguments)[0]


def make_payload(delivery_id: str = "dlv_1", event_type: str = "event.created", **event: Any) -> dict[str, Any]:
    """An envelope around the sample event, with the given fields of the event changed; `attendee` changes the first."""
    payload = read_sample("event_created")
    payload["id"], payload["type"] = delivery_id, event_type
    changed = payload["data"]["event"]
    changed["attendees"][0].update(event.pop("attendee", {}))
    changed.update(copy.deepcopy(event))
    return payload


def encode(payload: Any) -> bytes:
    return payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=True).encode()


def sign(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def webhook_headers(body: bytes, delivery_id: str, secret: str = SECRET) -> dict[str, str]:
    return {"X-CL-Delivery-ID": delivery_id, "X-CL-Signature": sign(body, secret), "Content-Type": "application/json"}


def post_webhook(
    payload: Any, *, slug: str = "calendar-live", secret: str = SECRET, headers: Mapping[str, str | None] | None = None
) -> Any:
    """Django's response to a signed webhook. `headers` replace the usual ones; a None value leaves one out."""
    body = encode(payload)
    delivery_id = payload["id"] if isinstance(payload, dict) and isinstance(payload.get("id"), str) else "dlv_1"
    sent = {**webhook_headers(body, delivery_id, secret), **(headers or {})}
    content_type = sent.pop("Content-Type", "") or ""
    given = {name: value for name, value in sent.items() if value is not None}
    return Client().post(f"/webhooks/{slug}/", data=body, content_type=content_type, headers=given)


def receive(payload: dict[str, Any], **arguments: Any) -> Delivery:
    """Post a webhook and work on it at once; the delivery as it is then."""
    response = post_webhook(payload, **arguments)
    assert response.status_code == 200, response.content
    delivery = Delivery.objects.get(delivery_id=payload["id"])
    process(delivery.pk)
    delivery.refresh_from_db()
    return delivery


def make_delivery(connection: Connection, payload: dict[str, Any] | bytes, **fields: Any) -> Delivery:
    """A stored delivery, as the intake would have made it."""
    body = encode(payload)
    envelope = payload if isinstance(payload, dict) else {}
    values = {
        "connection": connection,
        "delivery_id": envelope.get("id", "dlv_1"),
        "event_type": envelope.get("type", ""),
        "subject": envelope.get("data", {}).get("event", {}).get("uid", ""),
        "body": body,
        "headers": {},
        "body_digest": hashlib.sha256(body).digest(),
        "received_at": timezone.now(),
        "queued_at": timezone.now(),
    }
    return Delivery.objects.create(**{**values, **fields})
