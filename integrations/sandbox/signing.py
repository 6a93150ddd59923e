"""How each provider signs its webhooks, how long it waits for an answer, and when it tries again."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote

# HubSpot decodes these percent-escapes of the address before it signs, and leaves all others.
HUBSPOT_ESCAPES = re.compile("%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
MINUTE_S, HOUR_S = 60, 3600


@dataclass(frozen=True)
class Endpoint:
    """Where webhooks go; `secret` is the signing secret, for Pipedrive `user:password`."""

    url: str
    secret: str = field(repr=False)


type Signer = Callable[[Endpoint, bytes, datetime], dict[str, str]]


@dataclass(frozen=True)
class Scheme:
    """`sign` gives the headers for the bytes at an instant; `retry_after_s` are the pauses before each retry."""

    sign: Signer
    timeout_s: float
    retry_after_s: tuple[float, ...]
    is_numbering_attempts: bool = False

    def body_of_try(self, body: str, tries: int) -> str:
        """The text to send after so many tries: the same one, but HubSpot counts `attemptNumber` up in every event."""
        if not self.is_numbering_attempts or not tries:
            return body
        events = [{**event, "attemptNumber": tries} for event in json.loads(body)]
        return json.dumps(events, ensure_ascii=False, separators=(",", ":"))


def sign_stripe(endpoint: Endpoint, body: bytes, at: datetime) -> dict[str, str]:
    """https://docs.stripe.com/webhooks: t=<unix s>,v1=<hex HMAC-SHA256 of "<t>.<body>">."""
    seconds = str(int(at.timestamp()))
    return {"Stripe-Signature": f"t={seconds},v1={_mac(endpoint, seconds.encode() + b'.' + body).hex()}"}


def sign_hubspot(endpoint: Endpoint, body: bytes, at: datetime) -> dict[str, str]:
    """Version 3: base64 HMAC-SHA256 of method, address, body and the timestamp in milliseconds."""
    timestamp = str(round(at.timestamp() * 1000))
    address = HUBSPOT_ESCAPES.sub(lambda escape: unquote(escape[0]), endpoint.url)
    mac = _mac(endpoint, b"POST" + address.encode() + body + timestamp.encode())
    return {
        "X-HubSpot-Signature-v3": base64.b64encode(mac).decode(),
        "X-HubSpot-Request-Timestamp": timestamp,
    }


def sign_zoom(endpoint: Endpoint, body: bytes, at: datetime) -> dict[str, str]:
    """v0=<hex HMAC-SHA256 of "v0:<unix s>:<body>">."""
    seconds = str(int(at.timestamp()))
    mac = _mac(endpoint, b"v0:" + seconds.encode() + b":" + body)
    return {"x-zm-signature": f"v0={mac.hex()}", "x-zm-request-timestamp": seconds}


def sign_pipedrive(endpoint: Endpoint, body: bytes, at: datetime) -> dict[str, str]:
    """HTTP Basic is all that Pipedrive offers; neither the body nor the time is signed."""
    return {"Authorization": f"Basic {base64.b64encode(endpoint.secret.encode()).decode()}"}


def _mac(endpoint: Endpoint, message: bytes) -> bytes:
    return hmac.new(endpoint.secret.encode(), message, hashlib.sha256).digest()


# Retries: Stripe for three days with growing pauses, HubSpot ten within a day, Zoom and Pipedrive three each.
SCHEMES = {
    "stripe": Scheme(
        sign_stripe, 10.0, (MINUTE_S, 10 * MINUTE_S, HOUR_S, *(hours * HOUR_S for hours in (5, 10, 20, 35)))
    ),
    "hubspot": Scheme(
        sign_hubspot,
        5.0,
        (*(minutes * MINUTE_S for minutes in (1, 3, 10, 30)), *(hours * HOUR_S for hours in (1, 2, 3, 4, 5, 8))),
        is_numbering_attempts=True,
    ),
    "zoom": Scheme(sign_zoom, 3.0, (5 * MINUTE_S, 20 * MINUTE_S, HOUR_S)),
    "pipedrive": Scheme(sign_pipedrive, 10.0, (3, 30, 150)),
}
