"""`manage.py launch_checklist`: exit status 0 where all pass, 1 with what is open, 2 for wrong usage."""

import io
import json
from collections.abc import Iterator
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError

from integrations.operations.checklist import Evidence, check, failed, list_items, passed, sign
from tests.integrations.checklist.support import declared


@pytest.fixture
def asked(db: None) -> Iterator[list[str]]:
    """Two items, the only ones; each time that one is asked is noted."""
    names: list[str] = []

    def note(name: str, now: object) -> Evidence:
        names.append(name)
        return passed(f"{name} is so.")

    first, second = partial(note, "first"), partial(note, "second")
    with declared("first", probe=first, alone=True), declared("second", probe=second):
        yield names


def run(*arguments: str) -> tuple[int, str]:
    """Exit status, and standard output."""
    stdout = io.StringIO()
    try:
        call_command("launch_checklist", *arguments, stdout=stdout)
    except CommandError as error:
        return error.returncode, f"{stdout.getvalue()}{error}"
    return 0, stdout.getvalue()


def break_it(now: object) -> Evidence:
    return failed("It is not so.", advice="Mend it.")


def test_it_ends_with_zero_where_all_pass(asked: list[str]) -> None:
    status, said = run()
    assert (status, asked) == (0, ["first", "second"])
    assert "ok    first: Passed\n      first is so." in said


def test_it_ends_with_one_and_names_what_is_open(asked: list[str]) -> None:
    with declared("third", probe=break_it):
        status, said = run()
    assert status == 1
    assert "OPEN  third: Failed\n      It is not so.\n      Mend it." in said
    assert said.endswith("1 open: third.")


def test_it_checks_again_only_what_has_expired_unless_it_is_told_to(asked: list[str]) -> None:
    run()
    run()
    assert asked == ["first", "second"]
    run("--recheck")
    assert asked == ["first", "second"] * 2


def test_it_checks_only_the_items_that_are_named(asked: list[str]) -> None:
    with declared("third", probe=break_it):
        status, said = run("--item", "second", "--recheck")
    assert (status, asked) == (0, ["second"])
    assert "first" not in said


def test_an_item_that_there_is_not_is_wrong_usage(asked: list[str]) -> None:
    status, said = run("--item", "nonsense")
    assert (status, asked) == (2, [])
    assert said == "there is no item nonsense; there are first, second."


def test_for_a_program_it_prints_one_object_also_where_items_are_open(asked: list[str], admin_user: User) -> None:
    with declared("signed", attests=lambda: 1) as item, declared("third", probe=break_it):
        sign(item, admin_user, "Looked at it.")
        stdout = io.StringIO()
        with pytest.raises(CommandError):
            call_command("launch_checklist", "--json", stdout=stdout)
    told = json.loads(stdout.getvalue())
    assert (told["passed"], told["open"]) == (False, ["third"])
    assert [each["standing"] for each in told["items"]] == ["passed", "passed", "passed", "failed"]
    assert told["items"][2]["signed_at"]
    assert (told["items"][3]["evidence"], told["items"][3]["advice"]) == (["It is not so."], "Mend it.")


def test_a_new_installation_has_much_to_do(db: None) -> None:
    status, said = run("--json")
    assert status == 1
    assert {"certificate", "signatures", "staging_cases", "alert_channel"} <= set(
        json.loads(said.splitlines()[0])["open"]
    )
    assert len(list_items()) > 20


def test_what_waits_for_a_signature_is_open(asked: list[str]) -> None:
    with declared("signed", attests=lambda: 1) as item:
        check(item)
        status, said = run("--item", "signed")
    assert (status, "Waits for a signature" in said) == (1, True)
