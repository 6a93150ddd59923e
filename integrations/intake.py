"""From a webhook request to a stored delivery with its job, in one round trip to the database.

1. The endpoint (connection and active secrets) comes from this process's memory.
2. The provider's adapter verifies the raw body and reads the envelope. Which secret had signed it is stored with it.
3. One statement checks that the endpoint is still the one in the database, inserts the delivery, counts a repeat, and
   queues the job of a new one. Where the endpoint has changed meanwhile it does nothing, and all of it starts anew.
   What several threads of one process have to store at the same moment goes into one statement together.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
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

from integrations import correlation, refusals
from integrations.combining import Combiner
from integrations.endpoints import Endpoint, Verified, load_endpoint, recall_endpoint
from integrations.exceptions import RejectedError, ReusedIdError, SignatureError, StateError, UnstoredError
from integrations.models import Delivery, RejectionCount
from integrations.models.deliveries import DELIVERY_ID_LENGTH
from integrations.privacy.encryption import encrypt
from integrations.providers.base import Envelope, IncomingRequest
from integrations.queue import PROCESS_DELIVERY, package_job
from integrations.retries import Cause

logger = logging.getLogger(__name__)

BODY_LIMIT = 1024 * 1024
REJECTED_KEPT_PER_HOUR = 100
# Where a refused request's addresses are kept among its headers: they may be part of what was signed.
URIS = ":uris"
RETRY_AFTER_S = 5
# While the key that encrypts a connection's secret is missing, a sender keeps what it has and comes again.
LOST_KEY_RETRY_S = 60
LOST_KEY = "The connection's secret cannot be read at the moment; send the delivery again."

# One row of what is given, as scalars: psycopg sends a few of those faster than arrays.
GIVEN_ROW = (
    "(%b::uuid, %b::bigint, %b::bigint, %b::bigint, %b, %b, %b, %b::bytea, %b::bytea, %b::bytea, %b::timestamptz, %b,"
    " %b)"
)
# Inserted in the order of their ids, so that two batches with the same repeats never wait for each other in a circle.
STORE = """
WITH given (
    id, connection_id, generation, secret_id, delivery_id, event_type, subject, body, headers, body_digest,
    received_at, correlation_id, job
) AS (
    VALUES {rows}
), stored AS (
    INSERT INTO integrations_delivery AS delivery (
        id, connection_id, secret_id, delivery_id, is_accepted, event_type, subject, status, cause, error, fingerprint,
        attempts, attempts_before_replay, discard_reason, duplicates, notes, body, headers, body_digest, received_at,
        queued_at, correlation_id
    )
    SELECT given.id, given.connection_id, given.secret_id, given.delivery_id, true, given.event_type, given.subject,
           'received', '', '', '', 0, 0, '', 0, '[]', given.body, given.headers, given.body_digest, given.received_at,
           given.received_at, given.correlation_id
    FROM given
    JOIN integrations_connection AS endpoint
      ON endpoint.id = given.connection_id AND endpoint.generation = given.generation AND endpoint.status <> 'disabled'
    ORDER BY given.connection_id, given.delivery_id
    ON CONFLICT (connection_id, delivery_id) WHERE is_accepted
    DO UPDATE SET
        duplicates = delivery.duplicates + (delivery.body_digest = EXCLUDED.body_digest)::int,
        secret_id = CASE
            WHEN delivery.body_digest = EXCLUDED.body_digest THEN EXCLUDED.secret_id ELSE delivery.secret_id
        END
    RETURNING id, connection_id, delivery_id, body_digest, xmax = 0 AS is_new
), queued AS (
    INSERT INTO django_q_ormq (key, payload, lock)
    SELECT %b, given.job, given.received_at FROM given JOIN stored USING (id) WHERE stored.is_new
)
SELECT given.id, stored.id, stored.is_new, stored.body_digest = given.body_digest
FROM given JOIN stored USING (connection_id, delivery_id)
"""
# Each size of a batch is a statement of its own, prepared once for each connection.
BATCH_LIMIT = 16


class Answer(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


def authenticate(slug: str, request: IncomingRequest) -> Verified:
    """The request with the secret that signed it. Raises SignatureError, after keeping the request.

    Raises UnstoredError (503) where the secret may be one whose encryption key is missing.
    """
    known = recall_endpoint(slug)
    if known and (secret := known.find_signer(request)):
        return Verified(known, secret, request)
    endpoint = load_endpoint(slug)
    if secret := endpoint.find_signer(request):
        return Verified(endpoint, secret, request)
    if endpoint.has_unreadable:
        logger.error("webhook secret unreadable", extra={"connection": slug})
        raise UnstoredError(503, "unavailable", LOST_KEY, retry_after_s=LOST_KEY_RETRY_S)
    header = endpoint.adapter.signature_header
    error = SignatureError(f"{header} is missing or does not belong to the body.", field=header)
    refusals.count_webhook(endpoint.connection_id)
    keep_rejected(endpoint, request, error)
    raise error


def record(verified: Verified) -> Answer:
    """Store a verified request and queue its job. Raises MalformedError or ReusedIdError, after keeping the request."""
    request = verified.request
    try:
        envelope = verified.endpoint.adapter.read_envelope(request)
    except RejectedError as error:
        keep_rejected(verified.endpoint, request, error)
        raise
    found = store(verified, envelope)
    while found is None:
        load_endpoint(verified.endpoint.slug)
        verified = authenticate(verified.endpoint.slug, request)
        found = store(verified, envelope)
    key, is_new, is_same_body = found
    if not is_same_body:
        reused = ReusedIdError("This delivery id is known with another body; both are kept.", field="id")
        keep_rejected(verified.endpoint, request, reused, cause=Cause.CONFLICT)
        raise reused
    answer = Answer.ACCEPTED if is_new else Answer.DUPLICATE
    about = {"delivery_id": str(key), "connection": verified.endpoint.slug, "event_type": envelope.event_type}
    logger.info("delivery stored", extra={**about, "status": answer})
    return answer


class Row(NamedTuple):
    """What a delivery is stored with, and the payload of its job; in the order of GIVEN_ROW."""

    id: UUID
    connection_id: int
    generation: int
    secret_id: int
    delivery_id: str
    event_type: str
    subject: str
    body: bytes
    headers: bytes
    body_digest: bytes
    received_at: datetime
    correlation_id: str
    job: str


# The row's id, whether it is new, and whether it has this body. None where the endpoint is not the database's any more.
type Stored = tuple[UUID, bool, bool] | None


def store(verified: Verified, envelope: Envelope) -> Stored:
    """Insert a delivery with its job, together with those that other threads of this process have at this moment."""
    row = make_row(verified, envelope)
    try:
        return combiner.call(row)
    except (psycopg.Error, DatabaseError):
        # Once more, alone and on a new connection: the server was restarted since it was opened, or another row of the
        # batch was at fault. Should the first try have been committed after all, this one reads as a repeat.
        if database.in_atomic_block:
            raise
        database.close()
        return store_rows([row])[0]


def make_row(verified: Verified, envelope: Envelope) -> Row:
    key = uuid7()
    endpoint, request = verified.endpoint, verified.request
    return Row(
        id=key,
        connection_id=endpoint.connection_id,
        generation=endpoint.generation,
        secret_id=verified.secret.id,
        delivery_id=envelope.delivery_id,
        event_type=envelope.event_type,
        subject=envelope.subject,
        body=encrypt(request.body),
        headers=encrypt(json.dumps(dict(request.headers)).encode()),
        body_digest=digest_body(endpoint, request),
        received_at=timezone.now(),
        correlation_id=correlation.current_id(),
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
        return {key: (stored, is_new, is_same_body) for key, stored, is_new, is_same_body in cursor}


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
    take_in(load_endpoint(delivery.connection.slug), delivery)


def take_in(endpoint: Endpoint, delivery: Delivery) -> None:
    """Accept a rejected request that one of the endpoint's secrets signed.

    Raises RejectedError where none did or its form is wrong, ReusedIdError where its id has been accepted already, and
    StateError where it is not rejected any more.
    """
    uris = tuple(delivery.headers.get(URIS, "").split())
    request = IncomingRequest(delivery.headers, bytes(delivery.body), received_at=delivery.received_at, uris=uris)
    secret = endpoint.find_signer(request)
    if secret is None:
        raise SignatureError("No active secret of the connection signed this request.")
    envelope = endpoint.adapter.read_envelope(request)
    try:
        with transaction.atomic():
            taken = Delivery.objects.filter(pk=delivery.pk, status=Delivery.Status.REJECTED).update(
                status=Delivery.Status.RECEIVED,
                is_accepted=True,
                secret_id=secret.id,
                event_type=envelope.event_type,
                subject=envelope.subject,
                cause="",
                error="",
                queued_at=timezone.now(),
            )
    except IntegrityError as error:
        raise ReusedIdError("A delivery with this id has been accepted already: discard this request.") from error
    if not taken:
        raise StateError("It has been accepted or discarded meanwhile.")
