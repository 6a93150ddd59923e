"""calendar.live: the adapter's face."""

from collections.abc import Sequence

from integrations.providers.base import Account, Envelope, IncomingRequest, Parsed, Provider
from integrations.providers.calendar_live import client, webhook


class CalendarLive(Provider):
    key = "calendar_live"
    name = "calendar.live"
    origin = "https://api.calendar.live"
    signature_header = "X-CL-Signature"
    visible_keys = webhook.VISIBLE_KEYS

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
