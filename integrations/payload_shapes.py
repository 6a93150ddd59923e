"""Payload drift: learning which fields a provider sends, and finding what is new and what is not there any more.

Each payload that was worked on is looked at. One that has just what others had in the last minute is counted in this
process's memory; that, and anything else, is written into the shape of its provider, event type and version.

1. Fields of the first payloads are learnt without a word; later ones are unseen until a person accepts them.
2. A field that every payload had, whose object was there, is constant. Once it is lacking it is counted how often in a
   row; should it come back soon, it was an optional one.
"""

import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import Error as DatabaseError
from django.db import transaction
from django.utils import timezone

from integrations.models import Delivery, PayloadShape
from integrations.payload_paths import find_paths, is_object, object_of
from integrations.providers import get_provider

logger = logging.getLogger(__name__)

SHAPES, FIELDS = 500, 600
VERSION_LENGTH = 32
# How long a process keeps to itself that it sees a known form again and again.
REMEMBERED_S = 60.0
# A field that is lacking for less is not gone: another process may have seen it meanwhile.
SETTLED = timedelta(minutes=5)
# One that came back after so few payloads was never constant.
OPTIONAL_BELOW = 20

type Kind = tuple[str, str, str]


@dataclass(slots=True)
class Recent:
    """A form of payloads that this process has seen, until when it is only counted, and how often it came since."""

    until: float
    count: int = 0


_recent: dict[tuple[Kind, bytes], Recent] = {}


@dataclass(frozen=True, slots=True)
class Drift:
    unseen: list[str]
    vanished: list[str]


# --- Learning ---------------------------------------------------------------------------------------------------------


def learn(delivery: Delivery) -> None:
    """From a delivery that was worked on, outside its transaction. It never fails: nothing depends on it."""
    try:
        payload = json.loads(bytes(delivery.body))
        provider = delivery.connection.provider
        look_at((provider, delivery.event_type, read_version(provider, payload)), find_paths(payload))
    except (ValueError, RecursionError):
        return
    except DatabaseError:
        logger.warning("payload shape not learnt", extra={"delivery_id": str(delivery.pk)}, exc_info=True)


def read_version(provider: str, payload: Any) -> str:
    """As the payload names it; empty where it does not."""
    value = payload
    for key in get_provider(provider).version_path:
        value = value.get(key) if isinstance(value, dict) else None
    return value[:VERSION_LENGTH] if isinstance(value, str) else ""


def look_at(kind: Kind, paths: frozenset[str]) -> None:
    form = (kind, hashlib.sha256("\n".join(sorted(paths)).encode()).digest())
    recent = _recent.get(form)
    if recent and recent.until > time.monotonic():
        recent.count += 1
        return
    write(kind, paths, count=1 + (recent.count if recent else 0))
    if len(_recent) >= SHAPES:
        _recent.clear()
    _recent[form] = Recent(time.monotonic() + REMEMBERED_S)


@transaction.atomic
def write(kind: Kind, paths: frozenset[str], *, count: int) -> None:
    """Into the shape's row. Where there are too many shapes no new one is begun."""
    provider, event_type, version = kind
    locked = PayloadShape.objects.select_for_update()
    shape = locked.filter(provider=provider, event_type=event_type, version=version).first()
    if shape is None:
        if PayloadShape.objects.count() >= SHAPES:
            return
        shape, _ = locked.get_or_create(provider=provider, event_type=event_type, version=version)
    take_in(shape, paths, count=count, now=timezone.now())
    shape.save()


def take_in(shape: PayloadShape, paths: frozenset[str], *, count: int, now: datetime) -> None:
    """Change the row, unsaved, by `count` payloads of the same form. Pure."""
    first = shape.payloads + 1
    known = set(shape.fields)
    new = sorted(paths - known)
    room = FIELDS - len(known)
    shape.is_full = shape.is_full or len(new) > room
    shape.fields = {**shape.fields, **dict.fromkeys(new[:room], first)}
    # What came with an object that nobody had seen before may be constant in it.
    fresh = [path for path in new[:room] if not is_object(path) and object_of(path) not in known]
    constant = {*shape.constant, *fresh}
    lacking = {path for path in constant if object_of(path) in paths and path not in paths}
    back = {path for path in shape.absent if path in paths}
    optional = {path for path in back if shape.absent[path]["count"] < OPTIONAL_BELOW}
    shape.constant = sorted(constant - optional)
    shape.absent = count_absent(shape.absent, lacking, back, count=count, now=now)
    shape.payloads += count
    shape.seen_at = now


def count_absent(
    absent: Mapping[str, Any], lacking: set[str], back: set[str], *, count: int, now: datetime
) -> dict[str, Any]:
    kept = {path: counted for path, counted in absent.items() if path not in back}
    for path in lacking:
        before = kept.get(path, {"count": 0, "since": now.isoformat()})
        kept[path] = {**before, "count": before["count"] + count}
    return kept


# --- Looking and accepting --------------------------------------------------------------------------------------------


def find_drift(shape: PayloadShape, *, learnt: int, lacking: float, now: datetime) -> Drift:
    """What came after so many payloads and was not accepted, and what so many in a row lack. Pure."""
    begin = max(learnt, shape.accepted_payloads)
    unseen = [path for path, first in shape.fields.items() if first > begin and not is_object(path)]
    vanished = [
        path
        for path, counted in shape.absent.items()
        if counted["count"] >= lacking and datetime.fromisoformat(counted["since"]) <= now - SETTLED
    ]
    return Drift(sorted(unseen), sorted(vanished))


@transaction.atomic
def accept(shape: PayloadShape) -> None:
    """As it is now is how it should be: what is new is known, and what is lacking is not expected any more."""
    row = PayloadShape.objects.select_for_update().get(pk=shape.pk)
    row.constant = sorted(set(row.constant) - set(row.absent))
    row.absent, row.accepted_payloads = {}, row.payloads
    row.save(update_fields=["constant", "absent", "accepted_payloads"])


def list_fields(shape: PayloadShape) -> Sequence[str]:
    return sorted(path for path in shape.fields if not is_object(path))
