"""The admin's first page: what it shows, to whom, where its figures lead, and what it asks the database."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django_q.models import Schedule

from integrations.first_steps import note
from integrations.jobs import beat, count_hours
from integrations.models import (
    Alert,
    ChangeCount,
    Connection,
    Delivery,
    Drain,
    Effect,
    FirstStep,
    Heartbeat,
    HourlyCount,
)
from integrations.operations import counting
from tests.factories import make_connection
from tests.integrations.admin.support import get_page, list_address, page_address, sign_in
from tests.integrations.test_counting import deliver, send

pytestmark = pytest.mark.django_db

SEE = ("integrations.view_delivery", "integrations.view_effect", "integrations.view_connection")
START = "/admin/"


@pytest.fixture(autouse=True)
def _count_few_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "find_uncounted", lambda now: iter(()))
    beat()


@pytest.fixture
def busy(calendar_live: Connection) -> Connection:
    """A few deliveries and effects of this minute, and one of ten days ago, counted."""
    now = timezone.now() - timedelta(seconds=30)
    for number in range(5):
        delivery = deliver(calendar_live, now, number)
    deliver(calendar_live, now, 5, status="dead", cause="payload", processed_at=None)
    hubspot = make_connection("hubspot", provider="hubspot", options={"access_token": "t", "expires_in": "3600"})
    send(hubspot, now, 0, delivery_id=delivery.pk, finished_at=now + timedelta(seconds=12))
    send(hubspot, now, 1, status="waiting", cause="unknown_outcome", is_state=False)
    send(hubspot, now, 2, status="waiting", cause="reauthorise", subject="contact:3")
    send(hubspot, now, 3, status="dead", cause="permanent")
    old = now - timedelta(days=10)
    deliver(calendar_live, old, status="ignored")
    counting.count_hour(counting.begin_of(old))
    count_hours()
    return hubspot


def cut(page: str) -> str:
    return page[page.index('<div class="dashboard">') : page.index("It refreshes by itself.")]


def read_text(page: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", cut(page))))


def read_figures(page: str) -> dict[str, tuple[str, str]]:
    """Label → value and address."""
    found = re.findall(
        r'<a href="([^"]*)" class="card figure">\s*<span[^>]*>(.*?)</span>\s*<span[^>]*>(.*?)</span>', page
    )
    return {label: (value, unescape(address)) for address, label, value in found}


def list_addresses(page: str) -> set[str]:
    """Where the dashboard's links lead."""
    return {unescape(each) for each in re.findall(r'href="([^"]+)"', cut(page))}


# --- Health -----------------------------------------------------------------------------------------------------------


def test_all_is_well_where_nothing_is_wrong(calendar_live: Connection, admin_client: Client) -> None:
    deliver(calendar_live, timezone.now())

    assert "All is well." in get_page(admin_client, START)


def test_what_is_wrong_is_told_with_what_to_press_the_worst_first(busy: Connection, admin_client: Client) -> None:
    Alert.objects.create(kind="one", connection=busy, title="hubspot is refused", level="critical")
    page = get_page(admin_client, START)
    text = read_text(page)

    assert "3 things need you, the worst first: hubspot is refused. Open the connection" in text
    assert "2 dead letters Mend the cause, then replay" in text
    assert "1 effect waits for your word Say whether they arrived" in text
    assert page_address(busy) in list_addresses(page)


def test_a_worker_that_is_silent_is_the_worst(admin_client: Client) -> None:
    Heartbeat.objects.update(beat_at=timezone.now() - timedelta(minutes=12))
    assert "One thing needs you: The worker's last sign of life was 12 minutes ago." in read_text(
        get_page(admin_client, START)
    )
    Heartbeat.objects.all().delete()
    assert "One thing needs you: No worker has run yet." in read_text(get_page(admin_client, START))


def test_deliveries_that_nobody_begins_are_told(calendar_live: Connection, admin_client: Client) -> None:
    deliver(calendar_live, timezone.now() - timedelta(minutes=6), status="received", processed_at=None)
    deliver(calendar_live, timezone.now(), status="received", processed_at=None)

    assert "1 delivery waits for more than 5 minutes to be worked on" in read_text(get_page(admin_client, START))


def test_a_reminder_is_no_trouble(calendar_live: Connection, admin_client: Client) -> None:
    deliver(calendar_live, timezone.now())
    Alert.objects.create(kind="one", title="A secret is old", level="info")
    text = read_text(get_page(admin_client, START))

    assert "All is well." in text
    assert "A secret is old" in text


# --- Figures and charts -----------------------------------------------------------------------------------------------


def test_every_figure_leads_to_the_rows_that_it_counts(busy: Connection, admin_client: Client) -> None:
    figures = read_figures(get_page(admin_client, START))
    values = {label: value for label, (value, _) in figures.items()}

    assert values == {
        "Open deliveries": "0",
        "Dead deliveries": "1",
        "Open effects": "1",
        "Dead effects": "1",
        "Pairs to review": "0",
        "Open conflicts": "0",
        "Discrepancies": "0",
    }
    for _, address in figures.values():
        get_page(admin_client, address)
    listed = get_page(admin_client, figures["Open effects"][1])
    for effect in Effect.objects.all():
        assert (page_address(effect) in listed) == (effect.status == "waiting")


def test_the_charts_tell_outcomes_times_causes_and_the_lag_beside_its_objective(
    busy: Connection, admin_client: Client
) -> None:
    text = read_text(get_page(admin_client, START))

    assert "Deliveries by outcome 6 in 24 hours. Processed 5 Dead letter 1" in text
    assert (
        "Sync lag: webhook received to CRM in step 1 measured: 100.0% within 30 s. p50 15 s p95 20 s objective 30 s"
        in text
    )
    assert "Answer time: webhook received to worked on 5 measured" in text
    assert "Effects by outcome 4 in 24 hours. Succeeded 1 Waiting 2 Dead letter 1" in text
    assert "Dead letters by cause 2 not yet replayed or closed." in text
    assert "Backlog At most 2 open at once." in text
    assert re.search(r"Effects by provider and outcome .*hubspot \(HubSpot\) 1 2 1", text)


def test_the_charts_lead_to_the_lists_of_their_time_and_outcome(busy: Connection, admin_client: Client) -> None:
    addresses = list_addresses(get_page(admin_client, START))
    deliveries = [each for each in addresses if each.startswith(list_address(Delivery)) and "received_at" in each]
    (processed,) = (each for each in deliveries if "status__exact=processed" in each and each.count("T") == 0
                    and f"from_0={timezone.now() - timedelta(days=2):%Y}" in each and is_whole(each))  # fmt: skip
    listed = get_page(admin_client, processed)

    for delivery in Delivery.objects.all():
        assert (page_address(delivery) in listed) == (delivery.status == "processed")
    assert f"connection__id__exact={busy.pk}" in " ".join(addresses)


def is_whole(address: str) -> bool:
    """Whether it is a list of a whole day, and not of one hour."""
    (begin,), (end,) = (re.findall(rf"{bound}_1=(\d\d)", address) for bound in ("from", "to"))
    (first,), (last,) = (re.findall(rf"{bound}_0=([\d-]+)", address) for bound in ("from", "to"))
    return (begin, first) != (end, last)


@pytest.mark.parametrize(
    ("period", "told"),
    [
        ("24h", "6 in 24 hours."),
        ("7d", "6 in 7 days."),
        ("30d", "7 in 30 days. Processed 5 Ignored 1 Dead letter 1"),
        ("1y", "6 in 24 hours."),
    ],
)
def test_the_period_is_switched(period: str, told: str, busy: Connection, admin_client: Client) -> None:
    page = get_page(admin_client, START, period=period)
    name = period if period != "1y" else "24h"

    assert f"Deliveries by outcome {told}" in read_text(page)
    assert f'id="period-{name}" aria-current="true"' in page
    assert page.count("aria-current") == 1


def test_connections_are_shown_with_their_budget_their_token_and_their_secret(
    busy: Connection, admin_client: Client
) -> None:
    now = timezone.now()
    Drain.objects.update_or_create(connection=busy, defaults={"calls_left": 0, "counted_at": now - timedelta(hours=1)})
    make_connection("zoom", provider="zoom")
    held = {"held_until": now + timedelta(minutes=1), "hold_cause": "rate_limited", "calls_left": 0, "counted_at": now}
    Drain.objects.update_or_create(connection=Connection.objects.get(slug="zoom"), defaults=held)
    page = get_page(admin_client, START)
    text = read_text(page)

    assert re.search(r"hubspot HubSpot Active (\d+) of \1 in \d+ minutes", text)
    assert "zoom Zoom Active Rests: rate-limited" in text
    assert page_address(busy, "secrets") in page


def test_missed_webhooks_are_charted(busy: Connection, admin_client: Client) -> None:
    ChangeCount.objects.create(connection=busy, day=timezone.now().date(), checked=200, missed=4)

    assert "4 of 200 changes in 30 days: 2.0%." in read_text(get_page(admin_client, START))


def test_what_has_been_counted_is_shown_and_nothing_else_is_read(busy: Connection, admin_client: Client) -> None:
    HourlyCount.objects.filter(what="delivery", outcome="processed").update(count=1_234_567)

    assert "Processed 1,234,567" in read_text(get_page(admin_client, START))


@pytest.mark.parametrize("count", [1, 12])
def test_the_page_needs_as_many_queries_for_twelve_connections_as_for_one(
    count: int, busy: Connection, django_assert_max_num_queries: Any, admin_client: Client
) -> None:
    for number in range(count):
        connection = make_connection(f"crm-{number}", provider="hubspot", options={"access_token": "t"})
        send(connection, timezone.now(), number)
    count_hours()
    with django_assert_max_num_queries(20):
        get_page(admin_client, START, period="30d")


# --- Who sees what ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permissions", "shown", "hidden"),
    [
        (SEE[:1], ["Deliveries by outcome", "Open deliveries"], ["Effects by", "Open effects", "HubSpot", "Sync lag"]),
        (SEE[1:2], ["Effects by outcome", "Open effects", "Sync lag"], ["Deliveries by", "Open deliveries"]),
        (SEE[2:], ["hubspot HubSpot Active"], ["by outcome", "Open ", "Dead ", "Backlog"]),
        (("bookings.view_conflict",), ["Open conflicts"], ["Deliveries", "Discrepancies", "HubSpot", "Pairs"]),
        (("contacts.view_candidatepair",), ["Pairs to review"], ["Deliveries", "conflicts", "HubSpot"]),
        (("bookings.view_reconciliationrun",), ["2 of 9 changes in 30 days"], ["Deliveries", "conflicts", "HubSpot"]),
    ],
)
def test_a_viewer_sees_what_he_may_see(
    permissions: tuple[str, ...], shown: list[str], hidden: list[str], busy: Connection
) -> None:
    ChangeCount.objects.create(connection=busy, day=timezone.now().date(), checked=9, missed=2)
    client = sign_in(*permissions)
    page = get_page(client, START)
    text = read_text(page)

    assert all(words in text for words in shown)
    assert not [words for words in hidden if words in text]
    for address in list_addresses(page):
        assert client.get(address).status_code == 200, address


def test_who_may_see_nothing_is_told_so(busy: Connection) -> None:
    text = read_text(get_page(sign_in(), START))

    assert "You may see no figures yet: ask an administrator to put you into a group." in text
    assert "dead letter" not in text


def test_the_page_is_for_staff_only(db: None) -> None:
    assert Client().get(START).status_code == 302
    client = Client()
    client.force_login(User.objects.create_user("visitor"))
    assert client.get(START).status_code == 302


# --- An empty installation --------------------------------------------------------------------------------------------


def test_an_empty_installation_says_what_to_do_first(admin_client: Client) -> None:
    page = get_page(admin_client, START)
    text = read_text(page)

    assert re.search(r"First steps .*Connect calendar\.live.* Connect a CRM.* Choose the pattern.* Send a test", text)
    assert "/admin/integrations/firststep/" in list_addresses(page)
    assert "Nothing in this period" not in text


def test_steps_that_are_done_are_ticked_until_a_booking_has_come_in(
    calendar_live: Connection, admin_user: User, admin_client: Client
) -> None:
    note(FirstStep.Kind.CHECKED, user=admin_user, connection=calendar_live)
    assert re.search(r"Connect calendar\.live Done\. .* Connect a CRM", read_text(get_page(admin_client, START)))

    deliver(calendar_live, timezone.now())
    assert "First steps" not in read_text(get_page(admin_client, START))


def test_steps_are_shown_to_whoever_may_see_them(db: None) -> None:
    assert "First steps" in get_page(sign_in("integrations.view_firststep"), START)


def test_and_to_nobody_else(db: None) -> None:
    assert "Take the next step" not in get_page(sign_in("integrations.view_connection"), START)


# --- How it stays new -------------------------------------------------------------------------------------------------


def test_the_page_refreshes_by_its_own_script_and_has_no_other(busy: Connection, admin_client: Client) -> None:
    page = get_page(admin_client, START)

    assert 'keepsync/dashboard.js" type="module"' in page
    assert not re.search(r'<script|\son\w+="|style="', cut(page))
    assert re.findall(r"<section id=\"dashboard-(\w+)\"[^>]*data-live", page) == [
        "health", "steps", "figures", "charts", "tables",
    ]  # fmt: skip


def test_the_counting_is_scheduled_each_minute(db: None) -> None:
    schedule = Schedule.objects.get(name="count_hours")

    assert (schedule.func, schedule.minutes, schedule.repeats) == ("integrations.jobs.count_hours", 1, -1)
