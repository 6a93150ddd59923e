"""Reading the environment: what is missing or bad stops the start with one line that names the variable."""

from collections.abc import Callable
from typing import Any

import pytest

from config import env
from config.env import ConfigurationError


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda: env.read_bool("X", default=True), "maybe"),
        (lambda: env.read_int("X", default=1, minimum=1, maximum=9), "10"),
        (lambda: env.read_int("X", default=1, minimum=1, maximum=9), "-1"),
        (lambda: env.read_url("X", ""), "keepsync.example"),
        (lambda: env.read_url("X", ""), "ftp://keepsync.example"),
        (lambda: env.read_folder("X"), "/dev/null/counts"),
        (lambda: env.read_zone("X", "UTC"), "Europe/Nowhere"),
        (lambda: env.read_addresses("X"), "ops@example.com night@example.com"),
        (lambda: env.require("X", "give one."), ""),
        (lambda: env.read_secret("X", debug=False, hint="give one.", generate=str), " "),
    ],
)
def test_a_bad_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, read: Callable[[], Any], text: str) -> None:
    monkeypatch.setenv("X", text)
    with pytest.raises(ConfigurationError, match="X") as caught:
        read()
    assert "\n" not in str(caught.value)


def test_defaults_stand_in_for_what_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("X", raising=False)
    assert env.read_bool("X", default=False) is False
    assert env.read_int("X", default=7, minimum=1, maximum=9) == 7
    assert env.read_list("X", ["a"]) == ["a"]


def test_a_folder_is_made_where_it_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("X", str(tmp_path / "some" / "counts"))
    for _ in range(2):
        assert env.read_folder("X") == tmp_path / "some" / "counts"
    assert (tmp_path / "some" / "counts").is_dir()
    monkeypatch.delenv("X")
    assert env.read_folder("X") is None


def test_lists_are_split_by_comma(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", " a, b ,,c")
    assert env.read_list("X", []) == ["a", "b", "c"]
    monkeypatch.setenv("X", "ops@example.com, night@example.com")
    assert env.read_addresses("X") == ["ops@example.com", "night@example.com"]


def test_database_urls() -> None:
    entry = env.read_database("postgresql://me:p%40ss@db.example:5433/keep?sslmode=require", options={"a": 1})
    assert {key: entry[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")} == {
        "NAME": "keep",
        "USER": "me",
        "PASSWORD": "p@ss",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"a": 1, "sslmode": "require"},
    }


@pytest.mark.parametrize("url", ["mysql://db/keep", "postgresql://db.example", "::"])
def test_a_database_url_that_cannot_work_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as caught:
        env.read_database(url, options={})
    assert url not in str(caught.value)


def test_mailer_urls() -> None:
    assert env.read_mailer("console://")["BACKEND"].endswith("console.EmailBackend")
    options = env.read_mailer("smtp+tls://me:s%3Acret@mail.example")["OPTIONS"]
    assert (options["host"], options["port"], options["password"], options["use_tls"], options["use_ssl"]) == (
        "mail.example",
        587,
        "s:cret",
        True,
        False,
    )
    with pytest.raises(ConfigurationError, match="EMAIL_URL"):
        env.read_mailer("mail.example")


def test_a_development_secret_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(env, "DATA_DIR", tmp_path)
    monkeypatch.delenv("X_SECRET", raising=False)
    made = iter(["first", "second"])
    for _ in range(2):
        assert env.read_secret("X_SECRET", debug=True, hint="", generate=lambda: next(made)) == "first"
    assert (tmp_path / "secrets" / "x_secret").stat().st_mode & 0o077 == 0
