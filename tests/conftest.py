"""Fixtures that several packages' tests share."""

import math
import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.test import TransactionTestCase
from hypothesis import settings as hypothesis_settings
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from integrations import correlation, effects, endpoints, payload_shapes
from integrations.admin import badge
from integrations.models import Connection
from tests.clean_database import empty
from tests.factories import make_connection
from tests.template_database import make_template

# On a busy machine one example may take long, which says nothing about the code.
hypothesis_settings.register_profile("unhurried", parent=hypothesis_settings(), deadline=None)
hypothesis_settings.load_profile("unhurried")
TransactionTestCase._fixture_teardown = empty  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """pytest-django calls it before it makes a test database.

    What is copied need not be migrated, and no commit waits for the disk.
    """
    database.settings_dict["TEST"]["TEMPLATE"] = make_template(os.environ["DATABASE_URL"])
    database.settings_dict["OPTIONS"].setdefault("options", "-c synchronous_commit=off")


@pytest.fixture(autouse=True)
def _forget_endpoints() -> Iterator[None]:
    """The intake remembers connections, and each test has its own."""
    endpoints._endpoints.clear()
    yield
    endpoints._endpoints.clear()


@pytest.fixture(autouse=True)
def _hash_passwords_quickly(settings: Any) -> None:
    """A real hash takes half a second on purpose, and most tests of pages and of the API make a user."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _drain_in_this_thread(settings: Any) -> None:
    """Other threads would not see what a test has not committed. And nothing that was planned outlives its test."""
    settings.DRAIN_THREADS = 0
    effects.take_planned()


@pytest.fixture(autouse=True)
def _know_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process remembers of them for some seconds: none, so that each page asks as much as any other."""
    monkeypatch.setattr(badge, "known", badge.Known(until=math.inf))


@pytest.fixture(autouse=True)
def _forget_payloads() -> None:
    """Each test sees its payloads for the first time."""
    payload_shapes._recent.clear()


@pytest.fixture(autouse=True)
def _belong_to_nothing() -> None:
    """A job that another test has begun in this thread is not gone on with."""
    correlation._current.set(())


@pytest.fixture
def calendar_live(db: None) -> Connection:
    return make_connection(options={"default_region": "FR"})


@pytest.fixture
def api(admin_user: User) -> APIClient:
    """A client with an administrator's token."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=admin_user).key}")
    return client
