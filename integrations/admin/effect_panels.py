"""Effects as panels: what a delivery, a contact or a meeting led to outside."""

from collections.abc import Sequence

from django.db.models import QuerySet
from django.utils.safestring import SafeString

from integrations.admin.formats import NOTHING, address_of_list, link, link_to, show_choice, show_instant
from integrations.admin.panels import Panel
from integrations.admin.subjects import show_subject
from integrations.models import Effect

Status = Effect.Status
STATUS_VARIANTS = {
    Status.PENDING: "info",
    Status.RUNNING: "info",
    Status.SUCCEEDED: "success",
    Status.RETRYING: "warning",
    Status.WAITING: "warning",
    Status.DEAD: "danger",
}
SHOWN = 50


def list_effects(effects: QuerySet[Effect], *, empty: str = "Nothing.", links: Sequence[SafeString] = ()) -> Panel:
    """The newest of them, with where each stands."""
    rows = [
        [
            link_to(effect, effect.kind),
            show_subject(effect.subject, is_short=True),
            effect.connection,
            show_choice(effect, "status", STATUS_VARIANTS),
            effect.get_cause_display() or NOTHING,
            effect.external_id or NOTHING,
            show_instant(effect.created_at),
            show_instant(effect.finished_at),
        ]
        for effect in effects.select_related("connection").defer("connection__credentials").order_by("-id")[:SHOWN]
    ]
    headers = ["Kind", "Subject", "Connection", "Status", "Cause", "External id", "Planned", "Finished"]
    return Panel("Effects", headers=headers, rows=rows, empty=empty, links=links)


def list_effects_of(subjects: Sequence[str]) -> Panel:
    """All that was planned about these subjects, at any connection."""
    links = [link(address_of_list(Effect, subject__exact=subjects[0]), "All")] if len(subjects) == 1 else []
    return list_effects(Effect.objects.filter(subject__in=subjects), links=links)
