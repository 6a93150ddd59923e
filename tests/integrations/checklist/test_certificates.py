"""The launch checklist's item about the certificate; the handshake itself is tested with the alerts' rule."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from integrations.operations.certificates import Inspection
from integrations.operations.probes import address
from tests.integrations.checklist.support import prove, refute

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def show(monkeypatch: pytest.MonkeyPatch, found: Inspection) -> list[tuple[str, int]]:
    """Where the probe asks, and what it is shown there."""
    asked: list[tuple[str, int]] = []

    def answer(host: str, port: int) -> Inspection:
        asked.append((host, port))
        return found

    monkeypatch.setattr(address, "inspect", answer)
    return asked


def test_an_address_without_tls_fails(settings: Any) -> None:
    settings.BASE_URL = "http://keepsync.example.com"
    assert "without TLS" in refute("certificate")


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://keepsync.example.com", ("keepsync.example.com", 443)),
        ("https://keepsync.example.com:8443", ("keepsync.example.com", 8443)),
    ],
)
def test_the_public_address_is_asked(
    url: str, asked: tuple[str, int], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BASE_URL = url
    seen = show(monkeypatch, Inspection(expires_at=NOW + timedelta(days=15)))
    with time_machine.travel(NOW, tick=False):
        assert "valid until 2026-12-13, 15 days from now" in prove("certificate")
    assert seen == [asked]


def test_a_certificate_that_ends_within_two_weeks_fails(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BASE_URL = "https://keepsync.example.com"
    show(monkeypatch, Inspection(expires_at=NOW + timedelta(days=13)))
    with time_machine.travel(NOW, tick=False):
        assert "less than 14 days" in refute("certificate")


def test_a_certificate_that_is_not_trusted_fails(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BASE_URL = "https://keepsync.example.com"
    show(monkeypatch, Inspection("self_signed", "Self-signed certificate."))
    assert "Signed by itself. Self-signed certificate." in refute("certificate")
