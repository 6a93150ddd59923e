"""What is noted about each background job in the process that runs it: whose work it goes on with, and how it ended."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from django.dispatch import receiver
from django_q.signals import post_execute_in_worker, post_spawn, pre_execute

from integrations import correlation
from integrations.operations.metrics import JOB_SECONDS, JOBS, OTHER
from integrations.operations.shared_counts import fold_dead

logger = logging.getLogger(__name__)

_began: ContextVar[float] = ContextVar("job_began")

FRAME = re.compile(r'^ +File "([^"]+)", line (\d+), in (\S+)$', re.MULTILINE)
# The last line of a traceback that names a type: its message follows, which may quote a value.
TYPE = re.compile(r"^([A-Za-z_][\w.]*)(?::|$)", re.MULTILINE)


@receiver(post_spawn, dispatch_uid="fold_counts")
def fold_counts(**_: object) -> None:
    """A new process often takes the place of one that is gone."""
    fold_dead()


@receiver(pre_execute, dispatch_uid="correlation")
def take_up(task: Mapping[str, Any], **_: object) -> None:
    """The job goes on with the work of whoever queued it; one of the schedule is work of its own."""
    correlation.begin(task.get("correlation_id") or "")
    _began.set(time.monotonic())


@receiver(post_execute_in_worker, dispatch_uid="note_job")
def note_end(func: Callable[..., object] | None, task: dict[str, Any], **_: object) -> None:
    """Before django-q2 stores it: of a failure that gets the type and the frames too, and not its message."""
    is_done, job = task["success"], name_job(func)
    JOBS.labels(task=job, outcome="done" if is_done else "failed").inc()
    JOB_SECONDS.labels(task=job).observe(time.monotonic() - _began.get())
    if not is_done:
        failure = describe_failure(str(task["result"]))
        task["result"] = "\n".join([failure["type"], *failure["frames"]])
        logger.error("job failed", extra={"job": job, "failure": failure})


def name_job(func: Callable[..., object] | None) -> str:
    """A function of the code, whatever a row of the queue or of the schedule names."""
    return f"{func.__module__}.{func.__qualname__}" if func else OTHER


def describe_failure(result: str) -> dict[str, Any]:
    """The type and the frames out of django-q2's text, which is the exception's message and its traceback."""
    trace = result.rpartition("Traceback (most recent call last):\n")[2]
    frames = [f"{file}:{line} {name}" for file, line, name in FRAME.findall(trace)]
    last = list(FRAME.finditer(trace))
    named = TYPE.search(trace, last[-1].end()) if last else None
    return {"type": named[1] if named else "", "frames": frames[-12:]}
