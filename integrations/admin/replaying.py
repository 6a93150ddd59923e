"""Replaying many rows at once, deliveries and effects alike: as a list's action, and in batches that are logged."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from integrations.admin.base import BulkButton, confirm
from integrations.jobs import replay_deliveries, replay_effects
from integrations.models import Delivery, Effect

BATCH = 1000
PROMISE = "What they did already is not done twice; earlier attempts stay on record."


@dataclass(frozen=True, slots=True)
class Replayable:
    """A kind of rows that can be replayed, and how the pages speak of it.

    `since` and `what` name the fields that say when a row began and what it is about, `named_by` those of its name.
    """

    model: type[Delivery | Effect]
    since: str
    what: str
    named_by: Sequence[str]
    replay: Callable[[QuerySet[Any]], list[UUID]]
    why_left: str

    @property
    def name(self) -> str:
        return str(self.model._meta.model_name)

    @property
    def plural(self) -> str:
        return str(self.model._meta.verbose_name_plural)

    @property
    def may_view(self) -> str:
        return f"integrations.view_{self.name}"

    @property
    def may_operate(self) -> str:
        return f"integrations.operate_{self.name}"


DELIVERIES = Replayable(
    model=Delivery,
    since="received_at",
    what="event_type",
    named_by=("delivery_id",),
    replay=replay_deliveries,
    why_left="their state allows no replay",
)
EFFECTS = Replayable(
    model=Effect,
    since="created_at",
    what="kind",
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


class ReplayAdmin:
    """For the list of a kind that can be replayed: the selected ones, after a confirmation."""

    replayable: Replayable
    actions: Sequence[str] = ("replay_selected",)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(self.replayable.may_operate)

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
