"""The runbook's pages: what is due, each task's report, signing off, and the line on the start page."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection as database
from django.test import Client
from django.utils import timezone

from integrations.models import Alert, RunbookTask, SignOff
from integrations.operations import runbook
from integrations.operations.runbook import Part, Task, ensure_rows
from tests.integrations.admin.support import get_page, press, read_log, read_messages, sign_in
from tests.integrations.runbook.support import declared

PAGE = "/admin/integrations/runbooktask/"
VIEW, SIGN_OFF = "integrations.view_runbooktask", "integrations.sign_off_runbooktask"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
REPORT = [Part("Figures", ["What", "How many"], [["Dead letters", "7"]], [("All of them", "/admin/")], note="Counted.")]


@pytest.fixture
def clock(db: None) -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def task(clock: Any) -> Iterator[Task]:
    """The only one, daily; it comes due in 21 hours."""
    with declared(report=lambda now: REPORT) as task:
        ensure_rows(NOW)
        yield task


@pytest.fixture
def due(task: Task, clock: Any) -> RunbookTask:
    clock.shift(22 * HOUR)
    return RunbookTask.objects.get()


def client_of(user: User) -> Client:
    """Signed in at the time that it is now."""
    client = Client()
    client.force_login(user)
    return client


def test_a_new_runbook_has_nothing_due(clock: Any, admin_client: Client) -> None:
    page = get_page(admin_client, PAGE)
    assert "Nothing is due." in page
    assert "Unused connections" in page
    assert "Tasks come due at 09:00 by the clock of UTC." in page
    assert RunbookTask.objects.count() == len(runbook.list_tasks())


def test_what_is_due_and_what_is_overdue_is_said(due: RunbookTask, clock: Any, admin_user: User) -> None:
    page = get_page(client_of(admin_user), PAGE)
    assert "One task is due." in page
    assert "overview-warn" in page
    clock.shift(8 * HOUR)
    page = get_page(client_of(admin_user), PAGE)
    assert "One task is due, 1 of them overdue." in page
    assert "overview-bad" in page


def test_a_tasks_page_shows_its_report_now(due: RunbookTask, admin_user: User) -> None:
    page = get_page(client_of(admin_user), f"{PAGE}made_up/change/")
    assert "Dead letters" in page
    assert "Counted." in page
    assert "All of them" in page
    assert "Nobody has signed it off yet." in page


def test_signing_off_shows_the_report_first_and_keeps_it(due: RunbookTask, admin_user: User) -> None:
    client = client_of(admin_user)
    page = get_page(client, f"{PAGE}made_up/sign_off/")
    assert "Dead letters" in page
    assert not SignOff.objects.exists()
    assert "It comes due again on 2026-11-27." in read_messages(press(client, due, "sign_off", note="Two replayed."))
    kept = SignOff.objects.get()
    assert (kept.signed_by, kept.note) == (admin_user, "Two replayed.")
    assert read_log(due) == [("admin", "Signed off")]
    assert "Two replayed." in get_page(client, f"{PAGE}made_up/change/")
    page = get_page(client, f"/admin/integrations/signoff/{kept.pk}/change/")
    assert "Dead letters" in page
    assert "Two replayed." in page
    assert "Made up" in get_page(client, "/admin/integrations/signoff/", task__name__exact="made_up")


def test_what_is_not_due_cannot_be_signed_off(task: Task, admin_user: User) -> None:
    client = client_of(admin_user)
    assert "sign_off" not in get_page(client, PAGE)
    assert "does not fit" in read_messages(press(client, RunbookTask.objects.get(), "sign_off"))
    assert not SignOff.objects.exists()


def test_a_sign_offs_note_is_encrypted(due: RunbookTask, task: Task, admin_user: User) -> None:
    runbook.sign_off(task, admin_user, "Called Zoë Okafor.")
    with database.cursor() as cursor:
        cursor.execute("SELECT note FROM integrations_signoff")
        [stored] = cursor.fetchone()
    assert b"Okafor" not in bytes(stored)


def test_a_viewer_reads_reports_and_signs_nothing_off(due: RunbookTask) -> None:
    client = sign_in(VIEW)
    assert "sign_off" not in get_page(client, PAGE)
    assert "Dead letters" in get_page(client, f"{PAGE}made_up/change/")
    assert client.post(f"{PAGE}made_up/sign_off/").status_code == 403


def test_an_operator_signs_off(due: RunbookTask) -> None:
    client = sign_in(VIEW, SIGN_OFF)
    assert client.post(f"{PAGE}made_up/sign_off/").status_code == 302
    assert SignOff.objects.count() == 1


def test_what_is_not_declared_any_more_is_not_shown(task: Task, admin_user: User) -> None:
    RunbookTask.objects.create(name="older", title="Older", since=NOW)
    client = client_of(admin_user)
    assert "Older" not in get_page(client, PAGE)
    assert client.get(f"{PAGE}older/change/").status_code == 302


# --- The start page ---------------------------------------------------------------------------------------------------


def test_overdue_tasks_are_one_line_on_the_start_page_and_no_alert(clock: Any, admin_user: User) -> None:
    ensure_rows(NOW)
    clock.shift(22 * HOUR)
    assert "of the runbook" not in get_page(client_of(admin_user), "/admin/")
    clock.shift(8 * HOUR)
    page = get_page(client_of(admin_user), "/admin/")
    assert page.count("of the runbook") == 1
    assert "3 tasks of the runbook are overdue:" in page
    assert not Alert.objects.exists()


def test_the_line_is_for_those_who_may_see_the_runbook(task: Task, clock: Any) -> None:
    clock.shift(3 * DAY)
    assert "of the runbook" not in get_page(sign_in("integrations.view_delivery"), "/admin/")
    User.objects.all().delete()
    assert "One task of the runbook is overdue: Made up" in get_page(sign_in(VIEW), "/admin/")


def test_the_page_of_all_tasks_takes_few_queries(
    db: None, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    ensure_rows(timezone.now())
    with django_assert_max_num_queries(6):
        get_page(admin_client, PAGE)
