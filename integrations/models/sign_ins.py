"""Tries to sign in, counted so that passwords cannot be guessed."""

from typing import ClassVar

from django.contrib.auth.models import User
from django.db import models

from integrations.privacy.encryption import EncryptedTextField


class SignInCount(models.Model):
    """The tries at one door since its count began; it begins anew once `ends_at` is over.

    integrations/sign_ins.py counts them.
    """

    class Door(models.TextChoices):
        BROWSER = "browser", "One account in a browser that it has signed in with"
        ADDRESS = "address", "Any account from one address"
        PAIR = "pair", "One account from one address"
        ACCOUNT = "account", "One account from anywhere"
        CODE = "code", "Codes of one account's second factor"

    # A blind index of the door, and of the account, the address or the browser that it is about.
    key = models.BinaryField(unique=True)
    door = models.CharField(max_length=16, choices=Door)
    # None: the name is nobody's, or it is about an address. What was typed is not kept: it may be a password.
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="sign_in_counts")
    address = EncryptedTextField(blank=True)
    tries = models.PositiveIntegerField(default=0)
    ends_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering: ClassVar = ["-ends_at", "-pk"]
        verbose_name = "sign-in count"

    def __str__(self) -> str:
        return f"count {self.pk}"
