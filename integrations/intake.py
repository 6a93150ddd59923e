"""From a webhook request to a stored delivery with its job, in one round trip to the database.

1. The endpoint (connection and active secrets) comes from this process's memory.
2. The provider's adapter verifies the raw body and reads the envelope.
3. One statement checks that the endpoint is still the one in the database, inserts the delivery, counts a repeat, and
   queues the job of a new one. Where the endpoint has changed meanwhile it does nothing, and all of it starts anew.
   What several threads of one process have to store at the same moment goes into one statement together.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from itertools import chain
from typing import NamedTuple
from uuid import UUID

import psycopg
from django.db import DatabaseError, IntegrityError, transaction
from django.db import connection as database
from django.utils import timezone
from django_q.conf import Conf
from uuid_utils.compat import uuid7

from integrations.combining import Combiner
from integrations.exceptions import RejectedError, ReusedIdError, SignatureError, UnstoredError
from integrations.models import Connection, Delivery, RejectionCount
from integrations.models.deliveries import DELIVERY_ID_LENGTH
from integrations.privacy.encryption import encrypt
from integrations.providers import get_provider
from integrations.providers.base import Envelope, IncomingRequest, Provider
from integrations.queue import PROCESS_DELIVERY, package_job
from integrations.retries import Cause

logger = logging.getLogger(__name__)

BODY_LIMIT = 1024 * 1024
REJECTED_KEPT_PER_HOUR = 100
# Where a refused request's addresses are kept among its headers: they may be part of what was signed.
URIS = ":uris"
RETRY_AFTER_S = 5

# One row of what is given, as scalars: psycopg sends a few of those faster than arrays.
GIVEN_ROW = "(%b::uuid, %b::bigint, %b::bigint, %b, %b, %b, %b::bytea, %b::bytea, %b::bytea, %b::timestamptz, %b)"
# Inserted in the order of their ids, so that two batches with the same repeats never wait for each other in a circle.
STORE = """
WITH given (
    id, connection_id, generation, delivery_id, event_type, subject, body, headers, body_digest, received_at, job
) AS (
    VALUES {rows}
), stored AS (
    INSERT INTO integrations_delivery AS delivery (
        id, connection_id, delivery_id, is_accepted, event_type, subject, status, cause, error, fingerprint, attempts,
        attempts_before_replay, discard_reason, duplicates, notes, body, headers, body_digest, received_at, queued_at
    )
    SELECT given.id, given.connection_id, given.delivery_id, true, given.event_type, given.subject, 'received', '', '',
           '', 0, 0, '', 0, '[]', given.body, given.headers, given.body_digest, given.received_at, given.received_at
    FROM given
    JOIN integrations_connection AS endpoint
      ON endpoint.id = given.connection_id AND endpoint.generation = given.generation AND endpoint.status <> 'disabled'
    ORDER BY given.connection_id, given.delivery_id
    ON CONFLICT (connection_id, delivery_id) WHERE is_accepted
    DO UPDATE SET duplicates = delivery.duplicates + (delivery.body_digest = EXCLUDED.body_digest)::int
    RETURNING id, connection_id, delivery_id, body_digest, xmax = 0 AS is_new
), queued AS (
    INSERT INTO django_q_ormq (key, payload, lock)
    SELECT %b, given.job, given.received_at FROM given JOIN stored USING (id) WHERE stored.is_new
)
SELECT given.id, stored.is_new, stored.body_digest = given.body_digest
FROM given JOIN stored USING (connection_id, delivery_id)
"""
# Each size of a batch is a statement of its own, prepared once for each connection.
BATCH_LIMIT = 16


class Answer(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Endpoint:
    connection_id: int
    slug: str
    provider: str
    generation: int
    secrets: tuple[str, ...]

    @property
    def adapter(self) -> Provider:
        return get_provider(self.provider)


_endpoints: dict[str, Endpoint] = {}


def load_endpoint(slug: str) -> Endpoint:
    """Raises UnstoredError (404) where the connection is unknown or disabled."""
    # The database cannot be asked for a text with a NUL character.
    rows = "\0" not in slug and list(
        Connection.objects.filter(slug=slug)
        .exclude(status=Connection.Status.DISABLED)
        .values_list("pk", "provider", "generation", "webhook_secrets__secret", "webhook_secrets__retired_at")
    )
    _endpoints.pop(slug, None)
    if not rows or not get_provider(rows[0][1]).signature_header:
        raise UnstoredError(404, "unknown_connection", "There is no connection of this name that takes webhooks.")
    secrets = tuple(secret for *_, secret, retired_at in rows if secret is not None and retired_at is None)
    endpoint = _endpoints[slug] = Endpoint(rows[0][0], slug, rows[0][1], rows[0][2], secrets)
    return endpoint


def authenticate(slug: str, request: IncomingRequest) -> Endpoint:
    """The endpoint whose secret signed the request. Raises SignatureError, after keeping the request."""
    endpoint = _endpoints.get(slug)
    if endpoint and endpoint.adapter.verify(request, endpoint.secrets):
        return endpoint
    endpoint = load_endpoint(slug)
    if not endpoint.adapter.verify(request, endpoint.secrets):
        header = endpoint.adapter.signature_header
        error = SignatureError(f"{header} is missing or does not belong to the body.", field=header)
        keep_rejected(endpoint, request, error)
        raise error
    return endpoint


def record(endpoint: Endpoint, request: IncomingRequest) -> Answer:
    """Store a verified request and queue its job. Raises MalformedError or ReusedIdError, after keeping the request."""
    try:
        envelope = endpoint.adapter.read_envelope(request)
    except RejectedError as error:
        keep_rejected(endpoint, request, error)
        raise
    found = store(endpoint, envelope, request)
    while found is None:
        load_endpoint(endpoint.slug)
        endpoint = authenticate(endpoint.slug, request)
        found = store(endpoint, envelope, request)
    is_new, is_same_body = found
    if not is_same_body:
        reused = ReusedIdError("This delivery id is known with another body; both are kept.", field="id")
        keep_rejected(endpoint, request, reused, cause=Cause.CONFLICT)
        raise reused
    return Answer.ACCEPTED if is_new else Answer.DUPLICATE


class Row(NamedTuple):
    """What a delivery is stored with, and the payload of its job; in the order of GIVEN_ROW."""

    id: UUID
    connection_id: int
    generation: int
    delivery_id: str
    event_type: str
    subject: str
    body: bytes
    headers: bytes
    body_digest: bytes
    received_at: datetime
    job: str


# Whether the row is new, and whether it has this body. None where the endpoint is not the database's any more.
type Stored = tuple[bool, bool] | None


def store(endpoint: Endpoint, envelope: Envelope, request: IncomingRequest) -> Stored:
    """Insert a delivery with its job, together with those that other threads of this process have at this moment."""
    row = make_row(endpoint, envelope, request)
    try:
        return combiner.call(row)
    except (psycopg.Error, DatabaseError):
        # Once more, alone and on a new connection: the server was restarted since it was opened, or another row of the
        # batch was at fault. Should the first try have been committed after all, this one reads as a repeat.
        if database.in_atomic_block:
            raise
        database.close()
        return store_rows([row])[0]


def make_row(endpoint: Endpoint, envelope: Envelope, request: IncomingRequest) -> Row:
    key = uuid7()
    return Row(
        id=key,
        connection_id=endpoint.connection_id,
        generation=endpoint.generation,
        delivery_id=envelope.delivery_id,
        event_type=envelope.event_type,
        subject=envelope.subject,
        body=encrypt(request.body),
        headers=encrypt(json.dumps(dict(request.headers)).encode()),
        body_digest=digest_body(endpoint, request),
        received_at=timezone.now(),
        job=package_job(PROCESS_DELIVERY, str(key)),
    )


def digest_body(endpoint: Endpoint, request: IncomingRequest) -> bytes:
    return hashlib.sha256(endpoint.adapter.body_for_digest(request)).digest()


def store_rows(rows: Sequence[Row]) -> list[Stored]:
    """One statement; a delivery that stands twice among the rows waits for a second one."""
    found: dict[UUID, Stored] = {}
    waiting = list(rows)
    while waiting:
        batch = {(row.connection_id, row.delivery_id): row for row in reversed(waiting)}
        found.update(execute_store(list(batch.values())))
        waiting = [row for row in waiting if batch[row.connection_id, row.delivery_id] is not row]
    return [found.get(row.id) for row in rows]


@cache
def write_statement(rows: int) -> bytes:
    return STORE.format(rows=", ".join([GIVEN_ROW] * rows)).encode()


def execute_store(rows: Sequence[Row]) -> dict[UUID, Stored]:
    """By psycopg itself, as a prepared statement: without Django's client-side binding and its health check."""
    database.ensure_connection()
    raw = database.connection
    raw.prepare_threshold = 1
    with psycopg.Cursor(raw) as cursor:
        cursor.execute(write_statement(len(rows)), [*chain.from_iterable(rows), Conf.CLUSTER_NAME])
        return {key: (is_new, is_same_body) for key, is_new, is_same_body in cursor}


combiner: Combiner[Row, Stored] = Combiner(store_rows, limit=BATCH_LIMIT)


def keep_rejected(endpoint: Endpoint, request: IncomingRequest, error: RejectedError, cause: str = "") -> None:
    """Keep a refused request, so that a person sees it and it can be verified again: so many in an hour."""
    now = timezone.now()
    logger.warning(
        "webhook rejected", extra={"connection": endpoint.slug, "status_code": error.status_code, "cause": error.code}
    )
    if count_rejection(endpoint.connection_id, now) > REJECTED_KEPT_PER_HOUR:
        return
    Delivery.objects.create(
        connection_id=endpoint.connection_id,
        delivery_id=endpoint.adapter.read_delivery_id(request)[:DELIVERY_ID_LENGTH],
        is_accepted=False,
        status=Delivery.Status.REJECTED,
        cause=cause,
        error=str(error),
        body=request.body,
        headers={**request.headers, URIS: " ".join(request.uris)},
        body_digest=digest_body(endpoint, request),
        received_at=request.received_at,
    )


def count_rejection(connection_id: int, now: datetime) -> int:
    """This request's number among the rejected ones of its hour."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    with transaction.atomic():
        RejectionCount.objects.get_or_create(connection_id=connection_id, hour=hour)
        row = RejectionCount.objects.select_for_update().get(connection_id=connection_id, hour=hour)
        row.count += 1
        row.save(update_fields=["count"])
    return row.count


def verify_again(delivery: Delivery) -> None:
    """Take a rejected request in after all, now that its secret is known. Raises RejectedError where it is not."""
    uris = tuple(delivery.headers.get(URIS, "").split())
    request = IncomingRequest(delivery.headers, bytes(delivery.body), received_at=delivery.received_at, uris=uris)
    endpoint = load_endpoint(delivery.connection.slug)
    if not endpoint.adapter.verify(request, endpoint.secrets):
        raise SignatureError("No active secret of the connection signed this request.")
    envelope = endpoint.adapter.read_envelope(request)
    try:
        with transaction.atomic():
            Delivery.objects.filter(pk=delivery.pk, status=Delivery.Status.REJECTED).update(
                status=Delivery.Status.RECEIVED,
                is_accepted=True,
                event_type=envelope.event_type,
                subject=envelope.subject,
                cause="",
                error="",
                queued_at=timezone.now(),
            )
    except IntegrityError as error:
        raise ReusedIdError("A delivery with this id has been accepted already: discard this request.") from error
