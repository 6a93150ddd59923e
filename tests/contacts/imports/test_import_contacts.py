"""`manage.py import_contacts`, and the jobs that do the same in the background."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_q.models import OrmQ

from contacts import jobs
from contacts.imports import engine, runs
from contacts.models import Contact, ImportRun
from integrations.exceptions import PermanentError, RateLimitedError, ReauthoriseError
from integrations.models import Connection
from tests.contacts.imports.support import PlayedSource, play, refuse, tell
from tests.factories import make_connection

pytestmark = pytest.mark.django_db

PAGES = [[tell(1), tell(2)], [tell(3), refuse(4), tell(1)]]
FILE = "email,name\nzoe@example.com,Zoë\nmarc at x,Marc\n"


@pytest.fixture
def hubspot() -> Connection:
    return make_connection("hubspot", provider="hubspot", webhook_secret=None, options={"access_token": "token-1"})


@pytest.fixture
def naps(monkeypatch: Any) -> list[float]:
    """How long the command has waited; here it does not."""
    slept: list[float] = []
    monkeypatch.setattr("contacts.management.commands.import_contacts.time.sleep", slept.append)
    return slept


def call(*arguments: Any) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("import_contacts", *map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def write(folder: Path, text: str = FILE) -> Path:
    path = folder / "people.csv"
    path.write_text(text)
    return path


# --- In the foreground ------------------------------------------------------------------------------------------------


def test_a_crm_is_brought_in_with_a_bar(hubspot: Connection, monkeypatch: Any) -> None:
    play(monkeypatch, PlayedSource(PAGES))
    out, err = call("hubspot")

    assert "5 rows: 3 created, 1 matched, 1 refused, 0 of people who were erased; 0 for review." in out
    assert "is no e-mail address." in out
    assert "] 2 of 5 rows" in err
    assert f"[{'#' * 30}] 5 of 5 rows" in err
    assert Contact.objects.count() == 3


def test_a_dry_run_counts_and_changes_nothing(hubspot: Connection, monkeypatch: Any) -> None:
    play(monkeypatch, PlayedSource(PAGES))
    out, _ = call("hubspot", "--dry-run", "--json")
    told = json.loads(out)

    assert (told["dry_run"], told["status"], told["created"], told["matched"], told["refused"]) == (
        True,
        "done",
        3,
        1,
        1,
    )
    assert not Contact.objects.exists()


def test_a_file_is_brought_in(tmp_path: Path) -> None:
    out, _ = call("--csv", write(tmp_path), "--default-region", "FR")

    assert "2 rows: 1 created, 0 matched, 1 refused" in out
    assert "line 3, column email: is no e-mail address." in out
    assert ImportRun.objects.get().file_name == "people.csv"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name a CRM connection, or a file"),
        (["hubspot", "--csv", "x.csv"], "name a CRM connection, or a file"),
        (["nowhere"], "there is no connection nowhere"),
        (["--csv", "/nowhere/people.csv"], "No such file"),
        (["--csv", "x.csv", "--default-region", "France"], "two letters"),
        (["hubspot", "--default-region", "FR"], "is for files"),
    ],
)
def test_wrong_usage_ends_with_2(hubspot: Connection, arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words) as raised:
        call(*arguments)
    assert raised.value.returncode == 2
    assert not ImportRun.objects.exists()


def test_what_fails_ends_with_1_and_goes_on_with_resume(hubspot: Connection, monkeypatch: Any) -> None:
    failing = [PermanentError("HubSpot knows no such cursor.")]

    def fail(number: int) -> None:
        if number == 1 and failing:
            raise failing.pop()

    play(monkeypatch, PlayedSource(PAGES, fail))
    with pytest.raises(CommandError, match="knows no such cursor") as raised:
        call("hubspot")
    assert raised.value.returncode == 1

    out, _ = call("hubspot", "--resume")
    assert "It goes on where it was, after 2 rows." in out
    assert ImportRun.objects.get().read == 5


def test_nothing_to_resume_ends_with_1(hubspot: Connection) -> None:
    with pytest.raises(CommandError, match="no import of this kind"):
        call("hubspot", "--resume")


def test_an_open_import_of_the_connection_is_followed(hubspot: Connection, monkeypatch: Any) -> None:
    play(monkeypatch, PlayedSource(PAGES))
    monkeypatch.setattr(engine, "SLICE_S", 0.0)
    run = runs.start_crm(hubspot, is_dry_run=False)
    engine.work(run.pk)
    call("hubspot")

    assert (ImportRun.objects.get().read, Contact.objects.count()) == (5, 3)


def test_a_dry_run_that_is_open_is_not_followed_by_a_real_one(hubspot: Connection, monkeypatch: Any) -> None:
    runs.start_crm(hubspot, is_dry_run=True)
    with pytest.raises(CommandError, match="is being imported already"):
        call("hubspot")


def test_a_source_that_rests_is_waited_for(hubspot: Connection, monkeypatch: Any, naps: list[float]) -> None:
    failing = [RateLimitedError("HubSpot limits the rate.", retry_after_s=0.01)]

    def fail(number: int) -> None:
        if failing:
            raise failing.pop()

    play(monkeypatch, PlayedSource(PAGES, fail))
    _, err = call("hubspot")

    assert "HubSpot limits the rate. The import goes on by itself." in err
    assert naps[0] == 0.01
    assert ImportRun.objects.get().status == "done"


def test_what_waits_for_a_person_is_left_to_the_background(hubspot: Connection, monkeypatch: Any) -> None:
    def fail(number: int) -> None:
        Connection.objects.update(status=Connection.Status.NEEDS_REAUTHORISATION)
        raise ReauthoriseError("HubSpot refuses the token.")

    play(monkeypatch, PlayedSource(PAGES, fail))
    with pytest.raises(CommandError, match="Once the connection is active again, the import goes on by itself"):
        call("hubspot")
    assert ImportRun.objects.get().status == "waiting"


def test_ctrl_c_stops_the_import(hubspot: Connection, monkeypatch: Any) -> None:
    def interrupt(number: int) -> None:
        if number == 1:
            raise KeyboardInterrupt

    play(monkeypatch, PlayedSource(PAGES, interrupt))
    with pytest.raises(CommandError, match="--resume goes on where it was"):
        call("hubspot")
    run = ImportRun.objects.get()
    assert (run.status, run.read) == ("stopped", 2)


# --- In the background ------------------------------------------------------------------------------------------------


def queued() -> list[str]:
    return [job.func() for job in OrmQ.objects.order_by("id") if job.func().startswith("contacts.")]


def test_a_started_import_is_queued_and_queues_itself_until_it_is_over(hubspot: Connection, monkeypatch: Any) -> None:
    monkeypatch.setattr(engine, "SLICE_S", 0.0)
    play(monkeypatch, PlayedSource(PAGES))
    run = jobs.start_import(lambda: runs.start_crm(hubspot, is_dry_run=False))
    for expected in (1, 2, 2):
        assert queued() == [jobs.IMPORT_SLICE] * expected
        jobs.import_slice(str(run.pk))
    run.refresh_from_db()
    assert run.status == "done"


def test_an_import_that_rests_is_queued_for_later(hubspot: Connection, monkeypatch: Any) -> None:
    def fail(number: int) -> None:
        raise RateLimitedError("HubSpot limits the rate.", retry_after_s=600)

    play(monkeypatch, PlayedSource(PAGES, fail))
    jobs.import_slice(str(runs.start_crm(hubspot, is_dry_run=False).pk))
    [job] = OrmQ.objects.all()
    assert job.lock > timezone.now() + timedelta(minutes=9)


def test_the_sweeper_queues_what_nobody_works_on(hubspot: Connection) -> None:
    run = runs.start_crm(hubspot, is_dry_run=False)
    ImportRun.objects.update(status="running", leased_until=timezone.now() + timedelta(minutes=1))
    jobs.sweep_imports()
    assert queued() == []
    ImportRun.objects.update(leased_until=timezone.now() - timedelta(minutes=1))
    jobs.sweep_imports()
    assert queued() == [jobs.IMPORT_SLICE]
    jobs.resume_import(stopped(run))
    assert queued() == [jobs.IMPORT_SLICE] * 2


def stopped(run: ImportRun) -> ImportRun:
    runs.stop(run)
    return run
