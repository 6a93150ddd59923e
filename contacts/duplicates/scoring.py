"""How probable it is that two contacts are one person, and why. Pure.

The evidence of the fields adds up, for one person and for a household; with the number of pairs of each kind that is
to be expected among so many contacts it becomes a probability. That number is learnt from the pairs themselves
(expectation maximisation): a file without duplicates gives almost none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np

from contacts.duplicates import weights as w
from contacts.duplicates.columns import Flags, Floats, Ints
from contacts.duplicates.field_evidence import weigh_companies, weigh_countries, weigh_mails, weigh_phones
from contacts.duplicates.name_evidence import Pairs, weigh_names
from contacts.duplicates.words import Level

CHUNK = 250_000
ROUNDS = 4
REVIEW = 0.5
CERTAIN = 0.999


class Verdict(StrEnum):
    CERTAIN = "certain"
    REVIEW = "review"
    DISTINCT = "distinct"


FIELDS = ("name", "company", "email", "phone")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of pairs: bits by field (NaN: not known of both), the sums for one person and for a household.

    `contradiction`: bits, at most 0, by which the two are unlike one person, however many pairs there are to choose
    from. `is_firm`: the whole name agrees, and so does an identifier that nobody else has.
    """

    fields: dict[str, Floats]
    same: Floats
    household: Floats
    contradiction: Floats
    is_firm: Flags

    def take(self, rows: Ints) -> "Evidence":
        fields = {name: bits[rows] for name, bits in self.fields.items()}
        return Evidence(fields, self.same[rows], self.household[rows], self.contradiction[rows], self.is_firm[rows])

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """All parts, one after another."""
        return cls(
            {name: np.concatenate([part.fields[name] for part in parts]) for name in FIELDS},
            np.concatenate([part.same for part in parts]),
            np.concatenate([part.household for part in parts]),
            np.concatenate([part.contradiction for part in parts]),
            np.concatenate([part.is_firm for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class Prior:
    """So many pairs of one person, and of a household, for each pair there is."""

    same: float
    household: float

    @classmethod
    def expect(cls, total: int) -> Self:
        """Before anything is known of so many contacts."""
        return cls(w.SAME_PAIRS * 2 / max(total, 2), w.HOUSEHOLD_PAIRS * 2 / max(total, 2))

    def find_probabilities(self, evidence: Evidence) -> tuple[Floats, Floats]:
        """Of one person, and of a household."""
        same = np.log2(self.same) + evidence.same
        household = np.log2(self.household) + evidence.household
        highest = np.maximum(np.maximum(same, household), 0.0)
        one, other, none = np.exp2(same - highest), np.exp2(household - highest), np.exp2(-highest)
        whole = one + other + none
        return one / whole, other / whole


def weigh(pairs: Pairs) -> Evidence:
    names = weigh_names(pairs)
    companies = weigh_companies(pairs)
    mails = weigh_mails(pairs)
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
    return Evidence(fields, same, alike, contradiction, is_firm)


def learn_prior(evidence: Evidence, total: int) -> Prior:
    """From the candidates' evidence: so many pairs as there seem to be, at least a few."""
    prior, pairs = Prior.expect(total), max(total * (total - 1) / 2, 1.0)
    least = Prior(prior.same / 100, prior.household / 100)
    for _ in range(ROUNDS):
        same, household = prior.find_probabilities(evidence)
        prior = Prior(max(same.sum() / pairs, least.same), max(household.sum() / pairs, least.household))
    return prior
