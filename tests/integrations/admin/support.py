"""What the admin's tests share: people with few permissions, pages, and effects."""

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from uuid_utils.compat import uuid7

from integrations.models import Connection, Effect


def sign_in(*permissions: str) -> Client:
    """A staff user's client, with permissions named as `app.codename`."""
    user = User.objects.create_user("nora", is_staff=True)
    for permission in permissions:
        app, _, codename = permission.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client = Client()
    client.force_login(user)
    return client


def make_effect(connection: Connection, **fields: Any) -> Effect:
    """A planned effect, as `effects.plan` would have made it."""
    values = {
        "connection": connection,
        "kind": "contact.upsert",
        "subject": f"contact:{uuid7()}",
        "idempotency_key": str(uuid7()),
        "is_state": False,
        "due_at": timezone.now(),
    }
    return Effect.objects.create(**{**values, **fields})


def list_address(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page_address(row: Any, page: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=[row.pk])


def get_page(client: Client, address: str, **parameters: Any) -> str:
    response = client.get(address, parameters)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def press(client: Client, row: Any, button: str, **values: Any) -> Any:
    """Confirm a button; the page that follows."""
    return client.post(page_address(row, button), values, follow=True)


def read_messages(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def read_log(row: Any) -> list[tuple[str, str]]:
    """Who did what, oldest first."""
    entries = LogEntry.objects.filter(object_id=str(row.pk)).order_by("pk")
    return [(entry.user.get_username(), entry.get_change_message()) for entry in entries]
