"""Emptying the stored payloads that tell of a person who is erased.

The body and the headers go; the delivery's id and the digest of its body stay, so that a repeat is still known as one.

- What has been worked on, or was closed, is emptied at once.
- What is still to be worked on may be news of others too: it is emptied once it has been, within a minute.
- What was refused, or could not be worked on in all of its tries, is emptied and closed: nothing else may come of it.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations.exceptions import KeepsyncError, MalformedError
from integrations.models import Connection, Delivery
from integrations.privacy.encryption import UnreadableValueError
from integrations.providers import get_provider
from integrations.providers.base import Parsed
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

type Tells = Callable[[Delivery, Any, Parsed], bool]


# --- Finding ----------------------------------------------------------------------------------------------------------


def find_telling(found: QuerySet[Delivery], tells: Tells) -> set[UUID]:
    """Those of which `tells` is true, given the delivery, what its body holds, and what that says.

    What cannot be decrypted tells nobody anything.
    """
    return {delivery.pk for delivery in iterate(found) if is_telling(delivery, tells)}


def iterate(found: QuerySet[Delivery]) -> Iterator[Delivery]:
    rows = found.filter(erased_at=None).select_related("connection").defer("headers", "connection__credentials")
    return rows.order_by("pk").iterator(chunk_size=CHUNK)


def is_telling(delivery: Delivery, tells: Tells) -> bool:
    try:
        body = bytes(delivery.body)
    except UnreadableValueError:
        return False
    return tells(delivery, read_body(body), read_events(delivery, body))


def read_body(body: bytes) -> Any:
    """As JSON, or as a text where it is none."""
    try:
        return parse_json(body)
    except MalformedError:
        return body.decode("utf-8", "replace")


def read_events(delivery: Delivery, body: bytes) -> Parsed:
    """What it says in normalised events; nothing where it cannot be read."""
    try:
        return get_provider(delivery.connection.provider).parse(body)
    except (KeepsyncError, NotImplementedError):
        return Parsed(is_known=False)


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
