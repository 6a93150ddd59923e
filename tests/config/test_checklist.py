"""What of the environment must be right before an installation goes live."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from config import env
from config.checklist import KEYS
from tests.integrations.checklist.support import prove, refute


@pytest.fixture(autouse=True)
def _checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout that has developed with its own keys, and an environment that gives others."""
    monkeypatch.setattr(env, "DATA_DIR", tmp_path)
    for name in KEYS:
        env.development_secret(name, partial(str, f"{name} of development"))
        monkeypatch.setenv(name, f"{name} of production")


def test_production_mode_is_proved(settings: Any) -> None:
    settings.DEBUG = settings.ALLOW_PRIVATE_PROVIDERS = False
    assert "DEBUG is off" in prove("production_mode")


@pytest.mark.parametrize("name", ["DEBUG", "ALLOW_PRIVATE_PROVIDERS"])
def test_what_is_for_development_only_is_found(name: str, settings: Any) -> None:
    settings.DEBUG = settings.ALLOW_PRIVATE_PROVIDERS = False
    setattr(settings, name, True)
    assert refute("production_mode") == f"{name} is on."


def test_keys_of_the_environment_are_proved() -> None:
    assert "are given" in prove("keys")


@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_is_not_given_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    assert refute("keys") == f"Not given in the environment: {name}."


@pytest.mark.parametrize("name", KEYS)
def test_a_key_of_development_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, f"{name} of development")
    assert refute("keys") == f"The same as while developing: {name}."
