"""How frequent values are among all contacts, kept from one comparison of all to the next.

What one contact alone has is not kept: that is what is taken of a value of which nothing is known. Values stand there
as blind indexes of their kind and text.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db import connection as database
from django.db import transaction

from contacts.detection.reading import fetch, write_array
from contacts.duplicates.columns import Columns, Ints
from contacts.duplicates.frequencies import (
    count_companies,
    count_sharers,
    find_usual_countries,
    guess_countries,
    list_named,
    sign_people,
)
from contacts.duplicates.phones import find_tail
from contacts.duplicates.population import NAMED, Population
from contacts.duplicates.records import Cleaned
from contacts.duplicates.scoring import Prior
from contacts.models import Census
from integrations.privacy import blind_index

BATCH = 20_000
# How many contacts there are taken to be at least.
LEAST = 1000

type Row = tuple[int, int, str]


# --- Taking it --------------------------------------------------------------------------------------------------------


@transaction.atomic
def store_census(columns: Columns, contacts: int, prior: Prior) -> None:
    """Take the place of the last one. `contacts` have the rows. Nobody may compare meanwhile."""
    countries = guess_countries(columns)
    people = np.bincount(countries, minlength=len(columns.texts["country"])).tolist()
    census = Census.objects.create(
        contacts=contacts,
        total=max(len(columns), LEAST),
        free_mail=find_free_mail(columns),
        people=dict(zip(columns.texts["country"], people, strict=True)),
        same=prior.same,
        household=prior.household,
        namesakes=prior.namesakes,
        differ=dict(prior.differ),
    )
    with database.cursor() as cursor:
        for rows in batch(list_counts(columns, countries)):
            cursor.execute(
                "INSERT INTO contacts_censuscount (census_id, key, count, country) "
                "SELECT %s, * FROM unnest(%s::bigint[], %s::int[], %s::text[]) ON CONFLICT DO NOTHING",
                [
                    census.pk,
                    write_array(row[0] for row in rows),
                    write_array(row[1] for row in rows),
                    [row[2] for row in rows],
                ],
            )
    Census.objects.exclude(pk=census.pk).delete()


def find_free_mail(columns: Columns) -> float:
    has_mail = columns["domain"] > 0
    return int(np.count_nonzero(has_mail & (columns["employer"] == 0))) / max(int(np.count_nonzero(has_mail)), 1)


def batch(rows: Iterable[Row]) -> Iterator[list[Row]]:
    part: list[Row] = []
    for row in rows:
        part.append(row)
        if len(part) == BATCH:
            yield part
            part = []
    if part:
        yield part


def list_counts(columns: Columns, countries: Ints) -> Iterator[Row]:
    """Key, count and country of each value that more than one contact has."""
    yield from list_words(columns, countries)
    yield from list_usual_countries(columns)
    texts, counts = columns.squeezed, count_companies(columns)
    for text, code in dict(zip(texts, columns.squeezed_codes.tolist(), strict=True)).items():
        if counts[code] > 1:
            yield number("company", text), int(counts[code]), ""
    counts = np.bincount(columns["local"], minlength=1)
    for code in np.flatnonzero(counts > 1).tolist():
        yield number("local", columns.texts["local"][code]), int(counts[code]), ""
    yield from list_sharers(columns)


def list_words(columns: Columns, countries: Ints) -> Iterator[Row]:
    """Of given and family names: in all countries, and in each."""
    words, places = (np.concatenate(parts) for parts in zip(*list_named(columns, countries), strict=True))
    width = len(columns.texts["country"])
    counts = np.bincount(words, minlength=1)
    for code in np.flatnonzero(counts > 1).tolist():
        yield number("word", columns.texts["words"][code]), int(counts[code]), ""
    pairs, counts = np.unique(words * width + places, return_counts=True)
    for pair, count in zip(pairs[counts > 1].tolist(), counts[counts > 1].tolist(), strict=True):
        word, place = columns.texts["words"][pair // width], columns.texts["country"][pair % width]
        if place:
            yield number("word", word, place), count, ""


def list_usual_countries(columns: Columns) -> Iterator[Row]:
    counts = sum(np.bincount(columns[name], minlength=len(columns.texts["words"])) for name in NAMED)
    for name in NAMED:
        usual = find_usual_countries(columns, name)
        for code in np.flatnonzero((usual > 0) & (counts > 1)).tolist():
            yield number(f"usual {name}", columns.texts["words"][code]), 0, columns.texts["country"][usual[code]]


def list_sharers(columns: Columns) -> Iterator[Row]:
    """Of mailboxes and phones, how many seemingly different people have them."""
    signs, texts = sign_people(columns), columns.texts
    mailboxes, sharers = find_shared(columns.mailboxes, signs)
    width = len(texts["domain"])
    for mailbox, count in zip(mailboxes, sharers, strict=True):
        yield number("mailbox", texts["local"][mailbox // width], texts["domain"][mailbox % width]), count, ""
    tails, sharers = find_shared(columns.tails[columns["phone"]], signs)
    for tail, count in zip(tails, sharers, strict=True):
        yield number("phone", str(tail)), count, ""


def find_shared(values: Ints, signs: Ints) -> tuple[list[int], list[int]]:
    sharers = count_sharers(values, signs)
    is_shared = sharers > 1
    shared, rows = np.unique(values[is_shared], return_index=True)
    return shared.tolist(), sharers[is_shared][rows].astype(np.int64).tolist()


def number(kind: str, *parts: str) -> int:
    return blind_index.number(f"census {kind}", "\0".join(parts))


# --- Looking up -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Lookup:
    """The census as far as it was asked for. `population` grows with each call of `load`."""

    census_id: int
    prior: Prior
    population: Population
    known: dict[int, Row] = field(default_factory=dict)

    def load(self, rows: Sequence[Cleaned]) -> None:
        """Have the values of these rows in the population: two queries."""
        self.fetch({number(f"usual {name}", getattr(row, name)) for row in rows for name in NAMED})
        for row in rows:
            for name in NAMED:
                word = getattr(row, name)
                if country := self.find(f"usual {name}", word)[2]:
                    self.population.usual[name, word] = country
        wanted = {key: place for row in rows for key, place in self.list_values(row).items()}
        self.fetch({number(kind, *parts) for kind, parts in wanted})
        for (kind, parts), (counts, key) in wanted.items():
            if count := self.find(kind, *parts)[1]:
                counts[key] = max(count, counts.get(key, 0))

    def list_values(self, row: Cleaned) -> dict[tuple[str, tuple[str, ...]], tuple[dict[Any, int], Any]]:
        """Kind and text of what is counted → where in the population it stands."""
        population, country = self.population, self.population.guess_country(row)
        found: dict[tuple[str, tuple[str, ...]], tuple[dict[Any, int], Any]] = {}
        for word in {row.given, row.middle, row.other, row.family} - {""}:
            found["word", (word,)] = population.words, (word, "")
            if country:
                found["word", (word, country)] = population.words, (word, country)
        for company in {row.company.replace(" ", ""), row.employer} - {""}:
            found["company", (company,)] = population.companies, company
        if row.local:
            found["local", (row.local,)] = population.locals, row.local
            found["mailbox", (row.local, row.domain)] = population.mailbox_sharers, (row.local, row.domain)
        if tail := find_tail(row.phone):
            found["phone", (str(tail),)] = population.phone_sharers, tail
        return found

    def observe(self, columns: Columns) -> None:
        """Count who shares a mailbox or a phone among those who stand together here: the census may not know it yet."""
        signs, texts, population = sign_people(columns), columns.texts, self.population
        mailboxes, sharers = find_shared(columns.mailboxes, signs)
        for mailbox, count in zip(mailboxes, sharers, strict=True):
            local, domain = divmod(mailbox, len(texts["domain"]))
            key = texts["local"][local], texts["domain"][domain]
            population.mailbox_sharers[key] = max(count, population.mailbox_sharers.get(key, 1))
        for tail, count in zip(*find_shared(columns.tails[columns["phone"]], signs), strict=True):
            population.phone_sharers[tail] = max(count, population.phone_sharers.get(tail, 1))

    def find(self, kind: str, *parts: str) -> Row:
        return self.known.get(number(kind, *parts), (0, 0, ""))

    def fetch(self, keys: set[int]) -> None:
        missing = keys - self.known.keys()
        rows = fetch(
            "SELECT key, count, country FROM contacts_censuscount WHERE census_id = %s AND key = ANY(%s::bigint[])",
            [self.census_id, write_array(missing)],
        )
        self.known.update({key: (key, 0, "") for key in missing})
        self.known.update({key: (key, count, country) for key, count, country in rows})


def open_census() -> Lookup | None:
    """None where all contacts were never compared."""
    census = Census.objects.order_by("-pk").first()
    if census is None:
        return None
    population = Population(census.total, census.free_mail)
    population.people.update(census.people)
    return Lookup(census.pk, Prior(census.same, census.household, census.namesakes, census.differ), population)
