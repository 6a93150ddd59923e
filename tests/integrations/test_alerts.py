"""Alerts: what opens and closes them, that each is told once, and that none shows a secret."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import responses
from django.contrib.auth.models import Permission, User
from django.db import connection as database
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from integrations import drains, tokens
from integrations.connections import set_status
from integrations.jobs import check_alerts
from integrations.models import Alert, AlertEntry, ChangeCount, Connection, Effect, Token
from integrations.operations import rules
from integrations.operations.alerts import close_alert, open_alert
from integrations.operations.rules import Finding, raises_alert
from integrations.providers import PROVIDERS
from integrations.providers.oauth import Grant
from integrations.webhook_secrets import add_secret
from tests.alerts import see
from tests.factories import make_connection
from tests.integrations.admin.support import make_effect
from tests.integrations.oauth_answers import ACCESS, CLIENT_SECRET, REFRESH, connect

pytestmark = pytest.mark.django_db

# One or two for each rule that reads a table of its own; connections, tokens, alerts, decisions, and the heartbeat.
QUERIES = 32
POST = "https://slack.com/api/chat.postMessage"
Status = Connection.Status


def authorise(connection: Connection, **fields: Any) -> Connection:
    """With a token as a good authorisation gives it, changed by `fields`."""
    declared = PROVIDERS[connection.provider].oauth
    scope = " ".join(declared.scopes) if declared else ""
    tokens.store_grant(connection, Grant(access_token=ACCESS, refresh_token=REFRESH, expires_in_s=3600, scope=scope))
    Token.objects.filter(pk=connection.pk).update(**fields)
    return connection


def fail(connection: Connection, *, failures: int, expires_in_s: float = 3600) -> Connection:
    now = timezone.now()
    ends_at = now + timedelta(seconds=expires_in_s)
    error = {"failures": failures, "error": "outage", "failed_at": now, "retry_at": now + timedelta(seconds=60)}
    return authorise(connection, **error, expires_at=ends_at)


def refuse(connection: Connection) -> Connection:
    authorise(connection, failures=1, error="invalid_grant", failed_at=timezone.now(), retry_at=None)
    set_status(connection, Status.NEEDS_REAUTHORISATION)
    return connection


def make_slack(slug: str = "slack") -> Connection:
    return make_connection(slug, provider="slack", options={"bot_token": "xoxb-1", "channel": "#ops"})


def make_administrator(name: str, email: str = "", **fields: Any) -> User:
    user = User.objects.create_user(name, email=email, **fields)
    user.user_permissions.add(Permission.objects.get(codename="change_connection"))
    return user


def kinds() -> list[str]:
    return sorted(Alert.objects.filter(closed_at=None).values_list("kind", flat=True))


def list_levels(kind: str) -> list[str]:
    """Of all alerts, which must be of this kind."""
    assert {alert.kind for alert in Alert.objects.all()} <= {kind}
    return list(Alert.objects.values_list("level", flat=True))


def planned(kind: str) -> list[Effect]:
    return list(Effect.objects.filter(kind=kind).order_by("id"))


def work(connection: Connection) -> None:
    """Once, so that a test ends also where something is left to do."""
    drains.drain(connection.pk)


# --- Rules ------------------------------------------------------------------------------------------------------------


def test_connections_in_order_raise_nothing() -> None:
    for provider in PROVIDERS:
        connection = connect(provider)
        if PROVIDERS[provider].oauth:
            authorise(connection)
    check_alerts()

    assert kinds() == []


def test_a_refused_grant_is_told_with_what_stops_and_waits_and_is_over_with_it() -> None:
    hubspot = refuse(connect("hubspot"))
    for kind, cause in [("contact.upsert", "reauthorise")] * 2 + [("meeting.upsert", ""), ("x", "unknown_outcome")]:
        make_effect(hubspot, kind=kind, status="waiting", cause=cause)
    check_alerts()
    alert = Alert.objects.get()

    assert (alert.kind, alert.level, alert.connection) == ("needs_reauthorisation", "critical", hubspot)
    assert alert.title == "hubspot (HubSpot) needs to be authorised again"
    for told in (
        "HubSpot does not refresh the grant (invalid_grant): authorise the connection again.",
        f"Since {hubspot.status_changed_at:%Y-%m-%d %H:%M} UTC.",
        "What stops: Contacts are not brought there. Meetings of the paired calendars are not brought there.",
        "3 effects wait: 2 contact.upsert, 1 meeting.upsert.",
    ):
        assert told in alert.text

    authorise(hubspot)
    set_status(hubspot, Status.ACTIVE)
    check_alerts()
    alert.refresh_from_db()
    assert alert.closed_at is not None
    assert kinds() == []


def test_an_alert_names_the_connections_that_it_is_paired_with(calendar_live: Connection) -> None:
    crm = connect("hubspot")
    calendar_live.crm_pairs.create(crm=crm, pattern="in")
    refuse(crm)
    check_alerts()

    assert "It is paired with calendar-live." in Alert.objects.get(connection=crm).text


@pytest.mark.parametrize(
    ("failures", "expires_in_s", "level"),
    [(1, 3600, None), (2, 3600, None), (3, 3600, "warning"), (1, 540, "warning"), (1, -5, "critical")],
)
def test_failing_refreshes_are_told_after_three_or_shortly_before_the_end(
    failures: int, expires_in_s: float, level: str | None
) -> None:
    zoom = fail(connect("zoom"), failures=failures, expires_in_s=expires_in_s)
    check_alerts()
    assert list_levels("refresh_failing") == [level] * bool(level)

    authorise(zoom)
    check_alerts()
    assert kinds() == []


def test_a_paused_connections_failing_refresh_is_told_and_a_disabled_ones_is_not() -> None:
    zoom = fail(connect("zoom"), failures=3)
    set_status(zoom, Status.PAUSED)
    check_alerts()
    assert kinds() == ["refresh_failing"]

    set_status(zoom, Status.DISABLED)
    check_alerts()
    assert kinds() == []


@pytest.mark.parametrize(("days", "level"), [(4, None), (2, "warning"), (-1, "critical")])
def test_a_token_that_nobody_but_a_person_can_renew_is_told_three_days_before(days: int, level: str | None) -> None:
    authorise(connect("hubspot"), refresh_token="", expires_at=timezone.now() + timedelta(days=days))
    check_alerts()

    assert list_levels("token_expiring") == [level] * bool(level)
    text = "".join(Alert.objects.values_list("text", flat=True))
    assert ("What stops" in text) == (level == "critical")
    assert ("What will stop" in text) == (level == "warning")


def test_an_alert_that_gets_worse_stays_the_same_alert() -> None:
    hubspot = authorise(connect("hubspot"), refresh_token="", expires_at=timezone.now() + timedelta(hours=1))
    check_alerts()
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    check_alerts()

    assert [(alert.level, alert.times_seen) for alert in hubspot.alerts.all()] == [("critical", 2)]


def test_missing_scopes_are_told_with_what_fails_without_them() -> None:
    zoom = authorise(connect("zoom"), scope="meeting:read:meeting user:read:user")
    check_alerts()

    alert = Alert.objects.get()
    assert alert.kind == "missing_scopes"
    assert "meeting:write: without it fails making, moving and cancelling meetings" in alert.text
    authorise(zoom)
    check_alerts()
    assert kinds() == []


def test_an_old_webhook_secret_is_told_until_there_is_a_newer_one(calendar_live: Connection) -> None:
    calendar_live.webhook_secrets.update(created_at=timezone.now() - timedelta(days=41))
    check_alerts()
    assert "made 41 days ago: rotate it" in Alert.objects.get(kind="secret_old").text

    add_secret(calendar_live)
    check_alerts()
    assert kinds() == []


@pytest.mark.parametrize(
    ("days_ago", "missed", "checked", "is_told"),
    [(0, 3, 100, True), (1, 3, 150, True), (0, 2, 2, False), (0, 3, 151, False), (2, 90, 100, False)],
)
def test_many_missed_webhooks_are_told_while_they_are_recent(
    calendar_live: Connection, days_ago: int, missed: int, checked: int, is_told: bool
) -> None:
    day = timezone.now().date() - timedelta(days=days_ago)
    ChangeCount.objects.create(connection=calendar_live, day=day, missed=missed, checked=checked)
    check_alerts()
    told = [f"{missed} of {checked} changes since yesterday had come by no webhook"] if is_told else []
    found = Alert.objects.filter(kind="missed_webhooks", closed_at=None).values_list("text", flat=True)
    assert [text.partition(";")[0] for text in found] == told
    ChangeCount.objects.all().delete()
    check_alerts()
    assert not Alert.objects.filter(kind="missed_webhooks", closed_at=None).exists()


def test_a_connection_of_an_unknown_provider_is_no_obstacle() -> None:
    unknown = make_connection("other")
    Connection.objects.update(provider="gone", status=Status.NEEDS_REAUTHORISATION)
    check_alerts()

    assert [alert.connection for alert in Alert.objects.all()] == [unknown]


def test_a_rule_that_fails_closes_nothing_and_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_always(seen: object) -> Iterable[Finding]:
        raise ZeroDivisionError

    monkeypatch.setattr(rules, "_rules", dict(rules._rules))
    raises_alert("failing_rule", title="Failing", watches="It fails.")(fail_always)
    open_alert("failing_rule", Finding(None, "It was found before", Alert.Level.INFO))
    refuse(connect("hubspot"))
    check_alerts()

    assert kinds() == ["failing_rule", "needs_reauthorisation", "rule_fails"]
    assert Alert.objects.get(kind="rule_fails").title == "The rule “Failing” fails"
    monkeypatch.undo()
    check_alerts()
    assert kinds() == ["failing_rule", "needs_reauthorisation"]


def test_the_check_needs_as_many_queries_for_thirty_connections_as_for_two(django_assert_max_num_queries: Any) -> None:
    for number in range(30):
        connection = make_connection(f"crm-{number}", provider="hubspot", options={"client_id": "c"})
        authorise(connection)
    with django_assert_max_num_queries(QUERIES):
        check_alerts()


def test_the_check_is_scheduled() -> None:
    assert Schedule.objects.get(name="check_alerts").func == "integrations.jobs.check_alerts"


@pytest.mark.parametrize("provider", [key for key, provider in PROVIDERS.items() if provider.oauth])
def test_every_scope_says_what_it_is_for(provider: str) -> None:
    declared = PROVIDERS[provider].oauth

    assert declared is not None
    assert set(declared.purposes) == set(declared.scopes)
    assert PROVIDERS[provider].flows


# --- One for each kind and connection ---------------------------------------------------------------------------------


def test_seeing_it_twice_updates_and_closing_twice_closes_once(calendar_live: Connection) -> None:
    first = Finding(calendar_live, "First", Alert.Level.INFO)
    assert open_alert("one", first)
    assert not open_alert("one", first)
    see("one", Finding(calendar_live, "Second", Alert.Level.WARNING))
    alert = Alert.objects.get()
    assert (alert.title, alert.level, alert.times_seen) == ("Second", "warning", 2)

    assert close_alert("one", calendar_live)
    assert not close_alert("one", calendar_live)
    assert open_alert("one", first)
    assert Alert.objects.count() == 2


def test_an_alert_of_the_whole_installation_is_open_once_too() -> None:
    assert open_alert("queue", Finding(None, "First", Alert.Level.INFO))
    assert not open_alert("queue", Finding(None, "Second", Alert.Level.INFO))
    assert close_alert("queue", None)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_processes_that_check_at_once_open_one_alert_and_tell_it_once() -> None:
    make_slack()
    refuse(connect("hubspot"))

    def check(_: int) -> None:
        try:
            check_alerts()
        finally:
            database.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(check, range(8)))

    assert kinds() == ["needs_reauthorisation"]
    assert list(AlertEntry.objects.values_list("what", flat=True)) == ["opened"]
    assert len(planned("alert.slack")) == 1


# --- Telling ----------------------------------------------------------------------------------------------------------


@responses.activate
def test_a_new_alert_goes_to_slack_once_with_a_link_to_the_connection(settings: Any) -> None:
    settings.BASE_URL = "https://keepsync.example"
    slack, hubspot = make_slack(), refuse(connect("hubspot"))
    responses.post(POST, json={"ok": True, "ts": "1.2"})
    for _ in range(3):
        check_alerts()
    work(slack)

    assert [call.request.url for call in responses.calls] == [POST]
    body = str(responses.calls[0].request.body)
    for told in ("*hubspot (HubSpot) needs to be authorised again*", "invalid_grant", "What stops", "No effect waits"):
        assert told in body
    assert f"<https://keepsync.example/admin/integrations/connection/{hubspot.pk}/change/|" in body
    assert [effect.status for effect in planned("alert.slack")] == ["succeeded"]
    assert OrmQ.objects.exists()


def test_a_new_alert_goes_by_e_mail_to_each_administrator_with_an_address(mailoutbox: list[Any]) -> None:
    mailer = make_connection("email", provider="email")
    make_administrator("ada", "ada@example.com")
    User.objects.create_superuser("root", "root@example.com", "x")
    make_administrator("without")
    make_administrator("gone", "gone@example.com", is_active=False)
    User.objects.create_user("nora", "nora@example.com")
    hubspot = refuse(connect("hubspot"))
    for _ in range(2):
        check_alerts()
    work(mailer)

    assert sorted(letter.to[0] for letter in mailoutbox) == ["ada@example.com", "root@example.com"]
    assert mailoutbox[0].subject == "Keepsync: hubspot (HubSpot) needs to be authorised again"
    assert f"/admin/integrations/connection/{hubspot.pk}/change/" in mailoutbox[0].body


def test_no_alert_shows_a_secret_or_a_persons_address() -> None:
    make_slack()
    make_connection("email", provider="email")
    make_administrator("ada", "ada@example.com")
    refuse(connect("hubspot"))
    check_alerts()
    effects = [str(values) for values in Effect.objects.values()]
    told = " ".join([*effects, *(str(values) for values in Alert.objects.values())])

    for secret in (ACCESS, REFRESH, CLIENT_SECRET, "ada@example.com"):
        assert secret not in told


def test_slack_is_not_told_of_itself_but_by_another_slack() -> None:
    first, second = make_slack("first"), make_slack("second")
    set_status(first, Status.NEEDS_REAUTHORISATION)
    check_alerts()

    assert [effect.connection for effect in planned("alert.slack")] == [second]


def test_without_another_way_the_alert_is_opened_all_the_same() -> None:
    slack = make_slack()
    set_status(slack, Status.NEEDS_REAUTHORISATION)
    check_alerts()

    assert kinds() == ["needs_reauthorisation"]
    assert not Effect.objects.exists()


def test_what_is_over_before_it_was_told_is_not_told() -> None:
    slack, hubspot = make_slack(), refuse(connect("hubspot"))
    check_alerts()
    authorise(hubspot)
    set_status(hubspot, Status.ACTIVE)
    check_alerts()
    work(slack)

    assert {(effect.status, effect.close_reason) for effect in planned("alert.slack")} == {
        ("suppressed", "It was over or muted before it was told.")
    }


def test_who_may_not_change_connections_any_more_gets_no_letter(mailoutbox: list[Any]) -> None:
    mailer = make_connection("email", provider="email")
    user = make_administrator("ada", "ada@example.com")
    refuse(connect("hubspot"))
    check_alerts()
    user.user_permissions.clear()
    work(mailer)

    assert mailoutbox == []
    assert [effect.status for effect in planned("alert.email")] == ["suppressed"]
