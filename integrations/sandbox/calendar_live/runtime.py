"""The one world and the one sender of this process, built from the settings."""

from functools import cache

from integrations.sandbox import settings
from integrations.sandbox.calendar_live.payments import follow_payments
from integrations.sandbox.calendar_live.sender import Sender
from integrations.sandbox.calendar_live.world import World
from integrations.sandbox.faults import get_faults
from integrations.sandbox.runtime import get_state_file
from integrations.sandbox.signing import Endpoint
from integrations.sandbox.stripe.runtime import get_account
from integrations.sandbox.webhooks import Mishap, draw_mishap


@cache
def get_world() -> World:
    """The world; its first use makes it follow the payments at Stripe, so wsgi.py asks for it at the start."""
    world = World(get_state_file(), has_endpoint=bool(settings.WEBHOOK_URL), draw_mishap=_draw_mishap)
    follow_payments(world, get_account())
    return world


@cache
def get_sender() -> Sender:
    """The sender; wsgi.py starts it, before the first request, so that no two threads race to build it."""
    endpoint = Endpoint(settings.WEBHOOK_URL, settings.WEBHOOK_SECRET) if settings.WEBHOOK_URL else None
    return Sender(get_world(), endpoint, retry_factor=settings.RETRY_FACTOR)


def _draw_mishap() -> Mishap:
    faults = get_faults("calendar_live")
    return draw_mishap(faults.knobs.webhooks, faults.draw_for_webhook)
