"""The probes of the plumbing: each module puts its items on the launch checklist, in the order of the guide."""

from integrations.operations.probes import (  # isort: skip
    ownership,
    times,
    webhooks,
    monitoring,
    address,
    secrets,
    access,
    policies,
)

__all__ = ["access", "address", "monitoring", "ownership", "policies", "secrets", "times", "webhooks"]
