"""What the adapters' tests share: HTTP that is held to the providers' specifications, and no waiting."""

from collections.abc import Iterator

import pytest
import responses

from integrations import http
from tests.contract_check import check_calls


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The shared cases' good answers are each provider's own: see tests/provider_cases.py."""
    if "good_status" in metafunc.fixturenames:
        metafunc.parametrize("good_status", list(metafunc.cls.good))


@pytest.fixture(autouse=True)
def _ask_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REPEAT_PAUSE_S", 0)


@pytest.fixture
def provider_http() -> Iterator[responses.RequestsMock]:
    """Stubs; in the end every request and every answer must have been one that the provider's contract allows."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as stubs:
        yield stubs
        check_calls(stubs.calls)


@pytest.fixture
def faulty_http() -> Iterator[responses.RequestsMock]:
    """The same for answers that no contract foresees, such as a proxy's page: only the requests are checked."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as stubs:
        yield stubs
        check_calls(stubs.calls, are_answers_checked=False)
