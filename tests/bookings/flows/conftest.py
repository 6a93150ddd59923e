"""What the flows' tests share: a small outside world, and no waiting."""

from collections.abc import Iterator

import pytest

from integrations import http
from integrations.providers import PROVIDERS
from integrations.providers.base import Rate
from tests.bookings.flows.fakes import World, outside_world


@pytest.fixture(autouse=True)
def _wait_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REPEAT_PAUSE_S", 0)
    for provider in PROVIDERS.values():
        monkeypatch.setattr(type(provider), "rate", Rate(per_s=1000, burst=1000))


@pytest.fixture
def world() -> Iterator[World]:
    with outside_world() as made:
        yield made
