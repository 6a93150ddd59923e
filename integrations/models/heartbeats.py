"""Signs of life, read by `readyz`."""

from django.db import models


class Heartbeat(models.Model):
    """The last time that something which must keep running did so."""

    name = models.CharField(max_length=64, primary_key=True)
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
