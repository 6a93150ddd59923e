"""The admin of the plumbing: connections, their alerts, deliveries, effects, what is mapped, users, and the queue."""

from integrations.admin import (
    alerts,
    connections,
    dashboard,
    deliveries,
    effects,
    field_rules,
    first_steps,
    mappings,
    pairs,
    queue,
    replay_items,
    replay_plans,
    sign_ins,
    users,
    write_panels,
)

__all__ = [
    "alerts",
    "connections",
    "dashboard",
    "deliveries",
    "effects",
    "field_rules",
    "first_steps",
    "mappings",
    "pairs",
    "queue",
    "replay_items",
    "replay_plans",
    "sign_ins",
    "users",
    "write_panels",
]
