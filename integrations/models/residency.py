"""Residency: the regions of the world as this installation divides it, and which of them may meet."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from simple_history.models import HistoricalRecords

REGION_LENGTH = 16


class Region(models.Model):
    """Contacts belong to one by their country, connections by what a person has set."""

    code = models.CharField(
        max_length=REGION_LENGTH,
        primary_key=True,
        validators=[RegexValidator(r"^[a-z][a-z0-9-]*$", "Use lower-case letters, digits and -.")],
        help_text="Its name in options and reports, such as eu. It cannot be changed later.",
    )
    name = models.CharField(max_length=64)
    countries = ArrayField(models.CharField(max_length=2), default=list, blank=True)
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["code"]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


class RegionRule(models.Model):
    """Whether contacts of one region may go to connections of another. As long as there is no rule, all may.

    integrations/privacy/residency.py decides by them.
    """

    contacts_region = models.CharField(max_length=REGION_LENGTH)
    connections_region = models.CharField(max_length=REGION_LENGTH)
    is_allowed = models.BooleanField()
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["contacts_region", "connections_region"]
        verbose_name = "residency rule"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["contacts_region", "connections_region"], name="region_rule_once")
        ]

    def __str__(self) -> str:
        verb = "may" if self.is_allowed else "may not"
        return f"contacts of {self.contacts_region} {verb} go to {self.connections_region}"
