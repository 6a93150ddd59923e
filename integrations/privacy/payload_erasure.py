"""Emptying the stored payloads that tell of a person who is erased.

The body and the headers go; the delivery's id and the digest of its body stay, so that a repeat is still known as one.

- What has been worked on, or was closed, is emptied at once.
- What is still to be worked on may be news of others too: it is emptied once it has been, within a minute.
- What was refused, or could not be worked on in all of its tries, is emptied and closed: nothing else may come of it.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations.events import Event
from integrations.exceptions import KeepsyncError, MalformedError
from integrations.models import Connection, Delivery
from integrations.privacy.encryption import Unreadable
from integrations.providers import get_provider
from integrations.providers.json_body import parse_json

Status = Delivery.Status
CLOSED = "Its payload was erased, with the data of a person."
# What somebody will still work on. A disabled connection's deliveries wait for nobody.
TO_BE_WORKED_ON = Q(status__in=(Status.RECEIVED, Status.PROCESSING, Status.RETRYING)) & ~Q(
    connection__status=Connection.Status.DISABLED
)
UNSETTLED = (Status.RECEIVED, Status.RETRYING, Status.DEAD, Status.REJECTED)
# What no subject leads to: refused requests, batches of several records, and what could not be applied.
UNNAMED = Q(subject="") | Q(event_type="batch") | ~Q(status=Status.PROCESSED)
CHUNK = 200
BATCH = 1000


@dataclass(frozen=True)
class Payload:
    """What the delivery of this id brought, read no further than is asked for."""

    delivery: UUID
    connection_id: int
    provider: str
    body: bytes

    @cached_property
    def value(self) -> Any:
        """As JSON, or as a text where it is none."""
        try:
            return parse_json(self.body)
        except MalformedError:
            return self.body.decode("utf-8", "replace")

    @cached_property
    def events(self) -> Sequence[Event]:
        """What it says; nothing where it cannot be read."""
        try:
            return get_provider(self.provider).parse(self.body).events
        except (KeepsyncError, NotImplementedError):
            return ()


# --- Finding ----------------------------------------------------------------------------------------------------------


def find_telling(found: QuerySet[Delivery], tells: Callable[[Payload], bool]) -> set[UUID]:
    """Those of whose payload `tells` is true."""
    return {payload.delivery for payload in read_payloads(found) if tells(payload)}


def read_payloads(found: QuerySet[Delivery], *, newest: int | None = None) -> Iterator[Payload]:
    """Those that were not erased, in the order of their ids; or so many of the newest, which come first.

    What cannot be decrypted tells nobody anything.
    """
    held = found.filter(erased_at=None, emptied_at=None).order_by("-pk" if newest else "pk")
    rows = held.values_list("pk", "connection", "connection__provider", "body")[:newest]
    for key, connection_id, provider, body in rows.iterator(chunk_size=CHUNK):
        if not isinstance(body, Unreadable):
            yield Payload(key, connection_id, provider, bytes(body))


# --- Erasing ----------------------------------------------------------------------------------------------------------


def erase_payloads(ids: Collection[UUID]) -> None:
    """Empty these payloads as soon as they may be. Runs in the caller's transaction."""
    Delivery.objects.filter(pk__in=ids, erased_at=None).update(erasing_since=timezone.now())
    empty(Delivery.objects.filter(pk__in=ids))


def erase_due() -> int:
    """Empty what has been worked on by now. Returns how many were."""
    marked = Delivery.objects.filter(erasing_since__isnull=False)
    with transaction.atomic():
        due = marked.exclude(TO_BE_WORKED_ON).order_by("pk").values_list("pk", flat=True)[:BATCH]
        return empty(Delivery.objects.filter(pk__in=list(due)))


def empty(found: QuerySet[Delivery]) -> int:
    """Those that are marked, and not still to be worked on. Returns how many."""
    due = found.filter(erasing_since__isnull=False).exclude(TO_BE_WORKED_ON)
    rows = Delivery.objects.filter(pk__in=list(due.values_list("pk", flat=True)))
    rows.filter(status__in=UNSETTLED).update(status=Status.DISCARDED, discard_reason=CLOSED, next_attempt_at=None)
    return rows.update(body=b"", headers={}, erasing_since=None, erased_at=timezone.now())
