"""Fixtures that several packages' tests share."""

from collections.abc import Iterator

import pytest
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from integrations import intake
from integrations.models import Connection
from tests.factories import make_connection


@pytest.fixture(autouse=True)
def _forget_endpoints() -> Iterator[None]:
    """The intake remembers connections, and each test has its own."""
    intake._endpoints.clear()
    yield
    intake._endpoints.clear()


@pytest.fixture
def calendar_live(db: None) -> Connection:
    return make_connection(options={"default_region": "FR"})


@pytest.fixture
def api(admin_user: object) -> APIClient:
    """A client with an administrator's token."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=admin_user).key}")
    return client
