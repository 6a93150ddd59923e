"""The launch checklist: what each item's probe has found, and what people have signed."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from integrations.models.deliveries import ERROR_LENGTH
from integrations.privacy.encryption import EncryptedTextField

NAME_LENGTH, TITLE_LENGTH, ADDRESS_LENGTH, DIGEST_LENGTH = 64, 200, 300, 64


class ChecklistItem(models.Model):
    """An item that the code declares, in integrations/operations/checklist.py; its history hangs on the row."""

    name = models.CharField(max_length=NAME_LENGTH, primary_key=True)
    title = models.CharField(max_length=TITLE_LENGTH)

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = "checklist item"
        permissions: ClassVar = [
            ("check_checklistitem", "Can have the launch checklist checked"),
            ("sign_checklistitem", "Can sign items of the launch checklist"),
        ]

    def __str__(self) -> str:
        return self.title


class CheckResult(models.Model):
    """What a probe has found, from when on, and when it was found last: the same again is no new row."""

    class Status(models.TextChoices):
        PASSED = "passed", "Passed"
        FAILED = "failed", "Failed"
        NOT_APPLICABLE = "not_applicable", "Does not apply"

    item = models.ForeignKey(ChecklistItem, on_delete=models.CASCADE, related_name="results", db_index=False)
    status = models.CharField(max_length=16, choices=Status)
    # Sentences and figures. They name no person.
    lines = models.JSONField(default=list)
    # What to do about a failure, and where.
    advice = models.CharField(max_length=ERROR_LENGTH, blank=True)
    address = models.CharField(max_length=ADDRESS_LENGTH, blank=True)
    # Who had it checked last; None: the schedule or the shell.
    checked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    found_at = models.DateTimeField()
    checked_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-id"]
        default_permissions: ClassVar = ()
        indexes: ClassVar = [models.Index(fields=["item", "-id"], name="check_result_item")]

    def __str__(self) -> str:
        return f"{self.item_id}: {self.status}"


class CheckSignature(models.Model):
    """A person's word for what no probe can prove. It counts until it expires, or what it attests is another."""

    item = models.ForeignKey(ChecklistItem, on_delete=models.CASCADE, related_name="signatures", db_index=False)
    signed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    note = EncryptedTextField()
    # What was attested: in the words that the signer saw, and as a digest that changes with it.
    lines = models.JSONField(default=list)
    digest = models.CharField(max_length=DIGEST_LENGTH)
    signed_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-id"]
        default_permissions: ClassVar = ()
        indexes: ClassVar = [models.Index(fields=["item", "-id"], name="check_signature_item")]

    def __str__(self) -> str:
        return f"signature {self.pk} of {self.item_id}"
