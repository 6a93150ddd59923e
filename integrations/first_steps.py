"""The first steps: how far an installation is, from nothing to the first synced booking.

It is read from the installation itself, so that it can be left at any point, and what is done elsewhere counts. What
does not show there, such as that the built-in CRM is enough, is a row that says who has said so, and when.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from integrations.calls import check_connection, use_account
from integrations.exceptions import KeepsyncError, MissingError, OutageError, ReauthoriseError
from integrations.models import Connection, Delivery, Effect, FirstStep, Pair, WebhookSecret
from integrations.pairs import CALENDAR
from integrations.providers import PROVIDERS
from integrations.providers.calendar_live.client import list_calendars
from integrations.providers.calendar_live.reading import list_webhook_deliveries
from integrations.providers.crm import Crm
from integrations.webhook_secrets import count_rejected

Kind = FirstStep.Kind
PING = "ping"
# What a synced booking has led to at a CRM.
SYNCED = "meeting.upsert"


@dataclass(frozen=True, slots=True)
class Situation:
    """The installation as the first steps see it. `calendar` is the first calendar.live connection that is enabled."""

    calendar: Connection | None
    crms: Sequence[Connection]
    pairs: Sequence[Pair]
    notes: Mapping[tuple[str, int | None], FirstStep]
    secrets: int
    verified_at: datetime | None
    rejected: int

    def find_note(self, kind: Kind, connection: Connection | None = None) -> FirstStep | None:
        return self.notes.get((kind, connection.pk if connection else None))

    @property
    def is_built_in(self) -> bool:
        """Said, and not overtaken: whoever connects a CRM afterwards wants it."""
        return self.find_note(Kind.BUILT_IN) is not None and not self.crms

    @property
    def is_connected(self) -> bool:
        return is_answering(self, self.calendar)

    @property
    def has_crm(self) -> bool:
        return self.is_built_in or any(is_answering(self, crm) for crm in self.crms)

    @property
    def has_pattern(self) -> bool:
        """A pair, and its mapping looked at; the built-in CRM has neither."""
        return self.is_built_in or any(self.find_note(Kind.MAPPING, pair.crm) for pair in self.pairs)

    @property
    def is_verified(self) -> bool:
        return self.verified_at is not None


def is_answering(situation: Situation, connection: Connection | None) -> bool:
    """It was called, and nothing has stopped it since."""
    if connection is None or connection.status != Connection.Status.ACTIVE:
        return False
    return situation.find_note(Kind.CHECKED, connection) is not None


def read_situation() -> Situation:
    """In at most seven queries, whatever there is."""
    enabled = Connection.objects.exclude(status=Connection.Status.DISABLED).defer("credentials").order_by("id")
    connections = list(enabled)
    calendar = next((each for each in connections if each.provider == CALENDAR), None)
    pairs = Pair.objects.filter(calendar=calendar).select_related("crm").defer("crm__credentials").order_by("id")
    return Situation(
        calendar,
        [each for each in connections if is_crm(each)],
        list(pairs) if calendar else [],
        {(note.kind, note.connection_id): note for note in FirstStep.objects.select_related("user")},
        WebhookSecret.objects.filter(connection=calendar, retired_at=None).count() if calendar else 0,
        find_verified(calendar) if calendar else None,
        count_rejected(calendar) if calendar else 0,
    )


def is_crm(connection: Connection) -> bool:
    return isinstance(PROVIDERS.get(connection.provider), Crm)


def find_verified(calendar: Connection) -> datetime | None:
    """When the newest webhook came whose signature was right."""
    signed = Delivery.objects.filter(connection=calendar, is_accepted=True, secret__isnull=False)
    return signed.order_by("-id").values_list("received_at", flat=True).first()


def is_over() -> bool:
    """Nobody need be led any more: a booking was synced, or a person has said so. Cheap with any number of rows."""
    if FirstStep.objects.filter(kind=Kind.DISMISSED).exists():
        return True
    if Pair.objects.exists():
        return Effect.objects.filter(kind=SYNCED, status=Effect.Status.SUCCEEDED).exists()
    worked_on = Delivery.objects.filter(connection__provider=CALENDAR, status=Delivery.Status.PROCESSED)
    return worked_on.exclude(event_type=PING).exists()


# --- What a person says or tries --------------------------------------------------------------------------------------


def note(kind: Kind, *, user: User, connection: Connection | None = None, evidence: str = "") -> None:
    said = {"user": user, "evidence": evidence, "at": timezone.now()}
    FirstStep.objects.update_or_create(kind=kind, connection=connection, defaults=said)


def take_back(kind: Kind, connection: Connection | None = None) -> None:
    FirstStep.objects.filter(kind=kind, connection=connection).delete()


def check(connection: Connection, *, user: User) -> str:
    """Call it, and note that it answered. Raises a KeepsyncError; what was noted before is then forgotten."""
    began = monotonic()
    try:
        found = call(connection)
    except KeepsyncError:
        take_back(Kind.CHECKED, connection)
        raise
    evidence = ", ".join(filter(None, (found, f"{(monotonic() - began) * 1000:.0f} ms")))
    note(Kind.CHECKED, user=user, connection=connection, evidence=evidence)
    return evidence


def call(connection: Connection) -> str:
    """What was found, in figures."""
    if connection.provider != CALENDAR:
        check_connection(connection)
        return ""
    count = len(use_account(connection, list_calendars))
    return f"{count} calendar{'' if count == 1 else 's'}"


def advise(error: KeepsyncError) -> str:
    """What to do about a check that failed; empty where the error says it."""
    if isinstance(error, ReauthoriseError):
        return "Authorise the connection, or press Set credentials there and give another access token."
    if isinstance(error, OutageError):
        return "Look at the connection's Base URL, and whether Keepsync's network lets it out."
    if isinstance(error, MissingError):
        return "Look at the connection's Base URL: something else answers there."
    return ""


def examine_log(calendar: Connection) -> str:
    """What calendar.live says of the webhooks that it has sent here, and what to do about it. Raises KeepsyncError."""
    logged = use_account(calendar, list_webhook_deliveries).deliveries
    if not logged:
        return (
            "calendar.live has sent nothing so far: it does not know the webhook's address yet, or nothing has "
            "happened there."
        )
    newest = logged[0]
    if newest.status == "delivered":
        return "calendar.live says that its newest webhook was delivered."
    if newest.status == "pending":
        return "calendar.live is trying to deliver its newest webhook, and has not succeeded yet."
    return (
        "calendar.live says that its newest webhook has failed: it does not reach the address, or was refused. See "
        "whether the address is exactly right, and reachable from outside."
    )


def find_unreachable(calendar: Connection) -> str:
    """Why nobody outside can reach the webhook's address, where its host says so; empty where it does not.

    A calendar.live that is played on this machine reaches it.
    """
    host = urlsplit(settings.BASE_URL).hostname or ""
    if not is_internal(host) or is_internal(urlsplit(calendar.base_url).hostname or ""):
        return ""
    return f"{settings.BASE_URL} cannot be reached from outside: set BASE_URL to the public address, and restart."


def is_internal(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".local", ".internal"))
