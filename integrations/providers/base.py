"""What a provider is to Keepsync: an adapter that translates. It takes and returns plain values, never models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from django.utils import timezone

from integrations.events import Event
from integrations.payloads import PayloadReader
from integrations.providers.oauth import Grant, Identity, OAuth, read_grant
from integrations.providers.sites import Shown, Site


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """A webhook request as it came. Header names are lower case.

    `uris` are the addresses that the sender may have signed: ours as it is known outside, and as the request names it.
    """

    headers: Mapping[str, str]
    body: bytes
    received_at: datetime = field(default_factory=timezone.now)
    uris: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the intake needs to know of a webhook before it is stored. `subject` is what must be worked on in order."""

    delivery_id: str
    event_type: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A stored payload as normalised events. `is_known` is False for a type that this adapter has never heard of."""

    events: Sequence[Event] = ()
    notes: Sequence[str] = ()
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Account:
    """What an adapter needs to call its provider: where it is, and the connection's options and credentials."""

    base_url: str
    options: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rate:
    """How many calls a provider allows: so many a second in the long run, and so many at once after a rest."""

    per_s: float
    burst: int


class Provider:
    """Base of all providers.

    Override `test`; for one with `oauth` also `identify`; for one whose records have pages to look at `find_page`;
    for one that sends webhooks also `verify`, the `read_…` and `parse`, and set `signature_header`.
    """

    key: ClassVar[str]
    name: ClassVar[str]
    origin: ClassVar[str]
    rate: ClassVar[Rate] = Rate(per_s=20, burst=20)
    # Named in the 401 answer, so that the sender's developer sees what is missing. Empty: it sends no webhooks.
    signature_header: ClassVar[str] = ""
    # Where a person authorises it; None: it is called with a key that a person copies here.
    oauth: ClassVar[OAuth | None] = None
    # What stops while it cannot be called, each as a sentence: what administrators are told.
    flows: ClassVar[tuple[str, ...]] = ()
    # Keys whose values the admin shows in a payload; everything else is masked.
    visible_keys: ClassVar[frozenset[str]] = frozenset()
    # The keys, from the outermost, under which a payload names its version. Empty: it does not.
    version_path: ClassVar[tuple[str, ...]] = ()

    def verify(self, request: IncomingRequest, secrets: Sequence[str]) -> bool:
        """Whether one of the secrets signed the raw body, not too long before it was received.

        Compares in constant time.
        """
        raise NotImplementedError

    def read_delivery_id(self, request: IncomingRequest) -> str:
        """The id that the request claims, verified or not; empty where it has none."""
        raise NotImplementedError

    def read_envelope(self, request: IncomingRequest) -> Envelope:
        """Raises MalformedError, naming the field, where the request is not the provider's envelope."""
        raise NotImplementedError

    def body_for_digest(self, request: IncomingRequest) -> bytes:
        """What is the same in every retry of a delivery; override where the sender changes the body between them."""
        return request.body

    def parse(self, body: bytes) -> Parsed:
        """The normalised events of a stored body. Raises PayloadError, naming the field."""
        raise NotImplementedError

    def handshake(self, request: IncomingRequest, secrets: Sequence[str]) -> dict[str, str] | None:
        """The answer to a verified request that only sets the webhook up; None for an ordinary delivery."""
        return None

    def test(self, account: Account) -> str:
        """Call the provider once and say what was found. Raises a KeepsyncError that says what to do."""
        raise NotImplementedError

    def read_grant(self, answer: PayloadReader) -> Grant:
        """A token endpoint's 2xx answer. Raises PayloadError, naming the field."""
        return read_grant(answer)

    def identify(self, account: Account) -> Identity:
        """Whose account the token opens. Raises a KeepsyncError that says what to do."""
        raise NotImplementedError

    def find_page(self, site: Site, shown: Shown, external_id: str) -> str:
        """The address at which a person sees a record in the browser; empty where there is none."""
        return ""
