"""Replaying many rows, deliveries and effects alike: as a list's action, in batches that are logged, and by a plan."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path

from integrations.admin.base import BulkButton, DetailAdmin, confirm
from integrations.admin.formats import address_of_list
from integrations.admin.planning import Choice, address_of_planning, describe_filters, may_plan, plan_or_ask
from integrations.jobs import replay_deliveries, replay_effects
from integrations.models import Delivery, Effect, ReplayPlan
from integrations.replays.kinds import KINDS, Kind

BATCH = 1000
PROMISE = "What they did already is not done twice; earlier attempts stay on record."


@dataclass(frozen=True, slots=True)
class Replayable:
    """How the pages speak of a kind of rows that can be replayed. `named_by` are the fields of a row's name."""

    kind: Kind
    named_by: Sequence[str]
    replay: Callable[[QuerySet[Any]], list[UUID]]
    why_left: str

    @property
    def model(self) -> type[Delivery | Effect]:
        return self.kind.model

    @property
    def since(self) -> str:
        return self.kind.since

    @property
    def what(self) -> str:
        return self.kind.what

    @property
    def name(self) -> str:
        return self.kind.name.value

    @property
    def plural(self) -> str:
        return self.kind.plural

    @property
    def may_view(self) -> str:
        return self.kind.may_view

    @property
    def may_operate(self) -> str:
        return self.kind.may_operate


DELIVERIES = Replayable(
    kind=KINDS[ReplayPlan.Kind.DELIVERY],
    named_by=("delivery_id",),
    replay=replay_deliveries,
    why_left="their state allows no replay",
)
EFFECTS = Replayable(
    kind=KINDS[ReplayPlan.Kind.EFFECT],
    named_by=("kind", "subject"),
    replay=replay_effects,
    why_left="their state allows no replay, or another effect brings the same state",
)


def replay_and_log(request: HttpRequest, kind: Replayable, ids: Iterable[UUID]) -> int:
    """Replay in batches, each with its jobs and its log. Returns how many were replayed."""
    done, user = 0, cast(User, request.user)
    for batch in batched(ids, BATCH):
        replayed = kind.replay(kind.model.objects.filter(pk__in=batch))
        rows = kind.model.objects.filter(pk__in=replayed).only(*kind.named_by)
        LogEntry.objects.log_actions(user.pk, rows, CHANGE, "Replayed")
        done += len(replayed)
    return done


class ReplayAdmin(DetailAdmin):
    """For the list of a kind that can be replayed: the selected ones at once, or all that its filters show by a plan.

    Both after a confirmation.
    """

    replayable: Replayable
    actions: Sequence[str] = ("replay_selected", "plan_selected")
    list_before_template = "keepsync/plan_replay.html"

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(self.replayable.may_operate)

    def has_plan_permission(self, request: HttpRequest) -> bool:
        return may_plan(request, self.replayable.kind)

    def get_urls(self) -> list[Any]:
        view, name = self.admin_site.admin_view(self.plan_listed), f"integrations_{self.replayable.name}_plan_replay"
        return [path("plan-replay/", view, name=name), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        address = address_of_planning(self.replayable.kind, request.GET.urlencode())
        more = {"plan_address": address if self.has_plan_permission(request) else ""}
        response: HttpResponse = super().changelist_view(request, {**more, **(extra_context or {})})
        return response

    def plan_listed(self, request: HttpRequest) -> HttpResponse:
        """Of all that the list shows with the same parameters, on every page of it."""
        if not (self.has_view_permission(request) and self.has_plan_permission(request)):
            raise PermissionDenied
        back = f"{address_of_list(self.model)}?{request.GET.urlencode()}"
        try:
            chosen = self.get_changelist_instance(request).queryset
        except (IncorrectLookupParameters, SuspiciousOperation):
            messages.error(request, "These filters cannot be read.")
            return HttpResponseRedirect(address_of_list(self.model))
        words = describe_filters(self.replayable.kind, request.GET)
        return plan_or_ask(request, self.replayable.kind, chosen, Choice(words, back))

    @admin.action(description="Plan a replay of the selected %(verbose_name_plural)s", permissions=["plan"])
    def plan_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        keys = list(queryset.values_list("pk", flat=True))
        hidden = [("action", "plan_selected"), *((ACTION_CHECKBOX_NAME, key) for key in keys)]
        choice = Choice(f"{len(keys):,} selected", request.get_full_path(), hidden)
        return plan_or_ask(request, self.replayable.kind, self.model.objects.filter(pk__in=keys), choice)

    @admin.action(description="Replay the selected %(verbose_name_plural)s", permissions=["operate"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        ids, kind = list(queryset.values_list("pk", flat=True)), self.replayable
        if "confirmed" in request.POST:
            done = replay_and_log(request, kind, ids)
            left = len(ids) - done
            rest = f" {left} were left as they are: {kind.why_left}." if left else ""
            level = messages.SUCCESS if done else messages.WARNING
            messages.add_message(request, level, f"{done} of {len(ids)} {kind.plural} are queued.{rest}")
            return None
        return confirm(
            request,
            button=BulkButton(f"Replay {len(ids)}"),
            text=f"{len(ids)} {kind.plural} are worked on again, with a new retry schedule, where their state "
            f"allows it. {PROMISE}",
            back=request.get_full_path(),
            hidden=[
                ("action", "replay_selected"),
                ("confirmed", "yes"),
                *((ACTION_CHECKBOX_NAME, key) for key in ids),
            ],
        )
