"""Fixtures of the sandbox's tests."""

from collections.abc import Iterator

import pytest

from integrations.sandbox.calendar_live.world import World
from tests.integrations.sandbox.support import Clock, Receiver, Sandbox, make_world, receiving, running_sandbox

SECRET = "whsec_test_4d2f"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(clock: Clock) -> World:
    return make_world(clock)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def webhook_receiver() -> Iterator[Receiver]:
    """The endpoint of the shared sandbox; it accepts everything."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory, webhook_receiver: Receiver) -> Iterator[Sandbox]:
    """One sandbox process for all tests that leave each other's events alone."""
    variables = {"SANDBOX_WEBHOOK_URL": webhook_receiver.url, "SANDBOX_WEBHOOK_SECRET": SECRET, "SANDBOX_STATE": ""}
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), **variables) as sandbox:
        yield sandbox
