"""Bringing a batch of records to a CRM, whatever they are of ours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from integrations.effect_kinds import Done, Result, Skipped, Task, Together
from integrations.exceptions import KeepsyncError
from integrations.providers.crm import CrmRecord, Saved

UNCHANGED = Skipped("Nothing has changed since it was last sent.")


@dataclass(frozen=True, slots=True)
class Pushed[R: CrmRecord]:
    """A record that is at the CRM now, under which id, and the delivery that led to it."""

    record: R
    external_id: str
    delivery_id: UUID | None = None

    @property
    def key(self) -> UUID:
        return UUID(self.record.key)


def push[R: CrmRecord](
    tasks: Sequence[Task],
    *,
    make: Callable[[Task], R | Skipped | KeepsyncError],
    save: Callable[[list[R]], Sequence[Saved | KeepsyncError]],
    link: Callable[[Sequence[Pushed[R]]], None],
    note: Callable[[Task], str] = lambda task: "",
) -> list[Result]:
    """Make each task's record, save all that have to be sent, and link those that were; one result for each task.

    `note` is what to say about one that was sent.
    """
    made = [make(task) for task in tasks]
    records = [each for each in made if not isinstance(each, Skipped | KeepsyncError)]
    outcomes = iter(save(records) if records else [])
    return [
        each
        if isinstance(each, Skipped | KeepsyncError)
        else read_outcome(task, each, next(outcomes), link, note(task))
        for task, each in zip(tasks, made, strict=True)
    ]


def read_outcome[R: CrmRecord](
    task: Task, record: R, outcome: Saved | KeepsyncError, link: Callable[[Sequence[Pushed[R]]], None], note: str
) -> Result:
    if isinstance(outcome, KeepsyncError):
        return outcome
    together = Together(link, Pushed(record, outcome.external_id, task.delivery_id))
    return Done(outcome.external_id, together, note)
