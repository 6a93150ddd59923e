"""One filter for what is listed, counted and run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from integrations.replays.kinds import Kind

DEAD = "dead"


@dataclass(frozen=True, slots=True)
class RowFilter:
    """`ids` name rows whatever their status is; otherwise those of `statuses`, dead letters unless it says others."""

    kind: Kind
    ids: Sequence[str] = ()
    statuses: Sequence[str] = ()
    connection: str = ""
    cause: str = ""
    fingerprint: str = ""
    what: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def select(self) -> QuerySet[Any]:
        given = {lookup: value for lookup, _, value in self.list_terms() if value}
        found: QuerySet[Any] = self.kind.model.objects.filter(**given)
        return found.filter(self.named()) if self.ids else found

    def list_terms(self) -> list[tuple[str, str, Any]]:
        """Look-ups, what they are called, and their values; an empty one selects everything."""
        return [
            ("status__in", "status", self.statuses or ([] if self.ids else [DEAD])),
            ("connection__slug", "connection", self.connection),
            ("cause", "cause", self.cause),
            ("fingerprint", "fingerprint", self.fingerprint),
            (self.kind.what, "type", self.what),
            (f"{self.kind.since}__gte", "since", self.since),
            (f"{self.kind.since}__lt", "until", self.until),
        ]

    def named(self) -> Q:
        """By their id here, or a delivery's at its sender."""
        here = Q(pk__in=read_uuids(self.ids))
        return here | Q(delivery_id__in=self.ids) if self.kind.name == "delivery" else here

    def describe(self) -> str:
        words = [f"{word} {show(value)}" for _, word, value in self.list_terms() if value]
        return "; ".join([f"{len(self.ids):,} named", *words] if self.ids else words)


def show(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list | tuple) else str(value)


def read_uuids(texts: Sequence[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
