"""Retention: how long what is kept is kept, and the runs that remove what is over."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from simple_history.models import HistoricalRecords
from uuid_utils.compat import uuid7

LONGEST_DAYS = 18_250


class RetentionTime(models.Model):
    """How many days one kind of row is kept, where that is not as shipped. integrations/retention/ knows the kinds."""

    name = models.CharField(max_length=32, primary_key=True)
    # None: for ever.
    days = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(LONGEST_DAYS)]
    )
    updated_at = models.DateTimeField(auto_now=True)
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class PurgeRun(models.Model):
    """One walk through all that is kept. `place` is where it stands: a process that died leaves it to the next one."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Kind → how many rows of it were emptied or deleted.
    counts = models.JSONField(default=dict)
    # The kind that is looked at, and the last row of it that was.
    place = models.JSONField(default=dict, editable=False)
    started_at = models.DateTimeField(auto_now_add=True)
    worked_at = models.DateTimeField(auto_now=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["finished_at"], condition=models.Q(finished_at=None), nulls_distinct=False, name="purge_once"
            )
        ]

    def __str__(self) -> str:
        return f"purge of {self.started_at:%Y-%m-%d %H:%M}"
