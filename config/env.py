"""Reading the environment. Every helper stops the start with one clear line where a variable is missing or bad."""

import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import available_timezones

import psycopg
from email_validator import EmailNotValidError, validate_email
from psycopg.conninfo import conninfo_to_dict

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = BASE_DIR / ".data"

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


class ConfigurationError(Exception):
    """An environment variable is missing or cannot be used; the message names it and says what to do."""


def read_str(name: str, default: str) -> str:
    return os.environ.get(name, "").strip() or default


def read_bool(name: str, *, default: bool) -> bool:
    text = os.environ.get(name)
    if text is None:
        return default
    if text.strip().lower() in TRUE:
        return True
    if text.strip().lower() in FALSE:
        return False
    raise ConfigurationError(f"{name}={text!r} is neither 0 nor 1.")


def read_int(name: str, *, default: int, minimum: int, maximum: int) -> int:
    text = read_str(name, str(default))
    if not text.isascii() or not text.isdigit() or not minimum <= int(text) <= maximum:
        raise ConfigurationError(f"{name}={text!r} is not a whole number from {minimum} to {maximum}.")
    return int(text)


def read_list(name: str, default: list[str]) -> list[str]:
    items = [item.strip() for item in read_str(name, "").split(",")]
    return [item for item in items if item] or default


def read_addresses(name: str) -> list[str]:
    """E-mail addresses, by comma."""
    addresses = read_list(name, [])
    for address in addresses:
        try:
            validate_email(address, check_deliverability=False)
        except EmailNotValidError:
            hint = "give e-mail addresses, several by comma."
            raise ConfigurationError(f"{name} holds something that is none: {hint}") from None
    return addresses


def read_mail_domain(url: str) -> str:
    """The domain of a URL's host; while developing, where that is an IP address or has no dot, one that is nobody's."""
    host = urlsplit(url).hostname or ""
    return host if "." in host and not host.replace(".", "").isdigit() else "keepsync.example"


def read_url(name: str, default: str) -> str:
    """An http(s) origin without a trailing slash."""
    url = read_str(name, default).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"{name}={url!r} is not a URL such as https://keepsync.example.com.")
    return url


def read_folder(name: str) -> Path | None:
    """A folder to write into, made where it is missing; None where none is named."""
    if not (text := read_str(name, "")):
        return None
    folder = Path(text)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{name}={text!r} is no folder, and cannot be made one.") from error
    if not os.access(folder, os.W_OK):
        raise ConfigurationError(f"{name}={text!r} cannot be written to.")
    return folder


def read_zone(name: str, default: str) -> str:
    """An IANA time zone."""
    zone = read_str(name, default)
    if zone not in available_timezones():
        raise ConfigurationError(f"{name}={zone!r} is not an IANA time zone such as Europe/Paris.")
    return zone


def require(name: str, hint: str) -> str:
    value = read_str(name, "")
    if not value:
        raise ConfigurationError(f"{name} is missing: {hint} It must be given where DEBUG=0.")
    return value


def read_secret(name: str, *, debug: bool, hint: str, generate: Callable[[], str]) -> str:
    """The variable; while developing, where it is unset, a value made once and kept under `.data/`."""
    value = read_str(name, "")
    if value or not debug:
        return value or require(name, hint)
    return development_secret(name, generate)


def development_secret(name: str, generate: Callable[[], str]) -> str:
    """A secret for this checkout only. Written with O_EXCL, so that processes that start at once agree on it."""
    folder = DATA_DIR / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name.lower()
    draft = folder / f".{name.lower()}.{secrets.token_hex(8)}"
    if not path.exists():
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(generate()))
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return str(json.loads(path.read_text()))


def read_development_secret(name: str) -> str:
    """The value that this checkout develops with; empty where none was made."""
    path = DATA_DIR / "secrets" / name.lower()
    return str(json.loads(path.read_text())) if path.exists() else ""


def read_database(url: str, *, options: Mapping[str, Any]) -> dict[str, Any]:
    """Django's DATABASES entry for a libpq URL or key=value string."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise ConfigurationError(
            "DATABASE_URL is not a PostgreSQL URL: postgresql://user:password@host/name."
        ) from error
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    entry = {key: str(parts.pop(part, "") or "") for key, part in names.items()}
    if not entry["NAME"]:
        raise ConfigurationError("DATABASE_URL names no database: postgresql://user:password@host/name.")
    return {"ENGINE": "django.db.backends.postgresql", **entry, "OPTIONS": {**options, **parts}}


def read_mailer(url: str) -> dict[str, Any]:
    """Django's MAILERS entry for smtp://, smtps:// (TLS from the start), smtp+tls:// (STARTTLS) or console://."""
    parts = urlsplit(url)
    if parts.scheme == "console":
        return {"BACKEND": "django.core.mail.backends.console.EmailBackend"}
    if parts.scheme not in {"smtp", "smtps", "smtp+tls"} or not parts.hostname:
        raise ConfigurationError("EMAIL_URL is not smtp://, smtps:// or smtp+tls://user:password@host:port.")
    return {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": parts.hostname,
            "port": parts.port or {"smtp": 25, "smtps": 465, "smtp+tls": 587}[parts.scheme],
            "username": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "use_ssl": parts.scheme == "smtps",
            "use_tls": parts.scheme == "smtp+tls",
            "timeout": 10,
        },
    }
