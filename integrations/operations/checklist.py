"""The launch checklist: items that prove themselves by a probe, and those that a person signs.

An item is one function with `proves`, in the layer that it is about: what it returns is the evidence, which holds for a
time and is looked for again before that is over. A probe can fail, looks at the running installation, and leaves
nothing behind. Where `attests` is given, a passed probe is not enough: a person signs for what no program can know, and
the signature is void once what it attests has changed.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.exceptions import StateError
from integrations.models import ChecklistItem, CheckResult, CheckSignature

logger = logging.getLogger(__name__)

Status = CheckResult.Status
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# A failure is looked at again so soon, and evidence so long before it runs out.
FAILURE_HOLDS, AHEAD = HOUR, timedelta(minutes=20)
SIGNED_FOR = timedelta(days=90)
# A job that checks begins no other item after this.
RUN_S = 10.0


class Section(StrEnum):
    """The integration guide's two checklists."""

    INTEGRATION = "Integration"
    LAUNCH = "Going live"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a probe has found, in sentences that name no person, and the page to look at; of a failure what to do."""

    status: Status
    lines: tuple[str, ...]
    advice: str = ""
    address: str = ""


def passed(*lines: str, address: str = "") -> Evidence:
    return Evidence(Status.PASSED, lines, address=address)


def failed(*lines: str, advice: str, address: str = "") -> Evidence:
    return Evidence(Status.FAILED, lines, advice, address)


def not_applicable(*lines: str) -> Evidence:
    return Evidence(Status.NOT_APPLICABLE, lines)


type Probe = Callable[[datetime], Evidence]


@dataclass(frozen=True, slots=True)
class Item:
    """`holds` is for how long its evidence counts; `attests` gives what a signature is about, in plain values."""

    name: str
    section: Section
    title: str
    why: str
    holds: timedelta
    probe: Probe
    attests: Callable[[], Any] | None = None

    @property
    def is_signed(self) -> bool:
        return self.attests is not None

    def digest(self) -> str:
        """Another one where what is attested has changed."""
        attested = json.dumps(self.attests() if self.attests else None, sort_keys=True, default=str)
        return hashlib.sha256(attested.encode()).hexdigest()


_items: dict[str, Item] = {}


def proves(
    name: str,
    section: Section,
    title: str,
    *,
    why: str,
    holds: timedelta = DAY,
    attests: Callable[[], Any] | None = None,
) -> Callable[[Probe], Probe]:
    """Put the probe on the checklist. Within a section items stand in the order in which they were declared."""

    def register(probe: Probe) -> Probe:
        _items[name] = Item(name, section, title, why, holds, probe, attests)
        return probe

    return register


def list_items() -> list[Item]:
    return sorted(_items.values(), key=lambda item: list(Section).index(item.section))


def get_item(name: str) -> Item:
    """Raises KeyError for one that is not declared."""
    return _items[name]


@contextmanager
def rolled_back() -> Iterator[None]:
    """For probes that try something out: nothing of it stays in the database."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# --- How an item stands -----------------------------------------------------------------------------------------------


class Standing(StrEnum):
    """Everything but the first two is open."""

    PASSED = "Passed"
    NOT_APPLICABLE = "Does not apply"
    FAILED = "Failed"
    UNCHECKED = "Not checked yet"
    EXPIRED = "Evidence has expired"
    UNSIGNED = "Waits for a signature"
    RUN_OUT = "The signature has run out"
    VOID = "Changed since it was signed"


@dataclass(frozen=True, slots=True)
class State:
    item: Item
    result: CheckResult | None
    signature: CheckSignature | None
    standing: Standing

    @property
    def is_open(self) -> bool:
        return self.standing not in (Standing.PASSED, Standing.NOT_APPLICABLE)

    @property
    def is_signable(self) -> bool:
        """Its probe has passed, as far as is known."""
        waiting = (Standing.PASSED, Standing.UNSIGNED, Standing.RUN_OUT, Standing.VOID)
        return self.item.is_signed and self.standing in waiting

    @property
    def expires_at(self) -> datetime | None:
        """When it stops to count by itself: the evidence, or the signature before that."""
        ends = [self.result.expires_at] if self.result else []
        ends += [self.signature.expires_at] if self.signature and self.standing == Standing.PASSED else []
        return min(ends, default=None)

    @property
    def advice(self) -> str:
        """What to do first; empty where it is not open."""
        if self.standing in (Standing.UNSIGNED, Standing.RUN_OUT, Standing.VOID):
            return "An integration admin looks at the evidence, and signs."
        if self.standing in (Standing.UNCHECKED, Standing.EXPIRED):
            return "Check it: the schedule does so by itself while a worker runs."
        return self.result.advice if self.result and self.is_open else ""


def look(now: datetime, items: Iterable[Item] | None = None) -> list[State]:
    """How the items stand, in two queries and those of what is attested."""
    chosen = list_items() if items is None else list(items)
    names = [item.name for item in chosen]
    results = CheckResult.objects.filter(item__in=names).order_by("item_id", "-id").distinct("item_id")
    signatures = CheckSignature.objects.filter(item__in=names).order_by("item_id", "-id").distinct("item_id")
    found = {each.item_id: each for each in results.select_related("checked_by")}
    signed = {each.item_id: each for each in signatures.select_related("signed_by").defer("note")}
    return [judge(item, found.get(item.name), signed.get(item.name), now) for item in chosen]


def judge(item: Item, result: CheckResult | None, signature: CheckSignature | None, now: datetime) -> State:
    return State(item, result, signature, find_standing(item, result, signature, now))


def find_standing(item: Item, result: CheckResult | None, signature: CheckSignature | None, now: datetime) -> Standing:
    if result is None:
        return Standing.UNCHECKED
    if result.status == Status.FAILED:
        return Standing.FAILED
    if result.expires_at <= now:
        return Standing.EXPIRED
    if result.status == Status.NOT_APPLICABLE:
        return Standing.NOT_APPLICABLE
    return find_signed(item, signature, now) if item.is_signed else Standing.PASSED


def find_signed(item: Item, signature: CheckSignature | None, now: datetime) -> Standing:
    if signature is None:
        return Standing.UNSIGNED
    if signature.digest != item.digest():
        return Standing.VOID
    return Standing.RUN_OUT if signature.expires_at <= now else Standing.PASSED


# --- Checking ---------------------------------------------------------------------------------------------------------


def ensure_rows() -> None:
    """Every declared item has a row, after an upgrade also those that are new."""
    known = dict(ChecklistItem.objects.values_list("name", "title"))
    changed = [
        ChecklistItem(name=item.name, title=item.title) for item in list_items() if known.get(item.name) != item.title
    ]
    ChecklistItem.objects.bulk_create(changed, update_conflicts=True, unique_fields=["name"], update_fields=["title"])


def check(item: Item, user: Any = None) -> CheckResult:
    """Look for the evidence now, and keep it. What is the same as before goes on with its row."""
    ensure_rows()
    now = timezone.now()
    evidence = ask(item, now)
    holds = min(item.holds, FAILURE_HOLDS) if evidence.status == Status.FAILED else item.holds
    told = {
        "status": evidence.status.value,
        "lines": list(evidence.lines),
        "advice": evidence.advice,
        "address": evidence.address,
    }
    result = CheckResult.objects.filter(item=item.name).order_by("-id").first()
    if result is None or any(getattr(result, field) != value for field, value in told.items()):
        result = CheckResult(item_id=item.name, found_at=now, **told)
    result.checked_at, result.expires_at, result.checked_by_id = now, now + holds, user.pk if user else None
    result.save()
    return result


def ask(item: Item, now: datetime) -> Evidence:
    """A probe that breaks has proved nothing. What it says may quote a value, and is left to the log."""
    try:
        return item.probe(now)
    except Exception as error:
        logger.exception("probe failed", extra={"item": item.name})
        advice = "Look for “probe failed” in the log; it names the item."
        return failed(f"The probe itself has failed ({type(error).__name__}).", advice=advice)


def find_due(now: datetime) -> list[Item]:
    """Those without evidence, and those whose evidence is about to run out."""
    return [state.item for state in look(now) if state.result is None or state.result.expires_at <= now + AHEAD]


def check_due() -> int:
    """As far as a job's time goes: what is left is due the next time. Returns how many were checked."""
    begun, done = time.monotonic(), 0
    for item in find_due(timezone.now()):
        check(item)
        done += 1
        if time.monotonic() - begun >= RUN_S:
            break
    return done


# --- Signing ----------------------------------------------------------------------------------------------------------


def sign(item: Item, user: Any, note: str) -> CheckSignature:
    """A person's word for an item, on the evidence of this moment. Raises StateError where it cannot be given."""
    if not item.is_signed:
        raise StateError("Its probe proves this item: nobody signs it.")
    result = check(item, user)
    if result.status != Status.PASSED:
        raise StateError(f"There is nothing to sign: {' '.join(result.lines)}")
    now = timezone.now()
    return CheckSignature.objects.create(
        item_id=item.name,
        signed_by_id=user.pk,
        note=note,
        lines=result.lines,
        digest=item.digest(),
        signed_at=now,
        expires_at=now + SIGNED_FOR,
    )
