"""The second factor: how it is turned on and off, what a code is worth, and what a session may do without one."""

import base64
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission, User
from django.db import connection as database
from django.test import Client
from django.utils import timezone
from django_otp.oath import totp
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from integrations.exceptions import SignInClosedError, StateError, WrongCodeError
from integrations.models import SecondFactor, SignInCount
from integrations.privacy.key_rotation import rotate
from integrations.roles import INTEGRATION_ADMIN, VIEWER
from integrations.second_factors import check_code, confirm, count_recovery_codes, list_without, propose, remove
from integrations.sign_ins import LIMITS, Door
from tests.integrations.admin.support import get_page, list_address, press, read_log, read_messages, sign_in

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
ACCOUNT = "/admin/account/"
SETUP, CODE = f"{ACCOUNT}second-factor/", f"{ACCOUNT}second-factor/code/"
OFF, RENEW = f"{ACCOUNT}second-factor/off/", f"{ACCOUNT}second-factor/recovery-codes/"


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(NOW, tick=False) as moved:
        yield moved


def code_of(user: User, *, steps: int = 0) -> str:
    """What the app shows, so many steps of 30 s from now."""
    key = base64.b32decode(SecondFactor.objects.get(user=user).key)
    return f"{totp(key, t0=-30 * steps):06d}"


def turn_on(user: User, clock: Any) -> list[str]:
    """The recovery codes. The code that turned it on is used up, so time goes on."""
    factor = propose(user)
    codes = confirm(factor, code_of(user))
    clock.shift(timedelta(minutes=2))
    return codes


def read_codes(page: str) -> list[str]:
    """The recovery codes that a page shows."""
    found = re.search(r"<code[^>]*>([^<]+)</code>", page)
    return found[1].split() if found else []


def enter_password(name: str = "admin", **parameters: str) -> Client:
    """A browser in which the password was given."""
    client = Client()
    values = {"username": name, "password": "password", **parameters}
    assert client.post("/admin/login/", values).status_code == 302
    return client


def give(client: Client, code: str) -> Any:
    return client.post(CODE, {"code": code})


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


# --- Turning it on ----------------------------------------------------------------------------------------------------


def test_it_is_set_up_with_a_picture_or_a_key_and_confirmed_by_a_code(admin_client: Client, admin_user: User) -> None:
    page = get_page(admin_client, SETUP)
    key = SecondFactor.objects.get(user=admin_user).key
    assert 'src="data:image/svg+xml' in page
    assert key in re.sub(r"\s", "", page)
    assert is_in(enter_password())

    shown = admin_client.post(SETUP, {"code": code_of(admin_user)}).content.decode()

    assert len(read_codes(shown)) == 10
    assert is_in(admin_client)
    assert "It is on" in get_page(admin_client, ACCOUNT)
    assert ("admin", "Turned the second factor on") in read_log(admin_user)
    assert not is_in(enter_password())


def test_the_same_key_is_proposed_until_it_is_confirmed(admin_client: Client, admin_user: User, clock: Any) -> None:
    first, again = propose(admin_user).key, propose(admin_user).key
    assert first == again

    turn_on(admin_user, clock)
    with pytest.raises(StateError, match="on already"):
        propose(User.objects.get())


def test_a_wrong_code_does_not_turn_it_on(admin_client: Client, admin_user: User) -> None:
    get_page(admin_client, SETUP)
    page = admin_client.post(SETUP, {"code": "000000"}).content.decode()

    assert "not the app&#x27;s code of now" in page
    assert list_without().get() == admin_user


def test_recovery_codes_are_shown_once(admin_client: Client, admin_user: User) -> None:
    get_page(admin_client, SETUP)
    admin_client.post(SETUP, {"code": code_of(admin_user)})

    assert "10 recovery codes are left" in get_page(admin_client, ACCOUNT)
    assert admin_client.get(SETUP).status_code == 302


def test_turning_it_on_ends_the_other_sessions(admin_client: Client, admin_user: User) -> None:
    other = enter_password()
    get_page(admin_client, SETUP)
    admin_client.post(SETUP, {"code": code_of(admin_user)})

    assert other.get("/admin/").headers["Location"].startswith("/admin/login/")
    assert is_in(admin_client)


# --- Signing in -------------------------------------------------------------------------------------------------------


def test_the_password_alone_opens_nothing(admin_user: User, clock: Any) -> None:
    turn_on(admin_user, clock)
    client = enter_password()

    for address in ("/admin/", "/admin/bookings/meeting/", "/admin/account/", "/admin/login/", "/admin/jsi18n/"):
        assert client.get(address).headers["Location"].startswith(CODE), address
    assert client.post("/admin/auth/user/add/", {"username": "x"}).headers["Location"].startswith(CODE)
    assert client.get("/api/contacts/").status_code == 401
    assert client.get("/api/docs/").status_code == 401
    assert client.get("/oauth/calendar-live/start/").headers["Location"].startswith("/admin/login/")
    assert client.get(SETUP).status_code == 302
    assert "Signing in as" in get_page(client, CODE)


def test_the_code_leads_to_where_one_wanted_to_go(admin_user: User, clock: Any) -> None:
    turn_on(admin_user, clock)
    client = enter_password()
    address = client.get("/admin/bookings/meeting/?q=1").headers["Location"]
    response = client.post(address, {"code": code_of(admin_user)})

    assert response.headers["Location"] == "/admin/bookings/meeting/?q=1"
    assert is_in(client)
    assert client.get("/api/contacts/").status_code == 200


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"])
def test_it_leads_nowhere_else(target: str, admin_user: User, clock: Any) -> None:
    turn_on(admin_user, clock)
    client = enter_password()
    response = client.post(f"{CODE}?next={target}", {"code": code_of(admin_user)})

    assert response.headers["Location"] == "/admin/"


def test_the_way_to_a_provider_leads_over_the_code(admin_user: User, clock: Any) -> None:
    turn_on(admin_user, clock)
    client = enter_password()
    address = client.get("/admin/login/?next=/oauth/hubspot/start/").headers["Location"]

    assert address == f"{CODE}?next=%2Foauth%2Fhubspot%2Fstart%2F"
    assert "form-action" not in client.get(address).headers["Content-Security-Policy"]
    assert "form-action" in client.get(CODE).headers["Content-Security-Policy"]


def test_the_sessions_key_changes_with_the_code(admin_user: User, clock: Any) -> None:
    turn_on(admin_user, clock)
    client = enter_password()
    before = client.session.session_key
    give(client, code_of(admin_user))

    assert client.session.session_key != before


def test_a_wrong_code_is_refused(admin_user: User, clock: Any) -> None:
    turn_on(admin_user, clock)
    client = enter_password()

    for wrong in ("000000", "12345", "", "abcde-fghjk", "١٢٣٤٥٦"):
        assert give(client, wrong).status_code == 200
    assert not is_in(client)


def test_a_code_is_taken_once(admin_user: User, clock: Any) -> None:
    turn_on(admin_user, clock)
    code = code_of(admin_user)
    assert give(enter_password(), code).status_code == 302

    assert "wrong, or was used before" in give(enter_password(), code).content.decode()


def test_nor_is_an_older_one_after_it(admin_user: User, clock: Any) -> None:
    turn_on(admin_user, clock)
    check_code(admin_user, code_of(admin_user))

    with pytest.raises(WrongCodeError):
        check_code(admin_user, code_of(admin_user, steps=-1))


@pytest.mark.parametrize(("steps", "is_taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_half_a_minute_wrong(steps: int, is_taken: bool, admin_user: User, clock: Any) -> None:
    turn_on(admin_user, clock)
    client = enter_password()
    give(client, code_of(admin_user, steps=steps))

    assert is_in(client) == is_taken


def test_spaces_in_a_code_do_not_count(admin_user: User, clock: Any) -> None:
    turn_on(admin_user, clock)
    code = code_of(admin_user)

    check_code(admin_user, f" {code[:3]} {code[3:]}")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_two_that_give_a_code_at_once_one_is_let_in(clock: Any) -> None:
    user = User.objects.create_superuser("nora", password="password")
    turn_on(user, clock)
    code = code_of(user)

    def attempt(number: int) -> bool:
        try:
            check_code(user, code)
        except WrongCodeError:
            return False
        finally:
            database.close()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, range(4))) == 1


# --- Guessing ---------------------------------------------------------------------------------------------------------


def test_after_too_many_wrong_codes_the_right_one_is_refused_too(admin_user: User, clock: Any) -> None:
    turn_on(admin_user, clock)
    client = enter_password()
    for _ in range(LIMITS[Door.CODE][0]):
        give(client, "000000")

    assert "Too many tries" in give(client, code_of(admin_user)).content.decode()
    assert "Too many tries" in give(enter_password(), code_of(admin_user)).content.decode()
    clock.shift(timedelta(hours=1))
    assert give(client, code_of(admin_user)).status_code == 302


def test_a_right_code_forgets_what_was_mistyped(admin_user: User, clock: Any) -> None:
    turn_on(admin_user, clock)
    client = enter_password()
    for _ in range(5):
        give(client, "000000")
    give(client, code_of(admin_user))

    assert not SignInCount.objects.filter(door=Door.CODE).exists()


def test_administrators_see_who_is_refused_and_open_it_again(admin_client: Client, admin_user: User) -> None:
    for _ in range(LIMITS[Door.CODE][0]):
        with pytest.raises(WrongCodeError):
            check_code(admin_user, "000000")
    with pytest.raises(SignInClosedError):
        check_code(admin_user, "000000")
    row = SignInCount.objects.get(door=Door.CODE)
    assert "Refused" in get_page(admin_client, list_address(SignInCount))

    assert "It is open again." in read_messages(press(admin_client, row, "reopen"))


# --- Recovery codes ---------------------------------------------------------------------------------------------------


def test_a_recovery_code_signs_in_once(admin_user: User, clock: Any) -> None:
    code = turn_on(admin_user, clock)[3]
    client = enter_password()
    assert give(client, f" {code.upper().replace('-', ' ')} ").status_code == 302
    assert is_in(client)

    assert give(enter_password(), code).status_code == 200
    assert count_recovery_codes(admin_user.second_factor) == 9


def test_new_recovery_codes_take_the_place_of_the_old_ones(admin_user: User, clock: Any) -> None:
    old = turn_on(admin_user, clock)
    client = enter_password()
    give(client, old[0])
    page = client.post(RENEW, {"code": code_of(admin_user)}).content.decode()
    new = read_codes(page)

    assert give(enter_password(), old[1]).status_code == 200
    assert give(enter_password(), new[1]).status_code == 302


def test_new_recovery_codes_need_a_code(admin_user: User, clock: Any) -> None:
    codes = turn_on(admin_user, clock)
    client = enter_password()
    give(client, codes[0])

    assert "wrong, or was used before" in client.post(RENEW, {"code": "000000"}).content.decode()
    assert count_recovery_codes(admin_user.second_factor) == 9


# --- Turning it off ---------------------------------------------------------------------------------------------------


def sign_in_with_code(user: User, codes: list[str]) -> Client:
    client = enter_password()
    give(client, codes.pop())
    return client


def test_it_is_turned_off_with_password_and_code_and_other_sessions_end(admin_user: User, clock: Any) -> None:
    codes = turn_on(admin_user, clock)
    client, other = sign_in_with_code(admin_user, codes), sign_in_with_code(admin_user, codes)
    page = client.post(OFF, {"password": "password", "code": code_of(admin_user)}, follow=True)

    assert "Your second factor is off." in read_messages(page)
    assert is_in(client)
    assert not is_in(other)
    assert is_in(enter_password())
    assert ("admin", "Turned the second factor off") in read_log(admin_user)


@pytest.mark.parametrize("wrong", [{"password": "guessed"}, {"code": "000000"}, {"code": ""}])
def test_it_is_not_turned_off_without_either(wrong: dict[str, str], admin_user: User, clock: Any) -> None:
    codes = turn_on(admin_user, clock)
    client = sign_in_with_code(admin_user, codes)
    client.post(OFF, {"password": "password", "code": code_of(admin_user)} | wrong)

    assert SecondFactor.objects.exists()


def test_passwords_are_not_guessed_from_an_open_session(admin_user: User, clock: Any) -> None:
    client = sign_in_with_code(admin_user, turn_on(admin_user, clock))
    for _ in range(LIMITS[Door.CODE][0]):
        client.post(OFF, {"password": "guessed", "code": "000000"})
    client.post(OFF, {"password": "password", "code": code_of(admin_user)})

    assert SecondFactor.objects.exists()


def test_one_set_up_anew_asks_every_session_again(admin_user: User, clock: Any) -> None:
    client = sign_in_with_code(admin_user, turn_on(admin_user, clock))
    remove(admin_user)
    turn_on(User.objects.get(), clock)

    assert not is_in(client)


# --- Resetting it for somebody ----------------------------------------------------------------------------------------


def test_an_administrator_resets_it_for_who_has_lost_it(admin_client: Client, admin_user: User, clock: Any) -> None:
    nora = User.objects.create_superuser("nora", password="password")
    turn_on(nora, clock)
    half = enter_password("nora")
    assert "signs in with the password alone" in read_messages(press(admin_client, nora, "reset_second_factor"))

    assert not half.get("/admin/").headers["Location"].startswith(CODE)
    assert is_in(enter_password("nora"))
    assert read_log(nora)[-1] == ("admin", "Reset the second factor")


def test_nobody_else_resets_it(clock: Any, db: None) -> None:
    nora = User.objects.create_superuser("otto", password="password")
    turn_on(nora, clock)
    client = sign_in("auth.view_user", "auth.change_user")

    assert press(client, nora, "reset_second_factor").status_code == 403
    assert SecondFactor.objects.exists()


def test_what_is_not_on_cannot_be_reset(admin_client: Client, admin_user: User) -> None:
    propose(admin_user)

    assert "this does not fit" in read_messages(press(admin_client, admin_user, "reset_second_factor"))


def test_the_list_of_users_shows_who_has_it(
    admin_client: Client, admin_user: User, clock: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        turn_on(User.objects.create_superuser(f"user{number}"), clock)
    with django_assert_max_num_queries(8):
        page = get_page(admin_client, "/admin/auth/user/")

    assert page.count("UTC") == 20
    assert ">Off<" in page
    assert "user3" not in get_page(admin_client, "/admin/auth/user/?second_factor=off").split("result_list")[1]


def test_it_is_counted_who_is_without_one(admin_user: User, clock: Any) -> None:
    User.objects.create_user("away", is_staff=True, is_active=False)
    User.objects.create_user("api")
    propose(User.objects.create_user("halfway", is_staff=True))
    turn_on(admin_user, clock)

    assert [user.username for user in list_without()] == ["halfway"]


# --- Where it is required ---------------------------------------------------------------------------------------------


@pytest.fixture
def _required(settings: Any) -> None:
    settings.REQUIRE_SECOND_FACTOR = True


@pytest.mark.usefixtures("_required")
def test_who_may_change_something_is_led_to_set_it_up_and_can_do_nothing_else(admin_user: User) -> None:
    client = enter_password()
    for address in ("/admin/", "/admin/account/", "/admin/bookings/meeting/"):
        assert client.get(address).headers["Location"].startswith(SETUP), address
    assert client.get("/api/contacts/").status_code == 401
    address = client.get("/admin/bookings/meeting/").headers["Location"]
    assert "Set yours up" in get_page(client, address)

    page = client.post(address, {"code": code_of(admin_user)}).content.decode()

    assert 'href="/admin/bookings/meeting/"' in page
    assert is_in(client)


@pytest.mark.usefixtures("_required")
@pytest.mark.parametrize(("role", "is_led"), [(VIEWER, False), (INTEGRATION_ADMIN, True)])
def test_it_is_required_by_what_one_may(role: str, is_led: bool, db: None) -> None:
    user = User.objects.create_user("nora", password="password", is_staff=True)
    user.groups.add(Group.objects.get(name=role))

    assert is_in(enter_password("nora")) != is_led


@pytest.mark.usefixtures("_required")
def test_one_permission_of_ones_own_is_enough(db: None) -> None:
    user = User.objects.create_user("nora", password="password", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="settle_conflict"))

    assert not is_in(enter_password("nora"))


@pytest.mark.usefixtures("_required")
def test_tokens_of_the_api_need_none(admin_user: User) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=admin_user).key}")

    assert client.get("/api/contacts/").status_code == 200


@pytest.mark.usefixtures("_required")
def test_one_can_still_sign_out(admin_user: User) -> None:
    client = enter_password()
    client.post("/admin/logout/")

    assert client.get("/admin/").headers["Location"].startswith("/admin/login/")


# --- Sessions ---------------------------------------------------------------------------------------------------------


def test_signing_out_everywhere_else_ends_ones_own_other_sessions(admin_client: Client, admin_user: User) -> None:
    User.objects.create_superuser("nora", password="password")
    others, nora = [enter_password(), enter_password()], enter_password("nora")
    page = admin_client.post(f"{ACCOUNT}sign-out-elsewhere/", follow=True)

    assert "Signed out in 2 other sessions." in read_messages(page)
    assert [is_in(each) for each in (admin_client, nora, *others)] == [True, True, False, False]
    assert admin_client.get(f"{ACCOUNT}sign-out-elsewhere/").status_code == 405


def test_a_new_password_ends_ones_other_sessions(admin_client: Client, admin_user: User) -> None:
    other = enter_password()
    values = {"old_password": "password", "new_password1": "quiet-harbour-9", "new_password2": "quiet-harbour-9"}
    admin_client.post("/admin/password_change/", values)

    assert (is_in(admin_client), is_in(other)) == (True, False)


def test_the_account_page_is_for_who_is_signed_in(db: None) -> None:
    for address in (ACCOUNT, OFF, RENEW):
        assert Client().get(address).headers["Location"].startswith("/admin/login/")
    assert Client().get(SETUP).status_code == 403
    assert Client().get(CODE).headers["Location"] == "/admin/"


@pytest.mark.parametrize("address", [OFF, RENEW])
def test_without_one_there_is_nothing_to_turn_off(address: str, admin_client: Client) -> None:
    assert admin_client.get(address).headers["Location"] == ACCOUNT


def test_it_costs_no_query_of_its_own(admin_client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2):
        get_page(admin_client, "/admin/password_change/")


# --- At rest ----------------------------------------------------------------------------------------------------------


def test_neither_the_key_nor_a_recovery_code_stands_in_the_database(admin_user: User, clock: Any) -> None:
    codes = turn_on(admin_user, clock)
    key = SecondFactor.objects.get().key
    with database.cursor() as cursor:
        cursor.execute("SELECT f::text, r::text FROM integrations_secondfactor f, integrations_recoverycode r")
        stored = str(cursor.fetchall())

    for secret in (key, base64.b32decode(key).hex(), *codes, *(code.replace("-", "") for code in codes)):
        assert secret not in stored
        assert secret.encode().hex() not in stored


def test_its_key_is_encrypted_anew_with_the_others(admin_user: User, clock: Any, settings: Any) -> None:
    turn_on(admin_user, clock)
    settings.FIELD_ENCRYPTION_KEYS = {"newer": bytes(range(32)), **settings.FIELD_ENCRYPTION_KEYS}
    rotate(batch=100)
    settings.FIELD_ENCRYPTION_KEYS = {"newer": bytes(range(32))}

    check_code(admin_user, code_of(admin_user))


def test_who_is_deleted_takes_it_along(admin_user: User, clock: Any) -> None:
    turn_on(admin_user, clock)
    User.objects.all().delete()

    assert not SecondFactor.objects.exists()


def test_a_page_of_it_is_never_kept(admin_client: Client) -> None:
    for address in (ACCOUNT, SETUP):
        assert "no-store" in admin_client.get(address).headers["Cache-Control"]
    assert timezone.now() == NOW
