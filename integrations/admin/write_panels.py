"""What became of the fields that a delivery brought: on its page, and on the page of what they are fields of."""

from django.db.models import QuerySet
from django.http import HttpRequest

from integrations.admin.field_rules import name_field
from integrations.admin.formats import NOTHING, link_to, show_choice, show_instant
from integrations.admin.panels import Panel, panel_on
from integrations.admin.subjects import show_subject
from integrations.models import Delivery, FieldWrite

Verdict = FieldWrite.Verdict
VARIANTS = {
    Verdict.APPLIED: "success",
    Verdict.ECHO: "info",
    Verdict.STALE: "warning",
    Verdict.BLOCKED: "warning",
    Verdict.CONFLICT: "danger",
}
SHOWN = 50


@panel_on(Delivery)
def show_writes(request: HttpRequest, delivery: Delivery) -> Panel | None:
    return list_writes(FieldWrite.objects.filter(delivery_id=delivery.pk))


def list_writes_of(subject: str) -> Panel | None:
    return list_writes(FieldWrite.objects.filter(subject=subject))


def list_writes(writes: QuerySet[FieldWrite]) -> Panel | None:
    """The newest of them; None where there are none."""
    shown = list(writes.select_related("connection").defer("connection__credentials").order_by("-id")[:SHOWN])
    led = {each.pk: each for each in Delivery.objects.filter(pk__in=[row.delivery_id for row in shown]).only("id")}
    rows = [
        [
            show_choice(row, "verdict", VARIANTS),
            ", ".join(name_field(field) for field in row.fields),
            show_subject(row.subject, is_short=True),
            row.connection,
            link_to(led[row.delivery_id]) if row.delivery_id in led else NOTHING,
            show_instant(row.created_at),
        ]
        for row in shown
    ]
    headers = ["What became of it", "Fields", "Subject", "Written by", "Delivery", "At"]
    return Panel("Writes of fields", headers=headers, rows=rows) if rows else None
