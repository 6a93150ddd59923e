"""What of meetings stands in the runbook."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bookings.models import ReconciliationRun
from contacts.models import Contact, ContactLink
from integrations.connections import add_connection
from integrations.mappings import fill_defaults
from integrations.models import ChangeCount, Connection, FieldMapping
from integrations.ownership import note_sent
from tests.integrations.runbook.support import report

Status = ReconciliationRun.Status


def test_the_weeks_runs_are_added_up(calendar_live: Connection) -> None:
    for checked in (1000, 234):
        ReconciliationRun.objects.create(
            connection=calendar_live, status=Status.DONE, checked=checked, discrepancies=3, repaired=2, escalated=1
        )
    today = timezone.now().date()
    for ago, missed in ((0, 1), (6, 1), (7, 50)):
        ChangeCount.objects.create(
            connection=calendar_live, day=today - timedelta(days=ago), checked=100, missed=missed
        )
    runs, missed_changes, waiting = report("reconciliation")
    assert [list(row) for row in runs.rows] == [["calendar-live", "2", "1,234", "6", "4", "2", "0"]]
    assert [list(row) for row in missed_changes.rows] == [["calendar-live", "200", "2", "1.00%"]]
    assert waiting.rows == []


def test_where_nothing_was_run_that_is_said(db: None) -> None:
    runs, *_ = report("reconciliation")
    assert (list(runs.rows), runs.empty) == ([], "None was run: see whether the schedule lives.")


@pytest.fixture
def hubspot(db: None) -> Connection:
    connection = add_connection(slug="hubspot", provider="hubspot")[0]
    fill_defaults(connection)
    FieldMapping.objects.filter(connection=connection, ours="country").delete()
    return connection


def test_fields_that_carried_nothing_and_those_that_are_not_mapped_are_unused(hubspot: Connection) -> None:
    names = dict(hubspot.field_mappings.filter(record="contact").values_list("ours", "theirs"))
    values = {theirs: None if ours == "phone" else "x" for ours, theirs in names.items()}
    ContactLink.objects.create(
        contact=Contact.objects.create(), connection=hubspot, external_id="1", pushed_at=timezone.now(),
        exchanged=note_sent({}, values),
    )  # fmt: skip
    contacts, meetings = report("unused_fields")
    because = {row[0]: row[2] for row in contacts.rows}
    assert because["phone"] == "never carried a value"
    assert because["country"] == "is not mapped"
    assert "email" not in because
    assert contacts.note.startswith("Of 1 records")
    assert meetings.note.startswith("Of 0 records")


def test_records_that_were_not_touched_for_ninety_days_tell_nothing(hubspot: Connection) -> None:
    ContactLink.objects.create(
        contact=Contact.objects.create(), connection=hubspot, external_id="1",
        pushed_at=timezone.now() - timedelta(days=91), exchanged=note_sent({}, {"email": "x"}),
    )  # fmt: skip
    contacts, _ = report("unused_fields")
    assert "never carried a value" not in str(contacts.rows)
