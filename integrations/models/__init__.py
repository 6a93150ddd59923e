"""The plumbing's tables: connections with their secrets, deliveries with their attempts."""

from integrations.models.connections import Connection, WebhookSecret
from integrations.models.deliveries import Attempt, Delivery, RejectionCount
from integrations.models.heartbeats import Heartbeat
from integrations.models.provenance import RecordedChange

__all__ = ["Attempt", "Connection", "Delivery", "Heartbeat", "RecordedChange", "RejectionCount", "WebhookSecret"]
