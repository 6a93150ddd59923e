"""A start with a variable missing or bad ends at once, with one line that says what to do."""

import os

import pytest

from integrations.privacy.keys import generate_key
from tests.processes.processes import run

pytestmark = pytest.mark.slow

COMMANDS = {
    "check": ["manage.py", "check"],
    "qcluster": ["manage.py", "qcluster"],
    "gunicorn": ["-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"],
}
CASES = [
    ("SECRET_KEY", None),
    ("FIELD_ENCRYPTION_KEYS", "k1:not-base64-of-32-bytes"),
    ("BLIND_INDEX_KEY", None),
    ("DATABASE_URL", None),
    ("DATABASE_URL", "not a url"),
    ("ALLOWED_HOSTS", ""),
    ("Q_WORKERS", "many"),
]


def production(**changes: str | None) -> dict[str, str]:
    """The environment of a production start; a None leaves a variable out."""
    given = {
        "DEBUG": "0",
        "SECRET_KEY": "s" * 60,
        "FIELD_ENCRYPTION_KEYS": generate_key(),
        "BLIND_INDEX_KEY": generate_key(),
        "DATABASE_URL": os.environ["DATABASE_URL"],
        "BASE_URL": "https://keepsync.example",
        "ALLOWED_HOSTS": "keepsync.example",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        **changes,
    }
    ours = {name: value for name, value in os.environ.items() if name not in given}
    return {**ours, **{name: value for name, value in given.items() if value is not None}}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("name", "value"), CASES)
def test_bad_variable_stops_the_start_with_one_line(command: str, name: str, value: str | None) -> None:
    done = run(COMMANDS[command], production(**{name: value}))
    assert done.returncode != 0
    [line] = done.stderr.splitlines()
    assert line.startswith(f"keepsync: {name}")
    assert "k1:not" not in line
    assert done.stdout == ""
