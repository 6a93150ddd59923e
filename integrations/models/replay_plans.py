"""Replay plans: a frozen set of deliveries or effects that is replayed slowly, and what became of each."""

from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from integrations.models.deliveries import ERROR_LENGTH, Delivery
from integrations.models.effects import Effect
from integrations.retries import Cause

PER_SECOND_MAX = 500


class Verdict(models.TextChoices):
    """What a replay would do with a row as it is now, and why."""

    RUNS = "runs", "Will run"
    DONE = "done", "Done already"
    COVERED = "covered", "Another effect brings the same state"
    OPEN = "open", "Waits for its turn, or is being worked on"
    UNKNOWN = "unknown", "Nobody knows whether it arrived: a person has to say so first"
    REFUSED = "refused", "The request was refused, and is never worked on"
    ERASED = "erased", "The payload was erased, with the data of a person"
    EMPTIED = "emptied", "The payload was emptied when its time was over: reconcile to fetch it again"
    DISABLED = "disabled", "The connection is disabled"
    GONE = "gone", "It is not kept any more"
    CLOSED = "closed", "A person has closed it meanwhile"
    CANCELLED = "cancelled", "The plan was cancelled first"


class ReplayPlan(models.Model):
    """Its items are frozen when it is made: what is shown, counted, approved and run are the same rows."""

    class Kind(models.TextChoices):
        DELIVERY = "delivery", "Deliveries"
        EFFECT = "effect", "Effects"

    class Status(models.TextChoices):
        DRAFT = "draft", "Waits to be started"
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=16, choices=Kind)
    # The filter in words. It names no person.
    chosen = models.CharField(max_length=ERROR_LENGTH, blank=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.DRAFT)
    per_second = models.PositiveIntegerField(validators=[MinValueValidator(1), MaxValueValidator(PER_SECOND_MAX)])
    # Each of those is worked on again, and changes nothing twice.
    includes_done = models.BooleanField("also what is done already", default=False)
    needs_approval = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    approved_at = models.DateTimeField(null=True, blank=True)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    # How many items there are, how many were made due again, and what became of them.
    total = models.PositiveIntegerField(default=0)
    replayed = models.PositiveIntegerField(default=0)
    succeeded = models.PositiveIntegerField(default=0)
    dead = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    receipt = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    # Before this it is not worked on: what holds its rate.
    next_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [
            ("operate_replayplan", "Can plan, start, pause, resume and cancel replays"),
            ("approve_replayplan", "Can approve large replays that somebody else has planned"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_at"], condition=Q(started_at__isnull=False, finished_at=None), name="replay_plan_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.total:,} {self.get_kind_display().lower()}"

    @property
    def awaits_approval(self) -> bool:
        return self.needs_approval and self.approved_at is None

    @property
    def left(self) -> int:
        """How many items were not looked at yet."""
        return self.total - self.replayed - self.skipped


class ReplayItem(models.Model):
    """One row of a plan. It stays when its delivery or effect is not kept any more."""

    class State(models.TextChoices):
        PENDING = "pending", "Waits for its turn"
        RUNNING = "running", "Replayed"
        SUCCEEDED = "succeeded", "Succeeded"
        DEAD = "dead", "Dead again"
        SKIPPED = "skipped", "Skipped"

    plan = models.ForeignKey(ReplayPlan, on_delete=models.CASCADE, related_name="items", db_index=False)
    delivery = models.ForeignKey(
        Delivery, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="replays"
    )
    effect = models.ForeignKey(
        Effect, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="replays"
    )
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    # Why it was skipped, or of which cause it is dead again.
    reason = models.CharField(max_length=16, choices=Verdict, blank=True)
    cause = models.CharField(max_length=16, choices=Cause, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]
        default_permissions: ClassVar = ()
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(delivery__isnull=False, effect=None) | Q(delivery=None, effect__isnull=False),
                name="replay_item_of_one_thing",
            ),
            models.UniqueConstraint(
                fields=["delivery", "plan"], condition=Q(delivery__isnull=False), name="replay_delivery_once"
            ),
            models.UniqueConstraint(
                fields=["effect", "plan"], condition=Q(effect__isnull=False), name="replay_effect_once"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["plan", "state", "id"], name="replay_item_state")]

    def __str__(self) -> str:
        return str(self.delivery_id or self.effect_id)
