"""How an item of the launch checklist stands: its evidence, how long it holds, and who has signed it."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone
from django_q.models import Schedule

from integrations import jobs
from integrations.exceptions import StateError
from integrations.models import ChecklistItem, CheckResult, CheckSignature
from integrations.operations import checklist
from integrations.operations.checklist import DAY, Evidence, Item, Standing, check, failed, look, passed, sign
from tests.integrations.checklist.support import declared

MINUTE = timedelta(minutes=1)


def standing_of(item: Item) -> Standing:
    return look(timezone.now(), [item])[0].standing


def break_down(now: object) -> Evidence:
    raise KeyError("zoe@example.com")


def test_an_item_is_open_until_it_was_checked(db: None) -> None:
    with declared() as item:
        assert standing_of(item) == Standing.UNCHECKED
        check(item)
        assert standing_of(item) == Standing.PASSED


def test_evidence_counts_for_its_time_and_no_longer(db: None) -> None:
    with declared() as item, time_machine.travel(timezone.now(), tick=False) as clock:
        check(item)
        clock.shift(DAY - MINUTE)
        assert standing_of(item) == Standing.PASSED
        clock.shift(MINUTE)
        assert standing_of(item) == Standing.EXPIRED


def test_a_failure_stays_one_and_is_looked_at_again_within_the_hour(db: None) -> None:
    with declared(probe=lambda now: failed("It is not so.", advice="Mend it.")) as item:
        result = check(item)
        [state] = look(timezone.now(), [item])
        assert (state.standing, state.advice) == (Standing.FAILED, "Mend it.")
        assert result.expires_at - result.checked_at == timedelta(hours=1)


def test_a_probe_that_breaks_has_proved_nothing_and_quotes_nothing(db: None) -> None:
    with declared(probe=break_down) as item:
        result = check(item)
        assert result.status == CheckResult.Status.FAILED
        assert "KeyError" in result.lines[0]
        assert "zoe" not in str(result.lines)


def test_what_is_found_again_is_one_row_of_history_and_what_changes_is_another(db: None) -> None:
    said = ["one"]
    with declared(probe=lambda now: passed(*said)) as item, time_machine.travel(timezone.now(), tick=False) as clock:
        first = check(item)
        clock.shift(MINUTE)
        again = check(item)
        assert again.pk == first.pk
        assert again.checked_at - again.found_at == MINUTE
        said.append("two")
        check(item)
        lines = CheckResult.objects.filter(item=item.name).order_by("id").values_list("lines", flat=True)
        assert list(lines) == [["one"], ["one", "two"]]


def test_an_item_gets_its_row_with_its_first_check_and_a_new_title_later(db: None) -> None:
    with declared() as item:
        check(item)
        ChecklistItem.objects.filter(pk=item.name).update(title="An older title")
        check(item)
        assert str(ChecklistItem.objects.get(pk=item.name)) == "Title of made_up"


# --- Signatures -------------------------------------------------------------------------------------------------------


def test_where_a_person_signs_a_passed_probe_is_not_enough(admin_user: User) -> None:
    with declared(attests=lambda: 1) as item:
        check(item)
        assert standing_of(item) == Standing.UNSIGNED
        sign(item, admin_user, "Looked at it.")
        assert standing_of(item) == Standing.PASSED


def test_a_signature_is_void_once_what_it_attests_has_changed_and_counts_again_when_it_is_back(
    admin_user: User,
) -> None:
    attested = ["one"]
    with declared(attests=lambda: attested) as item:
        sign(item, admin_user, "Looked at it.")
        attested.append("two")
        assert standing_of(item) == Standing.VOID
        attested.pop()
        assert standing_of(item) == Standing.PASSED


def test_a_signature_runs_out_after_ninety_days(admin_user: User) -> None:
    with declared(attests=lambda: 1) as item, time_machine.travel(timezone.now(), tick=False) as clock:
        sign(item, admin_user, "Looked at it.")
        clock.shift(timedelta(days=90))
        check(item)
        assert standing_of(item) == Standing.RUN_OUT


def test_what_counts_ends_with_the_signature_where_that_is_sooner(admin_user: User) -> None:
    with declared(attests=lambda: 1) as item:
        signature = sign(item, admin_user, "Looked at it.")
        CheckSignature.objects.update(expires_at=timezone.now() + MINUTE)
        [state] = look(timezone.now(), [item])
        assert state.expires_at is not None
        assert state.expires_at < signature.expires_at


def test_nobody_signs_what_a_probe_proves(admin_user: User) -> None:
    with declared() as item, pytest.raises(StateError, match="Its probe proves"):
        sign(item, admin_user, "Looked at it.")


def test_nobody_signs_against_the_evidence(admin_user: User) -> None:
    with declared(probe=lambda now: failed("It is not so.", advice="Mend it."), attests=lambda: 1) as item:
        with pytest.raises(StateError, match="It is not so"):
            sign(item, admin_user, "Looked at it.")
        assert not CheckSignature.objects.exists()


def test_signatures_are_kept(admin_user: User) -> None:
    with declared(attests=lambda: 1) as item:
        for note in ("First.", "Second."):
            sign(item, admin_user, note)
        kept = CheckSignature.objects.filter(item=item.name).order_by("id")
        assert [(each.signed_by, each.note, each.lines) for each in kept] == [
            (admin_user, "First.", ["It is so."]),
            (admin_user, "Second.", ["It is so."]),
        ]


# --- The schedule -----------------------------------------------------------------------------------------------------


def test_the_schedule_checks_what_is_new_or_about_to_expire_and_nothing_else(db: None) -> None:
    asked = []

    def note(now: object) -> Evidence:
        asked.append(now)
        return passed("It is so.")

    with declared(probe=note, alone=True), time_machine.travel(timezone.now(), tick=False) as clock:
        jobs.check_launch()
        jobs.check_launch()
        assert len(asked) == 1
        clock.shift(DAY - 15 * MINUTE)
        jobs.check_launch()
        assert len(asked) == 2


def test_the_schedule_leaves_what_its_time_is_too_short_for(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checklist, "RUN_S", 0.0)
    with declared("first", alone=True), declared("second"):
        assert [checklist.check_due() for _ in range(3)] == [1, 1, 0]


def test_the_schedule_is_there(db: None) -> None:
    schedule = Schedule.objects.get(name="launch_checklist")
    assert (schedule.func, schedule.minutes) == ("integrations.jobs.check_launch", 15)


def test_how_all_items_stand_takes_few_queries(db: None, django_assert_max_num_queries: Any) -> None:
    for item in checklist.list_items():
        check(item)
    with django_assert_max_num_queries(3):
        look(timezone.now())
