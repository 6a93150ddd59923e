"""What the webhook intake knows of a connection: each process keeps it in memory, and the database says if it is stale.

A change that the intake must see at once raises the connection's generation (`mark_changed`); the intake stores nothing
under another generation than the database's.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import F, FilteredRelation, Q

from integrations.exceptions import UnstoredError
from integrations.models import Connection
from integrations.privacy.encryption import Unreadable
from integrations.providers import get_provider
from integrations.providers.base import IncomingRequest, Provider


class Secret(NamedTuple):
    """An active webhook secret: the row's id, and its value."""

    id: int
    value: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    connection_id: int
    slug: str
    provider: str
    generation: int
    # The newest first: what a sender has switched to is found by the first comparison.
    secrets: tuple[Secret, ...]
    # Whether there is another active secret, whose encryption key is missing: a request may be signed with it.
    has_unreadable: bool = False

    @property
    def adapter(self) -> Provider:
        return get_provider(self.provider)

    def find_signer(self, request: IncomingRequest) -> Secret | None:
        """The secret that signed the request; each comparison takes constant time."""
        return next((secret for secret in self.secrets if self.adapter.verify(request, [secret.value])), None)


@dataclass(frozen=True, slots=True)
class Verified:
    """A request with the endpoint that it came to, and the secret that signed it."""

    endpoint: Endpoint
    secret: Secret
    request: IncomingRequest

    def answer_handshake(self) -> dict[str, str] | None:
        """The answer to a request that only sets the webhook up, made with the secret that signed it."""
        return self.endpoint.adapter.handshake(self.request, [self.secret.value])


_endpoints: dict[str, Endpoint] = {}


def recall_endpoint(slug: str) -> Endpoint | None:
    """From this process's memory."""
    return _endpoints.get(slug)


def load_endpoint(slug: str) -> Endpoint:
    """From the database, to be remembered. Raises UnstoredError (404) where the connection is unknown or disabled."""
    # The database cannot be asked for a text with a NUL character.
    rows = "\0" not in slug and list(
        Connection.objects.filter(slug=slug)
        .exclude(status=Connection.Status.DISABLED)
        .annotate(active=FilteredRelation("webhook_secrets", condition=Q(webhook_secrets__retired_at=None)))
        .order_by("-active__pk")
        .values_list("pk", "provider", "generation", "active__pk", "active__secret")
    )
    _endpoints.pop(slug, None)
    if not rows or not get_provider(rows[0][1]).signature_header:
        raise UnstoredError(404, "unknown_connection", "There is no connection of this name that takes webhooks.")
    active: list[tuple[int, Any]] = [(key, value) for *_, key, value in rows if key is not None]
    secrets = tuple(Secret(key, value) for key, value in active if not isinstance(value, Unreadable))
    has_unreadable = len(secrets) < len(active)
    endpoint = _endpoints[slug] = Endpoint(rows[0][0], slug, rows[0][1], rows[0][2], secrets, has_unreadable)
    return endpoint


def mark_changed(connection: Connection) -> None:
    """Make every process's memory of this connection's endpoint invalid."""
    Connection.objects.filter(pk=connection.pk).update(generation=F("generation") + 1)
