"""Background jobs on django-q2's ORM broker: a job is a row in the same database, so it commits with the data."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.core.signing import TimestampSigner
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import PickleSerializer
from uuid_utils.compat import uuid7

from integrations import correlation

PROCESS_DELIVERY = "integrations.jobs.process_delivery"
POLL_CONNECTION = "integrations.jobs.poll_connection"
DRAIN_CONNECTION = "integrations.jobs.drain_connection"
LOOK_AT_ALL_CROSSINGS = "integrations.jobs.look_at_all_crossings"
CONTINUE_PURGE = "integrations.jobs.continue_purge"
CONTINUE_REPLAY = "integrations.jobs.continue_replay"
REFRESH_TOKEN = "integrations.jobs.refresh_token"  # noqa: S105
# What django-q2's SignedPackage makes for each package anew.
SIGNER = TimestampSigner(key=Conf.SECRET_KEY, salt=Conf.PREFIX)


def package_job(job: str, *args: Any, timeout_s: int | None = None) -> str:
    """The signed payload of a queue row that calls the function at the dotted path `job`.

    It may run for `timeout_s`, by default JOB_TIMEOUT_S. One that runs for longer than Q_CLUSTER's retry is given to a
    second worker meanwhile, and must bear that.
    """
    task_id = uuid7().hex
    task = {
        "id": task_id,
        "name": task_id,
        "func": job,
        "args": args,
        "kwargs": {},
        "started": timezone.now(),
        "ack_failure": True,
        # Taken up by integrations/job_runs.py.
        "correlation_id": correlation.current_id(),
    }
    if timeout_s is not None:
        task["timeout"] = timeout_s
    return SIGNER.sign_object(task, serializer=PickleSerializer)


def enqueue(job: str, *args: Any, delay_s: float = 0, timeout_s: int | None = None) -> None:
    """Queue a job in the open transaction. The broker takes a row once its `lock` time has come."""
    due_at = timezone.now() + timedelta(seconds=delay_s)
    payload = package_job(job, *args, timeout_s=timeout_s)
    OrmQ.objects.create(key=Conf.CLUSTER_NAME, payload=payload, lock=due_at)


def enqueue_each(job: str, ids: Iterable[str]) -> None:
    """Queue the job once for each id, at once, in the open transaction."""
    now = timezone.now()
    jobs = [OrmQ(key=Conf.CLUSTER_NAME, payload=package_job(job, each), lock=now) for each in ids]
    OrmQ.objects.bulk_create(jobs, batch_size=1000)
