"""Where a booking is seen. calendar.live names no address for it; what plays it on this machine has one."""

from integrations.providers.sites import Shown, Site, join


def find_page(site: Site, shown: Shown, external_id: str) -> str:
    if shown != Shown.MEETING or not site.is_loopback:
        return ""
    return join(site.base_url, "bookings", external_id, "")
