"""What the reconciliation's tests share: calendar.live and a CRM outside, and no waiting."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bookings.models import ReconciliationRun
from bookings.reconciliation import runs
from integrations import http
from integrations.models import Connection
from integrations.providers import PROVIDERS
from integrations.providers.base import Rate
from tests.bookings.flows.fakes import World, outside_world
from tests.bookings.flows.playing import pair_with_hubspot
from tests.bookings.reconciliation.calendar_world import CalendarLive
from tests.factories import make_connection


@pytest.fixture(autouse=True)
def _wait_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REPEAT_PAUSE_S", 0)
    for provider in PROVIDERS.values():
        monkeypatch.setattr(type(provider), "rate", Rate(per_s=100_000, burst=100_000))


@pytest.fixture
def world() -> Iterator[World]:
    with outside_world() as made:
        yield made


@pytest.fixture
def live(world: World) -> CalendarLive:
    return CalendarLive(world.stubs)


@pytest.fixture
def calendar(db: None) -> Connection:
    return make_connection(options={"access_token": "token-1"})


@pytest.fixture
def crm(calendar: Connection) -> Connection:
    """A CRM to which calendar.live's bookings go, and from which nothing comes."""
    return pair_with_hubspot(calendar)


type Reconcile = Callable[..., ReconciliationRun]


@pytest.fixture
def reconcile(calendar: Connection) -> Reconcile:
    """Runs a reconciliation to its end, and returns it as it is then."""

    def run_whole(**arguments: Any) -> ReconciliationRun:
        run = runs.start(calendar, **arguments)
        while runs.work(run.pk, seconds=60) is not None:
            pass
        run.refresh_from_db()
        return run

    return run_whole
