"""The admin's navigation."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse, reverse_lazy

from integrations.admin.dead_letters import may_see_dead_letters

# How many alerts need somebody.
COUNTED = {"badge": "integrations.admin.badge.count_loud", "badge_variant": "danger"}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar: what operators work with first, what administrators set below."""
    return [
        {
            "title": "Bookings",
            "items": [
                {
                    "title": "Dashboard",
                    "icon": "monitoring",
                    "link": reverse_lazy("admin:index"),
                    "permission": lambda request: True,
                    "active": is_on_dashboard,
                },
                link("Trace", "timeline", "bookings.meeting", page="find_trace") | {"active": is_on_trace},
                link("Meetings", "event", "bookings.meeting") | {"active": is_on_meetings},
                link("Conflicts", "event_busy", "bookings.conflict"),
                link("Calendars", "calendar_month", "bookings.calendar"),
                link("Reservations", "lock_clock", "bookings.reservation"),
                link("Contacts", "person", "contacts.contact"),
                link("Payments", "payments", "bookings.payment"),
                link("Pairs to review", "group", "contacts.candidatepair"),
                link("Merges", "merge", "contacts.merge"),
                link("Imports", "upload_file", "contacts.importrun"),
            ],
        },
        {
            "title": "Operations",
            "separator": True,
            "items": [
                link("Alerts", "notifications_active", "integrations.alert") | COUNTED,
                link("Deliveries", "move_to_inbox", "integrations.delivery") | {"active": is_on_deliveries},
                link("Effects", "outbox", "integrations.effect"),
                {
                    "title": "Dead letters",
                    "icon": "dangerous",
                    "link": reverse_lazy("admin:integrations_delivery_dead_letters"),
                    "permission": may_see_dead_letters,
                },
                link("Replay plans", "event_repeat", "integrations.replayplan"),
                link("Reconciliation", "compare_arrows", "bookings.reconciliationrun"),
                link("Discrepancies", "difference", "bookings.discrepancy"),
                link("Connections", "cable", "integrations.connection"),
                link("Payload shapes", "schema", "integrations.payloadshape"),
                link("Pairs", "link", "integrations.pair"),
                link("Comparisons", "compare", "contacts.duplicaterun"),
                link("Queue", "stacks", "django_q.ormq"),
                link("Runbook", "checklist_rtl", "integrations.runbooktask"),
                link("Launch checklist", "fact_check", "integrations.checklistitem"),
            ],
        },
        {
            "title": "Rules",
            "separator": True,
            "items": [
                link("Alert rules", "notification_settings", "integrations.alertrule"),
                link("Field mappings", "swap_horiz", "integrations.fieldmapping"),
                link("Field owners", "gavel", "integrations.fieldrule"),
                link("Score rules", "leaderboard", "contacts.scorerule"),
                link("Owner pool", "diversity_3", "contacts.poolmember"),
                link("Prices", "sell", "bookings.price"),
                link("Residency", "public", "integrations.regionrule"),
                link("Regions", "map", "integrations.region"),
                link("Duplicate policy", "merge", "contacts.duplicatepolicy"),
            ],
        },
        {
            "title": "Administration",
            "separator": True,
            "items": [
                link("First steps", "flag", "integrations.firststep"),
                link("Test bookings", "event_available", "bookings.trialbooking"),
                link("Users", "badge", "auth.user"),
                link("Groups", "groups", "auth.group"),
                link("Sign-ins", "login", "integrations.signincount"),
                link("Erasures", "person_remove", "contacts.erasure"),
                link("Retention", "auto_delete", "integrations.retentiontime"),
                link("API tokens", "key", "authtoken.tokenproxy"),
                link("Schedules", "schedule", "django_q.schedule"),
                link("Failed jobs", "report", "django_q.failure"),
            ],
        },
    ]


def link(title: str, icon: str, model: str, page: str = "changelist") -> dict[str, Any]:
    """To the list of a model, named as `app.model`, or another page of its own, for those who may see its rows."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model.replace('.', '_')}_{page}"),
        "permission": may_view(model),
    }


def may_view(model: str) -> Any:
    app, _, name = model.partition(".")
    return lambda request: request.user.has_perm(f"{app}.view_{name}")


def is_on_dashboard(request: HttpRequest) -> bool:
    """All addresses of the admin begin with its own."""
    return request.path == reverse("admin:index")


def is_on_deliveries(request: HttpRequest) -> bool:
    """Dead letters have an address below that of the deliveries, and an entry of their own."""
    deliveries, dead_letters = (
        str(reverse(f"admin:integrations_delivery_{page}")) for page in ("changelist", "dead_letters")
    )
    return request.path.startswith(deliveries) and not request.path.startswith(dead_letters)


def is_on_trace(request: HttpRequest) -> bool:
    """Traces have addresses among those of the meetings, and an entry of their own."""
    meetings = str(reverse("admin:bookings_meeting_changelist"))
    below = request.path.removeprefix(meetings) if request.path.startswith(meetings) else ""
    return below.startswith("trace/") or below.endswith("/trace/")


def is_on_meetings(request: HttpRequest) -> bool:
    return request.path.startswith(str(reverse("admin:bookings_meeting_changelist"))) and not is_on_trace(request)
