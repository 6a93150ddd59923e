"""The admin of the plumbing: connections, their alerts, deliveries, effects, what is mapped, users, and the queue."""

from integrations.admin import alerts, connections, deliveries, effects, mappings, pairs, queue, users

__all__ = ["alerts", "connections", "deliveries", "effects", "mappings", "pairs", "queue", "users"]
