"""The one state file and the one webhook sender per provider of this process, built from the settings."""

from functools import cache, partial

from integrations.sandbox import settings
from integrations.sandbox.faults import get_faults, read_webhook_knobs
from integrations.sandbox.persistence import StateFile
from integrations.sandbox.signing import SCHEMES
from integrations.sandbox.webhooks import WebhookSender


@cache
def get_state_file() -> StateFile:
    """Every provider's section is in this one file: two objects on one path would overwrite each other."""
    return StateFile(settings.STATE_PATH)


@cache
def get_sender(provider: str) -> WebhookSender:
    """The sender of "stripe", "hubspot", "zoom" or "pipedrive"; wsgi.py starts them, before the first request."""
    return WebhookSender(
        provider,
        SCHEMES[provider],
        settings.ENDPOINTS.get(provider),
        file=get_state_file(),
        retry_factor=settings.RETRY_FACTOR,
        knobs=partial(read_webhook_knobs, provider),
        draw=get_faults(provider).draw_for_webhook,
    )


def start_senders() -> None:
    for provider in SCHEMES:
        get_sender(provider).start()
