"""Which value of two contacts survives their merge, and why. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from contacts.matching import is_same_word
from contacts.normalisation import company_key, split_words

FIELDS = (
    "full_name", "company", "notes", "country", "timezone", "region", "lead_source", "lead_score", "lead_status",
    "owner",
)  # fmt: skip
# From the first contact to the sale. One who was looked at and found unfit is further than one who was only reached.
SALES_PROCESS = ("new", "contacted", "unqualified", "qualified", "customer")


class Side(StrEnum):
    WINNER = "winner"
    LOSER = "loser"
    # Of notes only: one text below the other.
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class State:
    """What a contact is. `told`: field → [time, reference] of what set it, where that is known."""

    values: Mapping[str, Any]
    told: Mapping[str, Sequence[str]]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Choice:
    """The value that survives, whose it is and why, and the one that does not."""

    value: Any
    side: Side
    reason: str
    other: Any


type Verdict = tuple[Side, str]
type Rule = Callable[[State, State, str], Verdict | None]


def choose(winner: State, loser: State, sides: Mapping[str, Side] | None = None) -> dict[str, Choice]:
    """Field → choice. `sides` says for some fields which side a person wants.

    Raises ValueError for a field that is none, and for both values of a field that has one.
    """
    wanted = sides or {}
    if unknown := set(wanted) - set(FIELDS):
        raise ValueError(f"no such field: {', '.join(sorted(unknown))}")
    if any(side == Side.BOTH and field != "notes" for field, side in wanted.items()):
        raise ValueError("only of the notes both are kept")
    return {field: choose_field(winner, loser, field, wanted.get(field)) for field in FIELDS}


def choose_field(winner: State, loser: State, field: str, wanted: Side | None) -> Choice:
    side, reason = (Side(wanted), "chosen by hand") if wanted else find_verdict(winner, loser, field)
    mine, theirs = winner.values[field], loser.values[field]
    if side == Side.BOTH:
        return Choice(join_notes(mine, theirs), side, reason, "")
    value, other = (mine, theirs) if side == Side.WINNER else (theirs, mine)
    return Choice(value, side, reason, other)


def find_verdict(winner: State, loser: State, field: str) -> Verdict:
    """The first rule that can tell."""
    for rule in (is_same, is_only_known, *RULES.get(field, ()), is_newer):
        if verdict := rule(winner, loser, field):
            return verdict
    return Side.WINNER, "of the contact that stays"


def join_notes(first: str, second: str) -> str:
    return "\n\n".join(text for text in (first, second) if text)


# --- Rules: None where they cannot tell -------------------------------------------------------------------------------


def is_same(winner: State, loser: State, field: str) -> Verdict | None:
    return (Side.WINNER, "the same on both") if winner.values[field] == loser.values[field] else None


def is_only_known(winner: State, loser: State, field: str) -> Verdict | None:
    known = [winner.values[field] not in ("", None), loser.values[field] not in ("", None)]
    return None if known[0] == known[1] else (Side.WINNER if known[0] else Side.LOSER, "only one known")


def is_newer(winner: State, loser: State, field: str) -> Verdict | None:
    """By the time at which the value was told; of equal times the reference decides, as it does for upserts."""
    mine, theirs = list(winner.told.get(field, ())), list(loser.told.get(field, ()))
    if not mine or not theirs or mine == theirs:
        return None
    side, told = (Side.WINNER, mine) if mine > theirs else (Side.LOSER, theirs)
    return side, f"newer: told on {show_time(told[0])}"


def show_time(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def has_longer_name(winner: State, loser: State, field: str) -> Verdict | None:
    """ "Zoë Anne Okafor" says more than "Z. Okafor"."""
    mine, theirs = split_words(winner.values[field]), split_words(loser.values[field])
    if spells_out(mine, theirs):
        return Side.WINNER, "longer name with the same words"
    return (Side.LOSER, "longer name with the same words") if spells_out(theirs, mine) else None


def spells_out(longer: Sequence[str], shorter: Sequence[str]) -> bool:
    """Whether each word of the shorter name is in the longer one, whole or as its beginning, and not the other way."""
    if sum(map(len, longer)) <= sum(map(len, shorter)):
        return False
    return all(any(is_same_word(word, each) and len(each) >= len(word) for each in longer) for word in shorter)


def has_longer_company(winner: State, loser: State, field: str) -> Verdict | None:
    mine, theirs = winner.values[field], loser.values[field]
    if company_key(mine) != company_key(theirs) or len(mine) == len(theirs):
        return None
    return Side.WINNER if len(mine) > len(theirs) else Side.LOSER, "same company, written out"


def keep_both(winner: State, loser: State, field: str) -> Verdict:
    return Side.BOTH, "both are kept"


def is_first_source(winner: State, loser: State, field: str) -> Verdict:
    side = Side.WINNER if winner.created_at <= loser.created_at else Side.LOSER
    return side, "where the person was met first"


def has_higher_score(winner: State, loser: State, field: str) -> Verdict:
    return Side.WINNER if winner.values[field] > loser.values[field] else Side.LOSER, "higher score"


def is_further(winner: State, loser: State, field: str) -> Verdict:
    mine, theirs = (SALES_PROCESS.index(state.values[field]) for state in (winner, loser))
    return Side.WINNER if mine > theirs else Side.LOSER, "further in the sales process"


RULES: Mapping[str, Sequence[Rule]] = {
    "full_name": (has_longer_name,),
    "company": (has_longer_company,),
    "notes": (keep_both,),
    "lead_source": (is_first_source,),
    "lead_score": (has_higher_score,),
    "lead_status": (is_further,),
}
