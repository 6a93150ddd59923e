"""calendar.live: the adapter's face."""

from collections.abc import Sequence

from integrations.providers.base import Account, Envelope, IncomingRequest, Parsed, Provider
from integrations.providers.calendar_live import client, pages, webhook
from integrations.providers.oauth import Identity, OAuth
from integrations.providers.sites import Shown, Site


class CalendarLive(Provider):
    key = "calendar_live"
    name = "calendar.live"
    origin = client.ORIGIN
    signature_header = "X-CL-Signature"
    visible_keys = webhook.VISIBLE_KEYS
    version_path = ("api_version",)
    oauth = OAuth(
        authorize_url=f"{client.ORIGIN}/oauth/authorize",
        token_url=f"{client.ORIGIN}/oauth/token",
        revoke_url=f"{client.ORIGIN}/oauth/revoke",
        scopes=("events.read", "events.write", "free_busy.read", "webhooks.read"),
        purposes={
            "events.read": "reading bookings, and comparing them with what is known here",
            "events.write": "making and cancelling bookings that begin in the CRM",
            "free_busy.read": "seeing who is free",
            "webhooks.read": "seeing whether its webhooks are set up",
        },
    )
    flows = ("Calendars are not read: nobody's availability is known.",)

    def verify(self, request: IncomingRequest, secrets: Sequence[str]) -> bool:
        return webhook.verify(request, secrets)

    def read_delivery_id(self, request: IncomingRequest) -> str:
        return webhook.read_delivery_id(request)

    def read_envelope(self, request: IncomingRequest) -> Envelope:
        return webhook.read_envelope(request)

    def parse(self, body: bytes) -> Parsed:
        return webhook.parse(body)

    def test(self, account: Account) -> str:
        names = [calendar.name for calendar in client.list_calendars(account)]
        return f"calendar.live answers; {len(names)} calendars: {', '.join(names)}."

    def identify(self, account: Account) -> Identity:
        return client.identify(account)

    def find_page(self, site: Site, shown: Shown, external_id: str) -> str:
        return pages.find_page(site, shown, external_id)
