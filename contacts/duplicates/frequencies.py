"""How frequent each contact's values are: agreement on a rare value says more than on a frequent one. Pure.

Winkler, "Using the EM Algorithm for Weight Computation in the Fellegi-Sunter Model" (1988): weights by frequency.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from contacts.duplicates.columns import WORDS, Columns, Floats, Ints

# A country's own frequency counts as much as so many contacts of the whole.
SMOOTHING = 20.0
# More different people than have one phone or mailbox as a household or as a small company.
CROWD = 20


@dataclass(frozen=True, slots=True)
class Frequencies:
    """For each contact. Words: the part of contacts of its country that have the word. `sharers`: how many seemingly
    different people have its e-mail address or phone; the others: the part of all contacts with this value.
    """

    given: Floats
    middle: Floats
    other: Floats
    family: Floats
    company: Floats
    employer: Floats
    local: Floats
    country: Floats
    mailbox_sharers: Floats
    phone_sharers: Floats
    # How many contacts were counted, and the part of e-mail addresses that are free mail.
    total: int
    free_mail: float

    @classmethod
    def count(cls, columns: Columns, least: int = 1) -> Self:
        """`least`: for so many contacts at least they stand, however few they are."""
        total = max(len(columns), least)
        countries = guess_countries(columns)
        given, middle, other, family = (count_words(columns, name, countries, total) for name in WORDS)
        companies = count_companies(columns) / total
        has_mail = max(int(np.count_nonzero(columns["domain"])), 1)
        signs = sign_people(columns)
        return cls(
            given=given,
            middle=middle,
            other=other,
            family=family,
            company=companies[columns.squeezed_codes[columns["company"]]],
            employer=companies[columns.squeezed_codes[columns["employer"]]],
            local=np.bincount(columns["local"])[columns["local"]] / total,
            country=np.bincount(countries)[countries] / total,
            mailbox_sharers=count_sharers(columns.mailboxes, signs),
            phone_sharers=count_sharers(columns.tails[columns["phone"]], signs),
            total=total,
            free_mail=int(np.count_nonzero((columns["domain"] > 0) & (columns["employer"] == 0))) / has_mail,
        )


def guess_countries(columns: Columns) -> Ints:
    """Each contact's country; where it is unknown, that in which its family or given name is most usual."""
    found = columns["country"].astype(np.int64)
    for name in ("family", "given"):
        found = np.where(found == 0, find_usual_countries(columns, name)[columns[name]], found)
    return found


def find_usual_countries(columns: Columns, name: str) -> Ints:
    """For each word the country of most who have it in the column; 0 where that is unknown."""
    is_known = (columns["country"] > 0) & (columns[name] > 0)
    width = len(columns.texts["country"])
    numbers = columns[name][is_known].astype(np.int64) * width + columns["country"][is_known]
    pairs, counts = np.unique(numbers, return_counts=True)
    order = np.argsort(counts, kind="stable")
    usual = np.zeros(len(columns.texts["words"]), np.int64)
    usual[pairs[order] // width] = pairs[order] % width
    return usual


def count_words(columns: Columns, name: str, countries: Ints, total: int) -> Floats:
    """The part of a contact's countrymen whose given or family name is the word; of all, where its country is unknown.

    The contact itself is left out: of a word that only two have, one other has it.
    """
    width = len(columns.texts["country"])
    words, places = (np.concatenate(parts) for parts in zip(*list_named(columns, countries), strict=True))
    overall = (np.bincount(words, minlength=len(columns.texts["words"])) - 1) / total
    pairs, counts = np.unique(words * width + places, return_counts=True)
    people = np.bincount(countries, minlength=width)
    wanted = columns[name].astype(np.int64) * width + countries
    found = np.searchsorted(pairs, wanted)
    found = np.minimum(found, max(len(pairs) - 1, 0))
    local = np.where(pairs[found] == wanted, counts[found] - 1, 0) if len(pairs) else np.zeros(len(wanted))
    general = np.maximum(overall[columns[name]], 1 / total)
    smoothed = (local + SMOOTHING * general) / (people[countries] + SMOOTHING)
    return np.where(countries > 0, smoothed, general)


def list_named(columns: Columns, countries: Ints) -> list[tuple[Ints, Ints]]:
    found = []
    for name in ("given", "family"):
        is_known = columns[name] > 0
        found.append((columns[name][is_known].astype(np.int64), countries[is_known]))
    return found


def count_companies(columns: Columns) -> Ints:
    """How many contacts have each company, by name or by the domain of the e-mail address."""
    codes = columns.squeezed_codes
    company, employer = codes[columns["company"]], codes[columns["employer"]]
    employer = np.where(employer == company, 0, employer)
    size = int(codes.max()) + 1
    counts = np.bincount(company, minlength=size) + np.bincount(employer, minlength=size)
    found: Ints = np.maximum(counts, 1)
    return found


def sign_people(columns: Columns) -> Ints:
    """The initials of given and family name, in any order: different ones are different people."""
    given, family = (columns.initials[columns[name]].astype(np.int64) for name in ("given", "family"))
    return np.where(columns["han"] > 0, 0, np.minimum(given, family) * 128 + np.maximum(given, family))


def count_sharers(values: Ints, signs: Ints) -> Floats:
    """How many different signs stand with a contact's value; 1 where that is unknown.

    Where these are many, they are a crowd of which each is counted: there are only so many signs.
    """
    is_known = (values > 0) & (signs > 0)
    kept, ranks = np.unique(values[is_known], return_inverse=True)
    seen = np.unique(ranks.astype(np.int64) * (128 * 128) + signs[is_known])
    counts = np.bincount(seen // (128 * 128), minlength=len(kept))
    counts = np.where(counts >= CROWD, np.bincount(ranks, minlength=len(kept)), counts)
    found = np.ones(len(values))
    found[is_known] = counts[ranks]
    return found
