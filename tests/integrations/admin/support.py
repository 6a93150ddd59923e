"""What the admin's tests share: people with few permissions, and pages."""

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse


def sign_in(*permissions: str) -> Client:
    """A staff user's client, with permissions named as `app.codename`."""
    user = User.objects.create_user("nora", is_staff=True)
    for permission in permissions:
        app, _, codename = permission.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client = Client()
    client.force_login(user)
    return client


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
