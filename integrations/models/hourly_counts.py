"""What came in and went out in each hour, counted: what the dashboard reads instead of the rows themselves."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from integrations.models.connections import Connection


class CountedHour(models.Model):
    """An hour that has been counted. What came about in it belongs to it for good, whenever it is worked on."""

    hour = models.DateTimeField(primary_key=True)
    counted_at = models.DateTimeField()
    # False while a person may still close something in it without another try.
    is_settled = models.BooleanField(default=False)
    # The most that was open whenever somebody looked within this hour; None where nobody did.
    open_deliveries = models.PositiveIntegerField(null=True)
    open_effects = models.PositiveIntegerField(null=True)

    class Meta:
        ordering: ClassVar = ["-hour"]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M}"


class HourlyCount(models.Model):
    """Deliveries or effects of one hour and one connection that are in the same state now.

    integrations/operations/counting.py writes them, and replaces those of an hour together.
    """

    class What(models.TextChoices):
        DELIVERY = "delivery", "Deliveries"
        EFFECT = "effect", "Effects"

    hour = models.DateTimeField()
    what = models.CharField(max_length=16, choices=What)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    # A status of deliveries or effects; the cause of dead letters.
    outcome = models.CharField(max_length=16)
    cause = models.CharField(max_length=16, blank=True)
    count = models.PositiveIntegerField()
    # How many of them took how long: a histogram as integrations/operations/histograms.py describes it. Of deliveries
    # from receipt to the end of work, of effects the sync lag.
    times = ArrayField(models.PositiveIntegerField())

    class Meta:
        ordering: ClassVar = ["-hour", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["hour", "what", "connection", "outcome", "cause"], name="hourly_count_once")
        ]

    def __str__(self) -> str:
        return f"{self.count} {self.what} {self.outcome} at {self.hour:%Y-%m-%d %H:%M}"
