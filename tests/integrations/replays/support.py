"""What the tests of replay plans share."""

from datetime import timedelta
from typing import Any

import time_machine
from django.contrib.auth.models import User
from django.utils import timezone

from integrations.jobs import work_on_replay
from integrations.models import Connection, Delivery, Effect, ReplayPlan
from integrations.replays import plans
from integrations.replays.kinds import KINDS
from tests.factories import make_delivery, make_payload
from tests.integrations.admin.support import make_effect

DELIVERIES, EFFECTS = KINDS[ReplayPlan.Kind.DELIVERY], KINDS[ReplayPlan.Kind.EFFECT]


def make_dead(connection: Connection, count: int, **fields: Any) -> list[Delivery]:
    begin = Delivery.objects.count()
    return [
        make_delivery(
            connection,
            make_payload(f"dlv_{number}", uid=f"uid_{number}", id=f"ev_{number}"),
            **{"status": "dead", "cause": "payload", "fingerprint": "f" * 16, **fields},
        )
        for number in range(begin, begin + count)
    ]


def make_dead_effects(connection: Connection, count: int, **fields: Any) -> list[Effect]:
    return [make_effect(connection, **{"status": "dead", "cause": "permanent", **fields}) for _ in range(count)]


def plan_deliveries(**options: Any) -> ReplayPlan:
    """Of all dead letters."""
    chosen = Delivery.objects.filter(status="dead")
    return plans.make(DELIVERIES, chosen, words="status dead", **options)


def plan_effects(**options: Any) -> ReplayPlan:
    return plans.make(EFFECTS, Effect.objects.all(), words="all", **options)


def start(plan: ReplayPlan, user: User | None = None) -> ReplayPlan:
    plans.start(plan, user)
    return plan


def work(plan: ReplayPlan) -> float | None:
    """One slice."""
    delay_s = work_on_replay(plan.pk)
    plan.refresh_from_db()
    return delay_s


def work_on(plan: ReplayPlan) -> ReplayPlan:
    """Slices until the plan waits for outcomes, each at the time when it is due."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        while plan.left and (delay_s := work(plan)) is not None:
            clock.shift(timedelta(seconds=delay_s))
    return plan


def finish(plan: ReplayPlan) -> ReplayPlan:
    """Once the outcomes are there to be looked at."""
    with time_machine.travel(timezone.now() + timedelta(minutes=10), tick=False):
        work(plan)
    return plan


def states(plan: ReplayPlan) -> list[str]:
    return list(plan.items.values_list("state", flat=True))


def outcomes(plan: ReplayPlan) -> list[tuple[str, str]]:
    return list(plan.items.values_list("state", "reason"))
