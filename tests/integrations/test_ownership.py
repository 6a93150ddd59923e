"""The one decision about a write, and the rules that patterns bring."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations import ownership
from integrations.models import Connection, FieldRule, FieldWrite, Pair
from integrations.ownership import DEFAULTS, PARTS, Held, Mode, Policy, Record, Rule, Side, Verdict, Write, decide
from integrations.pairs import make_pair
from tests.factories import make_connection

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
TEXTS = st.sampled_from(["", "a", "b", "a\nb"])
TIMES = st.none() | st.integers(0, 3).map(lambda hours: NOON + timedelta(hours=hours))
RULES = st.builds(Rule, st.sampled_from(Side), st.sampled_from(Mode), st.sampled_from(Policy))
WRITES = st.builds(Write, st.sampled_from(Side), TEXTS, TIMES)
HELDS = st.builds(Held, TEXTS, TIMES, is_news=st.booleans())


def rule(owner: str = "calendar", mode: str = "overwrite", policy: str = "last_write_wins") -> Rule:
    return Rule(Side(owner), Mode(mode), Policy(policy))


def write(value: str = "b", *, side: str = "crm", hour: int = 1) -> Write:
    return Write(Side(side), value, NOON + timedelta(hours=hour))


# --- Laws -------------------------------------------------------------------------------------------------------------


@given(RULES, WRITES, HELDS)
def test_what_is_not_applied_leaves_the_value_as_it_is(rule: Rule, write: Write, held: Held) -> None:
    decision = decide(rule, write, held)

    assert decision.verdict == Verdict.APPLIED or decision.value == held.value


@given(RULES, WRITES, HELDS)
def test_the_same_write_again_changes_nothing(rule: Rule, write: Write, held: Held) -> None:
    first = decide(rule, write, held)
    again = decide(rule, write, Held(first.value, held.changed_at, is_news=held.is_news))

    assert again.value == first.value


@given(RULES, TEXTS, HELDS)
def test_an_owner_is_never_blocked_by_the_other_sides_mode(rule: Rule, value: str, held: Held) -> None:
    decision = decide(rule, Write(rule.owner, value, None), held)

    assert decision.verdict != Verdict.BLOCKED


@given(WRITES, TEXTS)
def test_without_a_rule_everybody_may_write(write: Write, held: str) -> None:
    assert decide(None, write, Held(held)).value == write.value


@given(WRITES, HELDS, st.sampled_from(Policy))
def test_a_side_that_may_never_write_changes_nothing(write: Write, held: Held, policy: FieldRule.Policy) -> None:
    owner = Side.CRM if write.side == Side.CALENDAR else Side.CALENDAR

    assert decide(Rule(owner, Mode.NEVER, policy), write, held).value == held.value


# --- Modes and policies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "held", "verdict", "value"),
    [
        ("overwrite", "a", "applied", "b"),
        ("if_empty", "a", "blocked", "a"),
        ("if_empty", "", "applied", "b"),
        ("append", "a", "applied", "a\nb"),
        ("append", "a\nb", "same", "a\nb"),
        ("append", "", "applied", "b"),
        ("never", "a", "blocked", "a"),
        ("never", "", "blocked", ""),
    ],
)
def test_a_mode_says_what_the_other_sides_write_does(mode: str, held: str, verdict: str, value: str) -> None:
    decision = decide(rule(mode=mode), write(), Held(held))

    assert (decision.verdict, decision.value) == (verdict, value)


@pytest.mark.parametrize(
    ("policy", "side", "hour", "verdict"),
    [
        ("owner_wins", "calendar", 0, "applied"),
        ("owner_wins", "crm", 3, "blocked"),
        ("last_write_wins", "crm", 3, "applied"),
        ("last_write_wins", "crm", 0, "stale"),
        ("last_write_wins", "calendar", 0, "stale"),
        ("ask", "crm", 3, "conflict"),
        ("ask", "calendar", 3, "conflict"),
    ],
)
def test_a_policy_decides_where_both_sides_have_changed_it(policy: str, side: str, hour: int, verdict: str) -> None:
    held = Held("a", NOON + timedelta(hours=1), is_news=True)

    assert decide(rule(policy=policy), write(side=side, hour=hour), held).verdict == verdict


def test_nobody_is_asked_about_what_only_one_side_has_changed() -> None:
    assert decide(rule(policy="ask"), write(), Held("a", NOON)).verdict == Verdict.APPLIED


# --- Rules ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(db: None) -> Pair:
    return make_pair(make_connection(), make_connection("hubspot", provider="hubspot"), "two_way")


@pytest.mark.parametrize(("pattern", "record"), list(product(Pair.Pattern.values, Record.values)))
def test_every_pattern_has_a_rule_for_every_field(pattern: str, record: str) -> None:
    assert DEFAULTS[pattern][record].keys() == PARTS[record].keys()


def test_an_administrators_rule_counts_more_than_the_patterns(pair: Pair) -> None:
    FieldRule.objects.create(
        pair=pair, record="contact", field="company", owner="crm", mode="never", policy="owner_wins"
    )
    rules = ownership.read_rules(pair, Record.CONTACT)

    assert rules["company"] == rule("crm", "never", "owner_wins")
    assert rules["full_name"] == DEFAULTS["two_way"][Record.CONTACT]["full_name"]


def test_a_crm_without_a_pair_has_no_rules(pair: Pair) -> None:
    other = make_connection("other", provider="pipedrive")

    assert ownership.find_rules(Record.CONTACT, crm=other.pk) is None
    assert ownership.find_rules(Record.MEETING, crm=pair.crm_id, calendar=other.pk) is None


def test_of_several_pairs_the_strictest_rule_holds_for_a_calendar(pair: Pair) -> None:
    make_pair(pair.calendar, make_connection("pipedrive", provider="pipedrive"), "out")
    strict = ownership.find_strictest(Record.CONTACT, calendar=pair.calendar_id)

    assert strict["company"] == DEFAULTS["out"][Record.CONTACT]["company"]


# --- What was exchanged -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [45, "45", "45.0", 45.0, " 45 "])
def test_a_value_is_known_again_in_each_of_a_crms_forms(value: object) -> None:
    assert ownership.is_exchanged(ownership.note_sent({}, {"score": 45}), "score", value)


@pytest.mark.parametrize("value", [None, ""])
def test_nothing_is_the_same_as_an_empty_text(value: object) -> None:
    assert ownership.is_exchanged(ownership.note_sent({}, {"company": None}), "company", value)


def test_a_value_that_comes_back_after_it_was_overwritten_is_told_apart() -> None:
    told = ownership.note_told({}, {"company": "Theirs"}, NOON)
    sent = ownership.note_sent(told, {"company": "Ours"})

    assert not ownership.was_overwritten(told, {"company": "Theirs"})
    assert ownership.was_overwritten(sent, {"company": "Theirs"})
    assert not ownership.was_overwritten(sent, {"company": "Another"})


def test_an_older_word_of_the_crm_is_told_apart_from_a_newer_one() -> None:
    told = ownership.note_told({}, {"company": "Theirs"}, NOON)

    assert ownership.is_older(told, "company", NOON - timedelta(seconds=1))
    assert not ownership.is_older(told, "company", NOON)
    assert not ownership.is_older(ownership.note_sent({}, {"company": "Ours"}), "company", NOON)


@pytest.mark.django_db
def test_the_log_has_one_row_for_each_verdict_and_none_for_what_was_the_same() -> None:
    crm: Connection = make_connection("hubspot", provider="hubspot")
    verdicts = {"company": Verdict.APPLIED, "email": Verdict.BLOCKED, "phone": Verdict.BLOCKED, "owner": Verdict.SAME}
    ownership.log_writes(crm.pk, "contact:1", verdicts)
    rows = FieldWrite.objects.order_by("verdict").values_list("verdict", "fields")

    assert list(rows) == [("applied", ["company"]), ("blocked", ["email", "phone"])]
