"""Fixtures of the sandbox's tests."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from integrations.sandbox import settings as sandbox_settings
from integrations.sandbox.calendar_live.world import World
from tests.integrations.sandbox.playing import Played, playing
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


@pytest.fixture
def client(settings: Any) -> Client:
    """The sandbox in this process, without a server."""
    for name in ("ROOT_URLCONF", "MIDDLEWARE", "TEMPLATES"):
        setattr(settings, name, getattr(sandbox_settings, name))
    return Client()


@pytest.fixture
def hubspot(client: Client) -> Iterator[Played]:
    yield from playing(client, "hubspot", "https://api.hubapi.com")


@pytest.fixture
def stripe(client: Client) -> Iterator[Played]:
    yield from playing(client, "stripe", "https://api.stripe.com")


@pytest.fixture
def zoom(client: Client) -> Iterator[Played]:
    yield from playing(client, "zoom", "https://api.zoom.us")


@pytest.fixture
def slack(client: Client) -> Iterator[Played]:
    yield from playing(client, "slack", "https://slack.com")


@pytest.fixture
def salesforce(client: Client) -> Iterator[Played]:
    yield from playing(client, "salesforce", "https://acme.my.salesforce.com")


@pytest.fixture
def pipedrive(client: Client) -> Iterator[Played]:
    yield from playing(client, "pipedrive", "https://acme.pipedrive.com")


@pytest.fixture
def mail(client: Client) -> Iterator[Played]:
    yield from playing(client, "mail", "")
