"""`manage.py pair`: joins two connections, and says clearly why it does not."""

import json
import subprocess
import sys
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from integrations.models import Connection, Pair
from tests.factories import make_connection


@pytest.fixture
def crm(calendar_live: Connection) -> Connection:
    return make_connection("hubspot", provider="hubspot")


def run(*words: str) -> str:
    out = StringIO()
    call_command("pair", *words, stdout=out)
    return out.getvalue()


def test_it_joins_and_says_so(crm: Connection) -> None:
    said = run("calendar-live", "hubspot", "--pattern", "in")
    assert said == ("calendar-live and hubspot are paired (calendar.live → CRM). Bookings from now on go to hubspot.\n")
    assert Pair.objects.get().pattern == "in"


def test_json_is_one_object_and_nothing_else(crm: Connection) -> None:
    said = run("calendar-live", "hubspot", "--pattern", "two_way", "--json")
    assert json.loads(said) == {"calendar": "calendar-live", "crm": "hubspot", "pattern": "two_way"}
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("hubspot", "calendar-live"), "hubspot is no calendar.live connection: name that one first, then the CRM."),
        (("calendar-live", "calendar-live"), "calendar-live is no CRM, but calendar.live."),
        (("calendar-live", "nobody"), "nobody"),
        (("nobody", "hubspot"), "nobody"),
    ],
)
def test_what_cannot_be_joined_fails_with_status_1(crm: Connection, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message) as caught:
        run(*words, "--pattern", "in")
    assert caught.value.returncode == 1
    assert not Pair.objects.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("--help",), 0),
        ((), 2),
        (("calendar-live",), 2),
        (("calendar-live", "hubspot"), 2),
        (("calendar-live", "hubspot", "--pattern", "sideways"), 2),
        (("calendar-live", "hubspot", "--pattern", "in", "--colour"), 2),
    ],
)
def test_wrong_usage_has_status_2(words: tuple[str, ...], status: int) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "pair", *words],
        cwd=settings.BASE_DIR,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert b"Traceback" not in done.stderr
