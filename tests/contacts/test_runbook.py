"""What of contacts stands in the runbook."""

import pytest

from contacts import runbook
from contacts.models import CandidatePair, Contact
from tests.integrations.runbook.support import report


def open_pairs(count: int) -> None:
    contacts = sorted((Contact.objects.create() for _ in range(2 * count)), key=lambda contact: contact.pk)
    for first, second in zip(contacts[::2], contacts[1::2], strict=True):
        CandidatePair.objects.create(first=first, second=second, reason="similar", verdict="review")


def test_pairs_that_wait_are_counted_by_verdict(db: None) -> None:
    open_pairs(3)
    CandidatePair.objects.filter(pk=CandidatePair.objects.order_by("pk")[:1].get().pk).update(status="distinct")
    CandidatePair.objects.filter(pk=CandidatePair.objects.order_by("-pk")[:1].get().pk).update(verdict="")
    waiting, merged = report("duplicates")
    assert [row[:2] for row in waiting.rows] == [["Not compared yet", "1"], ["Review", "1"]]
    assert merged.rows == [["Contacts that became one", "0"]]


def test_more_than_are_worth_counting_are_not_counted(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runbook, "COUNTED", 2)
    open_pairs(3)
    waiting, _ = report("duplicates")
    assert waiting.rows[0][1] == "2"
    assert waiting.note == "2 were counted, and there are more."
