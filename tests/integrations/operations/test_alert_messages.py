"""Telling alerts: once on opening, once on becoming critical, once when over; many in one; which way, and to whom."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses
import time_machine
from django.contrib.auth.models import User

from integrations import drains
from integrations.models import Alert, AlertRule, Connection, Effect
from integrations.operations.alert_messages import IN_ONE, tell_due
from integrations.operations.alerts import close_alert
from integrations.operations.rules import Finding
from tests.alerts import see
from tests.factories import make_connection

pytestmark = pytest.mark.django_db

POST = "https://slack.com/api/chat.postMessage"
WARNING, CRITICAL = Alert.Level.WARNING, Alert.Level.CRITICAL
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.fixture
def slack() -> Connection:
    return make_connection("slack", provider="slack", options={"bot_token": "xoxb-1", "channel": "#ops"})


@pytest.fixture
def mailer() -> Connection:
    User.objects.create_superuser("root", "root@example.com", "x")
    return make_connection("email", provider="email")


def find(kind: str = "one", level: Alert.Level = WARNING, **fields: Any) -> None:
    see(kind, Finding(None, f"Number {kind}", level, text="Its text.", **fields))


def tell(*channels: Connection) -> None:
    tell_due()
    for channel in channels:
        drains.drain(channel.pk)


def count(kind: str = "alert.slack") -> int:
    return Effect.objects.filter(kind=kind).count()


@pytest.fixture
def answers() -> Any:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.post(POST, json={"ok": True, "ts": "1.2"})
        yield mock


def bodies_of(mock: Any) -> list[str]:
    return [call.request.body.decode() for call in mock.calls]


def test_opening_becoming_critical_and_closing_are_told_once_each(slack: Connection, answers: Any) -> None:
    with time_machine.travel(NOW, tick=False):
        for level in (WARNING, WARNING, CRITICAL, CRITICAL, WARNING, WARNING):
            find(level=level)
            tell(slack)
    with time_machine.travel(NOW + timedelta(minutes=7), tick=False):
        close_alert("one", None)
        tell(slack)
    opened, worse, closed = bodies_of(answers)

    assert "*Number one*" in opened
    assert "*Critical now: Number one*" in worse
    assert "*Over: Number one*" in closed
    assert "It was open for 7 minutes, until 2026-11-28 12:07 UTC." in closed
    assert list(Alert.objects.get().entries.values_list("what", flat=True)) == ["opened", "worse", "updated", "closed"]


def test_many_at_once_are_one_message_with_a_headline(slack: Connection, answers: Any) -> None:
    for number in range(IN_ONE + 2):
        find(f"kind-{number}")
    tell(slack)
    [body] = bodies_of(answers)

    assert f"*alerts: {IN_ONE + 2} open*" in body
    assert "*Number kind-0*" in body
    assert f"*Number kind-{IN_ONE}*" not in body
    assert "And 2 more: http://127.0.0.1:8000/admin/integrations/alert/" in body
    for number in range(IN_ONE + 2):
        close_alert(f"kind-{number}", None)
    tell(slack)
    assert f"*alerts: {IN_ONE + 2} over*" in bodies_of(answers)[1]


def test_three_at_once_are_told_one_by_one(slack: Connection) -> None:
    for kind in ("one", "two", "three"):
        find(kind)
    tell_due()

    assert count() == 3


def test_what_opens_and_is_over_between_two_messages_is_not_told(slack: Connection) -> None:
    find()
    close_alert("one", None)
    tell_due()

    assert count() == 0


def test_that_something_is_over_is_told_to_those_only_who_heard_of_it(
    slack: Connection, mailer: Connection, mailoutbox: list[Any], answers: Any
) -> None:
    find()
    tell(slack)
    close_alert("one", None)
    tell(slack, mailer)

    assert len(bodies_of(answers)) == 2
    assert mailoutbox == []


def test_a_slack_that_is_away_holds_up_no_letter(slack: Connection, mailer: Connection, mailoutbox: list[Any]) -> None:
    find()
    with responses.RequestsMock() as mock:
        mock.post(POST, status=500)
        tell(slack, mailer)

    assert [letter.to for letter in mailoutbox] == [["root@example.com"]]
    assert Effect.objects.get(kind="alert.slack").status != "succeeded"


def test_a_rule_is_told_by_the_ways_that_an_administrator_has_left_it(slack: Connection, mailer: Connection) -> None:
    AlertRule.objects.filter(kind="sync_lag").update(to_slack=False)
    AlertRule.objects.filter(kind="dead_letters").update(to_slack=False, to_email=False)
    for kind in ("sync_lag", "dead_letters"):
        find(kind)
    tell_due()

    assert (count(), count("alert.email")) == (0, 1)
    assert Alert.objects.count() == 2


def test_letters_go_to_the_addresses_of_the_setting_instead(
    mailer: Connection, mailoutbox: list[Any], settings: Any
) -> None:
    settings.ALERT_EMAILS = ["ops@example.com", "night@example.com"]
    find()
    tell(mailer)

    assert sorted(letter.to[0] for letter in mailoutbox) == ["night@example.com", "ops@example.com"]
    assert "ops@" not in str(list(Effect.objects.values()))


def test_an_address_that_was_taken_out_of_the_setting_gets_no_letter(
    mailer: Connection, mailoutbox: list[Any], settings: Any
) -> None:
    settings.ALERT_EMAILS = ["ops@example.com", "night@example.com"]
    find()
    tell_due()
    settings.ALERT_EMAILS = ["ops@example.com"]
    tell(mailer)

    assert [letter.to for letter in mailoutbox] == [["ops@example.com"]]


def test_a_letter_leads_to_where_something_can_be_done(
    mailer: Connection, mailoutbox: list[Any], settings: Any
) -> None:
    settings.BASE_URL = "https://keepsync.example"
    find(page="/admin/integrations/delivery/dead-letters/", press="Replay")
    tell(mailer)

    assert "Open it: https://keepsync.example/admin/integrations/delivery/dead-letters/\n" in mailoutbox[0].body


def test_what_is_told_of_slack_itself_goes_another_way_also_among_many(slack: Connection, mailer: Connection) -> None:
    for number in range(5):
        find(f"kind-{number}")
    see("one", Finding(slack, "Slack is away", WARNING))
    tell_due()
    [by_slack] = Effect.objects.filter(kind="alert.slack")
    told = Alert.objects.filter(entries__in=by_slack.parameters["entries"])

    assert sorted(told.values_list("kind", flat=True)) == [f"kind-{number}" for number in range(5)]
    assert count("alert.email") == 2
