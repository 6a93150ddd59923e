"""Where a Salesforce record is seen: in Lightning, at the org's own address."""

from integrations.providers.sites import Shown, Site, join

DOMAINS = ("salesforce.com", "force.com")


def find_page(site: Site, shown: Shown, external_id: str) -> str:
    objects = {Shown.CONTACT: site.options.get("object") or "Contact", Shown.MEETING: "Event"}
    if shown not in objects or not any(map(site.is_within, DOMAINS)):
        return ""
    return join(f"https://{site.host}", "lightning", "r", objects[shown], external_id, "view")
