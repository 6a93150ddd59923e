"""The home page: which providers this sandbox plays, where to find them, and what is going on there."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from integrations.sandbox.faults import Knobs, get_faults
from integrations.sandbox.log import get_log
from integrations.sandbox.mail.records import MailKnobs, get_mail_faults


@dataclass(frozen=True)
class Provider:
    """One provider on the home page; `key` names its log and faults, links are pairs of text and path."""

    key: str
    name: str
    summary: str
    links: tuple[tuple[str, str], ...]

    def describe(self) -> dict[str, Any]:
        has_faults = get_faults(self.key).knobs != Knobs()
        if self.key == "mail":
            has_faults = get_mail_faults().knobs != MailKnobs()
        return {"provider": self, "requests": get_log(self.key).count, "has_faults": has_faults}


# Adding a provider = one package beside this file, its line in urls.py, and one entry here.
PROVIDERS = (
    Provider(
        "calendar_live",
        "calendar.live",
        "Booking pages for customers, the calendar API, and signed webhooks with retries.",
        (("Book a meeting", "/book/"), ("Deliveries, events and faults", "/calendar-live/")),
    ),
    Provider(
        "hubspot",
        "HubSpot",
        "A CRM with contacts and meetings, and webhooks about every change.",
        (("Contacts, meetings and faults", "/hubspot/"),),
    ),
    Provider(
        "salesforce",
        "Salesforce",
        "A CRM with Contacts, Leads and Events by REST, and the SOAP call that merges.",
        (("Records, custom fields and faults", "/salesforce/"),),
    ),
    Provider(
        "pipedrive",
        "Pipedrive",
        "A CRM with persons and activities, and webhooks about every change.",
        (("Persons, activities and faults", "/pipedrive/"),),
    ),
    Provider(
        "zoom",
        "Zoom",
        "Meetings with registrants, at most a hundred a day, and signed webhooks.",
        (("Meetings, registrants and faults", "/zoom/"),),
    ),
    Provider(
        "stripe",
        "Stripe",
        "Checkout sessions with a page to pay them, refunds, and signed webhooks.",
        (("Sessions, payments and faults", "/stripe/"),),
    ),
    Provider(
        "slack",
        "Slack",
        "A workspace that takes messages by its API and by incoming webhooks.",
        (("Messages and faults", "/slack/"),),
    ),
    Provider(
        "mail",
        "E-mail",
        "A mail server that delivers nothing and shows what it was given.",
        (("Messages and faults", "/mail/"),),
    ),
)


@require_safe
def show_home(request: HttpRequest) -> HttpResponse:
    return render(request, "sandbox/home.html", {"rows": [provider.describe() for provider in PROVIDERS]})
