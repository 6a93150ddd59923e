"""One record's change at a CRM, taken field by field: the base of what contacts and bookings make of it.

1. What the CRM tells is compared with what both sides last said: our own pushes come back, and are dropped.
2. The rest passes `ownership.decide`, against what we hold now.
3. What is blocked, or older, is put right over there, once for each value of ours: where the same comes again,
   something over there insists on it, and a person has to see why.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from integrations import mappings, ownership
from integrations.models import Connection, FieldMapping, FieldWrite
from integrations.ownership import PARTS, Dispute, Held, Rule, Side, Verdict, Write

type Pairs = list[tuple[str, str]]


class Inbound:
    """`told` are the values under the CRM's names, `ours` what we hold under the same ones.

    The link is changed, and not saved. `is_to_be_put_right`: the CRM holds what it may not, and is to get ours.
    """

    record: ClassVar[FieldMapping.Record]

    def __init__(
        self,
        link: ownership.Link,
        connection: Connection,
        *,
        rules: Mapping[str, Rule],
        told: Mapping[str, Any],
        changed_at: datetime | None,
    ) -> None:
        self.link = link
        self.connection = connection
        self.rules = rules
        self.told = told
        self.changed_at = changed_at
        self.mapping = mappings.read_mapping(connection, self.record)
        self.verdicts: dict[str, FieldWrite.Verdict] = {}
        self.is_to_be_put_right = False
        self.ours: Mapping[str, Any] = {}

    # --- What subclasses say ------------------------------------------------------------------------------------------

    @property
    def key(self) -> UUID:
        """Our id of the row."""
        raise NotImplementedError

    def read(self, field: str, pairs: Pairs, values: Mapping[str, Any]) -> str | None:
        """A field's value in its normal form, of values under the CRM's names; None where it cannot be read."""
        raise NotImplementedError

    def apply(self, field: str, before: str, value: str) -> bool:
        """Take a value over. Returns False where that cannot be: both sides keep theirs."""
        raise NotImplementedError

    def find_time(self, field: str) -> datetime | None:
        """Since when our field is as it is; None where that is not known."""
        raise NotImplementedError

    def find_author(self, field: str) -> str:
        """Who made it so, in words."""
        raise NotImplementedError

    # --- Taking -------------------------------------------------------------------------------------------------------

    def take_all(self) -> None:
        for field, parts in PARTS[self.record].items():
            pairs = [(ours, theirs) for ours, theirs in self.mapping if ours in parts]
            told = {theirs: self.told[theirs] for _, theirs in pairs if theirs in self.told}
            if told:
                self.verdicts[field] = self.take(field, pairs, told)

    def take(self, field: str, pairs: Pairs, told: Mapping[str, Any]) -> FieldWrite.Verdict:
        if ownership.are_exchanged(self.link.exchanged, told):
            return Verdict.ECHO
        if all(ownership.is_older(self.link.exchanged, name, self.changed_at) for name in told):
            return Verdict.STALE
        mine = {theirs: self.ours.get(theirs) for _, theirs in pairs}
        held, value = self.read(field, pairs, mine) or "", self.read(field, pairs, {**mine, **told})
        if value is None:
            return self.leave(told)
        known = Held(held, self.find_time(field), is_news=self.has_news(mine))
        decision = ownership.decide(self.rules.get(field), Write(Side.CRM, value, self.changed_at), known)
        if decision.verdict == Verdict.APPLIED and not self.apply(field, held, decision.value):
            return self.leave(told)
        if decision.verdict == Verdict.CONFLICT:
            self.dispute(field, list(mine), known, value)
        else:
            self.end_dispute(field, list(mine))
        if decision.verdict != Verdict.CONFLICT and decision.value != value:
            insists = ownership.was_overwritten(self.link.exchanged, told)
            self.is_to_be_put_right |= known.is_news or not insists
        self.link.exchanged = ownership.note_told(self.link.exchanged, told, self.changed_at)
        return decision.verdict

    def has_news(self, mine: Mapping[str, Any]) -> bool:
        """Whether ours has changed since the CRM last had it. Nobody knows of what was sent before it was noted."""
        if not self.link.exchanged:
            return bool(self.link.pushed_hash)
        known = {name: value for name, value in mine.items() if name in self.link.exchanged}
        return not ownership.are_exchanged(self.link.exchanged, known)

    def leave(self, told: Mapping[str, Any]) -> FieldWrite.Verdict:
        """Theirs stays there, ours stays here, until one of them changes: nothing is sent over it."""
        mine = {name: self.ours.get(name) for name in told}
        self.link.exchanged = ownership.note_left(self.link.exchanged, mine, told)
        return Verdict.BLOCKED

    def end_dispute(self, field: str, names: list[str]) -> None:
        """Both sides agree by now, or the rules decide."""
        if set(self.link.disputed) & set(names):
            ownership.undispute(self.link, names)
            ownership.end_dispute(self.connection.pk, self.record, self.key, field)

    def dispute(self, field: str, names: list[str], held: Held, value: str) -> None:
        self.link.disputed = sorted({*self.link.disputed, *names})
        ownership.ask(
            Dispute(
                connection_id=self.connection.pk,
                record=self.record,
                key=self.key,
                field=field,
                ours=held.value,
                theirs=value,
                ours_at=held.changed_at,
                theirs_at=self.changed_at,
                ours_by=self.find_author(field),
                theirs_by=str(self.connection),
            )
        )
