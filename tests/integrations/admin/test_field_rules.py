"""Sync patterns before they are switched on, who owns which field, and what became of each write."""

from typing import Any

import pytest
from django.test import Client

from integrations.models import Connection, FieldRule, FieldWrite, Pair
from integrations.ownership import PARTS, log_writes
from integrations.pairs import make_pair
from tests.factories import make_connection, make_delivery, make_payload
from tests.integrations.admin.support import get_page, page_address, sign_in

PAIRS, RULES = "/admin/integrations/pair/", "/admin/integrations/fieldrule/"


@pytest.fixture
def hubspot(db: None) -> Connection:
    return make_connection("hubspot", provider="hubspot")


@pytest.fixture
def pair(calendar_live: Connection, hubspot: Connection) -> Pair:
    return make_pair(calendar_live, hubspot, "in")


def ask(client: Client, address: str, **values: Any) -> str:
    """The page that the form leads to."""
    return client.post(address, values, follow=True).content.decode()


# --- Before a pattern is switched on ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("in", "calendar.live never hears of them"),
        ("out", "the CRM leads"),
        ("two_way", "What both sides have changed"),
    ],
)
def test_a_page_says_what_will_happen_before_a_pair_is_made(
    pattern: str, told: str, calendar_live: Connection, hubspot: Connection, admin_client: Client
) -> None:
    page = ask(admin_client, f"{PAIRS}add/", calendar=calendar_live.pk, crm=hubspot.pk, pattern=pattern)

    assert told in page
    assert "Switch on" in page
    assert not Pair.objects.exists()


def test_the_page_shows_the_mapping_and_the_owner_of_each_field(
    calendar_live: Connection, hubspot: Connection, admin_client: Client
) -> None:
    page = ask(admin_client, f"{PAIRS}add/", calendar=calendar_live.pk, crm=hubspot.pk, pattern="two_way")

    for text in ("firstname", "hs_meeting_start_time", "Start and end", "A person is asked", "The last write wins"):
        assert text in page
    assert not hubspot.field_mappings.exists()


def test_what_was_confirmed_is_switched_on(
    calendar_live: Connection, hubspot: Connection, admin_client: Client
) -> None:
    values = {"calendar": calendar_live.pk, "crm": hubspot.pk, "pattern": "two_way"}
    page = ask(admin_client, f"{PAIRS}add/", **values)
    for name, value in values.items():
        assert f'name="{name}" value="{value}"' in page
    ask(admin_client, f"{PAIRS}add/", **values, confirmed="1")

    assert Pair.objects.get().pattern == "two_way"


def test_another_pattern_of_a_pair_is_shown_first_too(pair: Pair, admin_client: Client) -> None:
    page = ask(admin_client, page_address(pair), pattern="out")
    pair.refresh_from_db()
    assert ("the CRM leads" in page, pair.pattern) == (True, "in")

    ask(admin_client, page_address(pair), pattern="out", confirmed="1")
    pair.refresh_from_db()
    assert pair.pattern == "out"


def test_who_may_only_look_switches_nothing_on(calendar_live: Connection, hubspot: Connection, pair: Pair) -> None:
    viewer = sign_in("integrations.view_pair")

    assert viewer.post(page_address(pair), {"pattern": "out"}).status_code == 403
    assert viewer.post(f"{PAIRS}add/", {"crm": hubspot.pk, "pattern": "out"}).status_code == 403
    assert "fieldrule" not in get_page(viewer, page_address(pair)).partition("Who decides about which field")[2]


# --- Rules ------------------------------------------------------------------------------------------------------------


def test_a_rule_is_made_from_the_patterns_own_and_holds(pair: Pair, admin_client: Client) -> None:
    page = get_page(admin_client, page_address(pair))
    assert page.count(f"{RULES}add/?pair={pair.pk}") == sum(map(len, PARTS.values()))

    values = {"pair": pair.pk, "about": "contact.company", "owner": "crm", "mode": "never", "policy": "ask"}
    ask(admin_client, f"{RULES}add/", **values)
    rule = FieldRule.objects.get()
    assert (rule.record, rule.field, rule.owner) == ("contact", "company", "crm")
    assert "Changed by hand" in get_page(admin_client, page_address(pair))
    assert rule.history.get().history_user.get_username() == "admin"


def test_a_field_has_one_rule(pair: Pair, admin_client: Client) -> None:
    values = {"pair": pair.pk, "about": "meeting.time", "owner": "crm", "mode": "never", "policy": "ask"}
    ask(admin_client, f"{RULES}add/", **values)

    assert "has a rule already" in ask(admin_client, f"{RULES}add/", **values)
    assert FieldRule.objects.count() == 1


@pytest.mark.parametrize("count", [2, 20])
def test_the_list_needs_as_many_queries_for_twenty_rules_as_for_two(
    count: int, pair: Pair, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    names = [(record, field) for record, fields in PARTS.items() for field in fields]
    for record, field in [*names, *(("contact", f"field_{number}") for number in range(10))][:count]:
        FieldRule.objects.create(pair=pair, record=record, field=field, owner="crm", mode="never", policy="ask")
    with django_assert_max_num_queries(8):
        get_page(admin_client, RULES)


def test_a_pairs_page_asks_for_its_rules_once(
    pair: Pair, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(12):
        get_page(admin_client, f"/admin/integrations/pair/{pair.pk}/change/")


# --- Writes -----------------------------------------------------------------------------------------------------------


def test_a_deliverys_page_says_what_became_of_its_fields(calendar_live: Connection, admin_client: Client) -> None:
    delivery = make_delivery(calendar_live, make_payload())
    log_writes(calendar_live.pk, "contact:1", {"company": FieldWrite.Verdict.BLOCKED})
    FieldWrite.objects.update(delivery_id=delivery.pk)
    page = get_page(admin_client, page_address(delivery))

    assert "Writes of fields" in page
    assert "Blocked" in page.partition("Writes of fields")[2]


def test_a_delivery_without_writes_has_no_such_panel(calendar_live: Connection, admin_client: Client) -> None:
    delivery = make_delivery(calendar_live, make_payload())

    assert "Writes of fields" not in get_page(admin_client, page_address(delivery))
