"""What a person has said or tried on the way from nothing to the first synced booking."""

from typing import ClassVar

from django.contrib.auth.models import User
from django.db import models
from django.utils import timezone

from integrations.models.connections import Connection


class FirstStep(models.Model):
    """Only what the installation itself does not show: how far one is, is read from that. See first_steps.py."""

    class Kind(models.TextChoices):
        CHECKED = "checked", "The connection has answered"
        BUILT_IN = "built_in", "The built-in CRM is enough"
        MAPPING = "mapping", "The mapping was looked at"
        ENTERED = "entered", "Address and secret were entered at calendar.live"
        DISMISSED = "dismissed", "The first steps are not wanted"

    kind = models.CharField(max_length=16, choices=Kind)
    connection = models.ForeignKey(Connection, null=True, on_delete=models.CASCADE)
    # Figures only, such as "3 calendars, 41 ms": names are people's.
    evidence = models.CharField(max_length=200, blank=True)
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "connection"], nulls_distinct=False, name="first_step_once")
        ]

    def __str__(self) -> str:
        return self.get_kind_display()
