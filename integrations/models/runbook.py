"""The runbook: the tasks that come due by themselves, and who has done them when."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from integrations.models.checklist import NAME_LENGTH, TITLE_LENGTH
from integrations.privacy.encryption import EncryptedTextField


class RunbookTask(models.Model):
    """A task that the code declares; see integrations/operations/runbook.py. It comes due first after `since`."""

    name = models.CharField(max_length=NAME_LENGTH, primary_key=True)
    title = models.CharField(max_length=TITLE_LENGTH)
    since = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = "runbook task"
        permissions: ClassVar = [("sign_off_runbooktask", "Can sign off tasks of the runbook")]

    def __str__(self) -> str:
        return self.title


class SignOff(models.Model):
    """A task that was done: the report as it was then, and what was noted."""

    task = models.ForeignKey(RunbookTask, on_delete=models.CASCADE, related_name="sign_offs", db_index=False)
    due_at = models.DateTimeField()
    # Parts as integrations/operations/reports.py writes them: figures, no person's data.
    report = models.JSONField(default=list)
    note = EncryptedTextField(blank=True)
    signed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    signed_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = "sign-off"
        constraints: ClassVar = [models.UniqueConstraint(fields=["task", "due_at"], name="sign_off_once")]

    def __str__(self) -> str:
        return f"{self.task} of {self.due_at:%Y-%m-%d}"
