"""What a dry run says is what the real one then comes to, also where a CRM holds the same person twice."""

from typing import Any

import pytest

from contacts.imports import runs
from contacts.imports.rows import Row
from integrations.models import Connection
from tests.contacts.imports.support import PlayedSource, counts, play, tell, work_off
from tests.factories import make_connection

pytestmark = pytest.mark.django_db

A, B, KNOWN = "a@x.example", "b@x.example", "known@x.example"
ZOE: dict[str, Any] = {"full_name": "Zoë Okafor"}
MARC = {"full_name": "Marc Dubois"}
JANE = {"full_name": "Jane Roe", "company": "SmallCo"}
PHONE = "+33612345678"
SHARED: dict[str, Any] = {"phone": PHONE, "email": ""}


def run_both(connection: Connection, monkeypatch: Any, rows: list[Row]) -> tuple[dict[str, int], dict[str, int]]:
    """Each row on a page of its own."""
    play(monkeypatch, PlayedSource([[row] for row in rows]))
    dry, real = (work_off(runs.start_crm(connection, is_dry_run=is_dry_run)) for is_dry_run in (True, False))
    return counts(dry), counts(real)


def record(number: int, **fields: Any) -> dict[str, Any]:
    return {"external_id": f"r{number}", "full_name": "", **fields}


# People, each in a row; then how many of them are created, and how many leave a pair to review.
CASES: dict[str, tuple[list[dict[str, Any]], int, int]] = {
    "two records, one address": ([record(1, email=A), record(2, email=A)], 2, 1),
    "two records, one number, one name": ([record(1, **SHARED, **ZOE), record(2, **SHARED, **ZOE)], 2, 1),
    "two records, one number, two names": ([record(1, **SHARED, **ZOE), record(2, **SHARED, **MARC)], 2, 0),
    "two records, one name and company": ([record(1, **JANE), record(2, **JANE)], 2, 1),
    "one record twice, with a name only": ([record(1, email="", **ZOE)] * 2, 1, 0),
    "two records of somebody known": ([record(1, email=KNOWN), record(2, email=KNOWN)], 1, 1),
    "by a second address": ([{"email": A}, {"email": A, "more_emails": (B,)}, {"email": B}], 1, 0),
    "by a known contact's new address": ([{"email": KNOWN, "more_emails": (B,)}, {"email": B}], 0, 0),
    "a shared number": ([{"phone": PHONE, **ZOE}, {"phone": PHONE, **MARC}, {"phone": PHONE, **ZOE}], 3, 0),
    "namesakes": ([JANE, JANE, {**JANE, "phone": PHONE}], 3, 2),
}


@pytest.mark.parametrize(("people", "created", "for_review"), CASES.values(), ids=CASES)
def test_a_dry_run_counts_as_the_real_one(
    monkeypatch: Any, people: list[dict[str, Any]], created: int, for_review: int
) -> None:
    hubspot = make_connection("hubspot", provider="hubspot", webhook_secret=None, options={"access_token": "token-1"})
    play(monkeypatch, PlayedSource([[tell(0, email=KNOWN, full_name="")]]))
    work_off(runs.start_crm(hubspot, is_dry_run=False))
    nameless: dict[str, Any] = {"full_name": ""}
    rows = [tell(number, **(nameless | person)) for number, person in enumerate(people, 1)]
    dry, real = run_both(hubspot, monkeypatch, rows)

    assert dry == real
    assert (real["created"], real["for_review"]) == (created, for_review)


def test_a_pair_that_is_open_already_is_not_counted_again(monkeypatch: Any) -> None:
    hubspot = make_connection("hubspot", provider="hubspot", webhook_secret=None, options={"access_token": "token-1"})
    rows = [tell(number, external_id=f"r{number}", email=A, **ZOE) for number in (1, 2)]
    for found in (1, 0):
        dry, real = run_both(hubspot, monkeypatch, rows)
        assert dry == real
        assert real["for_review"] == found
