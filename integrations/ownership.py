"""Who may write which field. Every write that comes in passes `decide`, whichever path it takes.

Of each pair of connections each field has an owner, whose writes count; what the other side's writes do is its mode;
and where both sides have changed it since they last agreed, its policy decides. Patterns bring their own rules, which
an administrator may change field by field.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from integrations import mappings
from integrations.models import Connection, FieldMapping, FieldRule, FieldWrite, Pair
from integrations.models.provenance import current_delivery
from integrations.privacy import blind_index

Record, Side, Mode, Policy, Verdict = (
    FieldMapping.Record,
    FieldRule.Side,
    FieldRule.Mode,
    FieldRule.Policy,
    FieldWrite.Verdict,
)


@dataclass(frozen=True, slots=True)
class Rule:
    owner: FieldRule.Side
    mode: FieldRule.Mode
    policy: FieldRule.Policy


# --- Rules ------------------------------------------------------------------------------------------------------------

# What is decided about as one: our words, as in mappings.OUR_FIELDS, that make it up.
PARTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    Record.CONTACT: {
        "full_name": ("full_name", "first_name", "last_name"),
        "email": ("email",),
        "phone": ("phone",),
        "company": ("company",),
        "country": ("country",),
        "timezone": ("timezone",),
        "lead_source": ("lead_source",),
        "lead_score": ("lead_score",),
        "lead_status": ("lead_status",),
        "owner": ("owner",),
    },
    Record.MEETING: {
        "title": ("title",),
        "description": ("description",),
        "time": ("start", "end", "start_date", "start_time", "duration", "duration_minutes"),
        "status": ("status",),
    },
}

CALENDARS = Rule(Side.CALENDAR, Mode.NEVER, Policy.OWNER_WINS)
CRMS = Rule(Side.CRM, Mode.IF_EMPTY, Policy.OWNER_WINS)
EITHERS = Rule(Side.CALENDAR, Mode.OVERWRITE, Policy.LAST_WRITE_WINS)
# A customer may always move or cancel what he has booked, whoever owns it.
MOVABLE = Rule(Side.CRM, Mode.OVERWRITE, Policy.OWNER_WINS)
ASKED = Rule(Side.CALENDAR, Mode.OVERWRITE, Policy.ASK)

# The sales process is the CRM's in each pattern; what Keepsync reckons is its own.
LEADS = {"lead_source": CALENDARS, "lead_score": CALENDARS, "lead_status": CRMS, "owner": CRMS}
PERSON = ("full_name", "email", "phone", "company", "country", "timezone")

DEFAULTS: Mapping[str, Mapping[str, Mapping[str, Rule]]] = {
    Pair.Pattern.IN: {
        Record.CONTACT: {**dict.fromkeys(PERSON, CALENDARS), **LEADS},
        Record.MEETING: dict.fromkeys(PARTS[Record.MEETING], CALENDARS),
    },
    Pair.Pattern.OUT: {
        Record.CONTACT: {**dict.fromkeys(PERSON, CRMS), **LEADS},
        Record.MEETING: {"title": CRMS, "description": CRMS, "time": MOVABLE, "status": MOVABLE},
    },
    Pair.Pattern.TWO_WAY: {
        Record.CONTACT: {**dict.fromkeys(PERSON, EITHERS), **LEADS},
        Record.MEETING: {"title": EITHERS, "description": EITHERS, "time": ASKED, "status": EITHERS},
    },
}


def read_rules(pair: Pair, record: str) -> dict[str, Rule]:
    """Field → rule: as an administrator decided, else the pattern's own."""
    rules = dict(DEFAULTS[pair.pattern][record])
    for row in pair.field_rules.all() if pair.pk else ():
        if row.record == record and row.field in rules:
            rules[row.field] = Rule(Side(row.owner), Mode(row.mode), Policy(row.policy))
    return rules


def find_rules(record: str, *, crm: int, calendar: int | None = None) -> dict[str, Rule] | None:
    """Those of a CRM's pair with a calendar.live connection; None where there is none.

    A contact belongs to no calendar: those of the CRM's first pair count.
    """
    pairs = Pair.objects.filter(crm=crm).order_by("id").prefetch_related("field_rules")
    pair = (pairs.filter(calendar=calendar) if calendar is not None else pairs).first()
    return read_rules(pair, record) if pair else None


def find_strictest(record: str, *, calendar: int) -> dict[str, Rule]:
    """What holds for the writes of a calendar.live connection: of its pairs, the rule that lets least through."""
    rules: dict[str, Rule] = {}
    for pair in Pair.objects.filter(calendar=calendar).order_by("id").prefetch_related("field_rules"):
        for field, rule in read_rules(pair, record).items():
            rules[field] = max(rules.get(field, rule), rule, key=strictness)
    return rules


def list_names(crm: Connection, record: FieldMapping.Record, field: str) -> frozenset[str]:
    """The CRM's names of what makes up a field."""
    mapped = crm.field_mappings.filter(record=record, ours__in=PARTS[record][field])
    return frozenset(mapped.values_list("theirs", flat=True))


def strictness(rule: Rule) -> int:
    """Towards calendar.live."""
    order = (Mode.OVERWRITE, Mode.APPEND, Mode.IF_EMPTY, Mode.NEVER)
    return 0 if rule.owner == Side.CALENDAR else 1 + order.index(rule.mode)


# --- The decision -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Write:
    """One side says what a field holds, since when. Empty is a value like others."""

    side: FieldRule.Side
    value: str
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Held:
    """What the field holds here, since when, and whether that has changed since both sides last agreed."""

    value: str
    changed_at: datetime | None = None
    is_news: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """`value` is what the field is to hold from now on."""

    verdict: FieldWrite.Verdict
    value: str


def decide(rule: Rule | None, write: Write, held: Held) -> Decision:
    """What a write does. Without a rule everybody may write. Pure."""
    if write.value == held.value:
        return Decision(Verdict.SAME, held.value)
    value = write.value
    if rule and write.side != rule.owner:
        if not may_write(rule, write, held):
            return Decision(Verdict.BLOCKED, held.value)
        if rule.mode == Mode.APPEND:
            return append(write, held)
    is_late = bool(write.changed_at and held.changed_at and write.changed_at < held.changed_at)
    if rule and held.is_news:
        match rule.policy:
            case Policy.ASK:
                return Decision(Verdict.CONFLICT, held.value)
            case Policy.OWNER_WINS:
                wins = write.side == rule.owner
                return Decision(Verdict.APPLIED, value) if wins else Decision(Verdict.BLOCKED, held.value)
    return Decision(Verdict.STALE, held.value) if is_late else Decision(Verdict.APPLIED, value)


def may_write(rule: Rule, write: Write, held: Held) -> bool:
    """Whether the side that does not own the field may write it."""
    match rule.mode:
        case Mode.NEVER:
            return False
        case Mode.IF_EMPTY:
            return not held.value
        case Mode.APPEND:
            return bool(write.value)
    return True


def may_come_from_crm(rule: Rule) -> bool:
    """Whether any write of the CRM counts."""
    return rule.owner == Side.CRM or rule.mode != Mode.NEVER


def append(write: Write, held: Held) -> Decision:
    """Below what is there, unless it stands there already."""
    if write.value in held.value:
        return Decision(Verdict.SAME, held.value)
    return Decision(Verdict.APPLIED, "\n".join(filter(None, (held.value, write.value))))


# --- What was exchanged -----------------------------------------------------------------------------------------------

# A CRM's field → [digest of what it holds, when the CRM said so (empty: we did), digest of what we last wrote over]. A
# fourth one is the digest of what it really holds, where that is left there.
type Exchanged = dict[str, list[str]]


def digest_value(value: Any) -> str:
    """Keyed; the same for what is the same to a CRM: nothing and an empty text, 45 and "45"."""
    text = json.dumps(value) if isinstance(value, list | tuple | bool) else mappings.read_text(value) or ""
    return blind_index.digest("exchanged", text.removesuffix(".0"))[:8].hex()


class Link(Protocol):
    """One of our rows at a CRM.

    `pushed_hash` is of all that was sent last: emptied, where all of it is to be sent again. `disputed` are the CRM's
    fields that a person is to decide about.
    """

    pushed_hash: str
    exchanged: Exchanged
    disputed: list[str]


def list_unchanged(link: Link | None, values: Mapping[str, Any]) -> frozenset[str]:
    """Of values that are to go to a CRM: those that it has already, as far as is known, and those in dispute."""
    if link is None:
        return frozenset()
    known = {name for name, value in values.items() if link.pushed_hash and is_exchanged(link.exchanged, name, value)}
    return frozenset(known | (values.keys() & set(link.disputed)))


def is_there(link: Link, values: Mapping[str, Any]) -> bool:
    """Whether the CRM has all of it. What was sent before it was noted field by field is known by its hash."""
    if not link.exchanged:
        return bool(link.pushed_hash) and link.pushed_hash == mappings.hash_values(values)
    return list_unchanged(link, values) >= values.keys()


def is_exchanged(exchanged: Exchanged, name: str, value: Any) -> bool:
    return name in exchanged and exchanged[name][0] == digest_value(value)


def are_exchanged(exchanged: Exchanged, values: Mapping[str, Any]) -> bool:
    return all(is_exchanged(exchanged, name, value) for name, value in values.items())


def read_entry(exchanged: Exchanged, name: str) -> list[str]:
    return exchanged.get(name, ["", "", ""])


def note_sent(exchanged: Exchanged, values: Mapping[str, Any]) -> Exchanged:
    """With what we have brought there."""
    noted = dict(exchanged)
    for name, value in values.items():
        if not is_exchanged(exchanged, name, value):
            noted[name] = [digest_value(value), "", read_entry(exchanged, name)[0]]
    return noted


def note_told(exchanged: Exchanged, values: Mapping[str, Any], changed_at: datetime | None) -> Exchanged:
    """With what the CRM says that it has."""
    at = changed_at.isoformat() if changed_at else ""
    told = {name: [digest_value(value), at, read_entry(exchanged, name)[2]] for name, value in values.items()}
    return {**exchanged, **told}


def note_doubt(exchanged: Exchanged, names: Iterable[str]) -> Exchanged:
    """Both sides have changed these since they last agreed, and the CRM's word on them has not been weighed yet."""
    return {**exchanged, **{name: ["", "", read_entry(exchanged, name)[2]] for name in names}}


def note_left(exchanged: Exchanged, mine: Mapping[str, Any], told: Mapping[str, Any]) -> Exchanged:
    """As if the CRM held ours, so that nothing is sent until one of them changes; what it does hold is left there."""
    noted = note_told(exchanged, mine, None)
    return noted | {name: [*noted[name], digest_value(value)] for name, value in told.items()}


def is_anothers(exchanged: Exchanged, name: str, there: Any, ours: Any) -> bool:
    """Whether a value that a CRM holds is neither ours nor known: somebody has changed it, and it was not weighed."""
    held, _, _, *left = exchanged.get(name, ["", "", ""])
    return bool(held) and digest_value(there) not in (held, digest_value(ours), *left)


def was_overwritten(exchanged: Exchanged, values: Mapping[str, Any]) -> bool:
    """Whether the CRM holds again what we have written over before: something over there insists on it."""
    return any(read_entry(exchanged, name)[2] == digest_value(value) for name, value in values.items())


def is_older(exchanged: Exchanged, name: str, changed_at: datetime | None) -> bool:
    """Whether the CRM has told something later about this field."""
    at = read_entry(exchanged, name)[1]
    return bool(at and changed_at and changed_at < datetime.fromisoformat(at))


# --- The log ----------------------------------------------------------------------------------------------------------


def log_writes(connection_id: int, subject: str, verdicts: Mapping[str, FieldWrite.Verdict]) -> None:
    """Keep what became of a record's fields, for its trace."""
    rows = [
        FieldWrite(
            connection_id=connection_id,
            delivery_id=current_delivery.get(),
            subject=subject,
            fields=sorted(field for field, each in verdicts.items() if each == verdict),
            verdict=verdict,
        )
        for verdict in sorted(set(verdicts.values()))
        if verdict != Verdict.SAME
    ]
    FieldWrite.objects.bulk_create(rows)


# --- Conflicts --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dispute:
    """A field that both sides have changed, and that a person is to decide about. The authors are in words."""

    connection_id: int
    record: FieldMapping.Record
    key: UUID
    field: str
    ours: str
    theirs: str
    ours_at: datetime | None
    theirs_at: datetime | None
    ours_by: str
    theirs_by: str


type Notify = Callable[[Dispute], None]

_disputes: list[Notify] = []


def on_dispute(notify: Notify) -> Notify:
    """Call the function, in the transaction of the write, for each field that a person is asked about."""
    _disputes.append(notify)
    return notify


def ask(dispute: Dispute) -> None:
    for notify in _disputes:
        notify(dispute)


def undispute(link: Link, names: Collection[str]) -> None:
    """These are sent to the CRM again as soon as they differ. The link is changed, and not saved."""
    link.disputed = [name for name in link.disputed if name not in names]


type NotifyEnd = Callable[[int, FieldMapping.Record, UUID, str], None]

_ends: list[NotifyEnd] = []


def on_end_of_dispute(notify: NotifyEnd) -> NotifyEnd:
    """The same where both sides have come to an end by themselves: with the CRM, the record, our id and the field."""
    _ends.append(notify)
    return notify


def end_dispute(connection_id: int, record: FieldMapping.Record, key: UUID, field: str) -> None:
    for notify in _ends:
        notify(connection_id, record, key, field)
