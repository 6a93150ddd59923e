"""What nobody but a person can decide: in which region people's data stay, and for how long they are kept.

Both are signed. Where the product enforces a policy itself, its own probe takes the place of the one here.
"""

from typing import Any

from django.conf import settings

from integrations.models import Connection
from integrations.operations.checklist import DAY, Evidence, Section, passed, proves
from integrations.operations.pages import list_of
from integrations.providers import name_provider


def list_places() -> list[Any]:
    """Where this installation stands, and to whom data go."""
    used = Connection.objects.exclude(status=Connection.Status.DISABLED).order_by("slug")
    return [settings.REGION, list(used.values_list("slug", "provider", "base_url"))]


@proves(
    "region_policy",
    Section.LAUNCH,
    "It is decided in which region people's data may be",
    why="Data that may not leave a region must not be sent to an account outside it.",
    holds=DAY,
    attests=list_places,
)
def probe_region(now: object) -> Evidence:
    region, used = list_places()
    names = ", ".join(f"{slug} ({name_provider(provider)})" for slug, provider, _ in used) or "none"
    return passed(
        f"This installation is of the region {region}. Accounts that data go to: {names}.", address=list_of(Connection)
    )


@proves(
    "retention",
    Section.LAUNCH,
    "It is decided how long payloads and logs are kept",
    why="What is kept for longer than it is needed can only do harm.",
    holds=DAY,
    attests=lambda: "retention",
)
def probe_retention(now: object) -> Evidence:
    return passed("Payloads, attempts and logs are kept as your policy says; how they are purged is yours to say here.")
