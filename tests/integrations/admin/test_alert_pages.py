"""Alerts in the admin: the list and its filters, the page with its buttons and history, rules, and the badge."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from integrations.admin import badge
from integrations.admin.badge import count_loud
from integrations.jobs import beat
from integrations.models import Alert, AlertRule, Connection
from integrations.operations import certificates, muting
from integrations.operations.alert_messages import tell_due
from integrations.operations.alerts import close_alert, open_alert
from integrations.operations.certificates import Inspection
from integrations.operations.rules import Finding, list_rules
from tests.factories import make_connection
from tests.integrations.admin.support import get_page, page_address, press, read_log, read_messages, sign_in

pytestmark = pytest.mark.django_db

LIST = "/admin/integrations/alert/"
SEE, OPERATE = "integrations.view_alert", "integrations.operate_alert"
Level = Alert.Level


def find(kind: str = "sync_lag", connection: Connection | None = None, **fields: Any) -> Alert:
    open_alert(kind, Finding(connection, f"Title of {kind}", fields.pop("level", Level.WARNING), **fields))
    return Alert.objects.get(kind=kind, closed_at=None)


def mute(alert: Alert) -> None:
    user, _ = User.objects.get_or_create(username="ada")
    muting.mute(alert, user=user, reason="A new proxy comes", length=timedelta(hours=1))


# --- The list ---------------------------------------------------------------------------------------------------------


def test_the_list_shows_muted_alerts_and_filters_by_state(admin_client: Client) -> None:
    mute(find("sync_lag"))
    find("dead_letters")
    find("certificate")
    close_alert("certificate", None)
    shown = {
        state: [kind for kind in ("sync_lag", "dead_letters", "certificate") if f"Title of {kind}" in page]
        for state in ("", "open", "loud", "muted", "over", "nonsense")
        for page in [get_page(admin_client, LIST, state=state)]
    }

    assert shown == {
        "": ["sync_lag", "dead_letters", "certificate"],
        "open": ["sync_lag", "dead_letters"],
        "loud": ["dead_letters"],
        "muted": ["sync_lag"],
        "over": ["certificate"],
        "nonsense": ["sync_lag", "dead_letters", "certificate"],
    }
    assert "Sync lag" in get_page(admin_client, LIST)


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_needs_as_many_queries_for_thirty_alerts_as_for_two(
    count: int, admin_client: Client, admin_user: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        connection = make_connection(f"crm-{number}", provider="hubspot")
        Alert.objects.create(kind="one", connection=connection, title=f"T{number}", level="info", taken_by=admin_user)
    with django_assert_max_num_queries(8):
        get_page(admin_client, LIST)


# --- Its page ---------------------------------------------------------------------------------------------------------


def test_the_page_says_what_is_wrong_what_to_press_and_what_happened(admin_client: Client) -> None:
    make_connection("slack", provider="slack", options={"bot_token": "x", "channel": "#ops"})
    alert = find("dead_letters", text="One line.\nAnother.", page="/admin/x/", press="Mend it")
    tell_due()
    page = get_page(admin_client, page_address(alert))

    for told in ("One line.", "Another.", 'href="/admin/x/"', "Mend it", "have used up their tries", "alert.slack"):
        assert told in page
    assert "Opened" in page


def test_muting_asks_for_how_long_and_why(admin_client: Client) -> None:
    alert = find()
    assert "Until it is over" in get_page(admin_client, page_address(alert, "mute"))
    assert "This field is required" in press(admin_client, alert, "mute", length="60").content.decode()
    assert "Select a valid choice" in press(admin_client, alert, "mute", length="61", reason="x").content.decode()
    assert "It is muted until 20" in read_messages(press(admin_client, alert, "mute", length="240", reason="Mended"))
    page = get_page(admin_client, page_address(alert))

    alert.refresh_from_db()
    assert alert.muted_until is not None
    assert timedelta(minutes=239) < alert.muted_until - timezone.now() <= timedelta(minutes=240)
    assert "By admin until" in page
    assert "Muted" in page
    assert "It is not muted any more" in read_messages(press(admin_client, alert, "unmute"))
    assert read_log(alert) == [("admin", "Muted"), ("admin", "Unmuted")]


def test_muting_until_it_is_over_has_no_end(admin_client: Client) -> None:
    alert = find()
    press(admin_client, alert, "mute", length="", reason="Known")
    alert.refresh_from_db()

    assert alert.is_muted
    assert alert.muted_until is None
    assert "until it is over: Known" in get_page(admin_client, page_address(alert))


def test_an_alert_is_taken_by_one_and_given_back(admin_client: Client) -> None:
    alert = find()
    press(admin_client, alert, "take")
    assert "admin looks after it now" in get_page(admin_client, page_address(alert, "take"))
    press(admin_client, alert, "give_back")
    alert.refresh_from_db()

    assert alert.taken_by is None
    assert list(alert.entries.values_list("what", "user__username")) == [
        ("opened", None),
        ("taken", "admin"),
        ("released", "admin"),
    ]


def test_who_may_only_look_presses_nothing() -> None:
    alert, client = find("certificate"), sign_in(SEE)
    page = get_page(client, page_address(alert))
    for button in ("mute", "unmute", "take", "give_back", "check_certificate"):
        assert client.post(page_address(alert, button), {"reason": "x"}).status_code == 403
        assert f"/{button}/" not in page
    alert.refresh_from_db()
    assert not alert.is_muted


def test_what_is_over_has_no_buttons() -> None:
    alert, client = find(), sign_in(SEE, OPERATE)
    close_alert("sync_lag", None)

    assert "does not fit" in read_messages(press(client, alert, "mute", length="", reason="x"))
    assert "/take/" not in get_page(client, page_address(alert))


def test_the_certificate_is_looked_at_again(
    admin_client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BASE_URL = "https://keepsync.example.com"
    found = [Inspection("expired", "Out."), Inspection()]
    monkeypatch.setattr(certificates, "inspect", lambda host, port: found.pop(0))
    alert = find("certificate")

    assert "Still wrong: has run out." in read_messages(press(admin_client, alert, "check_certificate"))
    assert "It is in order" in read_messages(press(admin_client, alert, "check_certificate"))
    alert.refresh_from_db()
    assert alert.closed_at is not None
    assert "does not fit" in read_messages(press(admin_client, find("sync_lag"), "check_certificate"))


# --- Elsewhere --------------------------------------------------------------------------------------------------------


def test_the_badge_counts_what_is_open_and_neither_muted_nor_a_reminder(
    admin_client: Client,
    admin_user: User,
    rf: Any,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    request = rf.get("/")
    request.user = admin_user
    monkeypatch.setattr(badge, "known", badge.Known())
    assert count_loud(request) is None
    find("dead_letters")
    find("secret_old", level=Level.INFO)
    mute(find("sync_lag"))
    assert count_loud(request) is None
    badge.known.until = 0.0
    assert count_loud(request) == "1"
    with django_assert_num_queries(0):
        assert count_loud(request) == "1"
    assert "sidebar-badge" in get_page(admin_client, LIST)
    request.user = User.objects.create_user("nora", is_staff=True)
    assert count_loud(request) is None


def test_a_muted_alert_is_no_trouble_on_the_dashboard_but_is_mentioned(
    admin_client: Client, calendar_live: Connection
) -> None:
    beat()
    mute(find("sync_lag", calendar_live))
    page = get_page(admin_client, "/admin/")
    assert "Title of sync_lag" not in page
    assert "1 alert is muted" in page
    assert "All is well." in page
    assert "Title of sync_lag (muted)" in get_page(admin_client, page_address(calendar_live))


# --- Rules ------------------------------------------------------------------------------------------------------------

RULES = "/admin/integrations/alertrule/"


def test_every_rule_is_listed_with_its_limit_and_what_it_watches(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    find("dead_letters")
    with django_assert_max_num_queries(6):
        page = get_page(admin_client, RULES)

    assert AlertRule.objects.count() == len(list_rules())
    for rule in list_rules():
        assert rule.title in page
    assert "10 %, of at least 20 that were tried" in page
    assert "Not applicable: BASE_URL is no https address." in page
    assert "state=open&amp;kind=dead_letters" in page


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"opens_at": "0"}, "greater than or equal to 0.001"),
        ({"opens_at": "-1"}, "greater than or equal to 0.001"),
        ({"opens_at": "nan"}, "Enter a number"),
        ({"opens_at": "soon"}, "Enter a number"),
        ({"minimum": "-1"}, "greater than or equal to 0"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(values: dict[str, str], told: str, admin_client: Client) -> None:
    rule = AlertRule.objects.get(kind="failing_effects")
    page = admin_client.post(page_address(rule), {"is_enabled": "on", **values}).content.decode()

    assert told in page


def test_a_rule_is_changed_with_a_history_and_the_page_shows_what_is_shipped(admin_client: Client) -> None:
    rule = AlertRule.objects.get(kind="failing_effects")
    page = get_page(admin_client, page_address(rule))
    assert "10 %, of at least 20 that were tried" in page
    admin_client.post(page_address(rule), {"is_enabled": "on", "opens_at": "25", "minimum": "", "to_email": "on"})
    rule.refresh_from_db()

    assert (rule.is_enabled, rule.opens_at, rule.minimum, rule.to_slack, rule.to_email) == (True, 25, None, False, True)
    assert "25 %" in get_page(admin_client, RULES)
    assert "admin" in get_page(admin_client, page_address(rule, "history"))


def test_a_rule_without_a_limit_asks_for_none(admin_client: Client) -> None:
    page = get_page(admin_client, page_address(AlertRule.objects.get(kind="needs_reauthorisation")))

    assert "opens_at" not in page


def test_rules_are_changed_by_who_may_and_neither_added_nor_deleted(admin_client: Client) -> None:
    rule, client = AlertRule.objects.get(kind="sync_lag"), sign_in("integrations.view_alertrule")

    assert client.post(page_address(rule), {}).status_code == 403
    assert admin_client.get(f"{RULES}add/").status_code == 403
    assert admin_client.post(page_address(rule, "delete"), {"post": "yes"}).status_code == 403
