"""The certificate of the public address, as it was seen last."""

from typing import ClassVar

from django.db import models


class Certificate(models.Model):
    """integrations/operations/certificates.py looks at it, once a day, and each hour while something is wrong."""

    class Problem(models.TextChoices):
        UNREACHABLE = "unreachable", "Cannot be reached"
        EXPIRED = "expired", "Has run out"
        SELF_SIGNED = "self_signed", "Signed by itself"
        UNTRUSTED = "untrusted", "Not trusted"
        WRONG_NAME = "wrong_name", "Made out to another name"

    # Host and port, such as keepsync.example.com:443.
    address = models.CharField(max_length=255, primary_key=True)
    checked_at = models.DateTimeField()
    problem = models.CharField(max_length=16, choices=Problem, blank=True)
    # What was answered, in words.
    detail = models.CharField(max_length=500, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return self.address
