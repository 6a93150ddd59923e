"""Score rules and the owner pool in the admin."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from contacts.models import Absence, PoolMember, ScoreRule
from tests.integrations.admin.support import get_page, page_address, sign_in

RULES = "/admin/contacts/scorerule/"
POOL = "/admin/contacts/poolmember/"


# --- Score rules ------------------------------------------------------------------------------------------------------


def save_rule(client: Client, rule: ScoreRule | None = None, **values: str) -> str:
    given = {"kind": "answer", "answer_key": "budget", "values": "10k\r\n 50k \r\n\r\n", "points": "20", **values}
    address = page_address(rule) if rule else f"{RULES}add/"
    return client.post(address, {"is_active": "on", **given}, follow=True).content.decode()


def test_a_rule_is_added_with_a_value_on_each_line(admin_client: Client, db: None) -> None:
    save_rule(admin_client)
    rule = ScoreRule.objects.get(answer_key="budget")

    assert (rule.values, rule.points, rule.is_active) == (["10k", "50k"], 20, True)
    assert "10k, 50k" in get_page(admin_client, RULES)
    assert "10k\n50k</textarea>" in get_page(admin_client, page_address(rule))


def test_a_value_may_hold_a_comma(admin_client: Client, db: None) -> None:
    save_rule(admin_client, values="Yes, now")

    assert ScoreRule.objects.get(answer_key="budget").values == ["Yes, now"]


def test_a_rule_is_changed_and_its_history_says_by_whom(admin_client: Client, db: None) -> None:
    save_rule(admin_client)
    rule = ScoreRule.objects.get(answer_key="budget")
    save_rule(admin_client, rule, points="-5")
    rule.refresh_from_db()

    assert (rule.points, rule.values) == (-5, ["10k", "50k"])
    assert rule.history.first().history_user.get_username() == "admin"
    assert "-5" in get_page(admin_client, page_address(rule, "history"))


def test_a_company_address_has_neither_key_nor_values(admin_client: Client, db: None) -> None:
    ScoreRule.objects.all().delete()
    save_rule(admin_client, kind="company_address")
    rule = ScoreRule.objects.get()

    assert (rule.answer_key, rule.values) == ("", [])
    assert "Company address" in get_page(admin_client, RULES)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"answer_key": " "}, "Give the answer&#x27;s key."),
        ({"values": " \n "}, "Give at least one value."),
        ({"values": "x" * 256}, "at most 255 characters"),
        ({"points": "many"}, "Enter a whole number"),
        ({"kind": "other"}, "Select a valid choice"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said(
    values: dict[str, Any], problem: str, admin_client: Client, db: None
) -> None:
    assert problem in save_rule(admin_client, **values)
    assert not ScoreRule.objects.filter(answer_key="budget").exists()


def test_rules_that_are_shipped_are_listed(admin_client: Client, db: None) -> None:
    page = get_page(admin_client, RULES)

    for shown in ("Answer team_size", "Answer timeline", "Company address"):
        assert shown in page


def test_rules_need_permissions(db: None) -> None:
    rule = ScoreRule.objects.order_by("id")[0]
    viewer = sign_in("contacts.view_scorerule")

    assert viewer.post(page_address(rule), {"points": "1"}).status_code == 403
    assert viewer.get(f"{RULES}add/").status_code == 403


# --- The pool ---------------------------------------------------------------------------------------------------------


def absences(*days: tuple[Any, Any]) -> dict[str, str]:
    rows = {
        f"absences-{number}-{field}": str(day)
        for number, span in enumerate(days)
        for field, day in zip(("first_day", "last_day"), span, strict=True)
    }
    return {"absences-TOTAL_FORMS": str(len(days)), "absences-INITIAL_FORMS": "0", **rows}


def test_a_member_is_added_with_absences(admin_client: Client, admin_user: User) -> None:
    today = timezone.now().date()
    values = {"user": str(admin_user.pk), "is_active": "on", **absences((today, today + timedelta(days=4)))}
    admin_client.post(f"{POOL}add/", values)
    member = PoolMember.objects.get()

    assert (member.user, member.is_active) == (admin_user, True)
    assert member.absences.get().last_day == today + timedelta(days=4)
    assert f"Away until {today + timedelta(days=4)}" in get_page(admin_client, POOL)


@pytest.mark.parametrize("is_active", [True, False])
def test_a_member_is_switched_off_and_stays_the_same_person(
    is_active: bool, admin_client: Client, admin_user: User
) -> None:
    member = PoolMember.objects.create(user=admin_user)
    other = User.objects.create_user("nora")
    values = {"user": str(other.pk), **({"is_active": "on"} if is_active else {}), **absences()}
    admin_client.post(page_address(member), values)
    member.refresh_from_db()

    assert (member.user, member.is_active) == (admin_user, is_active)
    assert ("Takes leads" if is_active else "Takes no leads") in get_page(admin_client, POOL)


def test_an_absence_that_ends_before_it_begins_is_refused(admin_client: Client, admin_user: User) -> None:
    member = PoolMember.objects.create(user=admin_user)
    values = {"is_active": "on", **absences(("2026-11-05", "2026-11-04"))}
    page = admin_client.post(page_address(member), values).content.decode()

    assert "This is before the first day." in page
    assert not Absence.objects.exists()


@pytest.mark.parametrize("count", [2, 30])
def test_the_pool_needs_as_many_queries_for_thirty_members_as_for_two(
    count: int, admin_client: Client, db: None, django_assert_max_num_queries: Any
) -> None:
    today = timezone.now().date()
    for number in range(count):
        member = PoolMember.objects.create(user=User.objects.create_user(f"member-{number}"))
        Absence.objects.create(member=member, first_day=today - timedelta(days=9), last_day=today - timedelta(days=8))
    with django_assert_max_num_queries(6):
        page = get_page(admin_client, POOL)

    assert "member-1" in page
    assert "Away" not in page


def test_the_pool_needs_permissions(admin_user: User) -> None:
    member = PoolMember.objects.create(user=admin_user)
    viewer = sign_in("contacts.view_poolmember")

    assert viewer.post(page_address(member), {"is_active": "on", **absences()}).status_code == 403
    assert viewer.get(f"{POOL}add/").status_code == 403
