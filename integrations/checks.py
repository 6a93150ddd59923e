"""System checks: combinations of settings that cannot work."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, register


@register()
def check_job_times(**_: Any) -> list[Error]:
    """A delivery's lease outlasts its job, and a lost job comes again after the lease."""
    timeout, lease, retry = settings.JOB_TIMEOUT_S, settings.DELIVERY_LEASE_S, int(str(settings.Q_CLUSTER["retry"]))
    if timeout < lease < retry:
        return []
    return [
        Error(
            f"JOB_TIMEOUT_S ({timeout}) < DELIVERY_LEASE_S ({lease}) < Q_CLUSTER retry ({retry}) does not hold.",
            hint="A delivery could be worked on twice at once, or lie for long after a crash.",
            id="integrations.E001",
        )
    ]


@register()
def check_same_database(**_: Any) -> list[Error]:
    """Jobs commit with the data only where both are in one database."""
    if settings.Q_CLUSTER.get("orm") == "default":
        return []
    return [Error("Q_CLUSTER must use the ORM broker on the default database.", id="integrations.E002")]
