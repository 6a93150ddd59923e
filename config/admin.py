"""The admin's navigation."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar: what operators work with first, what administrators set below."""
    return [
        {
            "title": "Bookings",
            "items": [
                link("Meetings", "event", "bookings_meeting"),
                link("Contacts", "person", "contacts_contact"),
                link("Pairs to review", "group", "contacts_candidatepair"),
            ],
        },
        {
            "title": "Operations",
            "separator": True,
            "items": [
                link("Deliveries", "move_to_inbox", "integrations_delivery"),
                {
                    "title": "Dead letters",
                    "icon": "dangerous",
                    "link": reverse_lazy("admin:integrations_delivery_dead_letters"),
                    "permission": may_view("integrations.delivery"),
                },
                link("Connections", "cable", "integrations_connection"),
            ],
        },
        {
            "title": "Administration",
            "separator": True,
            "items": [
                link("Users", "badge", "auth_user"),
                link("Groups", "groups", "auth_group"),
                link("API tokens", "key", "authtoken_tokenproxy"),
                link("Schedules", "schedule", "django_q_schedule"),
            ],
        },
    ]


def link(title: str, icon: str, model: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_changelist"),
        "permission": may_view(model.replace("_", ".", 1) if not model.startswith("django_q") else "django_q.schedule"),
    }


def may_view(model: str) -> Any:
    app, _, name = model.partition(".")
    return lambda request: request.user.has_perm(f"{app}.view_{name}")
