"""The reports of the plumbing's tasks: their figures, their links, and how much they read."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone
from rest_framework.authtoken.models import Token as ApiToken

from integrations.connections import add_connection
from integrations.models import Connection, CountedHour, Delivery, Effect, HourlyCount, Pair, Token, WebhookSecret
from integrations.operations import runbook
from integrations.operations.counting import begin_of, count_hour
from integrations.pairs import make_pair
from integrations.retries import Cause
from integrations.roles import OPERATOR
from tests.factories import make_delivery, make_payload
from tests.integrations.admin.support import make_effect
from tests.integrations.runbook.support import report

DAY = timedelta(days=1)


def rows(name: str) -> list[list[list[str]]]:
    return [[list(row) for row in part.rows] for part in report(name)]


@pytest.fixture
def busy(calendar_live: Connection) -> Connection:
    """Two deliveries, one of them dead, and two effects, one of them dead."""
    make_delivery(calendar_live, make_payload("dlv_1"), status="processed", processed_at=timezone.now())
    make_delivery(calendar_live, make_payload("dlv_2"), status="dead", cause=Cause.PAYLOAD)
    make_effect(calendar_live, status=Effect.Status.SUCCEEDED, finished_at=timezone.now())
    make_effect(calendar_live, status=Effect.Status.DEAD, cause=Cause.CONFIGURATION)
    count_hour(begin_of(timezone.now()))
    return calendar_live


def test_failures_are_counted_by_connection(busy: Connection) -> None:
    assert rows("failures") == [[["calendar-live", "2", "0", "0", "0", "1"]]] * 2


def test_where_nothing_came_about_that_is_said(db: None) -> None:
    assert [(part.rows, part.empty) for part in report("failures")] == [([], "None came about.")] * 2


def test_dead_letters_are_counted_by_cause(busy: Connection) -> None:
    deliveries, effects = rows("dead_letters")
    assert deliveries == [[Cause.PAYLOAD.label, "1"]]
    assert effects == [[Cause.CONFIGURATION.label, "1"]]


def test_lag_is_told_with_what_waits(busy: Connection) -> None:
    make_delivery(busy, make_payload("dlv_9"))
    [worked_on, _], waiting = rows("lag")
    assert worked_on == ["Webhook received → worked on", "0.2 s", "0.5 s", "100.0%"]
    assert waiting[0] == ["Deliveries that are not worked on yet", "1"]


def test_where_nothing_was_measured_there_is_no_lag(db: None) -> None:
    assert rows("lag")[0][1][1:] == ["-", "-", "-"]


def test_secrets_are_listed_with_their_age_and_never_themselves(calendar_live: Connection) -> None:
    WebhookSecret.objects.update(created_at=timezone.now() - 40 * DAY)
    made = f"{timezone.now() - 40 * DAY:%Y-%m-%d}"
    [secrets, keys] = rows("secrets")
    assert secrets == [["calendar-live", "1", made, "40"]]
    assert len(keys[0][0]) < 40


def test_access_is_counted_by_role_and_names_nobody(admin_user: User, calendar_live: Connection) -> None:
    nora = User.objects.create_user("nora", is_staff=True, last_login=timezone.now() - 91 * DAY)
    nora.groups.add(Group.objects.get(name=OPERATOR))
    User.objects.filter(pk=admin_user.pk).update(last_login=timezone.now())
    ApiToken.objects.create(user=User.objects.create_user("gone", is_active=False))
    Token.objects.create(connection=calendar_live, obtained_at=timezone.now(), failures=2)
    users, api_tokens, grants = rows("access")
    assert users == [
        ["Superusers", "1", "0"],
        ["Viewer", "0", "0"],
        ["Operator", "1", "1"],
        ["Integration admin", "0", "0"],
        ["Others who may enter the admin", "0", "0"],
    ]
    assert api_tokens == [["1", f"{timezone.now():%Y-%m-%d}", "1"]]
    assert grants == [["calendar-live", f"{timezone.now():%Y-%m-%d}", "-", "2"]]
    assert "nora" not in str(rows("access"))


def test_the_accounts_that_data_go_to_are_listed(calendar_live: Connection) -> None:
    add_connection(slug="hubspot", provider="hubspot", base_url="https://eu.example.com")
    Connection.objects.filter(slug="hubspot").update(region="eu")
    policy, listed = rows("residency")
    assert policy == []
    assert [row[:5] for row in listed] == [
        ["calendar-live", "calendar.live", "https://api.calendar.live", "open to all", "FR"],
        ["hubspot", "HubSpot", "https://eu.example.com", "eu", "-"],
    ]


def count_one(connection: Connection, ago: timedelta) -> None:
    hour = begin_of(timezone.now() - ago)
    CountedHour.objects.get_or_create(hour=hour, defaults={"counted_at": hour})
    HourlyCount.objects.create(
        hour=hour, what="delivery", connection=connection, outcome="processed", count=1, times=[0] * 14
    )


def test_connections_that_nothing_came_from_for_ninety_days_are_unused(calendar_live: Connection) -> None:
    hubspot = add_connection(slug="hubspot", provider="hubspot")[0]
    make_pair(calendar_live, hubspot, Pair.Pattern.IN)
    count_one(calendar_live, 89 * DAY)
    count_one(hubspot, 91 * DAY)
    [part] = report("unused_connections")
    assert [row[:4] for row in part.rows] == [["hubspot", "HubSpot", "Active", "yes"]]
    assert part.note == "By hourly counts."


def test_counts_that_do_not_go_back_so_far_say_so(calendar_live: Connection) -> None:
    count_one(calendar_live, 3 * DAY)
    [part] = report("unused_connections")
    assert part.rows == []
    assert part.note == f"By hourly counts, which begin on {timezone.now() - 3 * DAY:%Y-%m-%d}."


def test_every_link_of_every_report_leads_to_a_page(busy: Connection, admin_client: Client) -> None:
    links = {address for task in runbook.list_tasks() for part in report(task.name) for _, address in part.links}
    assert len(links) > 12
    for address in links:
        response = admin_client.get(address)
        assert response.status_code == 200, address


@pytest.mark.parametrize("count", [1, 30])
def test_a_report_reads_as_much_for_thirty_connections_as_for_one(
    count: int, busy: Connection, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        add_connection(slug=f"calendar-{number}", provider="calendar_live")
    for task in runbook.list_tasks():
        if task.name != "unused_fields":
            with django_assert_max_num_queries(15):
                report(task.name)
    assert Delivery.objects.count() == 2
