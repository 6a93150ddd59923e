"""Which value survives, and the reason that is shown for it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.survivorship import FIELDS, SALES_PROCESS, Choice, Side, State, choose

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
EMPTY: dict[str, Any] = {
    "full_name": "", "company": "", "notes": "", "country": "", "timezone": "", "region": "", "lead_source": "",
    "lead_score": 0, "lead_status": "new", "owner": None,
}  # fmt: skip


def make_state(*, created_minute: int = 0, told: dict[str, int] | None = None, **values: Any) -> State:
    """`told`: field → minutes past noon."""
    times = {field: [(NOON + timedelta(minutes=minute)).isoformat(), "ref"] for field, minute in (told or {}).items()}
    return State({**EMPTY, **values}, times, NOON + timedelta(minutes=created_minute))


def decide(field: str, mine: Any, theirs: Any, **arguments: Any) -> tuple[Any, str, str]:
    mine_told, their_told = arguments.pop("told", (None, None))
    winner = make_state(**{field: mine}, told=None if mine_told is None else {field: mine_told})
    loser = make_state(
        created_minute=arguments.pop("created_minute", 1),
        told=None if their_told is None else {field: their_told},
        **{field: theirs},
    )
    choice = choose(winner, loser)[field]
    return choice.value, choice.side, choice.reason


@pytest.mark.parametrize(
    ("mine", "theirs", "survivor", "reason"),
    [
        ("Zoë Okafor", "Zoë Okafor", "Zoë Okafor", "the same on both"),
        ("Zoë Okafor", "", "Zoë Okafor", "only one known"),
        ("", "Zoë Okafor", "Zoë Okafor", "only one known"),
        ("Z. Okafor", "Zoë Anne Okafor", "Zoë Anne Okafor", "longer name with the same words"),
        ("Okafor, Zoë Anne", "zoe okafor", "Okafor, Zoë Anne", "longer name with the same words"),
        ("Zoë Okafor", "Zoë Martin-Dupont", "Zoë Okafor", "of the contact that stays"),
    ],
)
def test_of_names_the_one_that_says_more_survives(mine: str, theirs: str, survivor: str, reason: str) -> None:
    value, _, why = decide("full_name", mine, theirs)
    assert (value, why) == (survivor, reason)


def test_of_two_values_the_one_that_was_told_later_survives() -> None:
    newer = ("Paris Ltd", Side.LOSER, "newer: told on 2026-11-20 12:05 UTC")
    assert decide("company", "London Ltd", "Paris Ltd", told=(1, 5)) == newer
    assert decide("company", "Paris Ltd", "London Ltd", told=(5, 1))[:2] == ("Paris Ltd", Side.WINNER)


def test_a_value_whose_time_nobody_knows_is_not_newer() -> None:
    assert decide("country", "FR", "GB", told=(None, 5)) == ("FR", Side.WINNER, "of the contact that stays")


def test_a_company_is_written_out() -> None:
    assert decide("company", "ACME", "Acme Ltd.") == ("Acme Ltd.", Side.LOSER, "same company, written out")


def test_notes_are_both_kept() -> None:
    assert decide("notes", "Called.", "Wrote.") == ("Called.\n\nWrote.", Side.BOTH, "both are kept")


def test_a_lead_has_its_first_source_highest_score_and_furthest_status() -> None:
    assert decide("lead_source", "hubspot", "calendar.live", created_minute=-1)[0] == "calendar.live"
    assert decide("lead_score", 10, 40) == (40, Side.LOSER, "higher score")
    assert decide("lead_status", "contacted", "qualified") == (
        "qualified", Side.LOSER, "further in the sales process",
    )  # fmt: skip


def test_an_owner_stays_and_one_who_is_known_alone_survives() -> None:
    assert decide("owner", 1, 2) == (1, Side.WINNER, "of the contact that stays")
    assert decide("owner", None, 2) == (2, Side.LOSER, "only one known")


def test_a_person_chooses_otherwise() -> None:
    choices = choose(make_state(lead_score=10), make_state(lead_score=40), {"lead_score": Side.WINNER})
    assert choices["lead_score"] == Choice(10, Side.WINNER, "chosen by hand", 40)


@pytest.mark.parametrize("sides", [{"email": Side.WINNER}, {"company": Side.BOTH}])
def test_a_choice_that_is_none_is_refused(sides: dict[str, Side]) -> None:
    with pytest.raises(ValueError, match=r"no such field|both"):
        choose(make_state(), make_state(), sides)


TEXTS = st.sampled_from(["", "Zoë", "Zoë Okafor", "Acme", "Acme Ltd", "Other"])
STATES = st.builds(
    make_state,
    created_minute=st.integers(0, 3),
    told=st.dictionaries(st.sampled_from(FIELDS), st.integers(0, 3)),
    full_name=TEXTS,
    company=TEXTS,
    notes=TEXTS,
    lead_score=st.integers(0, 50),
    lead_status=st.sampled_from(SALES_PROCESS),
    owner=st.sampled_from([None, 1, 2]),
)


@given(STATES, STATES)
def test_each_field_has_a_reason_and_a_value_of_one_side_or_of_both(winner: State, loser: State) -> None:
    choices = choose(winner, loser)
    assert set(choices) == set(FIELDS)
    for field, choice in choices.items():
        sides = [winner.values[field], loser.values[field]]
        assert choice.reason
        assert choice.side == Side.BOTH or sorted([choice.value, choice.other], key=repr) == sorted(sides, key=repr)
        assert choice.value not in ("", None) or all(value in ("", None) for value in sides)
