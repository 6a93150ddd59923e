"""The second factor of signing in: a person's authenticator app, and the codes for when it is lost."""

from typing import ClassVar

from django.contrib.auth.models import User
from django.db import models
from uuid_utils.compat import uuid7

from integrations.privacy.encryption import EncryptedTextField


class SecondFactor(models.Model):
    """Proposed until the person has shown that the app has it; from then on asked for. See second_factors.py.

    A session that has given a code remembers this row's id: one that is set up anew asks every session again.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="second_factor")
    # 20 bytes in base32, as an app takes them (RFC 6238).
    key = EncryptedTextField()
    # Of the newest code that was taken: none is taken twice, nor an older one after it.
    last_step = models.BigIntegerField(default=0)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"second factor of {self.user_id}"


class RecoveryCode(models.Model):
    """Takes the place of a code once. Of the code itself only a blind index is kept."""

    factor = models.ForeignKey(SecondFactor, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.BinaryField(max_length=16)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["factor", "digest"], name="recovery_code_once")]

    def __str__(self) -> str:
        return f"recovery code {self.pk}"
