"""Erasing and exporting a person in the shell."""

import json
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from contacts.erasure import erase
from contacts.merging import merge
from contacts.models import Contact, Erasure, Identifier
from integrations.models import Connection
from tests.contacts.families import latest, link, meet
from tests.factories import make_connection, make_delivery, make_payload, receive

pytestmark = pytest.mark.django_db

ZOE = "zoe.okafor@example.com"


@pytest.fixture(autouse=True)
def zoe(calendar_live: Connection) -> Contact:
    receive(make_payload("dlv_1"))
    return Contact.objects.get()


def run(*arguments: object) -> str:
    out = StringIO()
    call_command(*map(str, arguments), stdout=out)
    return out.getvalue()


def fail(*arguments: object) -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return caught.value


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: text)


# --- Erasing ----------------------------------------------------------------------------------------------------------


def test_a_person_is_erased_once_the_word_is_typed(zoe: Contact, monkeypatch: pytest.MonkeyPatch) -> None:
    link(make_connection("hubspot", provider="hubspot"), zoe, "501")
    answer(monkeypatch, "ERASE")
    said = run("erase_person", ZOE)
    assert "hubspot: contact 501" in said
    assert "calendar-live: booking ev_9f27c1" in said
    assert "The person is erased." in said
    assert latest(zoe).erased_at is not None
    assert Erasure.objects.get().user is None


@pytest.mark.parametrize("typed", ["", "yes", "erase"])
def test_nothing_is_erased_where_another_word_is_typed(
    zoe: Contact, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    answer(monkeypatch, typed)
    assert "nothing was erased" in str(fail("erase_person", zoe.pk))
    assert latest(zoe).erased_at is None


def test_a_dry_run_says_what_would_be_and_changes_nothing(zoe: Contact, calendar_live: Connection) -> None:
    make_delivery(calendar_live, make_payload("dlv_2", version=2))
    make_delivery(calendar_live, make_payload("dlv_3", uid="u_3", id="ev_3"), status="dead")
    said = run("erase_person", zoe.pk, "--dry-run")
    for line in ("3  identifiers", "3  payloads", "1 of the payloads wait", "1 were refused or have failed for good"):
        assert line in said
    found = json.loads(run("erase_person", zoe.pk, "--dry-run", "--json"))
    assert (found["erased"], found["waiting"], found["stuck"], found["counts"]["identifiers"]) == (False, 1, 1, 3)
    assert latest(zoe).erased_at is None


def test_json_tells_a_program_what_was_erased(zoe: Contact) -> None:
    told = json.loads(run("erase_person", zoe.pk, "--yes", "--json"))
    assert (told["contact"], told["erased"]) == (str(zoe.pk), True)
    assert told["receipt"] == str(Erasure.objects.get().pk)
    assert told["elsewhere"] == [{"connection": "calendar-live", "what": "booking", "external_id": "ev_9f27c1"}]
    error = fail("erase_person", zoe.pk, "--json")
    assert error.returncode == 2


def test_erasing_by_id_once_more_is_harmless(zoe: Contact) -> None:
    for _ in range(2):
        run("erase_person", zoe.pk, "--yes")
    assert Erasure.objects.count() == 2
    assert fail("erase_person", ZOE, "--yes").returncode == 2


@pytest.mark.parametrize("command", ["erase_person", "export_person"])
@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("zoe", "id or e-mail address"),
        ("0190a000-0000-7000-8000-000000000000", "no contact with this id"),
        ("nobody@example.com", "nobody here has this address"),
    ],
)
def test_who_cannot_be_found_is_wrong_usage(command: str, named: str, problem: str) -> None:
    error = fail(command, named)
    assert problem in str(error)
    assert error.returncode == 2


def test_an_address_that_several_use_asks_for_the_id(zoe: Contact, calendar_live: Connection) -> None:
    other = meet(calendar_live, "att_2", "sam@acme.example", full_name="Sam Smith")
    for contact in (zoe, other):
        Identifier.objects.filter(contact=contact, kind="email").update(
            is_shared=True, index=Identifier.objects.get(contact=zoe, kind="email").index
        )
    error = fail("export_person", ZOE)
    assert str(zoe.pk) in str(error)
    assert str(other.pk) in str(error)


def test_an_alias_leads_to_the_contact_that_it_went_into(zoe: Contact, calendar_live: Connection) -> None:
    other = meet(calendar_live, "att_2", "z@y.example", full_name="Zoë Okafor")
    merge(zoe, other)
    assert json.loads(run("export_person", other.pk))["contact"]["id"] == str(zoe.pk)


# --- Exporting --------------------------------------------------------------------------------------------------------


def test_the_data_is_printed_as_one_json_object() -> None:
    assert json.loads(run("export_person", ZOE))["contact"]["full_name"] == "Zoë Okafor"


def test_the_data_is_written_to_a_new_file_that_only_its_owner_reads(zoe: Contact, tmp_path: Path) -> None:
    path = tmp_path / "zoe.json"
    told: dict[str, Any] = json.loads(run("export_person", ZOE, "--output", path, "--json"))
    assert (told["contact"], told["counts"]["identifiers"]) == (str(zoe.pk), 3)
    assert json.loads(path.read_text())["contact"]["id"] == str(zoe.pk)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "File exists" in str(fail("export_person", ZOE, "--output", path))


def test_json_without_a_file_is_wrong_usage() -> None:
    assert fail("export_person", ZOE, "--json").returncode == 2


def test_an_erased_person_is_found_by_the_id_only(zoe: Contact) -> None:
    erase(zoe)
    assert json.loads(run("export_person", zoe.pk))["contact"]["erased_at"]
    assert fail("export_person", ZOE).returncode == 2
