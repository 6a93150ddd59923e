"""Where a Zoom meeting is seen by its host."""

from integrations.providers.sites import Shown, Site, join

WEB = "https://zoom.us"


def find_page(site: Site, shown: Shown, external_id: str) -> str:
    is_own = not site.base_url or site.is_within("zoom.us")
    return join(WEB, "meeting", external_id) if shown == Shown.MEETING and is_own else ""
