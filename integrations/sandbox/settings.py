"""Django settings of the sandbox: no database, no sessions, no log-in. Everything is configured by environment."""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from integrations.sandbox.signing import SCHEMES, Endpoint

HERE = Path(__file__).resolve().parent


def read_factor(name: str, default: float) -> float:
    """A number above 0 from the environment; anything else stops the start with one clear line."""
    raw = os.environ.get(name, "").strip()
    try:
        value = float(raw or default)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ImproperlyConfigured(f"{name} must be a number above 0, not {raw!r}.")
    return value


def read_endpoint(prefix: str) -> Endpoint | None:
    """The webhook endpoint from <prefix>WEBHOOK_URL and _SECRET, None without a URL; a URL needs its secret."""
    url = os.environ.get(f"{prefix}WEBHOOK_URL", "").strip()
    secret = os.environ.get(f"{prefix}WEBHOOK_SECRET", "").strip()
    if url and not secret:
        raise ImproperlyConfigured(f"{prefix}WEBHOOK_URL is set, so {prefix}WEBHOOK_SECRET must be set too.")
    return Endpoint(url, secret) if url else None


def read_count(name: str) -> int:
    """A number up to 1000 from the environment, 0 where it is not set."""
    raw = os.environ.get(name, "").strip() or "0"
    if not raw.isdecimal() or int(raw) > 1000:
        raise ImproperlyConfigured(f"{name} must be a number from 0 to 1000, not {raw!r}.")
    return int(raw)


def read_port(name: str) -> int | None:
    """A port from the environment, None where it is not set; 0 takes a free one."""
    raw = os.environ.get(name, "").strip()
    if not raw:
        return None
    if not raw.isdecimal() or int(raw) > 65535:
        raise ImproperlyConfigured(f"{name} must be a port from 0 to 65535, not {raw!r}.")
    return int(raw)


WEBHOOK_URL = os.environ.get("SANDBOX_WEBHOOK_URL", "").strip()
WEBHOOK_SECRET = os.environ.get("SANDBOX_WEBHOOK_SECRET", "").strip()
if WEBHOOK_URL and not WEBHOOK_SECRET:
    raise ImproperlyConfigured("SANDBOX_WEBHOOK_URL is set, so SANDBOX_WEBHOOK_SECRET must be set too.")
ENDPOINTS = {name: read_endpoint(f"SANDBOX_{name.upper()}_") for name in SCHEMES}
ACCESS_TOKEN = os.environ.get("SANDBOX_ACCESS_TOKEN", "").strip() or "sandbox-access-token"
STATE_PATH = Path(raw) if (raw := os.environ.get("SANDBOX_STATE", "").strip()) else None
SMTP_PORT = read_port("SANDBOX_SMTP_PORT")
TEAMS = read_count("SANDBOX_TEAMS")
RETRY_FACTOR = read_factor("SANDBOX_RETRY_FACTOR", 0.02)

SECRET_KEY = secrets.token_urlsafe(50)
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ROOT_URLCONF = "integrations.sandbox.urls"
INSTALLED_APPS: list[str] = []
# No CSRF protection: nobody logs in here, so there is no browser session that another site could misuse.
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
USE_I18N = False
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {
        # Without DEBUG Django would mail errors to nobody; the terminal is where they are looked for.
        "django.request": {"handlers": ["console"], "level": "ERROR", "propagate": False},
        "integrations.sandbox": {"handlers": ["console"], "level": "INFO", "propagate": False},
    },
}
