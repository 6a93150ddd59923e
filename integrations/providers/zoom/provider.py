"""Zoom: the adapter's face."""

from collections.abc import Sequence

from integrations.providers.base import Account, Envelope, IncomingRequest, Parsed, Provider, Rate
from integrations.providers.oauth import Identity, OAuth
from integrations.providers.sites import Shown, Site
from integrations.providers.zoom import client, pages, webhook


class Zoom(Provider):
    key = "zoom"
    name = client.NAME
    origin = "https://api.zoom.us"
    # Of the calls made here, creating a meeting is limited the most: 20 a second on the smaller plans.
    rate = Rate(per_s=15, burst=20)
    signature_header = webhook.SIGNATURE_HEADER
    visible_keys = webhook.VISIBLE_KEYS
    # Newer applications have narrower scopes than these, such as meeting:write:meeting.
    oauth = OAuth(
        authorize_url="https://zoom.us/oauth/authorize",
        token_url="https://zoom.us/oauth/token",  # noqa: S106
        revoke_url="https://zoom.us/oauth/revoke",
        scopes=("meeting:read", "meeting:write", "user:read"),
        asks_scopes=False,
        has_basic_auth=True,
        account_option="account_id",
        purposes={
            "meeting:read": "finding the meetings and registrants that are there",
            "meeting:write": "making, moving and cancelling meetings, and registering attendees",
            "user:read": "seeing whose account it is",
        },
    )
    flows = (
        "Zoom meetings are not made, moved or cancelled.",
        "Attendees are not registered, and get no link to join.",
    )

    def verify(self, request: IncomingRequest, secrets: Sequence[str]) -> bool:
        return webhook.verify(request, secrets)

    def read_delivery_id(self, request: IncomingRequest) -> str:
        return webhook.read_delivery_id(request)

    def read_envelope(self, request: IncomingRequest) -> Envelope:
        return webhook.read_envelope(request)

    def parse(self, body: bytes) -> Parsed:
        return webhook.parse(body)

    def handshake(self, request: IncomingRequest, secrets: Sequence[str]) -> dict[str, str] | None:
        return webhook.answer_validation(request, secrets)

    def identify(self, account: Account) -> Identity:
        return client.identify(account)

    def test(self, account: Account) -> str:
        client.check_meetings(account)
        return "Zoom answers, and the host's meetings can be read."

    def find_page(self, site: Site, shown: Shown, external_id: str) -> str:
        return pages.find_page(site, shown, external_id)
