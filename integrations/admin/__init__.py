"""The admin of the plumbing: connections, deliveries, dead letters, users, and the queue."""

from integrations.admin import connections, deliveries, queue, users

__all__ = ["connections", "deliveries", "queue", "users"]
