"""Pairs: who may be joined, what a CRM is given then, and how one is prepared before its first record."""

from typing import Any

import pytest

from integrations.exceptions import OutageError, PermanentError, SetupError
from integrations.models import Connection, Drain, Pair
from integrations.pairs import list_crms, make_pair, prepare, save_prepared
from integrations.providers import get_provider
from tests.factories import make_connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def crm(db: None) -> Connection:
    return make_connection("hubspot", provider="hubspot")


class Setup:
    """A CRM's set-up: how often it was prepared, and what it answers to that."""

    def __init__(self) -> None:
        self.made = 0
        self.errors: list[Exception] = []

    def prepare(self, account: Any) -> str:
        self.made += 1
        if self.errors:
            raise self.errors.pop(0)
        return "made all."


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> Setup:
    made = Setup()
    monkeypatch.setattr(get_provider("hubspot"), "prepare", made.prepare)
    return made


# --- Pairs ------------------------------------------------------------------------------------------------------------


def test_a_pair_joins_a_calendar_and_a_crm_and_gives_the_crm_its_mapping(
    calendar_live: Connection, crm: Connection
) -> None:
    pair = make_pair(calendar_live, crm, "in")
    assert (pair.calendar, pair.crm, pair.pattern) == (calendar_live, crm, "in")
    assert crm.field_mappings.filter(record="meeting").exists()
    assert list_crms(calendar_live.pk) == [crm]


def test_the_same_pair_again_changes_its_pattern_and_nothing_else(calendar_live: Connection, crm: Connection) -> None:
    first = make_pair(calendar_live, crm, "in")
    crm.field_mappings.exclude(ours="email").delete()
    again = make_pair(calendar_live, crm, "two_way")
    assert (again.pk, Pair.objects.get().pattern) == (first.pk, "two_way")
    assert crm.field_mappings.count() == 1
    assert list(Pair.history.values_list("pattern", flat=True)) == ["two_way", "in"]


def test_several_crms_of_one_calendar_and_several_calendars_of_one_crm(
    calendar_live: Connection, crm: Connection
) -> None:
    other_crm = make_connection("pipedrive", provider="pipedrive")
    other_calendar = make_connection("other-calendar")
    for calendar, each in ((calendar_live, crm), (calendar_live, other_crm), (other_calendar, crm)):
        make_pair(calendar, each, "in")
    assert list_crms(calendar_live.pk) == [crm, other_crm]
    assert list_crms(other_calendar.pk) == [crm]


def test_a_disabled_crm_is_not_listed_and_a_paused_one_is(calendar_live: Connection, crm: Connection) -> None:
    make_pair(calendar_live, crm, "in")
    Connection.objects.filter(pk=crm.pk).update(status="paused")
    assert list_crms(calendar_live.pk) == [crm]
    Connection.objects.filter(pk=crm.pk).update(status="disabled")
    assert list_crms(calendar_live.pk) == []


@pytest.mark.parametrize(
    ("first", "second", "pattern", "message"),
    [
        ("hubspot", "calendar-live", "in", "hubspot is no calendar.live connection"),
        ("calendar-live", "calendar-live", "in", "calendar-live is no CRM"),
        ("calendar-live", "zoom", "in", "zoom is no CRM"),
        ("calendar-live", "hubspot", "sideways", "the pattern is none of in, out, two_way."),
    ],
)
def test_what_cannot_be_joined_is_refused_and_changes_nothing(
    calendar_live: Connection, crm: Connection, first: str, second: str, pattern: str, message: str
) -> None:
    make_connection("zoom", provider="zoom")
    with pytest.raises(SetupError, match=message):
        make_pair(Connection.objects.get(slug=first), Connection.objects.get(slug=second), pattern)
    assert not Pair.objects.exists()
    assert not crm.field_mappings.exists()


# --- What a CRM lacks -------------------------------------------------------------------------------------------------


def test_a_crm_is_prepared_once_before_its_first_record(setup: Setup, crm: Connection) -> None:
    assert [save_prepared(crm, lambda: "saved") for _ in range(2)] == ["saved", "saved"]
    assert setup.made == 1
    assert Drain.objects.get(connection=crm).prepared_version == 1


def test_a_newer_version_of_what_is_needed_is_made_as_well(
    setup: Setup, crm: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_prepared(crm, lambda: None)
    monkeypatch.setattr(type(get_provider("hubspot")), "setup_version", 2)
    save_prepared(crm, lambda: None)
    assert setup.made == 2


@pytest.mark.parametrize("error", [SetupError("an administrator has to"), OutageError("away")])
def test_records_wait_for_a_crm_that_cannot_be_prepared(setup: Setup, crm: Connection, error: Exception) -> None:
    setup.errors = [error]
    with pytest.raises(type(error)):
        save_prepared(crm, lambda: pytest.fail("it is not prepared"))
    assert save_prepared(crm, lambda: "saved") == "saved"
    assert setup.made == 2


def test_a_crm_that_does_not_let_itself_be_looked_at_gets_its_records(setup: Setup, crm: Connection) -> None:
    setup.errors = [PermanentError("no")]
    assert save_prepared(crm, lambda: "saved") == "saved"
    save_prepared(crm, lambda: "saved")
    assert setup.made == 1


def test_a_crm_whose_fields_were_deleted_is_prepared_anew_and_asked_once_more(setup: Setup, crm: Connection) -> None:
    prepare(crm)
    answers: list[Any] = [SetupError("no such property"), "saved"]

    def save() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    assert save_prepared(crm, save) == "saved"
    assert setup.made == 2


def test_a_crm_that_lacks_it_still_is_asked_no_third_time(setup: Setup, crm: Connection) -> None:
    prepare(crm)
    calls = []

    def save() -> None:
        calls.append(1)
        raise SetupError("no such property")

    with pytest.raises(SetupError):
        save_prepared(crm, save)
    assert len(calls) == 2
