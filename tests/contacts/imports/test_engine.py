"""Imports page by page: counted once, resumed after a death at any line, held while their source rests."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError
from django.utils import timezone

from contacts import upserts
from contacts.consent import Said
from contacts.imports import bringing, engine, runs
from contacts.imports.rows import Answer, Details, Page, Row, RowSource
from contacts.models import CandidatePair, Consent, Contact, ContactLink, Identifier, ImportRow, ImportRun, ImportSeen
from integrations.exceptions import (
    OutageError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    StateError,
    TokenOutageError,
)
from integrations.models import Connection, Effect
from tests.contacts.imports.support import (
    NOON,
    PlayedSource,
    counts,
    holdings,
    play,
    refuse,
    snapshot,
    tell,
    work_off,
)
from tests.factories import make_connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def hubspot() -> Connection:
    return make_connection("hubspot", provider="hubspot", webhook_secret=None, options={"access_token": "token-1"})


def start(connection: Connection, **options: Any) -> ImportRun:
    return runs.start_crm(connection, **{"is_dry_run": False, **options})


def make_pages(pages: int = 3, size: int = 4) -> list[list[Row]]:
    """The last one of each page is the first one of the page before, once more."""
    made = []
    for page in range(pages):
        numbers = range(page * size + 1, (page + 1) * size)
        again = max(1, (page - 1) * size + 1)
        rows = [tell(number, external_id=f"r{number}") for number in numbers]
        made.append([*rows, tell(again, external_id=f"r{again}")])
    return made


# --- Counting ---------------------------------------------------------------------------------------------------------


def test_each_row_is_created_matched_refused_or_erased(hubspot: Connection, monkeypatch: Any) -> None:
    gone = Contact.objects.create(erased_at=NOON)
    ContactLink.objects.create(contact=gone, connection=hubspot, external_id="gone")
    pages = [
        [tell(1), tell(2), tell(1), refuse(4)],
        [tell(5, email="person.5@example.com", external_id="gone"), tell(6, email="person.6@example.com")],
    ]
    play(monkeypatch, PlayedSource(pages))
    run = work_off(start(hubspot))

    assert counts(run) == {"read": 6, "created": 3, "matched": 1, "for_review": 0, "refused": 1, "erased": 1}
    assert (run.status, run.total, run.cursor, run.leased_until) == ("done", 6, "", None)
    assert run.finished_at is not None


def test_people_bring_their_record_and_nothing_is_sent_back(hubspot: Connection, monkeypatch: Any) -> None:
    play(monkeypatch, PlayedSource(make_pages()))
    work_off(start(hubspot))

    assert ContactLink.objects.filter(connection=hubspot).count() == Contact.objects.count() == 9
    assert not Effect.objects.exists()


def test_a_refused_row_is_kept_with_what_is_wrong(hubspot: Connection, monkeypatch: Any) -> None:
    play(monkeypatch, PlayedSource([[tell(1), refuse(2)]]))
    run = work_off(start(hubspot))
    row = ImportRow.objects.get(run=run)

    assert (row.number, row.outcome, row.field, row.problem) == (2, "refused", "email", "is no e-mail address.")
    assert row.values == {"email": "zoe at x", "full_name": "Zoë"}


def test_a_row_that_leaves_a_pair_to_review_names_its_contact(hubspot: Connection, monkeypatch: Any) -> None:
    known = tell(1, email="jane@smallco.example", full_name="Jane Roe", company="SmallCo")
    again = tell(2, email="jane.roe@smallco.example", full_name="Jane Roe", company="SmallCo Ltd")
    play(monkeypatch, PlayedSource([[known, again]]))
    run = work_off(start(hubspot))
    row = ImportRow.objects.get(run=run)
    pair = CandidatePair.objects.get()

    assert counts(run) == {"read": 2, "created": 2, "matched": 0, "for_review": 1, "refused": 0, "erased": 0}
    assert (row.number, row.outcome, row.values) == (2, "for_review", {})
    assert row.contact_id in (pair.first_id, pair.second_id)


def test_one_at_fault_does_not_keep_the_others_of_its_page(hubspot: Connection, monkeypatch: Any) -> None:
    real = upserts.upsert_each

    def upsert_each(people: Any) -> Any:
        if any(person.email == "person.2@example.com" for person, _ in people):
            raise PermanentError("key k1 is missing.")
        return real(people)

    monkeypatch.setattr(bringing, "upsert_each", upsert_each)
    play(monkeypatch, PlayedSource([[tell(1), tell(2), tell(3)]]))
    run = work_off(start(hubspot))

    assert (run.status, run.created, run.refused) == ("done", 2, 1)
    assert ImportRow.objects.get(run=run).problem == "key k1 is missing."


def test_the_newer_state_wins(hubspot: Connection, monkeypatch: Any) -> None:
    older = tell(1, full_name="Zoë Okafor", external_id="r1", seen_at=NOON - timedelta(days=1))
    newer = tell(1, full_name="Zoë Blanc", external_id="r1", seen_at=NOON)
    play(monkeypatch, PlayedSource([[newer, older]]))
    work_off(start(hubspot))

    assert [contact.full_name for contact in Contact.objects.all()] == ["Zoë Blanc"]


# --- What an import fills in ------------------------------------------------------------------------------------------


def with_details(row: Row, **details: Any) -> Row:
    assert row.told
    told = type(row.told)(row.told.person, row.told.source, Details(**details), row.told.answers)
    return Row(row.number, row.values, told)


def test_notes_status_and_owner_fill_what_is_unknown(
    hubspot: Connection, monkeypatch: Any, admin_user: Any, django_user_model: Any
) -> None:
    olga = django_user_model.objects.create(username="olga")
    rows = [tell(1), tell(2)]
    details = {"notes": "Prefers mornings", "lead_status": "customer", "owner_id": olga.pk}
    play(monkeypatch, PlayedSource([rows]))
    work_off(start(hubspot))
    kept = Contact.objects.get(identifiers__index=Identifier.objects.order_by("pk")[0].index)
    kept.notes, kept.lead_status, kept.owner = "Call back", "qualified", admin_user
    kept.save()
    play(monkeypatch, PlayedSource([[with_details(row, **details) for row in rows]]))
    work_off(start(hubspot))
    kept.refresh_from_db()
    other = Contact.objects.exclude(pk=kept.pk).get()

    assert (kept.notes, kept.lead_status, kept.owner) == ("Call back", "qualified", admin_user)
    assert (other.notes, other.lead_status, other.owner) == ("Prefers mornings", "customer", olga)


def say(is_given: bool, *, is_dated: bool = True, day: int = 0) -> Answer:
    said = Said(
        Consent.Purpose.MARKETING, Consent.Channel.EMAIL, is_given=is_given, given_at=NOON + timedelta(days=day)
    )
    return Answer(said, is_dated)


@pytest.mark.parametrize(
    ("before", "answer", "kept"),
    [
        ([], say(True), [True]),
        ([say(True)], say(True), [True]),
        ([say(True)], say(True, day=1), [True, True]),
        ([say(True)], say(False, is_dated=False, day=1), [True, False]),
        ([say(True)], say(True, is_dated=False, day=1), [True]),
        ([say(False), say(True, day=1)], say(False, is_dated=False, day=2), [False, True, False]),
    ],
)
def test_consents_are_kept_once(
    hubspot: Connection, monkeypatch: Any, before: list[Answer], answer: Answer, kept: list[bool]
) -> None:
    row = tell(1)
    assert row.told
    for answers in (before, [answer], [answer]):
        told = type(row.told)(row.told.person, row.told.source, Details(), tuple(answers))
        play(monkeypatch, PlayedSource([[Row(1, {}, told)]]))
        work_off(start(hubspot))

    assert list(Consent.objects.order_by("given_at").values_list("is_given", flat=True)) == kept


# --- A dry run --------------------------------------------------------------------------------------------------------


def make_mixed_pages() -> list[list[Row]]:
    """New people, known ones, the same person on two pages, a shared mailbox, a pair, and a refused row."""
    jane: dict[str, Any] = {"full_name": "Jane Roe", "company": "SmallCo"}
    return [
        [tell(1), tell(2, email="known@example.com"), tell(3, email="jane@smallco.example", **jane)],
        [tell(4, email="person.1@example.com", full_name="Person One"), refuse(5)],
        [tell(6, email="jane.roe@smallco.example", **jane), tell(7, email="desk@example.com", full_name="Marc Dubois")],
        [tell(8, email="desk@example.com", full_name="Zoë Okafor"), tell(9, email="desk@example.com", full_name="Zoë")],
    ]


@pytest.mark.parametrize("slice_s", [0.0, 60.0])
def test_a_dry_run_says_what_a_real_one_does_and_changes_nothing(
    hubspot: Connection, monkeypatch: Any, slice_s: float
) -> None:
    monkeypatch.setattr(engine, "SLICE_S", slice_s)
    play(monkeypatch, PlayedSource([[tell(0, email="known@example.com")]]))
    work_off(start(hubspot))
    play(monkeypatch, PlayedSource(make_mixed_pages()))
    before = snapshot()
    dry = work_off(start(hubspot, is_dry_run=True))
    foretold = [(row.number, row.outcome) for row in ImportRow.objects.filter(run=dry)]

    assert snapshot() == before
    real = work_off(start(hubspot))
    assert counts(dry) == counts(real)
    assert (dry.refused, dry.for_review, dry.read) == (1, 1, 9)
    assert foretold == [(row.number, row.outcome) for row in ImportRow.objects.filter(run=real)]
    assert snapshot() != before
    assert not ImportSeen.objects.exists()


def test_a_dry_run_is_followed_by_a_real_one(hubspot: Connection, monkeypatch: Any, admin_user: Any) -> None:
    play(monkeypatch, PlayedSource(make_pages()))
    dry = work_off(start(hubspot, is_dry_run=True))
    real = work_off(runs.run_for_real(dry, admin_user))

    assert (real.is_dry_run, real.status, real.user) == (False, "done", admin_user)
    assert counts(real) == counts(dry)
    with pytest.raises(StateError):
        runs.run_for_real(real)


# --- Deaths -----------------------------------------------------------------------------------------------------------


class DiedError(BaseException):
    """The process is gone: nothing that it would still have done is done."""


@pytest.mark.parametrize("place", ["before", "within", "at the end"])
@pytest.mark.parametrize(("page", "is_dry_run"), [(0, False), (1, False), (2, False), (1, True)])
def test_a_run_goes_on_where_its_process_died_and_counts_nothing_twice(
    hubspot: Connection, monkeypatch: Any, page: int, place: str, is_dry_run: bool
) -> None:
    monkeypatch.setattr(engine, "SLICE_S", 0.0)
    names = {"before": (PlayedSource, "read_page"), "within": (engine, "list_shown"), "at the end": (engine, "save")}
    owner, name = names[place]
    real, calls = getattr(owner, name), iter(range(100))

    def die(*arguments: Any, **options: Any) -> Any:
        # Each slice saves its page, and that it is over.
        if next(calls) == page * (2 if place == "at the end" else 1):
            raise DiedError
        return real(*arguments, **options)

    monkeypatch.setattr(owner, name, die)
    play(monkeypatch, PlayedSource(make_pages()))
    run = start(hubspot, is_dry_run=is_dry_run)
    with pytest.raises(DiedError):
        work_off(run)

    assert engine.work(run.pk) is None
    assert runs.find_idle(timezone.now()) == []
    with time_machine.travel(timezone.now() + engine.LEASE + timedelta(seconds=1), tick=False):
        assert runs.find_idle(timezone.now()) == [run.pk]
        run = work_off(run)

    assert (run.status, run.read, run.created, run.matched) == ("done", 12, 9, 3)
    assert Contact.objects.count() == (0 if is_dry_run else 9)


def test_a_page_that_is_done_twice_changes_nothing(hubspot: Connection, monkeypatch: Any) -> None:
    play(monkeypatch, PlayedSource(make_pages()))
    work_off(start(hubspot))
    before = holdings()
    again = work_off(start(hubspot))

    assert (again.created, again.matched) == (0, 12)
    assert holdings() == before


def test_two_processes_never_work_on_one_run(hubspot: Connection, monkeypatch: Any) -> None:
    tried: list[float | None] = []
    play(monkeypatch, PlayedSource(make_pages(), lambda number: tried.append(engine.work(run.pk))))
    run = start(hubspot)
    work_off(run)

    assert tried == [None, None, None]


def test_a_page_whose_lease_went_to_another_is_not_written(hubspot: Connection, monkeypatch: Any) -> None:
    def take_over(number: int) -> None:
        if number == 1:
            ImportRun.objects.filter(pk=run.pk).update(leased_until=timezone.now() + timedelta(hours=1))

    play(monkeypatch, PlayedSource(make_pages(), take_over))
    run = start(hubspot)
    assert engine.work(run.pk) is None
    run.refresh_from_db()

    assert (run.status, run.cursor, run.read) == ("running", "1", 4)
    assert Contact.objects.count() == 3


# --- What holds it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "pause_s"),
    [
        (RateLimitedError("HubSpot limits the rate.", retry_after_s=30), 30),
        (RateLimitedError("HubSpot limits the rate."), engine.PAUSE_S),
        (RateLimitedError("HubSpot limits the rate.", retry_after_s=10**9), 24 * 60 * 60),
        (OutageError("HubSpot is down."), engine.OUTAGE_S),
        (TokenOutageError("No token.", retry_after_s=7), 7),
    ],
)
def test_a_source_that_rests_holds_the_run_which_goes_on_by_itself(
    hubspot: Connection, monkeypatch: Any, error: Exception, pause_s: float
) -> None:
    failing = [error]

    def fail(number: int) -> None:
        if number == 1 and failing:
            raise failing.pop()

    play(monkeypatch, PlayedSource(make_pages(), fail))
    run = start(hubspot)
    assert engine.work(run.pk) == pause_s
    run.refresh_from_db()
    assert (run.status, run.read) == ("waiting", 4)
    assert str(error) in run.problem
    assert "goes on by itself" in run.problem
    assert engine.work(run.pk) is None

    with time_machine.travel(timezone.now() + timedelta(seconds=pause_s + 1), tick=False):
        run = work_off(run)
    assert (run.status, run.problem, run.created) == ("done", "", 9)


def test_refused_credentials_hold_the_run_until_the_connection_is_active(hubspot: Connection, monkeypatch: Any) -> None:
    failing = [ReauthoriseError("HubSpot refuses the token.")]

    def fail(number: int) -> None:
        if failing:
            Connection.objects.update(status=Connection.Status.NEEDS_REAUTHORISATION)
            raise failing.pop()

    play(monkeypatch, PlayedSource(make_pages(), fail))
    run = start(hubspot)
    for expected in ("HubSpot refuses the token.", "hubspot is needs reauthorisation."):
        assert engine.work(run.pk) is None
        run.refresh_from_db()
        assert run.status == "waiting"
        assert run.problem.startswith(f"{expected} Once the connection is active again")
    assert runs.find_idle(timezone.now()) == []

    Connection.objects.update(status=Connection.Status.ACTIVE)
    assert runs.find_idle(timezone.now()) == [run.pk]
    assert work_off(run).status == "done"


@pytest.mark.parametrize("status", [Connection.Status.PAUSED, Connection.Status.DISABLED])
def test_nothing_is_read_from_a_connection_that_is_not_active(
    hubspot: Connection, monkeypatch: Any, status: str
) -> None:
    source = PlayedSource(make_pages())
    play(monkeypatch, source)
    run = start(hubspot)
    Connection.objects.update(status=status)
    assert engine.work(run.pk) is None
    assert source.asked == []


def test_what_trying_again_cannot_mend_fails_the_run_which_can_be_resumed(
    hubspot: Connection, monkeypatch: Any
) -> None:
    failing = [PermanentError("HubSpot knows no such cursor.")]

    def fail(number: int) -> None:
        if number == 2 and failing:
            raise failing.pop()

    play(monkeypatch, PlayedSource(make_pages(), fail))
    run = work_off(start(hubspot))
    assert (run.status, run.problem, run.read) == ("failed", "HubSpot knows no such cursor.", 8)

    runs.resume(run)
    run = work_off(run)
    assert (run.status, run.problem, run.read) == ("done", "", 12)


def test_a_bug_fails_the_run_and_names_nobody(hubspot: Connection, monkeypatch: Any) -> None:
    def fail(number: int) -> None:
        raise ValueError("Zoë Okafor")

    play(monkeypatch, PlayedSource(make_pages(), fail))
    run = work_off(start(hubspot))

    assert run.status == "failed"
    assert run.problem.startswith("Unexpected ValueError")
    assert "Zoë" not in run.problem


def test_a_database_that_is_away_leaves_the_run_to_the_sweeper(hubspot: Connection, monkeypatch: Any) -> None:
    def fail(number: int) -> None:
        raise OperationalError

    play(monkeypatch, PlayedSource(make_pages(), fail))
    run = start(hubspot)
    with pytest.raises(OperationalError):
        engine.work(run.pk)
    run.refresh_from_db()
    assert run.status == "running"


def test_a_list_that_leads_in_a_circle_fails(hubspot: Connection, monkeypatch: Any) -> None:
    class Circle(RowSource):
        def __init__(self) -> None:
            pass

        def read_page(self, cursor: str, start: int) -> Page:
            return Page([], "1")

    play(monkeypatch, Circle())
    assert "circle" in work_off(start(hubspot)).problem


def test_a_source_that_asks_for_a_rest_gets_it(hubspot: Connection, monkeypatch: Any) -> None:
    class Resting(PlayedSource):
        def read_page(self, cursor: str, start: int) -> Page:
            page = super().read_page(cursor, start)
            return Page(page.rows, page.cursor, page.total, rest_s=9)

    play(monkeypatch, Resting(make_pages()))
    run = start(hubspot)
    assert engine.work(run.pk) == 9
    assert engine.work(run.pk) is None


# --- Stopping and resuming --------------------------------------------------------------------------------------------


def test_a_stopped_run_keeps_what_is_done_and_goes_on_when_it_is_resumed(hubspot: Connection, monkeypatch: Any) -> None:
    stopping = [1]

    def stop(number: int) -> None:
        if number in stopping:
            runs.stop(run)
            stopping.remove(number)

    play(monkeypatch, PlayedSource(make_pages(), stop))
    run = start(hubspot)
    assert engine.work(run.pk) is None
    run = runs.list_runs().get(pk=run.pk)
    assert (run.status, run.read, run.problem) == ("stopped", 4, runs.STOPPED)
    assert engine.work(run.pk) is None
    with pytest.raises(StateError):
        runs.stop(run)

    runs.resume(run)
    run = work_off(run)
    assert (run.status, run.created) == ("done", 9)
    with pytest.raises(StateError):
        runs.resume(run)


def test_one_import_of_a_connection_at_a_time(hubspot: Connection, monkeypatch: Any) -> None:
    play(monkeypatch, PlayedSource(make_pages()))
    first = start(hubspot)
    with pytest.raises(StateError):
        start(hubspot, is_dry_run=True)
    runs.stop(first)
    second = start(hubspot)
    with pytest.raises(StateError):
        runs.resume(first)
    assert work_off(second).status == "done"


def test_what_is_old_is_forgotten(hubspot: Connection, monkeypatch: Any) -> None:
    play(monkeypatch, PlayedSource([[refuse(1)]]))
    run = work_off(start(hubspot))
    now = timezone.now()
    runs.forget_old(now + timedelta(days=29))
    assert ImportRow.objects.filter(run=run).exists()
    runs.forget_old(now + timedelta(days=31))
    assert not ImportRow.objects.exists()
    assert ImportRun.objects.get(pk=run.pk).refused == 1


def test_a_page_takes_as_many_queries_for_its_own_row_whatever_its_size(
    hubspot: Connection, monkeypatch: Any, django_assert_max_num_queries: Any
) -> None:
    play(monkeypatch, PlayedSource([[refuse(number) for number in range(200)]]))
    run = start(hubspot)
    with django_assert_max_num_queries(6):
        engine.work(run.pk)
