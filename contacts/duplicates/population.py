"""The frequencies of many contacts, to be kept and looked up where only a few of them are compared. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from contacts.duplicates.columns import Columns, Floats
from contacts.duplicates.frequencies import (
    SMOOTHING,
    Frequencies,
    count_companies,
    find_usual_countries,
    guess_countries,
)
from contacts.duplicates.phones import find_tail
from contacts.duplicates.records import Cleaned

NAMED = ("given", "family")


def make_counts() -> dict[str, int]:
    return defaultdict(int)


@dataclass(slots=True)
class Population:
    """Counts by value; the empty country stands for all. `usual`: the country of most who have a column's word."""

    total: int = 0
    free_mail: float = 0.0
    people: dict[str, int] = field(default_factory=make_counts)
    words: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    usual: dict[tuple[str, str], str] = field(default_factory=dict)
    companies: dict[str, int] = field(default_factory=make_counts)
    locals: dict[str, int] = field(default_factory=make_counts)
    mailbox_sharers: dict[tuple[str, str], int] = field(default_factory=dict)
    phone_sharers: dict[int, int] = field(default_factory=dict)

    @classmethod
    def count(cls, columns: Columns) -> "Population":
        frequencies = Frequencies.count(columns)
        found = cls(len(columns), frequencies.free_mail)
        countries = guess_countries(columns)
        texts = columns.texts
        places = [texts["country"][code] for code in countries.tolist()]
        for place in places:
            found.people[place] += 1
        for name in NAMED:
            for row, code in enumerate(columns[name].tolist()):
                if code:
                    word = texts["words"][code]
                    found.words[word, ""] += 1
                    if places[row]:
                        found.words[word, places[row]] += 1
            for code, country in enumerate(find_usual_countries(columns, name).tolist()):
                if country:
                    found.usual[name, texts["words"][code]] = texts["country"][country]
        counts = count_companies(columns)
        for squeezed, code in zip(columns.squeezed, columns.squeezed_codes.tolist(), strict=True):
            found.companies[squeezed] = int(counts[code])
        for code in columns["local"].tolist():
            found.locals[texts["local"][code]] += 1
        for row, (local, domain) in enumerate(zip(columns["local"].tolist(), columns["domain"].tolist(), strict=True)):
            mailbox = texts["local"][local], texts["domain"][domain]
            found.mailbox_sharers[mailbox] = int(frequencies.mailbox_sharers[row])
        for row, code in enumerate(columns["phone"].tolist()):
            found.phone_sharers[find_tail(texts["phones"][code])] = int(frequencies.phone_sharers[row])
        return found

    def look_up(self, contacts: list[Cleaned]) -> Frequencies:
        """The frequencies of some contacts, as `Frequencies.count` gives them for all."""
        total = max(self.total, 1)
        countries = [self.guess_country(contact) for contact in contacts]
        return Frequencies(
            given=self.find_parts(contacts, "given"),
            middle=self.find_parts(contacts, "middle"),
            other=self.find_parts(contacts, "other"),
            family=self.find_parts(contacts, "family"),
            company=make_floats(
                max(self.companies.get(each.company.replace(" ", ""), 1), 1) / total for each in contacts
            ),
            employer=make_floats(max(self.companies.get(each.employer, 1), 1) / total for each in contacts),
            local=make_floats(max(self.locals.get(each.local, 1), 1) / total for each in contacts),
            country=make_floats(max(self.people.get(country, 1), 1) / total for country in countries),
            mailbox_sharers=make_floats(
                self.mailbox_sharers.get((each.local, each.domain), 1) if each.local else 1 for each in contacts
            ),
            phone_sharers=make_floats(self.phone_sharers.get(find_tail(each.phone), 1) for each in contacts),
            total=total,
            free_mail=self.free_mail,
        )

    def find_parts(self, contacts: list[Cleaned], name: str) -> Floats:
        return make_floats(self.find_part(getattr(each, name), self.guess_country(each)) for each in contacts)

    def guess_country(self, contact: Cleaned) -> str:
        return (
            contact.country
            or self.usual.get(("family", contact.family), "")
            or self.usual.get(("given", contact.given), "")
        )

    def find_part(self, word: str, country: str) -> float:
        """The part of a country's people who have the word, the one who is asked for left out."""
        general = max((self.words.get((word, ""), 0) - 1) / max(self.total, 1), 1 / max(self.total, 1))
        if not country:
            return general
        local = max(self.words.get((word, country), 0) - 1, 0) if word else 0
        return (local + SMOOTHING * general) / (self.people.get(country, 0) + SMOOTHING)


def make_floats(values: Iterable[float]) -> Floats:
    return np.fromiter(values, dtype=np.float64)
