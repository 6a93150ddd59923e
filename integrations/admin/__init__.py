"""The admin of the plumbing: connections, deliveries, effects, dead letters, what is mapped, users, and the queue."""

from integrations.admin import connections, deliveries, effects, mappings, pairs, queue, users

__all__ = ["connections", "deliveries", "effects", "mappings", "pairs", "queue", "users"]
