"""Where a Pipedrive person is seen. An activity has no page of its own there, only lists that it stands in."""

from integrations.providers.sites import Shown, Site, join

# These answer programs, and show nothing to people.
MACHINES = ("api.pipedrive.com", "oauth.pipedrive.com")


def find_page(site: Site, shown: Shown, external_id: str) -> str:
    if shown != Shown.CONTACT or site.host in MACHINES or not site.is_within("pipedrive.com"):
        return ""
    return join(f"https://{site.host}", "person", external_id)
