"""django-q's tables: its schedules, what waits in the queue, and jobs that failed beyond a delivery's own record."""

from typing import Any

import django_q.admin  # noqa: F401  (registers what is replaced here)
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django_q.models import Failure, OrmQ, Schedule, Success

from integrations.admin.base import Admin, LongListMixin, ReadOnlyMixin
from integrations.admin.formats import show_instant

for model in (Schedule, Success, Failure, OrmQ):
    admin.site.unregister(model)


@admin.register(Schedule)
class ScheduleAdmin(Admin):
    """Made by migrations. When one runs next can be changed; what runs cannot."""

    when_empty = "Run manage.py migrate: it makes the schedules."
    list_display = ("name", "func", "schedule_type", "minutes", "next_shown")
    fields = ("name", "func", "schedule_type", "minutes", "repeats", "next_run")
    readonly_fields = ("name", "func", "schedule_type", "minutes", "repeats")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="next run", ordering="next_run")
    def next_shown(self, schedule: Any) -> str:
        return show_instant(schedule.next_run)


@admin.register(OrmQ)
class QueueAdmin(ReadOnlyMixin, LongListMixin, Admin):
    when_empty = "No job waits: the workers have done them all."
    list_display = ("id", "job", "arguments", "due")
    fields = ("job", "arguments", "due")
    ordering = ("id",)

    @admin.display(description="job")
    def job(self, queued: Any) -> str:
        return str(queued.task.get("func", "unreadable"))

    @admin.display(description="arguments")
    def arguments(self, queued: Any) -> str:
        """Ids only: that is all a job takes."""
        return ", ".join(map(str, queued.task.get("args", ())))

    @admin.display(description="due")
    def due(self, queued: Any) -> str:
        return show_instant(queued.lock)


@admin.register(Failure)
class FailureAdmin(ReadOnlyMixin, LongListMixin, Admin):
    """Without the result: its trace may quote values."""

    when_empty = "No job has failed. One that fails is listed here, with what it was to do."
    list_display = ("started_at", "func", "arguments", "attempt_count")
    fields = ("func", "arguments", "attempt_count", "started_at")
    ordering = ("-started",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request)
        return found.defer("result")

    @admin.display(description="arguments")
    def arguments(self, task: Any) -> str:
        return ", ".join(map(str, task.args or ()))

    @admin.display(description="started")
    def started_at(self, task: Any) -> str:
        return show_instant(task.started)
