"""Rehearsals: which staging cases have passed, and of which version of the program."""

from typing import ClassVar

from django.db import models


class Rehearsal(models.Model):
    """A run of `manage.py rehearse`: one that came to its end."""

    # As integrations/operations/version.py tells it.
    version = models.CharField(max_length=64)
    # Case → whether it has passed.
    cases = models.JSONField(default=dict)
    # Whether it was played here, or its result was brought from another installation of the same version.
    is_own = models.BooleanField(default=True)
    finished_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-id"]
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return f"rehearsal of {self.finished_at:%Y-%m-%d %H:%M}"
