"""Signs of life, read by `readyz`."""

from django.db import models


class Heartbeat(models.Model):
    """The last time that something which must keep running did so."""

    name = models.CharField(max_length=64, primary_key=True)
    beat_at = models.DateTimeField()
    # The last time that it did not run, from when until when.
    silent_from = models.DateTimeField(null=True, blank=True)
    silent_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name
