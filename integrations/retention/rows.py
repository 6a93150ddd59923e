"""What the plumbing keeps for a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db.models import Q, QuerySet
from django.utils import timezone
from django_q.models import Task

from integrations.ids import first_id_at
from integrations.models import (
    Alert,
    Attempt,
    Authorisation,
    Delivery,
    Effect,
    FieldWrite,
    RejectionCount,
    ReplayItem,
)
from integrations.retention.kinds import Kind, delete_rows, keeps_for_a_time

# What nobody will work on any more.
OVER = (Delivery.Status.PROCESSED, Delivery.Status.IGNORED, Delivery.Status.STALE, Delivery.Status.DISCARDED)
DONE = (Effect.Status.SUCCEEDED, Effect.Status.SUPPRESSED, Effect.Status.DISCARDED)


def find_payloads(before: datetime) -> QuerySet[Delivery]:
    held = Delivery.objects.filter(emptied_at=None, erased_at=None, erasing_since=None)
    return held.filter(status__in=OVER, is_accepted=True, pk__lt=first_id_at(before))


def empty_payloads(keys: Sequence[Any]) -> None:
    Delivery.objects.filter(pk__in=keys).update(body=b"", headers={}, emptied_at=timezone.now())


def find_rejected(before: datetime) -> QuerySet[Delivery]:
    refused = Q(status=Delivery.Status.REJECTED) | Q(status=Delivery.Status.DISCARDED, is_accepted=False)
    return Delivery.objects.filter(refused, pk__lt=first_id_at(before))


def find_attempts(before: datetime) -> QuerySet[Attempt]:
    is_over = Q(delivery__status__in=OVER) | Q(effect__status__in=DONE)
    return Attempt.objects.filter(is_over, pk__lt=first_id_at(before))


def find_deliveries(before: datetime) -> QuerySet[Delivery]:
    return Delivery.objects.filter(status__in=OVER, is_accepted=True, pk__lt=first_id_at(before))


def delete_deliveries(keys: Sequence[Any]) -> None:
    delete_rows(Attempt)(list(Attempt.objects.filter(delivery__in=keys).values_list("pk", flat=True)))
    delete_rows(Delivery)(keys)


def find_effects(before: datetime) -> QuerySet[Effect]:
    """Changes of state. What happens once is known by its row for good: without it, it could happen twice."""
    return Effect.objects.filter(status__in=DONE, is_state=True, pk__lt=first_id_at(before))


def delete_effects(keys: Sequence[Any]) -> None:
    delete_rows(Attempt)(list(Attempt.objects.filter(effect__in=keys).values_list("pk", flat=True)))
    delete_rows(Effect)(keys)


for each in (
    Kind(
        "payloads",
        "Payloads and headers of deliveries",
        90,
        find_payloads,
        empty_payloads,
        "The delivery stays, with its id, the digest of its body and what came of it.",
    ),
    Kind(
        "rejected",
        "Rejected deliveries",
        30,
        find_rejected,
        delete_deliveries,
        "How many there were in each hour.",
        is_counted=True,
    ),
    Kind(
        "attempts",
        "Attempts and their calls",
        180,
        find_attempts,
        delete_rows(Attempt),
        "Those of what is not over yet. How many there were stands with the delivery or effect.",
        is_counted=True,
    ),
    Kind(
        "deliveries",
        "Deliveries",
        400,
        find_deliveries,
        delete_deliveries,
        "Those that are not over yet, the counts of each hour, and the history of contacts and meetings.",
        is_counted=True,
        shortest=30,
    ),
    Kind(
        "effects",
        "Effects that bring a state",
        400,
        find_effects,
        delete_effects,
        "Those that are not over yet, the counts, and what happens only once, such as a letter or a payment.",
        is_counted=True,
        shortest=30,
    ),
    Kind(
        "field_writes",
        "Writes of fields",
        365,
        lambda before: FieldWrite.objects.filter(created_at__lt=before),
        delete_rows(FieldWrite),
        "The history of contacts and meetings, with every change and its cause.",
    ),
    Kind(
        "replay_items",
        "Rows of replay plans that are over",
        180,
        lambda before: ReplayItem.objects.filter(plan__finished_at__lt=before),
        delete_rows(ReplayItem),
        "The plan, with its filter, its counts and its receipt.",
    ),
    Kind(
        "rejection_counts",
        "Counts of rejected requests",
        30,
        lambda before: RejectionCount.objects.filter(hour__lt=before),
        delete_rows(RejectionCount),
        "What the dashboard has counted.",
    ),
    Kind(
        "authorisations",
        "Walks to a consent page",
        30,
        lambda before: Authorisation.objects.filter(started_at__lt=before),
        delete_rows(Authorisation),
        "The connection and its token, with their history.",
    ),
    Kind(
        "alerts",
        "Alerts that are over",
        365,
        lambda before: Alert.objects.filter(closed_at__lt=before),
        delete_rows(Alert),
        "Those that are open.",
    ),
    Kind(
        "jobs",
        "Jobs that have ended, failed ones among them",
        30,
        lambda before: Task.objects.filter(stopped__lt=before),
        delete_rows(Task),
        "What is in the queue.",
    ),
    Kind(
        "sessions",
        "Sessions that have run out",
        1,
        lambda before: Session.objects.filter(expire_date__lt=before),
        delete_rows(Session),
        "Those of who is signed in.",
    ),
    Kind(
        "admin_log",
        "The log of what people did in the admin",
        None,
        lambda before: LogEntry.objects.filter(action_time__lt=before),
        delete_rows(LogEntry),
        "The history of the rows themselves.",
    ),
):
    keeps_for_a_time(each)
