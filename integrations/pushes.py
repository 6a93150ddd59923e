"""Bringing a batch of records to a CRM, whatever they are of ours."""

from collections.abc import Callable, Sequence

from integrations.effects import Done, Result, Skipped, Task
from integrations.exceptions import KeepsyncError
from integrations.providers.crm import CrmRecord, Saved

UNCHANGED = Skipped("Nothing has changed since it was last sent.")


def push[R: CrmRecord](
    tasks: Sequence[Task],
    *,
    make: Callable[[Task], R | Skipped | KeepsyncError],
    save: Callable[[list[R]], Sequence[Saved | KeepsyncError]],
    link: Callable[[R, str], None],
) -> list[Result]:
    """Make each task's record, save all that have to be sent, and link those that were; one result for each task."""
    made = [make(task) for task in tasks]
    records = [each for each in made if not isinstance(each, Skipped | KeepsyncError)]
    outcomes = zip(records, save(records) if records else [], strict=True)
    done = iter([read_outcome(record, outcome, link) for record, outcome in outcomes])
    return [each if isinstance(each, Skipped | KeepsyncError) else next(done) for each in made]


def read_outcome[R: CrmRecord](record: R, outcome: Saved | KeepsyncError, link: Callable[[R, str], None]) -> Result:
    if isinstance(outcome, KeepsyncError):
        return outcome
    return Done(outcome.external_id, lambda: link(record, outcome.external_id))
