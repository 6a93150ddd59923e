"""Stripe: the adapter's face. What is called at it stands in client.py."""

from collections.abc import Sequence

from integrations.providers.base import Account, Envelope, IncomingRequest, Parsed, Provider, Rate
from integrations.providers.sites import Shown, Site
from integrations.providers.stripe import client, pages, webhook


class Stripe(Provider):
    key = "stripe"
    name = "Stripe"
    origin = "https://api.stripe.com"
    # Stripe allows 100 requests a second to a live account, 25 to a sandbox and to one endpoint.
    rate = Rate(per_s=20, burst=25)
    flows = (
        "No links to pay are made, and those of cancelled bookings stay open.",
        "Nothing is refunded.",
    )
    signature_header = webhook.SIGNATURE_HEADER
    visible_keys = webhook.VISIBLE_KEYS
    version_path = ("api_version",)

    def verify(self, request: IncomingRequest, secrets: Sequence[str]) -> bool:
        return webhook.verify(request, secrets)

    def read_delivery_id(self, request: IncomingRequest) -> str:
        return webhook.read_delivery_id(request)

    def read_envelope(self, request: IncomingRequest) -> Envelope:
        return webhook.read_envelope(request)

    def parse(self, body: bytes) -> Parsed:
        return webhook.parse(body)

    def test(self, account: Account) -> str:
        return client.check_key(account)

    def find_page(self, site: Site, shown: Shown, external_id: str) -> str:
        return pages.find_page(site, shown, external_id)
