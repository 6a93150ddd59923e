"""Signing in: what is refused after how many wrong passwords, to whom, and for how long."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection as database
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone
from rest_framework.authtoken.views import ObtainAuthToken

from integrations import jobs
from integrations.exceptions import SignInClosedError
from integrations.models import Alert, SignInCount
from integrations.operations import alerts
from integrations.sign_ins import LIMITS, Door, Visit, count_try, read_address
from tests.integrations.admin.support import get_page, list_address, press, read_log, read_messages, sign_in

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
HERE, ELSEWHERE = "192.0.2.7", "198.51.100.9"


def enter(client: Client, name: str = "admin", password: str = "wrong", address: str = HERE) -> Any:
    return client.post("/admin/login/", {"username": name, "password": password}, REMOTE_ADDR=address)


def is_let_in(response: Any) -> bool:
    return response.status_code == 302


def is_refused(response: Any) -> bool:
    return "Too many tries" in response.content.decode()


def exhaust(door: Door, name: str = "admin") -> None:
    """Wrong passwords until the door is closed: from one address, or each from another."""
    for number in range(LIMITS[door][0]):
        address = HERE if door in (Door.PAIR, Door.ADDRESS) else f"203.0.113.{number}"
        account = f"{name}{number}" if door == Door.ADDRESS else name
        count_try(Visit(account, address))


# --- One account from one address -------------------------------------------------------------------------------------


def test_the_right_password_is_refused_too_once_too_many_were_wrong(admin_user: User) -> None:
    client, limit = Client(), LIMITS[Door.PAIR][0]
    for _ in range(limit):
        assert not is_refused(enter(client))

    assert is_refused(enter(client, password="password"))


@time_machine.travel(NOW, tick=False)
def test_the_refusal_says_when_it_opens_again(admin_user: User) -> None:
    exhaust(Door.PAIR)

    assert "Signing in is open again in 10 minutes, at 12:10 UTC." in enter(Client()).content.decode()


def test_a_refused_try_does_not_keep_it_closed(admin_user: User) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        exhaust(Door.PAIR)
        clock.shift(timedelta(minutes=9))
        assert is_refused(enter(Client(), password="password"))
        clock.shift(timedelta(minutes=1))
        assert is_let_in(enter(Client(), password="password"))


def test_an_account_that_is_not_there_is_refused_alike(admin_user: User) -> None:
    exhaust(Door.PAIR, name="nobody")

    assert is_refused(enter(Client(), name="nobody"))
    assert is_refused(enter(Client(), name=" NOBODY "))


def test_the_right_password_takes_back_what_was_mistyped(admin_user: User) -> None:
    for _ in range(3):
        for _ in range(LIMITS[Door.PAIR][0] - 1):
            enter(Client())
        assert is_let_in(enter(Client(), password="password"))


def test_who_may_not_enter_the_admin_is_counted(db: None) -> None:
    User.objects.create_user("nora", password="password")
    enter(Client(), name="nora", password="password")

    assert SignInCount.objects.get(door=Door.PAIR).tries == 1


def test_an_empty_form_is_not_counted(admin_user: User) -> None:
    enter(Client(), password="")

    assert not SignInCount.objects.exists()


# --- Attacks ----------------------------------------------------------------------------------------------------------


def test_an_address_that_tries_many_accounts_is_refused_and_others_are_not(admin_user: User) -> None:
    exhaust(Door.ADDRESS)

    assert is_refused(enter(Client(), password="password"))
    assert is_let_in(enter(Client(), password="password", address=ELSEWHERE))


def test_a_right_password_does_not_excuse_what_else_its_address_tries(admin_user: User) -> None:
    for number in range(LIMITS[Door.ADDRESS][0]):
        count_try(Visit(f"a{number}", HERE))
        if number == 20:
            enter(Client(), password="password")

    assert is_refused(enter(Client(), name="another"))


def test_an_account_that_is_tried_from_everywhere_is_closed_to_unknown_browsers(admin_user: User) -> None:
    exhaust(Door.ACCOUNT)
    page = enter(Client(), password="password", address=ELSEWHERE).content.decode()

    assert "Too many tries" in page
    assert "a browser in which you have signed in before" in page


@pytest.mark.parametrize("door", [Door.PAIR, Door.ADDRESS, Door.ACCOUNT])
def test_nobody_locks_out_a_browser_that_is_known(door: Door, admin_user: User) -> None:
    client = Client()
    assert is_let_in(enter(client, password="password"))
    client.post("/admin/logout/")
    exhaust(door)

    assert is_refused(enter(Client(), password="password"))
    assert is_let_in(enter(client, password="password"))


def test_a_known_browser_has_a_limit_of_its_own(admin_user: User) -> None:
    client = Client()
    enter(client, password="password")
    client.post("/admin/logout/")
    for _ in range(LIMITS[Door.BROWSER][0]):
        enter(client)

    assert is_refused(enter(client, password="password"))
    assert is_let_in(enter(Client(), password="password"))


def test_a_browser_is_known_for_the_account_that_signed_in_with_it(admin_user: User) -> None:
    User.objects.create_superuser("nora", password="password")
    client = Client()
    enter(client, name="nora", password="password")
    client.post("/admin/logout/")
    exhaust(Door.ACCOUNT)

    assert is_refused(enter(client, password="password"))


def test_a_mark_that_was_made_up_is_none(admin_user: User) -> None:
    client = Client()
    client.cookies["keepsync_browser"] = f"{admin_user.pk}:made-up:signature"
    exhaust(Door.ACCOUNT)

    assert is_refused(enter(client, password="password"))


def test_the_mark_goes_to_the_page_of_signing_in_only(admin_user: User, settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = True
    mark = enter(Client(), password="password").cookies["keepsync_browser"]

    assert (mark["path"], mark["httponly"], mark["secure"], mark["samesite"]) == ("/admin/login/", True, True, "Lax")


def test_what_an_address_is_refused_does_not_count_against_the_account(admin_user: User) -> None:
    exhaust(Door.PAIR)
    for _ in range(5):
        with pytest.raises(SignInClosedError):
            count_try(Visit("admin", HERE))

    assert SignInCount.objects.get(door=Door.ACCOUNT).tries == LIMITS[Door.PAIR][0]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_many_at_once_get_no_more_than_the_limit() -> None:
    def attempt(number: int) -> bool:
        try:
            count_try(Visit("admin", HERE))
        except SignInClosedError:
            return False
        finally:
            database.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(attempt, range(24)))

    assert sum(taken) == LIMITS[Door.PAIR][0]


# --- Where from -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "address"),
    [
        (HERE, "", 0, HERE),
        (HERE, ELSEWHERE, 0, HERE),
        ("127.0.0.1", HERE, 1, HERE),
        ("127.0.0.1", f"{ELSEWHERE}, {HERE}", 1, HERE),
        ("127.0.0.1", f"{ELSEWHERE}, {HERE}, 10.0.0.1", 2, HERE),
        ("127.0.0.1", HERE, 2, HERE),
        ("127.0.0.1", "", 1, "127.0.0.1"),
        ("127.0.0.1", "made up", 1, ""),
        ("2001:db8:1:2:3::4", "", 0, "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "", 0, HERE),
        ("", "", 0, ""),
    ],
)
def test_the_address_is_what_our_own_proxies_have_seen(peer: str, forwarded: str, proxies: int, address: str) -> None:
    assert read_address(peer, forwarded, proxies=proxies) == address


def test_behind_a_proxy_each_address_is_counted_by_itself(admin_user: User, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    values = {"username": "admin", "password": "password"}
    exhaust(Door.PAIR)

    assert is_refused(Client().post("/admin/login/", values, headers={"X-Forwarded-For": f"{ELSEWHERE}, {HERE}"}))
    assert is_let_in(Client().post("/admin/login/", values, headers={"X-Forwarded-For": ELSEWHERE}))


# --- What administrators see ------------------------------------------------------------------------------------------


def test_an_attack_opens_one_alert_that_names_nobody_and_closes_by_itself(admin_user: User) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        exhaust(Door.ACCOUNT)
        alerts.check()
        assert not Alert.objects.exists()
        with pytest.raises(SignInClosedError):
            count_try(Visit("admin", ELSEWHERE))
        alerts.check()
        alert = Alert.objects.get()
        clock.shift(timedelta(hours=1))
        alerts.check()

    assert "0 addresses, and 1 accounts" in alert.text
    assert "admin " not in alert.text
    assert Alert.objects.get().closed_at == NOW + timedelta(hours=1)


def test_a_forgotten_password_opens_no_alert(admin_user: User) -> None:
    exhaust(Door.PAIR)
    enter(Client())
    alerts.check()

    assert not Alert.objects.exists()


def test_the_list_shows_who_is_refused_and_opens_it_again(admin_client: Client, admin_user: User) -> None:
    exhaust(Door.PAIR)
    enter(Client())
    page, row = get_page(admin_client, list_address(SignInCount)), SignInCount.objects.get(door=Door.PAIR)
    assert HERE in page
    assert "Refused" in page

    assert "It is open again." in read_messages(press(admin_client, row, "reopen"))
    assert read_log(row) == [("admin", "Opened it again")]
    assert is_let_in(enter(Client(), password="password"))


def test_what_is_open_cannot_be_opened(admin_client: Client, admin_user: User) -> None:
    enter(Client())
    row = SignInCount.objects.get(door=Door.PAIR)

    assert "this does not fit" in read_messages(press(admin_client, row, "reopen"))


def test_opening_again_needs_its_permission(admin_user: User) -> None:
    exhaust(Door.PAIR)
    enter(Client())
    client, row = sign_in("integrations.view_signincount"), SignInCount.objects.get(door=Door.PAIR)

    assert press(client, row, "reopen").status_code == 403


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_needs_as_many_queries_for_thirty_as_for_two(
    count: int, admin_client: Client, admin_user: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        count_try(Visit("admin", f"203.0.113.{number}"))
    with django_assert_max_num_queries(5):
        get_page(admin_client, list_address(SignInCount))


def test_neither_what_was_typed_nor_the_address_stands_in_the_table(admin_user: User) -> None:
    enter(Client(), name="my password, typed in the wrong field")
    with database.cursor() as cursor:
        cursor.execute("SELECT integrations_signincount::text FROM integrations_signincount")
        stored = str(cursor.fetchall())

    assert "typed" not in stored
    assert HERE not in stored
    assert HERE.encode().hex() not in stored


def test_old_counts_are_forgotten(admin_user: User) -> None:
    enter(Client())
    SignInCount.objects.filter(door=Door.PAIR).update(ends_at=timezone.now() - timedelta(days=2))
    jobs.sweep()

    assert set(SignInCount.objects.values_list("door", flat=True)) == {Door.ADDRESS, Door.ACCOUNT}


# --- The API ----------------------------------------------------------------------------------------------------------


def test_no_address_of_the_api_takes_a_password(settings: Any) -> None:
    """A token is made in the admin or by a command; it is too long to be guessed."""
    views = [each.callback for each in walk(get_resolver().url_patterns) if each.callback]

    assert not [view for view in views if issubclass(getattr(view, "cls", object), ObtainAuthToken)]
    assert "Basic" not in str(settings.REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"])


def walk(patterns: Any) -> Any:
    for each in patterns:
        yield from walk(each.url_patterns) if hasattr(each, "url_patterns") else [each]
