"""Duplicate detection in the admin: what is merged by itself, and when all contacts were compared."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from contacts.models import DuplicatePolicy, DuplicateRun
from integrations.admin.base import Admin, HistoryAdmin, LongListMixin, ReadOnlyMixin
from integrations.admin.formats import show_choice, show_instant, show_label

PHASE_VARIANTS = {DuplicateRun.Phase.DONE: "success"}


@admin.register(DuplicatePolicy)
class DuplicatePolicyAdmin(HistoryAdmin, Admin):
    list_display = ("policy", "state")
    show_facets = admin.ShowFacets.NEVER
    fields = ("merges_certain",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """There is one, from the start."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="policy")
    def policy(self, policy: DuplicatePolicy) -> str:
        return "Merge by itself what is certain"

    @admin.display(description="state")
    def state(self, policy: DuplicatePolicy) -> str:
        return show_label("On", "warning") if policy.merges_certain else show_label("Off")


@admin.register(DuplicateRun)
class DuplicateRunAdmin(ReadOnlyMixin, LongListMixin, Admin):
    when_empty = "Run manage.py find_duplicates to compare all contacts with each other: its runs stand here."
    list_display = ("started", "state", "contacts", "opened", "reopened", "closed", "finished")
    ordering = ("-id",)
    fields = (
        ("started", "finished", "state"),
        ("contacts", "unreadable", "compared", "keys_written"),
        ("opened", "rescored", "reopened", "closed"),
    )

    @admin.display(description="started")
    def started(self, run: DuplicateRun) -> str:
        return show_instant(run.created_at)

    @admin.display(description="finished")
    def finished(self, run: DuplicateRun) -> str:
        return show_instant(run.finished_at)

    @admin.display(description="state")
    def state(self, run: DuplicateRun) -> str:
        return show_choice(run, "phase", PHASE_VARIANTS)
