"""Jobs that run every few minutes: each stands in the migration that brings it, as a row of django-q2's."""

from typing import Any

from django.db.migrations import RunPython
from django.utils import timezone

# The migration of django-q2 on which one with a schedule depends.
DJANGO_Q = ("django_q", "0019_alter_task_options_alter_ormq_key_alter_ormq_lock_and_more")


def add_schedule(name: str, job: str, *, minutes: int) -> RunPython:
    """A migration's operation: call the function at the dotted path `job` every so many minutes, from now on."""

    def add(apps: Any, schema_editor: Any) -> None:
        apps.get_model("django_q", "Schedule").objects.get_or_create(
            name=name,
            defaults={
                "func": job,
                "schedule_type": "I",
                "minutes": minutes,
                "repeats": -1,
                "next_run": timezone.now(),
            },
        )

    def remove(apps: Any, schema_editor: Any) -> None:
        apps.get_model("django_q", "Schedule").objects.filter(name=name).delete()

    return RunPython(add, remove)
