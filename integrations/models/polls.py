"""How far a CRM that sends no webhooks has been asked for its changes."""

from django.db import models

from integrations.models.connections import Connection


class Poll(models.Model):
    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, primary_key=True)
    asked_until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.connection_id} until {self.asked_until:%Y-%m-%d %H:%M}"
