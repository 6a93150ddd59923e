"""Residency: where people belong, which regions may meet, and effects that wait until they may."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.models import F
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from integrations import crossings, effect_kinds
from integrations.admin.effect_outlook import describe_next
from integrations.crossings import LOOK_AGAIN, Cargo, look_at_planned
from integrations.drains import drain, find_idle
from integrations.effect_kinds import Done, Kind, Task
from integrations.effects import plan
from integrations.jobs import change_status, look_at_all_crossings, sweep
from integrations.models import Attempt, Connection, Effect, Region, RegionRule
from integrations.privacy.residency import Basis, Policy, check_policy, make_policy, read_policy, set_rules
from integrations.zones import find_country
from tests.factories import make_connection

REGIONS = ("eu", "us", "world")
codes = st.sampled_from(REGIONS)
Status = Effect.Status

# --- Where somebody belongs, and who may meet -------------------------------------------------------------------------


def make(rules: dict[tuple[str, str], bool], default: str = "eu") -> Policy:
    return Policy(rules, dict.fromkeys(REGIONS, "A region"), {"FR": "eu", "US": "us"}, default)


@given(
    region=st.sampled_from(["", *REGIONS]),
    country=st.sampled_from(["", "FR", "US", "KE"]),
    zone=st.sampled_from(["", "Europe/Paris", "America/New_York", "UTC", "Nowhere/At_All"]),
    default=codes,
)
def test_everybody_belongs_somewhere_and_the_nearest_word_decides(
    region: str, country: str, zone: str, default: str
) -> None:
    place = make({}, default).decide(region=region, country=country, zone=zone)

    assert place.region in REGIONS
    assert (place.basis == Basis.SET) == bool(region)
    assert (place.basis == Basis.COUNTRY) == bool(country and not region)
    assert (place.basis == Basis.DEFAULT) == (not region and not country and not find_country(zone))
    if place.basis == Basis.DEFAULT:
        assert place.region == default


@given(rules=st.dictionaries(st.tuples(codes, codes), st.booleans()), one=codes, other=codes)
def test_without_rules_all_may_meet_and_with_them_only_who_is_allowed(
    rules: dict[tuple[str, str], bool], one: str, other: str
) -> None:
    policy = make(rules)

    assert policy.allows(one, "")
    if not rules:
        assert policy.allows(one, other)
    else:
        assert policy.allows(one, other) == rules.get((one, other), one == other)


@given(regions=st.sets(codes, max_size=3), rules=st.dictionaries(st.tuples(codes, codes), st.booleans(), min_size=1))
def test_what_is_divisible_waits_only_where_nobody_may_go(regions: set[str], rules: Any) -> None:
    policy = make(rules)
    whole, divisible = (Cargo(regions, is_divisible=each).list_refused(policy, "us") for each in (False, True))

    assert bool(whole) == any(not policy.allows(each, "us") for each in regions)
    assert bool(divisible) == (bool(regions) and not any(policy.allows(each, "us") for each in regions))


@pytest.mark.parametrize(
    ("zone", "country"),
    [("Europe/Paris", "FR"), ("Asia/Calcutta", "IN"), ("US/Pacific", "US"), ("GB", "GB"), ("UTC", ""), ("", "")],
)
def test_a_zone_tells_its_country_also_by_its_old_name(zone: str, country: str) -> None:
    assert find_country(zone) == country


def test_each_country_is_in_one_region_as_shipped(db: None) -> None:
    listed = [country for region in Region.objects.all() for country in region.countries]
    policy = make_policy({("eu", "us"): False}, Region.objects.all())

    assert len(listed) == len(set(listed))
    assert [policy.decide(country=each).region for each in ("FR", "NO", "GB", "CH", "US", "KE")] == [
        "eu", "eu", "uk", "ch", "us", "world",
    ]  # fmt: skip


# --- Effects ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def whereabouts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Subject → the region of the person whose data its effects carry."""
    regions: dict[str, str] = {}

    def carry(found: Sequence[Effect], policy: Policy) -> list[Cargo]:
        return [Cargo([regions[each.subject]] if each.subject in regions else ()) for each in found]

    def run(tasks: Sequence[Task]) -> list[Done]:
        return [Done("id_1") for _ in tasks]

    for name, is_state in (("thing.bring", True), ("thing.tell", False)):
        kind = Kind(name, run, is_state=is_state, is_findable=True, is_batched=False, priority=0)
        monkeypatch.setitem(effect_kinds._kinds, name, kind)
        monkeypatch.setitem(crossings._carriers, name, carry)
    return regions


@pytest.fixture
def crm(db: None) -> Connection:
    return make_connection("crm", provider="salesforce", base_url="https://acme.my.salesforce.com",
                           options={"region": "us"})  # fmt: skip


def bring(crm: Connection, subject: str = "thing:1") -> Effect:
    plan("thing.bring", connection_id=crm.pk, subject=subject)
    return Effect.objects.get(subject=subject)


def forbid() -> None:
    set_rules({("eu", "us"): False, ("us", "us"): True})


def allow() -> None:
    set_rules({("eu", "us"): True})


def test_what_may_not_go_waits_from_the_start_and_says_why(crm: Connection, whereabouts: dict[str, str]) -> None:
    whereabouts["thing:1"] = "eu"
    forbid()
    effect = bring(crm)

    assert (effect.status, effect.cause, effect.attempts) == ("waiting", "residency", 0)
    assert effect.error == (
        "Data of contacts of European Union and EEA may not go to crm, which is in United States. Allow it under "
        "Residency, or correct the region of the contact or of the connection: then it goes on by itself."
    )
    assert str(describe_next(effect)).startswith("Data of contacts of European Union and EEA")
    drain(crm.pk)
    assert not Attempt.objects.exists()


def test_what_was_planned_before_the_policy_is_held_when_its_turn_comes_with_no_try_used_up(
    crm: Connection, whereabouts: dict[str, str]
) -> None:
    whereabouts |= {"thing:1": "eu", "thing:2": "us"}
    for subject in whereabouts:
        bring(crm, subject)
    forbid()
    drain(crm.pk)

    assert dict(Effect.objects.values_list("subject", "status")) == {"thing:1": "waiting", "thing:2": "succeeded"}
    assert Effect.objects.get(subject="thing:1").attempts == 0


def test_many_that_may_not_go_hold_up_none_behind_them(crm: Connection, whereabouts: dict[str, str]) -> None:
    whereabouts.update({f"thing:{number}": "eu" for number in range(30)})
    for number in range(31):
        bring(crm, f"thing:{number}")
    forbid()
    drain(crm.pk)

    assert Effect.objects.filter(status="waiting", cause="residency").count() == 30
    assert Effect.objects.get(status="succeeded").subject == "thing:30"


def test_it_goes_on_by_itself_once_the_policy_lets_it(crm: Connection, whereabouts: dict[str, str]) -> None:
    whereabouts["thing:1"] = "eu"
    forbid()
    bring(crm)
    allow()
    look_at_all_crossings()
    drain(crm.pk)

    effect = Effect.objects.get()
    assert (effect.status, effect.cause, effect.error) == ("succeeded", "", "")


def test_it_goes_on_once_the_region_of_the_connection_lets_it(crm: Connection, whereabouts: dict[str, str]) -> None:
    whereabouts["thing:1"] = "eu"
    forbid()
    bring(crm)
    Connection.objects.update(region="eu")
    look_at_all_crossings()

    assert Effect.objects.get().status == "pending"


def test_it_goes_on_with_the_next_change_of_who_it_is_about(crm: Connection, whereabouts: dict[str, str]) -> None:
    whereabouts["thing:1"] = "eu"
    forbid()
    bring(crm)
    whereabouts["thing:1"] = "us"

    assert bring(crm).status == "pending"


def test_the_sweeper_looks_at_what_waits_in_turn(crm: Connection, whereabouts: dict[str, str]) -> None:
    whereabouts["thing:1"] = "eu"
    forbid()
    bring(crm)
    whereabouts["thing:1"] = "us"
    sweep()
    assert Effect.objects.get().status == "waiting"
    Effect.objects.update(due_at=F("due_at") - LOOK_AGAIN)
    sweep()

    assert Effect.objects.get().status == "pending"


def test_all_that_waits_is_looked_at_some_at_a_time(
    crm: Connection, whereabouts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossings, "BATCH", 2)
    whereabouts.update({f"thing:{number}": "eu" for number in range(5)})
    forbid()
    for subject in whereabouts:
        bring(crm, subject)
    allow()
    last, turns = None, 0
    while turns == 0 or last:
        _, last = crossings.look_again_after(last)
        turns += 1

    assert (turns, Effect.objects.filter(status="pending").count()) == (3, 5)


def test_a_connection_that_comes_back_sets_nothing_free_that_may_not_go(
    crm: Connection, whereabouts: dict[str, str]
) -> None:
    whereabouts["thing:1"] = "eu"
    forbid()
    bring(crm)
    change_status(crm, Connection.Status.PAUSED)
    change_status(crm, Connection.Status.ACTIVE)
    find_idle(timezone.now())

    assert Effect.objects.get().cause == "residency"


def test_what_waits_for_the_connection_is_released_beside_what_waits_for_the_policy(
    crm: Connection, whereabouts: dict[str, str]
) -> None:
    whereabouts["thing:1"] = "eu"
    forbid()
    bring(crm)
    other = bring(crm, "thing:2")
    Effect.objects.filter(pk=other.pk).update(status="waiting", cause="rate_limited")
    find_idle(timezone.now())

    assert dict(Effect.objects.values_list("subject", "status")) == {"thing:1": "waiting", "thing:2": "pending"}


def test_what_has_happened_is_not_looked_at_again(crm: Connection, whereabouts: dict[str, str]) -> None:
    whereabouts["thing:1"] = "eu"
    plan("thing.tell", connection_id=crm.pk, subject="thing:1", key="tell:1")
    drain(crm.pk)
    forbid()
    plan("thing.tell", connection_id=crm.pk, subject="thing:1", key="tell:1")

    assert Effect.objects.get().status == "succeeded"


def test_without_a_rule_planning_and_draining_ask_for_nothing_more(
    crm: Connection, whereabouts: dict[str, str], django_assert_num_queries: Any
) -> None:
    whereabouts["thing:1"] = "eu"
    with django_assert_num_queries(1):
        plan("thing.bring", connection_id=crm.pk, subject="thing:1")
    set_rules({("eu", "us"): False})
    Connection.objects.update(region="")
    with django_assert_num_queries(1):
        plan("thing.bring", connection_id=crm.pk, subject="thing:1")


def test_what_waits_for_a_person_is_left_to_the_person(crm: Connection, whereabouts: dict[str, str]) -> None:
    effect = bring(crm)
    Effect.objects.update(status="waiting", cause="unknown_outcome")
    whereabouts["thing:1"] = "eu"
    forbid()
    look_at_planned(effect.pk)

    assert Effect.objects.get().cause == "unknown_outcome"


# --- Setting it -------------------------------------------------------------------------------------------------------


def test_a_connection_is_given_its_region_in_the_shell(crm: Connection) -> None:
    assert crm.region == "us"
    with pytest.raises(CommandError, match="region 'mars' is not known; known are: au, br"):
        call_command("connection", "add", "zoom", "--slug", "z", "--option", "region=mars")


def test_rules_are_set_together_with_their_history(db: None) -> None:
    set_rules({("eu", "us"): False, ("us", "eu"): True})
    set_rules({("eu", "us"): True})

    assert [str(rule) for rule in RegionRule.objects.all()] == ["contacts of eu may go to us"]
    assert sorted(RegionRule.history.values_list("history_type", flat=True)) == ["+", "+", "-", "~"]
    set_rules({})
    assert not read_policy().is_on


def test_the_checklist_is_told_how_it_stands(crm: Connection, settings: Any) -> None:
    assert check_policy() == (False, "No residency policy is set: every contact may go to every connection.")
    forbid()
    assert check_policy()[0]
    assert "Every connection has a region." in check_policy()[1]
    make_connection("zoom", provider="zoom")
    assert check_policy()[1].endswith("1 connections have no region, and are open to all contacts.")
    settings.REGION = "moon"
    assert check_policy() == (False, "REGION is 'moon', which is no region of the list: add it, or set another.")
