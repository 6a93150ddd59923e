"""The first steps: when each is done, what it shows, what its buttons do, and to whom."""

import html
import re
from typing import Any

import pytest
import requests
import responses
from django.contrib.auth.models import Group, User
from django.test import Client

from bookings.sync import UPSERT
from integrations import first_steps
from integrations.connections import set_status
from integrations.first_steps import Kind, find_unreachable, is_over, note, read_situation
from integrations.models import Connection, FirstStep
from integrations.pairs import make_pair
from integrations.roles import INTEGRATION_ADMIN, VIEWER
from integrations.webhook_secrets import add_secret
from tests.factories import make_connection, make_delivery, make_payload, post_webhook, read_sample, receive
from tests.integrations.admin.support import get_page, make_effect, read_messages
from tests.integrations.oauth_answers import CALENDAR, CALENDARS_URL

PAGE = "/admin/integrations/firststep/"
LOG_URL = "https://api.calendar.live/v1/webhook_deliveries"
HUBSPOT_TEST = "https://api.hubapi.com/"
TOKEN = {"access_token": "token-1"}


@pytest.fixture
def calendar(db: None) -> Connection:
    return make_connection(options=TOKEN)


@pytest.fixture
def hubspot(db: None) -> Connection:
    return make_connection("hubspot", provider="hubspot", options=TOKEN)


def read_steps(client: Client) -> list[str]:
    """The text of each step; the first word after its title is its state."""
    page = get_page(client, PAGE)
    cut = page[page.index('<ol class="bg-white') : page.index("</ol>", page.index('<ol class="bg-white'))]
    items = re.split(r"<li\b", cut)[1:]
    return [html.unescape(" ".join(re.sub("<[^>]+>", " ", f"<li{item}").split())) for item in items]


def read_states(client: Client) -> list[str]:
    return [
        next(state for state in ("Done", "Next", "Later") if f" {state} " in f"{step} ") for step in read_steps(client)
    ]


def press(client: Client, *way: str) -> Any:
    return client.post(f"{PAGE}{'/'.join(way)}/", follow=True)


def sign_in_as(role: str) -> Client:
    user, client = User.objects.create_user("nora", is_staff=True), Client()
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    return client


def mark(kind: Kind, connection: Connection | None = None) -> None:
    note(kind, user=User.objects.get(username="admin"), connection=connection)


# --- Each step --------------------------------------------------------------------------------------------------------


def test_an_empty_installation_begins_with_the_first(admin_client: Client) -> None:
    assert read_states(admin_client) == ["Next", "Later", "Later", "Later", "Later"]
    assert "/admin/integrations/connection/add/?provider=calendar_live&amp;slug=calendar-live" in get_page(
        admin_client, PAGE
    )


def test_a_connection_that_was_not_tried_is_not_done(calendar: Connection, admin_client: Client) -> None:
    assert "check that it answers" in read_steps(admin_client)[0]
    assert read_states(admin_client)[0] == "Next"


def test_checking_says_what_was_found_without_names(calendar: Connection, admin_client: Client) -> None:
    with responses.RequestsMock() as stubs:
        stubs.get(CALENDARS_URL, json={"items": [{**CALENDAR, "name": "Zoë Okafor"}] * 3})
        page = press(admin_client, "calendar-live", "check")

    assert re.search(r"calendar-live answers: 3 calendars, \d+ ms\.", read_messages(page))
    assert re.search(
        r"Done .*calendar\.live answers: 3 calendars, \d+ ms\. Checked just now", read_steps(admin_client)[0]
    )
    assert "Zoë" not in FirstStep.objects.get().evidence
    assert read_states(admin_client)[:2] == ["Done", "Next"]


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ({"status": 401}, "press Set credentials there and give another access token"),
        ({"body": requests.ConnectionError("no route")}, "Look at the connection's Base URL"),
        ({"status": 404}, "something else answers there"),
    ],
)
def test_a_check_that_fails_says_what_to_do_and_undoes_the_step(
    answer: dict[str, Any], advice: str, calendar: Connection, admin_client: Client
) -> None:
    mark(Kind.CHECKED, calendar)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as stubs:
        stubs.get(CALENDARS_URL, **answer)
        page = press(admin_client, "calendar-live", "check")

    assert advice in read_messages(page)
    assert read_states(admin_client)[0] == "Next"


def test_a_connection_that_stands_still_is_not_done(calendar: Connection, admin_client: Client) -> None:
    mark(Kind.CHECKED, calendar)
    set_status(calendar, Connection.Status.PAUSED)

    assert "It is paused" in read_steps(admin_client)[0]
    assert read_states(admin_client)[0] == "Next"


def test_a_disabled_connection_is_none(calendar: Connection, admin_client: Client) -> None:
    set_status(calendar, Connection.Status.DISABLED)

    assert "Add the connection" in read_steps(admin_client)[0]


def test_keeping_the_built_in_crm_is_remembered_and_leaves_nothing_to_choose(
    calendar: Connection, admin_client: Client
) -> None:
    mark(Kind.CHECKED, calendar)
    press(admin_client, "built_in")

    assert re.search(r"Chosen by admin just now, \d{4}-", read_steps(admin_client)[1])
    assert "Nothing to choose" in read_steps(admin_client)[2]
    assert read_states(admin_client) == ["Done", "Done", "Done", "Next", "Later"]


def test_a_crm_that_is_connected_afterwards_is_wanted(admin_client: Client) -> None:
    press(admin_client, "built_in")
    make_connection("hubspot", provider="hubspot", options=TOKEN)

    assert read_states(admin_client)[1:3] == ["Later", "Later"]


def test_a_crm_is_connected_once_it_has_answered(
    calendar: Connection, hubspot: Connection, admin_client: Client
) -> None:
    mark(Kind.CHECKED, calendar)
    assert read_states(admin_client)[1] == "Next"
    mark(Kind.CHECKED, hubspot)

    assert read_states(admin_client)[1] == "Done"


def test_a_pattern_is_chosen_once_the_mapping_was_looked_at(
    calendar: Connection, hubspot: Connection, admin_client: Client
) -> None:
    assert "Pair them" in read_steps(admin_client)[2]
    make_pair(calendar, hubspot, "in")
    assert "Look at which of our fields" in read_steps(admin_client)[2]

    page = press(admin_client, "hubspot", "mapping")

    assert page.redirect_chain[-1][0] == f"/admin/integrations/fieldmapping/?connection__id__exact={hubspot.pk}"
    assert "Mapping looked at by admin just now" in read_steps(admin_client)[2]
    assert read_states(admin_client)[2] == "Done"


def test_the_secret_is_proved_by_a_signed_webhook(calendar: Connection, admin_client: Client, settings: Any) -> None:
    settings.BASE_URL = "https://keepsync.example.com"
    step = read_steps(admin_client)[3]
    assert "/webhooks/calendar-live/" in step
    assert "1 active secret here." in step
    press(admin_client, "calendar-live", "entered")
    assert "Entered at calendar.live by admin just now" in read_steps(admin_client)[3]
    assert "Not proved yet" in read_steps(admin_client)[3]

    receive(read_sample("ping"))

    assert "A signed webhook was verified just now" in read_steps(admin_client)[3]
    assert read_states(admin_client)[3] == "Done"


def test_webhooks_that_were_refused_tell_of_another_secret(calendar: Connection, admin_client: Client) -> None:
    post_webhook(read_sample("ping"), secret="another")

    assert "1 request was refused: calendar.live signs with another secret" in read_steps(admin_client)[3]


@pytest.mark.parametrize(
    ("statuses", "answer"),
    [
        ([], "has sent nothing so far"),
        (["delivered", "failed"], "newest webhook was delivered"),
        (["pending"], "is trying to deliver"),
        (["failed"], "does not reach the address"),
    ],
)
def test_calendar_live_is_asked_what_became_of_its_webhooks(
    statuses: list[str], answer: str, calendar: Connection, admin_client: Client
) -> None:
    logged: dict[str, Any] = {
        "event_type": "ping",
        "event_id": None,
        "attempts": [],
        "created_at": "2026-11-20T12:00:00Z",
    }
    items = [{**logged, "id": f"dlv_{number}", "status": status} for number, status in enumerate(statuses)]
    with responses.RequestsMock() as stubs:
        stubs.get(LOG_URL, json={"items": items, "next_page_token": None})
        page = press(admin_client, "calendar-live", "ask")

    assert answer in read_messages(page)


@pytest.mark.parametrize(
    ("base_url", "calendar_url", "is_unreachable"),
    [
        ("http://127.0.0.1:8000", "", True),
        ("http://localhost:8000", "", True),
        ("https://keepsync.internal", "", True),
        ("http://10.0.0.8", "https://api.calendar.live", True),
        ("https://keepsync.example.com", "", False),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8001", False),
    ],
)
def test_an_address_that_nobody_outside_can_reach_is_told(
    base_url: str, calendar_url: str, is_unreachable: bool, settings: Any
) -> None:
    settings.BASE_URL = base_url

    assert bool(find_unreachable(Connection(base_url=calendar_url))) == is_unreachable


# --- When they are over -----------------------------------------------------------------------------------------------


def test_they_are_over_when_a_booking_was_synced_to_the_paired_crm(calendar: Connection, hubspot: Connection) -> None:
    make_pair(calendar, hubspot, "in")
    make_delivery(calendar, make_payload(), status="processed")
    assert not is_over()
    make_effect(hubspot, kind=first_steps.SYNCED, status="succeeded")

    assert is_over()
    assert first_steps.SYNCED == UPSERT


def test_without_a_crm_a_booking_that_came_is_enough_and_a_ping_is_not(calendar: Connection) -> None:
    make_delivery(calendar, read_sample("ping"), status="processed")
    assert not is_over()
    make_delivery(calendar, make_payload(), status="processed")

    assert is_over()


def test_who_does_without_them_is_offered_them_no_longer_until_asked_for(admin_client: Client) -> None:
    page = press(admin_client, "dismiss")
    assert "offers the first steps no longer" in read_messages(page)
    assert "Take the next step" not in get_page(admin_client, "/admin/")
    assert read_states(admin_client)[0] == "Next"

    press(admin_client, "offer")
    assert "Take the next step" in get_page(admin_client, "/admin/")


def test_on_the_way_each_page_leads_back(calendar: Connection, admin_client: Client) -> None:
    assert "Back to First steps" not in get_page(admin_client, "/admin/integrations/connection/")
    get_page(admin_client, PAGE)
    for address in ("/admin/integrations/connection/", f"/admin/integrations/connection/{calendar.pk}/secrets/"):
        assert f'href="{PAGE}"' in get_page(admin_client, address).split("You are taking the first steps.")[1]
    assert "You are taking" not in get_page(admin_client, PAGE)

    press(admin_client, "dismiss")
    assert "Back to First steps" not in get_page(admin_client, "/admin/integrations/connection/")


# --- Who may ----------------------------------------------------------------------------------------------------------


def test_viewers_see_how_far_it_is_without_buttons(calendar: Connection, db: None) -> None:
    client = sign_in_as(VIEWER)
    page = get_page(client, PAGE)

    assert read_states(client) == ["Next", "Later", "Later", "Later", "Later"]
    assert "an integration admin's" in html.unescape(page)
    assert f'action="{PAGE}' not in page
    for way in (["built_in"], ["dismiss"], ["calendar-live", "check"], ["calendar-live", "entered"]):
        assert press(client, *way).status_code == 403
    assert not FirstStep.objects.exists()


def test_an_integration_admin_takes_them(calendar: Connection) -> None:
    client = sign_in_as(INTEGRATION_ADMIN)

    assert press(client, "calendar-live", "entered").status_code == 200
    assert FirstStep.objects.get().user == User.objects.get(username="nora")


def test_nothing_is_done_by_a_link_or_for_a_connection_that_is_not_there(admin_client: Client) -> None:
    assert admin_client.get(f"{PAGE}built_in/").status_code == 405
    assert press(admin_client, "nowhere", "check").status_code == 404


def test_saying_it_again_keeps_one_row(admin_client: Client) -> None:
    for _ in range(2):
        press(admin_client, "built_in")

    assert FirstStep.objects.count() == 1


# --- Its cost ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 12])
def test_the_page_needs_as_many_queries_for_many_connections_as_for_one(
    count: int, calendar: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        crm = make_connection(f"hubspot{number}", provider="hubspot", options=TOKEN)
        make_pair(calendar, crm, "in")
        add_secret(calendar)
    with django_assert_max_num_queries(8):
        read_situation()
    with django_assert_max_num_queries(22):
        get_page(admin_client, PAGE)
