"""Alerts that are taken and muted: for how long, by whom, and what is told meanwhile and after it."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import User

from integrations.exceptions import StateError
from integrations.models import Alert, Effect
from integrations.operations import muting
from integrations.operations.alert_messages import tell_due
from integrations.operations.alerts import close_alert
from integrations.operations.rules import Finding
from tests.alerts import see
from tests.factories import make_connection

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
WARNING, CRITICAL = Alert.Level.WARNING, Alert.Level.CRITICAL


@pytest.fixture
def nora() -> User:
    return User.objects.create_user("nora")


@pytest.fixture
def alert() -> Alert:
    """Open, and told."""
    make_connection("slack", provider="slack", options={"bot_token": "xoxb-1", "channel": "#ops"})
    return find()


def find(level: Alert.Level = WARNING) -> Alert:
    see("one", Finding(None, "One", level))
    tell_due()
    return Alert.objects.get(kind="one", closed_at=None)


def mute(alert: Alert, user: User, hours: float | None) -> None:
    muting.mute(alert, user=user, reason="Somebody mends it", length=timedelta(hours=hours) if hours else None)


def read_history(alert: Alert) -> list[str]:
    return list(alert.entries.values_list("what", flat=True))


def count_messages() -> int:
    return Effect.objects.filter(kind="alert.slack").count()


@time_machine.travel(NOW, tick=False)
def test_a_muted_alert_sends_nothing_whatever_becomes_of_it(alert: Alert, nora: User) -> None:
    mute(alert, nora, 1)
    alert = find(CRITICAL)
    assert (alert.muted_until, alert.muted_by, alert.mute_reason) == (
        NOW + timedelta(hours=1),
        nora,
        "Somebody mends it",
    )
    close_alert("one", None)
    tell_due()

    assert read_history(alert) == ["opened", "muted", "worse", "closed"]
    assert alert.entries.get(what="muted").note == "until 2026-11-28 13:00 UTC: Somebody mends it"
    assert count_messages() == 1


def test_an_alert_that_is_open_when_its_mute_is_over_is_told_again(alert: Alert, nora: User) -> None:
    with time_machine.travel(NOW, tick=False):
        mute(alert, nora, 4)
        muting.end_mutes(NOW + timedelta(hours=3))
        assert find().is_muted
        muting.end_mutes(NOW + timedelta(hours=4))
        muting.end_mutes(NOW + timedelta(hours=4))
    tell_due()

    assert not find().is_muted
    assert read_history(alert) == ["opened", "muted", "unmuted"]
    assert count_messages() == 2


def test_one_that_is_muted_until_it_is_over_stays_so_and_the_next_one_is_loud(alert: Alert, nora: User) -> None:
    mute(alert, nora, None)
    muting.end_mutes(NOW + timedelta(days=9999))
    assert find().is_muted
    close_alert("one", None)
    tell_due()
    assert count_messages() == 1
    assert not find().is_muted
    assert count_messages() == 2


def test_what_is_muted_before_it_was_told_is_not_told(nora: User) -> None:
    make_connection("slack", provider="slack", options={"bot_token": "xoxb-1", "channel": "#ops"})
    see("one", Finding(None, "One", WARNING))
    mute(Alert.objects.get(), nora, 1)
    tell_due()

    assert count_messages() == 0


def test_unmuting_by_hand_tells_nothing_but_what_comes_after(alert: Alert, nora: User) -> None:
    mute(alert, nora, 1)
    muting.unmute(alert, user=nora)
    tell_due()
    assert count_messages() == 1
    find(CRITICAL)
    assert count_messages() == 2


def test_taking_and_giving_back_are_kept_and_told_nobody(alert: Alert, nora: User) -> None:
    muting.take(alert, user=nora)
    assert find().taken_by == nora
    muting.give_back(alert, user=nora)
    tell_due()

    assert find().taken_by is None
    assert read_history(alert) == ["opened", "taken", "released"]
    assert count_messages() == 1


def test_what_is_over_is_neither_muted_nor_taken_and_a_mute_needs_a_reason(alert: Alert, nora: User) -> None:
    with pytest.raises(StateError, match="Say why"):
        muting.mute(alert, user=nora, reason=" ", length=None)
    close_alert("one", None)
    for deed in (
        lambda: mute(alert, nora, 1),
        lambda: muting.take(alert, user=nora),
        lambda: muting.unmute(alert, user=nora),
    ):
        with pytest.raises(StateError, match="It is over"):
            deed()
