"""Django's error page: where it went wrong, and nothing that was being worked on."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.views.debug import technical_500_response

from integrations.exceptions import KeepsyncError, SetupError

SECRET = "token-5c0ffee"


def fail(error: Exception) -> None:
    try:
        kept = {"token": SECRET}
        raise ValueError(f"within {kept}")
    except ValueError as cause:
        raise error from cause


def fail_twice(error: Exception) -> None:
    try:
        fail(error)
    except Exception:
        raise KeyError(SECRET) from None


def report(raise_it: Callable[[Exception], None], error: Exception, *, accept: str = "text/html") -> str:
    request = RequestFactory().post(f"/oauth/callback/?code={SECRET}", {"key": SECRET}, headers={"Accept": accept})
    request.COOKIES["sessionid"] = SECRET
    return respond(request, raise_it, error).content.decode()


def respond(request: HttpRequest, raise_it: Callable[[Exception], None], error: Exception) -> HttpResponse:
    try:
        raise_it(error)
    except Exception:
        kind, value, tb = sys.exc_info()
        assert kind is not None
        return technical_500_response(request, kind, value, tb)
    raise AssertionError("it did not fail")


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_values_addresses_and_messages_are_left_out(accept: str, settings: Any) -> None:
    settings.DEBUG = True
    page = report(fail, RuntimeError(SECRET), accept=accept)
    assert SECRET not in page
    assert "RuntimeError" in page
    assert "ValueError" in page
    assert page.index("RuntimeError") < page.index("Caused by:") < page.index("ValueError")
    assert "raise error from cause" in page
    assert "test_reports.py" in page


def test_own_messages_are_shown_as_text(settings: Any) -> None:
    settings.DEBUG = True
    page = report(fail, SetupError("<b>Set the option channel.</b>"))
    assert "SetupError: &lt;b&gt;Set the option channel.&lt;/b&gt;" in page


def test_cause_that_was_left_out_stays_so(settings: Any) -> None:
    page = report(fail_twice, KeepsyncError("unheard of"))
    assert "KeyError" in page
    assert "unheard of" not in page
    assert SECRET not in page
