"""How probable it is that two contacts are one person, and why. Pure.

The evidence of the fields adds up, for one person, for a household and for namesakes; with the number of pairs of each
kind that is to be expected among so many contacts it becomes a probability. That number, and how often one person's
values differ, are learnt from the pairs themselves (expectation maximisation): a file without duplicates gives almost
none, and where people have one address all their life another address says more than where they have several.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from contacts.duplicates import weights as w
from contacts.duplicates.columns import Flags, Floats, Ints
from contacts.duplicates.field_evidence import (
    FieldEvidence,
    weigh_companies,
    weigh_countries,
    weigh_mails,
    weigh_phones,
)
from contacts.duplicates.name_evidence import Pairs, weigh_names
from contacts.duplicates.words import Level

CHUNK = 250_000
ROUNDS = 8
# So many pairs show well enough what a file is like.
ENOUGH = 300_000
REVIEW = 0.5
CERTAIN = 0.999


type Outcomes = NDArray[np.int8]
# Of many pairs these fill the memory.
type Bits = NDArray[np.float32]


class Outcome(IntEnum):
    """What became of two values of a field that are compared."""

    UNKNOWN = 0
    AGREE = 1
    DIFFER = 2


class Verdict(StrEnum):
    CERTAIN = "certain"
    REVIEW = "review"
    DISTINCT = "distinct"


FIELDS = ("name", "company", "email", "phone")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of pairs: bits by field (NaN: not known of both), the sums for one person, a household and namesakes.

    `outcomes`: for each of weights.DIFFER whether the two agree.
    `contradiction`: bits, at most 0, by which the two are unlike one person, however many pairs there are to choose
    from. `is_firm`: the whole name agrees, and so does an identifier that nobody else has.
    """

    fields: dict[str, Bits]
    same: Floats
    household: Floats
    namesakes: Bits
    outcomes: dict[str, Outcomes]
    contradiction: Bits
    is_firm: Flags

    def take(self, rows: Ints) -> "Evidence":
        return Evidence(
            {name: bits[rows] for name, bits in self.fields.items()},
            self.same[rows],
            self.household[rows],
            self.namesakes[rows],
            {name: outcomes[rows] for name, outcomes in self.outcomes.items()},
            self.contradiction[rows],
            self.is_firm[rows],
        )

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """All parts, one after another."""
        return cls(
            {name: np.concatenate([part.fields[name] for part in parts]) for name in FIELDS},
            np.concatenate([part.same for part in parts]),
            np.concatenate([part.household for part in parts]),
            np.concatenate([part.namesakes for part in parts]),
            {name: np.concatenate([part.outcomes[name] for part in parts]) for name in w.DIFFER},
            np.concatenate([part.contradiction for part in parts]),
            np.concatenate([part.is_firm for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class Prior:
    """So many pairs of one person, and of a household, for each pair there is; so many of namesakes for each of one
    person; and how often one person's values differ, by the names of weights.DIFFER.
    """

    same: float
    household: float
    namesakes: float = w.NAMESAKE_PAIRS / w.SAME_PAIRS
    differ: Mapping[str, float] = field(default_factory=w.DIFFER.copy)

    @classmethod
    def expect(cls, total: int) -> Self:
        """Before anything is known of so many contacts."""
        return cls(w.SAME_PAIRS * 2 / max(total, 2), w.HOUSEHOLD_PAIRS * 2 / max(total, 2))

    def find_probabilities(self, evidence: Evidence) -> tuple[Floats, Floats]:
        """Of one person, and of a household."""
        same = np.log2(self.same) + evidence.same + sum(self.list_changes(evidence).values())
        household = np.log2(self.household) + evidence.household
        namesakes = np.log2(self.same * self.namesakes) + evidence.namesakes
        highest = np.maximum.reduce([same, household, namesakes, np.zeros(len(same))])
        one, other, third, none = (np.exp2(bits - highest) for bits in (same, household, namesakes, 0.0))
        whole = one + other + third + none
        return one / whole, other / whole

    def adapt(self, evidence: Evidence) -> Evidence:
        """With the bits that fields are worth where values differ so often. Counted once: nothing is added again."""
        changes = self.list_changes(evidence)
        fields = {name: bits + changes.get(name, 0.0) for name, bits in evidence.fields.items()}
        fields["email"] = fields["email"] + changes["email_at_work"]
        counted = {name: np.full_like(outcomes, Outcome.UNKNOWN) for name, outcomes in evidence.outcomes.items()}
        return replace(evidence, fields=fields, same=evidence.same + sum(changes.values()), outcomes=counted)

    def list_changes(self, evidence: Evidence) -> dict[str, Bits]:
        """For each of weights.DIFFER the bits for one person, beyond those of weights.py."""
        found = {}
        for name, usual in w.DIFFER.items():
            part = self.differ[name]
            bits = np.array([0.0, np.log2((1 - part) / (1 - usual)), np.log2(part / usual)], np.float32)
            found[name] = bits[evidence.outcomes[name]]
        return found


def weigh(pairs: Pairs) -> Evidence:
    names = weigh_names(pairs)
    companies = weigh_companies(pairs)
    mails = weigh_mails(pairs, names)
    phones = weigh_phones(pairs, companies.is_equal)
    countries = weigh_countries(pairs)
    # Whoever has the same address at work has the same employer: that is no further evidence.
    company = np.where(mails.is_equal, np.minimum(companies.same, 0.0), companies.same)
    household = np.where(mails.is_equal, np.minimum(companies.household, 0.0), companies.household)
    # The others imply the country, and have been weighed as if they did not.
    is_implied = companies.is_equal | mails.is_equal | phones.is_equal
    countries = np.where(is_implied, np.minimum(countries, 0.0), countries)
    same = names.same + company + mails.same + phones.same + countries
    alike = names.household + household + mails.household + phones.household + countries
    f = pairs.frequencies
    own_mail = mails.is_equal & (np.maximum(f.mailbox_sharers[pairs.left], f.mailbox_sharers[pairs.right]) <= 1)
    is_spelt = (pairs.columns["spelt"][pairs.left] > 0) | (pairs.columns["spelt"][pairs.right] > 0)
    is_free = pairs.columns["employer"][pairs.left] == 0
    own_mail &= ~(is_spelt & is_free) | companies.is_equal | phones.is_equal
    own_phone = phones.is_equal & (np.maximum(f.phone_sharers[pairs.left], f.phone_sharers[pairs.right]) <= 1)
    is_firm = (names.is_full & own_mail) | (names.is_equal & own_phone)
    fields = {
        "name": np.where(names.is_known, names.same, np.nan),
        "company": np.where(companies.is_known, company, np.nan),
        "email": np.where(mails.is_known, mails.same, np.nan),
        "phone": np.where(phones.is_known, phones.same, np.nan),
    }
    contradiction = np.where(names.given == Level.DIFFERENT, np.log2(w.GIVEN_DIFFERS), 0.0)
    namesakes = np.where(names.is_full, names.same + countries, -np.inf)
    return Evidence(
        {name: bits.astype(np.float32) for name, bits in fields.items()},
        same,
        alike,
        namesakes.astype(np.float32),
        find_outcomes(pairs, companies, mails, phones),
        contradiction.astype(np.float32),
        is_firm,
    )


def find_outcomes(
    pairs: Pairs, companies: FieldEvidence, mails: FieldEvidence, phones: FieldEvidence
) -> dict[str, Outcomes]:
    """For each of weights.DIFFER. An address at work and another one are expected to differ."""
    columns, left, right = pairs.columns, pairs.left, pairs.right
    is_same_domain = columns["domain"][left] == columns["domain"][right]
    is_free = (columns["employer"][left] == 0) & (columns["employer"][right] == 0)
    found = {
        "company": (companies.is_known & ~mails.is_equal, companies),
        "email": (mails.is_known & is_free, mails),
        "email_at_work": (mails.is_known & ~is_free & is_same_domain, mails),
        "phone": (phones.is_known, phones),
    }
    return {
        name: np.select([~is_known, field.same < 0], [Outcome.UNKNOWN, Outcome.DIFFER], Outcome.AGREE).astype(np.int8)
        for name, (is_known, field) in found.items()
    }


def learn_prior(evidence: Evidence, total: int) -> Prior:
    """From the candidates' evidence: so many pairs as there seem to be, at least a few."""
    step = len(evidence.same) // ENOUGH + 1
    sample = evidence.take(np.arange(0, len(evidence.same), step))
    prior, pairs = Prior.expect(total), max(total * (total - 1) / 2, 1.0) / step
    least, namesakes = Prior(prior.same / 100, prior.household / 10), prior.same * prior.namesakes
    for _ in range(ROUNDS):
        same, household = prior.find_probabilities(sample)
        found = max(same.sum() / pairs, least.same)
        differ = {name: learn_part(same, sample.outcomes[name], usual) for name, usual in w.DIFFER.items()}
        prior = Prior(found, max(household.sum() / pairs, least.household), namesakes / found, differ)
    return prior


def learn_part(same: Floats, outcomes: Outcomes, usual: float) -> float:
    """The part of one person's pairs that differ; the usual one counts as much as USUAL_PAIRS."""
    agree, differ = (float(same[outcomes == each].sum()) for each in (Outcome.AGREE, Outcome.DIFFER))
    return (differ + usual * w.USUAL_PAIRS) / (agree + differ + w.USUAL_PAIRS)
