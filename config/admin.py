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
                link("Meetings", "event", "bookings.meeting"),
                link("Calendars", "calendar_month", "bookings.calendar"),
                link("Contacts", "person", "contacts.contact"),
                link("Pairs to review", "group", "contacts.candidatepair"),
            ],
        },
        {
            "title": "Operations",
            "separator": True,
            "items": [
                link("Deliveries", "move_to_inbox", "integrations.delivery"),
                {
                    "title": "Dead letters",
                    "icon": "dangerous",
                    "link": reverse_lazy("admin:integrations_delivery_dead_letters"),
                    "permission": may_view("integrations.delivery"),
                },
                link("Connections", "cable", "integrations.connection"),
                link("Queue", "stacks", "django_q.ormq"),
            ],
        },
        {
            "title": "Administration",
            "separator": True,
            "items": [
                link("Users", "badge", "auth.user"),
                link("Groups", "groups", "auth.group"),
                link("API tokens", "key", "authtoken.tokenproxy"),
                link("Schedules", "schedule", "django_q.schedule"),
                link("Failed jobs", "report", "django_q.failure"),
            ],
        },
    ]


def link(title: str, icon: str, model: str) -> dict[str, Any]:
    """To the list of a model, named as `app.model`, for those who may see it."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model.replace('.', '_')}_changelist"),
        "permission": may_view(model),
    }


def may_view(model: str) -> Any:
    app, _, name = model.partition(".")
    return lambda request: request.user.has_perm(f"{app}.view_{name}")
