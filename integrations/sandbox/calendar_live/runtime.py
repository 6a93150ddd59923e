"""The one world and the one sender of this process, built from the settings."""

from functools import cache

from integrations.sandbox import settings
from integrations.sandbox.calendar_live.sender import Endpoint, Sender
from integrations.sandbox.calendar_live.world import World
from integrations.sandbox.persistence import StateFile


@cache
def get_world() -> World:
    return World(StateFile(settings.STATE_PATH), has_endpoint=bool(settings.WEBHOOK_URL))


@cache
def get_sender() -> Sender:
    """The sender; wsgi.py starts it, before the first request, so that no two threads race to build it."""
    endpoint = Endpoint(settings.WEBHOOK_URL, settings.WEBHOOK_SECRET) if settings.WEBHOOK_URL else None
    return Sender(get_world(), endpoint, retry_factor=settings.RETRY_FACTOR)
