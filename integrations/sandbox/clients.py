"""How an application names itself to a token endpoint (RFC 6749 2.3.1), and what of its requests may be shown."""

import base64
import re

from django.http import HttpRequest

from integrations.sandbox.grants import SHOWN_OF_A_TOKEN

SECRETS = re.compile(r"\b(code|code_verifier|client_secret|refresh_token|token)=([^&\s]*)")


def read_basic(request: HttpRequest) -> str:
    """The client's id from the Authorization header, as it stands there; empty where that holds none."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        client_id, _, _ = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return ""
    return client_id


def read_client(request: HttpRequest) -> str:
    """The client's id, from the header or the body; empty where it is in neither."""
    return read_basic(request) or request.POST.get("client_id", "")


def mask_secrets(text: str) -> str:
    """A form or an address with the last characters of its secrets only."""
    return SECRETS.sub(lambda found: f"{found[1]}=…{found[2][-SHOWN_OF_A_TOKEN:]}", text)
