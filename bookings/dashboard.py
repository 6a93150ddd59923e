"""What the dashboard says about meetings: what waits for a decision, and the webhooks that were missed."""

from collections.abc import Iterator

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from bookings.missed_changes import list_charts
from bookings.models import Conflict, Discrepancy
from integrations.admin.dashboard import Figure, adds_figures, adds_section, make_figure
from integrations.admin.formats import address_of_list

VIEW_RUNS = "bookings.view_reconciliationrun"


@adds_figures
def list_undecided(request: HttpRequest) -> Iterator[Figure]:
    for label, model, status in (
        ("Open conflicts", Conflict, Conflict.Status.OPEN),
        ("Discrepancies", Discrepancy, Discrepancy.Status.OPEN),
    ):
        if request.user.has_perm(f"bookings.view_{model._meta.model_name}"):
            rows = model._default_manager.filter(status=status)
            yield make_figure(label, rows, address_of_list(model, status__exact=status.value))


@adds_section
def show_missed(request: HttpRequest) -> SafeString | None:
    """By day and connection, as reconciliations have found them."""
    if not request.user.has_perm(VIEW_RUNS):
        return None
    charts = list_charts(timezone.now().date())
    return render_to_string("keepsync/missed_changes.html", {"charts": charts}) if charts else None
