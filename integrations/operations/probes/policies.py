"""In which region people's data stay, and how long they are kept: a person decides, a probe sees that it is done."""

from datetime import datetime
from typing import Any

from django.conf import settings

from integrations.models import Connection, RegionRule, RetentionTime
from integrations.operations.checklist import DAY, Evidence, Section, failed, passed, proves
from integrations.operations.pages import list_of
from integrations.privacy.residency import check_policy
from integrations.providers import name_provider
from integrations.retention.kinds import read_days
from integrations.retention.running import check_retention


def list_places() -> list[Any]:
    """Where this installation stands, to whom data go, and who may meet."""
    used = Connection.objects.exclude(status=Connection.Status.DISABLED).order_by("slug")
    rules = RegionRule.objects.order_by("contacts_region", "connections_region")
    return [
        settings.REGION,
        list(used.values_list("slug", "provider", "base_url", "region")),
        list(rules.values_list("contacts_region", "connections_region", "is_allowed")),
    ]


@proves(
    "region_policy",
    Section.LAUNCH,
    "It is decided in which region people's data may be",
    why="Data that may not leave a region must not be sent to an account outside it.",
    holds=DAY,
    attests=list_places,
)
def probe_region(now: object) -> Evidence:
    """That every contact may go everywhere can be decided too; a policy that is set has to work."""
    region, used, rules = list_places()
    is_right, told = check_policy()
    if rules and not is_right:
        return failed(told, advice="Give each connection its region.", address=list_of(RegionRule))
    names = ", ".join(f"{slug} ({name_provider(provider)})" for slug, provider, *_ in used) or "none"
    return passed(
        told,
        f"This installation is of the region {region}. Accounts that data go to: {names}.",
        address=list_of(RegionRule),
    )


@proves(
    "retention",
    Section.LAUNCH,
    "It is decided how long payloads and logs are kept",
    why="What is kept for longer than it is needed can only do harm.",
    holds=DAY,
    attests=lambda: sorted(read_days().items()),
)
def probe_retention(now: datetime) -> Evidence:
    is_right, told = check_retention(now)
    address = list_of(RetentionTime)
    return passed(told, address=address) if is_right else failed(told, advice="See Retention.", address=address)
