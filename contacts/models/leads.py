"""Rules for new leads: points for answers, and who takes the next one."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords


class ScoreRule(models.Model):
    """Points for a lead: by an answer of the booking form, or for an address that is no free-mail one."""

    class Kind(models.TextChoices):
        ANSWER = "answer", "Answer of the booking form"
        COMPANY_ADDRESS = "company_address", "Company address"

    kind = models.CharField(max_length=32, choices=Kind, default=Kind.ANSWER)
    answer_key = models.CharField(max_length=255, blank=True, help_text="The answer's key, such as team_size.")
    values = ArrayField(
        models.CharField(max_length=255), default=list, blank=True, help_text="Any of these, upper or lower case."
    )
    points = models.IntegerField()
    is_active = models.BooleanField(default=True)
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["kind", "answer_key", "points"]

    def __str__(self) -> str:
        return f"{self.answer_key or self.get_kind_display()}: {self.points}"


class PoolMember(models.Model):
    """Somebody who takes new leads in turn."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    is_active = models.BooleanField(default=True)
    last_assigned_at = models.DateTimeField(null=True, blank=True, editable=False)
    history = HistoricalRecords(excluded_fields=["last_assigned_at"])

    class Meta:
        ordering: ClassVar = ["id"]
        verbose_name = "owner in the pool"
        verbose_name_plural = "owner pool"

    def __str__(self) -> str:
        return str(self.user)


class Absence(models.Model):
    """Days on which a member takes no new leads; the last one included. A day is one in UTC."""

    member = models.ForeignKey(PoolMember, on_delete=models.CASCADE, related_name="absences")
    first_day = models.DateField()
    last_day = models.DateField()

    class Meta:
        ordering: ClassVar = ["-first_day"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(first_day__lte=F("last_day")), name="absence_ordered"),
        ]

    def __str__(self) -> str:
        return f"{self.first_day} to {self.last_day}"
