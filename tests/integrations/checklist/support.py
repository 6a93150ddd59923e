"""What the tests of the launch checklist share: a probe's word now, and items of the tests' own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.utils import timezone

from integrations.operations import checklist
from integrations.operations.checklist import DAY, Evidence, Item, Section, Status, get_item, passed

PASSED, FAILED, NOT_APPLICABLE = Status.PASSED, Status.FAILED, Status.NOT_APPLICABLE


def probe(name: str) -> Evidence:
    return get_item(name).probe(timezone.now())


def prove(name: str) -> str:
    """What a probe that must pass says."""
    evidence = probe(name)
    assert evidence.status == PASSED, evidence
    return " ".join(evidence.lines)


def refute(name: str) -> str:
    """What a probe that must fail says; it also says what to do."""
    evidence = probe(name)
    assert evidence.status == FAILED, evidence
    assert evidence.advice
    return " ".join(evidence.lines)


@contextmanager
def declared(
    name: str = "made_up",
    *,
    probe: Callable[[Any], Evidence] = lambda now: passed("It is so."),
    attests: Callable[[], Any] | None = None,
    alone: bool = False,
) -> Iterator[Item]:
    """An item that is on the checklist for the length of a test; `alone`: the only one."""
    before = dict(checklist._items)
    if alone:
        checklist._items.clear()
    checklist.proves(name, Section.LAUNCH, f"Title of {name}", why="Because.", holds=DAY, attests=attests)(probe)
    try:
        yield get_item(name)
    finally:
        checklist._items.clear()
        checklist._items.update(before)
