"""The rest of the admin: its start page, navigation, users, tokens, and the queue."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.staticfiles import finders
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task
from rest_framework.authtoken.models import Token

from config.admin import navigation
from integrations.queue import enqueue
from integrations.roles import VIEWER
from tests.integrations.admin.support import get_page, page_address, sign_in

LISTS = [
    "/admin/integrations/connection/",
    "/admin/integrations/alert/",
    "/admin/integrations/alertrule/",
    "/admin/integrations/payloadshape/",
    "/admin/integrations/delivery/",
    "/admin/integrations/delivery/dead-letters/",
    "/admin/integrations/effect/",
    "/admin/integrations/replayplan/",
    "/admin/integrations/runbooktask/",
    "/admin/integrations/checklistitem/",
    "/admin/integrations/pair/",
    "/admin/integrations/fieldmapping/",
    "/admin/integrations/fieldrule/",
    "/admin/integrations/regionrule/",
    "/admin/integrations/region/",
    "/admin/integrations/retentiontime/",
    "/admin/contacts/contact/",
    "/admin/contacts/candidatepair/",
    "/admin/contacts/merge/",
    "/admin/contacts/importrun/",
    "/admin/contacts/erasure/",
    "/admin/contacts/scorerule/",
    "/admin/contacts/poolmember/",
    "/admin/contacts/duplicaterun/",
    "/admin/contacts/duplicatepolicy/",
    "/admin/bookings/meeting/trace/",
    "/admin/bookings/meeting/",
    "/admin/bookings/calendar/",
    "/admin/bookings/payment/",
    "/admin/bookings/price/",
    "/admin/bookings/conflict/",
    "/admin/bookings/reservation/",
    "/admin/bookings/reconciliationrun/",
    "/admin/bookings/discrepancy/",
    "/admin/integrations/firststep/",
    "/admin/bookings/trialbooking/",
    "/admin/auth/user/",
    "/admin/auth/group/",
    "/admin/integrations/signincount/",
    "/admin/authtoken/tokenproxy/",
    "/admin/django_q/schedule/",
    "/admin/django_q/ormq/",
    "/admin/django_q/failure/",
]


def links(request: Any) -> list[str]:
    return [
        str(item["link"]) for group in navigation(request) for item in group["items"] if item["permission"](request)
    ]


@pytest.mark.parametrize("address", ["/admin/", *LISTS])
def test_every_page_opens_for_an_administrator_and_says_what_to_do_where_it_is_empty(
    address: str, admin_client: Client
) -> None:
    page = get_page(admin_client, address)
    assert "Keepsync" in page
    assert ("Nothing here yet" in page) == ("data-advice" in page)


def test_a_list_without_matches_leads_back_to_all(admin_client: Client) -> None:
    page = get_page(admin_client, "/admin/integrations/effect/", status__exact="dead")
    assert "Nothing matches" in page
    assert "Show all" in page


def test_the_permissions_of_groups_and_users_are_read_with_few_queries(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    role, mine = Group.objects.get(name=VIEWER), Group.objects.create(name="Night shift")
    user = User.objects.create_user("nora", is_staff=True)
    for holder in (mine.permissions, user.user_permissions):
        holder.set(role.permissions.all())
    for row in (role, mine, user):
        with django_assert_max_num_queries(15):
            get_page(admin_client, page_address(row))


def test_operators_read_a_users_permissions_with_few_queries(db: None, django_assert_max_num_queries: Any) -> None:
    user = User.objects.create_user("ada")
    user.user_permissions.set(Group.objects.get(name=VIEWER).permissions.all())
    client = sign_in("auth.view_user")
    with django_assert_max_num_queries(15):
        get_page(client, page_address(user))


@pytest.mark.parametrize("address", LISTS)
def test_every_list_is_closed_to_others(address: str, db: None) -> None:
    assert Client().get(address).status_code == 302
    assert sign_in().get(address).status_code == 403


def test_the_navigation_leads_to_every_list(rf: Any, admin_user: User) -> None:
    request = rf.get("/admin/")
    request.user = admin_user

    assert sorted(links(request)) == sorted(["/admin/", *LISTS])


def test_the_navigation_shows_what_one_may_see(rf: Any, db: None) -> None:
    request = rf.get("/admin/")
    sign_in("contacts.view_contact")
    request.user = User.objects.get()

    assert links(request) == ["/admin/", "/admin/contacts/contact/"]


@pytest.mark.parametrize("model", ["delivery", "effect"])
def test_dead_letters_are_shown_to_who_may_see_either_kind(model: str, rf: Any, db: None) -> None:
    request = rf.get("/admin/")
    sign_in(f"integrations.view_{model}")
    request.user = User.objects.get()

    assert "/admin/integrations/delivery/dead-letters/" in links(request)


@pytest.mark.parametrize(
    ("address", "entry"),
    [
        ("/admin/", "Dashboard"),
        ("/admin/integrations/delivery/", "Deliveries"),
        ("/admin/integrations/delivery/dead-letters/", "Dead letters"),
        ("/admin/integrations/effect/", "Effects"),
        ("/admin/bookings/meeting/", "Meetings"),
        ("/admin/bookings/meeting/trace/", "Trace"),
    ],
)
def test_the_navigation_marks_one_entry(address: str, entry: str, admin_client: Client) -> None:
    groups = admin_client.get(address).context["sidebar_navigation"]
    marked = [item["title"] for group in groups for item in group["items"] if item["active"]]

    assert marked == [entry]


def test_logging_in_leads_to_the_admin(admin_user: User) -> None:
    response = Client().post("/admin/login/", {"username": "admin", "password": "password"})

    assert response["Location"] == "/admin/"


def test_a_user_is_added_with_a_password(admin_client: Client) -> None:
    values = {"username": "nora", "usable_password": "true", "password1": "a-Long-one-77", "password2": "a-Long-one-77"}
    admin_client.post("/admin/auth/user/add/", values)

    assert User.objects.get(username="nora").check_password("a-Long-one-77")


def test_a_token_is_shown_once(admin_client: Client, admin_user: User) -> None:
    response = admin_client.post("/admin/authtoken/tokenproxy/add/", {"user": admin_user.pk})
    key = Token.objects.get().key

    assert key in response.content.decode()
    assert key not in get_page(admin_client, "/admin/authtoken/tokenproxy/")
    assert key not in get_page(admin_client, f"/admin/authtoken/tokenproxy/{admin_user.pk}/change/")
    assert key not in get_page(admin_client, f"/admin/authtoken/tokenproxy/{admin_user.pk}/delete/")
    assert LogEntry.objects.get().object_repr == "token of admin"


@pytest.mark.parametrize("count", [2, 30])
def test_the_queue_needs_as_many_queries_for_thirty_jobs_as_for_two(
    count: int, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        enqueue("integrations.jobs.process_delivery", f"id-{number}", delay_s=60)
    with django_assert_max_num_queries(5):
        page = get_page(admin_client, "/admin/django_q/ormq/")

    assert "id-1" in page
    assert "integrations.jobs.process_delivery" in page


def test_a_queued_job_cannot_be_changed(admin_client: Client) -> None:
    enqueue("integrations.jobs.process_delivery", "id-1")
    address = f"/admin/django_q/ormq/{OrmQ.objects.get().pk}"

    assert admin_client.post(f"{address}/change/", {"payload": "x"}).status_code == 403
    assert admin_client.post(f"{address}/delete/", {"post": "yes"}).status_code == 403


def test_a_schedule_says_when_it_runs_next_and_what_it_runs_stays(admin_client: Client) -> None:
    schedule = Schedule.objects.get(name="sweep")
    address = f"/admin/django_q/schedule/{schedule.pk}/change/"
    admin_client.post(address, {"func": "os.system", "next_run_0": "2030-01-01", "next_run_1": "10:00:00"})
    schedule.refresh_from_db()

    assert schedule.func == "integrations.jobs.sweep"
    assert schedule.next_run.year == 2030


def test_a_failed_job_is_listed_without_what_it_said(admin_client: Client) -> None:
    now = timezone.now()
    Task.objects.create(
        id="t1", name="t1", func="integrations.jobs.sweep", success=False, started=now - timedelta(seconds=1),
        stopped=now, result="KeyError: 'zoe@example.com'", args=(), kwargs={},
    )  # fmt: skip

    for address in ("/admin/django_q/failure/", "/admin/django_q/failure/t1/change/"):
        page = get_page(admin_client, address)
        assert "integrations.jobs.sweep" in page
        assert "zoe@example.com" not in page


def test_the_browser_finds_an_icon(client: Client, admin_client: Client) -> None:
    assert client.get("/favicon.ico").headers["Location"] == "/static/keepsync/favicon.ico"
    assert 'rel="icon" href="/static/keepsync/icon.svg"' in get_page(admin_client, "/admin/")
    assert all(map(finders.find, ("keepsync/favicon.ico", "keepsync/icon.svg")))
