"""One pair of contacts, weighed as `match_csv` weighs all. Pure."""

from dataclasses import dataclass

import numpy as np

from contacts.duplicates.columns import Columns
from contacts.duplicates.matches import is_certain, judge
from contacts.duplicates.name_evidence import Pairs
from contacts.duplicates.population import Population
from contacts.duplicates.records import Cleaned
from contacts.duplicates.scoring import Prior, Verdict, weigh


@dataclass(frozen=True, slots=True)
class Score:
    """`fields`: bits by which each speaks for one person (above 0) or against; None where it is not known of both."""

    probability: float
    verdict: Verdict
    fields: dict[str, float | None]


def explain(left: Cleaned, right: Cleaned, population: Population, prior: Prior | None = None) -> Score:
    """The score of two contacts of a population. Without a prior, what is to be expected among so many."""
    columns = Columns.read([left, right])
    pair = Pairs(columns, population.look_up([left, right]), np.array([0]), np.array([1]))
    evidence = weigh(pair)
    prior = prior or Prior.expect(population.total)
    probability, _ = prior.find_probabilities(evidence)
    evidence = prior.adapt(evidence)
    fields = {name: None if np.isnan(bits[0]) else float(bits[0]) for name, bits in evidence.fields.items()}
    verdict = Verdict.CERTAIN if is_certain(probability, evidence)[0] else judge(float(probability[0]))
    return Score(float(probability[0]), verdict, fields)
