"""Whom a session belongs to."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User


class PasswordBackend(ModelBackend):
    """Django's; the second factor, which each request asks for, comes with the user in one query."""

    def get_user(self, user_id: Any) -> User | None:
        known = User.objects.select_related("second_factor").defer("second_factor__key")
        user = known.filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None
