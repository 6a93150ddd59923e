"""The addresses of a process that only takes webhooks in (INTAKE_ONLY=1)."""

from integrations.urls import urlpatterns

__all__ = ["urlpatterns"]
