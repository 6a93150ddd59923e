"""Comparing the contacts that have changed with those that may be the same person: a batch, in one transaction.

1. Rows of the log are taken, with the pairs that were never compared. Nobody else compares meanwhile.
2. The blocking keys of their contacts are brought up to date, and whoever shares one is read and weighed.
3. Where two seem to be one person, the group of both is weighed as a whole: what is certain depends on it.
4. Pairs and their clusters are written, and exactly the rows that were taken are deleted.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from django.db import transaction
from django.db.models import DateTimeField, F, Func

from contacts.detection.census import Lookup, open_census
from contacts.detection.clusters import follow_pairs, regroup
from contacts.detection.keys import find_candidates, forget_keys, list_keys, store_keys
from contacts.detection.locks import lock_pairs, try_lock_comparing
from contacts.detection.pairs import Written, find_pairs_of, write_scores
from contacts.detection.reading import read_some
from contacts.detection.weighing import Pair, Score, Weighed, find_certain, lay_out, weigh_pairs
from contacts.duplicates.records import Cleaned
from contacts.models import BlockingKeys, CandidatePair, Census, ContactChange

BATCH = 100
# By the database's clock, at this moment: a comparison of all tells by it which of its readings are older.
NOW = Func(function="clock_timestamp", output_field=DateTimeField())


@dataclass(slots=True)
class Compared:
    """What a batch came to. `contacts`: how many had changed."""

    contacts: int = 0
    written: Written = field(default_factory=Written)


@transaction.atomic
def compare_batch(size: int = BATCH) -> Compared | None:
    """None where there is nothing to do, somebody else does it, or all contacts were never compared."""
    if not try_lock_comparing():
        return None
    census = open_census()
    changes = list(ContactChange.objects.order_by("pk")[:size])
    pairs = find_uncompared(size)
    if census is None or not (changes or pairs):
        return None
    ids = {change.contact_id for change in changes} | {each for pair in pairs for each in pair}
    compared = Compared(len(ids), compare(ids, census))
    ContactChange.objects.filter(pk__in=[change.pk for change in changes]).delete()
    Census.objects.filter(pk=census.census_id).update(changed=F("changed") + len(ids))
    return compared


def find_uncompared(size: int) -> list[Pair]:
    """Open pairs that others than comparisons have made."""
    rows = CandidatePair.objects.filter(status=CandidatePair.Status.OPEN, probability=None, compared_at=None)
    return list(rows.order_by("pk").values_list("first_id", "second_id")[:size])


def compare(ids: Collection[UUID], census: Lookup) -> Written:
    """Bring all pairs of these contacts up to date."""
    pool = Pool()
    readable = pool.read(ids)
    forget_keys(set(ids) - readable - pool.unreadable)
    store_keys({key: list_keys(pool.rows[key]) for key in readable})
    stored = find_pairs_of(ids)
    known = set(stored.values_list("first_id", "second_id"))
    candidates = find_candidates({key: pool.rows[key] for key in readable})
    scores, around = weigh_all(known | candidates, ids, pool, census)
    lock_pairs()
    written = write_scores(scores, stored | CandidatePair.objects.filter(pk__in=around))
    touched = known | {pair for pair, score in scores.items() if score.is_link}
    regroup({*ids, *(each for pair in touched for each in pair)})
    BlockingKeys.objects.filter(contact__in=readable).update(compared_at=NOW)
    return written


class Pool:
    """Contacts that were read for a comparison, as the rows that are compared."""

    def __init__(self) -> None:
        self.rows: dict[UUID, Sequence[Cleaned]] = {}
        self.unreadable: set[UUID] = set()

    def read(self, ids: Collection[UUID]) -> set[UUID]:
        """Those of them that are compared; what was read before is not read again."""
        readings = read_some(set(ids) - self.rows.keys() - self.unreadable)
        self.rows.update({known.id: known.clean() for known in readings.contacts})
        self.unreadable.update(readings.unreadable)
        return set(ids) & self.rows.keys()

    def weigh(self, pairs: Collection[Pair], census: Lookup) -> Weighed:
        ids = self.read({each for pair in pairs for each in pair})
        return weigh_pairs(lay_out({key: self.rows[key] for key in ids}, census), pairs, census)


def weigh_all(
    pairs: Collection[Pair], ids: Collection[UUID], pool: Pool, census: Lookup
) -> tuple[dict[Pair, Score], set[UUID]]:
    """The scores of the pairs, and of the open pairs around those that are probable, whose ids are returned, too."""
    weighed = pool.weigh(pairs, census)
    scores = weighed.list_scores(np.zeros(len(weighed.pairs), np.bool_))
    links = weighed.list_links()
    joined = follow_pairs({*ids, *(each for pair in links for each in pair)})
    groups = pool.weigh({*links, *((first, second) for _, first, second, _ in joined)}, census)
    scores |= groups.list_scores(find_certain(groups))
    return scores, {key for key, *_ in joined}
