"""The home page: which providers this sandbox plays, and where to find them."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@dataclass(frozen=True)
class Provider:
    """One provider on the home page; links are pairs of text and path."""

    name: str
    summary: str
    links: tuple[tuple[str, str], ...]


# Adding a provider = one package beside this file, its line in urls.py, and one entry here.
PROVIDERS = (
    Provider(
        name="calendar.live",
        summary="Booking pages for customers, the calendar API, and signed webhooks with retries.",
        links=(("Book a meeting", "/book/"), ("Deliveries, events and faults", "/calendar-live/")),
    ),
)


@require_safe
def show_home(request: HttpRequest) -> HttpResponse:
    return render(request, "sandbox/home.html", {"providers": PROVIDERS})
