"""Webhook secrets: several may be active for a connection, so that one takes another's place without a gap.

1. A new one is added. Both are accepted from then on.
2. The sender is switched to it.
3. Each delivery names the secret that had signed it, so that one sees when the old one is quiet.
4. The old one is retired: refused while it is still in use, unless forced.

What came while the sender had a secret that was not known here is kept, and verified again when it is.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone

from integrations import intake
from integrations.deliveries import discard
from integrations.endpoints import load_endpoint, mark_changed
from integrations.exceptions import RejectedError, ReusedIdError, StateError
from integrations.ids import first_id_at
from integrations.models import Connection, Delivery, WebhookSecret
from integrations.privacy.encryption import UnreadableValueError
from integrations.retries import Cause

DAY = timedelta(days=1)
# A secret that has verified nothing for so long is not in use any more.
QUIET = timedelta(hours=1)
ROTATE_AFTER = timedelta(days=30)
# They sign with a secret that they have made themselves: one that is made here would never be used.
MADE_BY_SENDER = frozenset({"hubspot", "stripe", "zoom"})
# More in one request would outlast it.
VERIFIED_AT_ONCE = 2000
REPEATED = "Accepted meanwhile: its sender had sent it again."


@dataclass(frozen=True, slots=True)
class Use:
    """What a secret has verified: deliveries of the last hour (or as `quiet` says), of the last day, and when last."""

    recent: int = 0
    last_day: int = 0
    # None: not within the last day.
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class State:
    """An active secret, without its value, as it was seen at one moment.

    `in_use` is what speaks against retiring it, such as "it verified 12 deliveries in the last hour, the last one 3
    minutes ago"; empty where nothing does.
    """

    id: int
    made_at: datetime
    seen_at: datetime
    use: Use
    in_use: str

    @property
    def age_days(self) -> int:
        return (self.seen_at - self.made_at).days


@dataclass(frozen=True, slots=True)
class VerifiedAgain:
    """What became of refused requests. `accepted` are to be queued; `repeats` were accepted before, and are closed."""

    accepted: Sequence[UUID]
    repeats: int
    refused: int
    # Whether there are older ones, which were not looked at.
    has_more: bool


# --- Adding and retiring ----------------------------------------------------------------------------------------------


def add_secret(connection: Connection, secret: str | None = None) -> str:
    """Make a webhook secret active beside those there are, and return it: this is the only time that it is shown.

    Raises StateError for one that is active already.
    """
    secret = secret or f"whsec_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        lock(connection)
        # One whose encryption key was lost is no text, and equal to none.
        if secret in list(list_active(connection).values_list("secret", flat=True)):
            raise StateError("This secret is active already: give the one that the sender is to be switched to.")
        WebhookSecret.objects.create(connection=connection, secret=secret)
        mark_changed(connection)
    return secret


def retire_secret(secret: WebhookSecret, *, force: bool = False, quiet: timedelta = QUIET) -> None:
    """Refuse what is signed with it from now on.

    Raises StateError for the last active one, without which no webhook could be verified, and for one that is in use,
    unless forced.
    """
    retire(secret.connection, [secret.pk], force=force, quiet=quiet)


def retire_older(connection: Connection, *, force: bool = False, quiet: timedelta = QUIET) -> list[int]:
    """Retire all but the newest, or none of them. Returns their ids. Raises StateError where one is in use."""
    older = list(list_active(connection).values_list("pk", flat=True))[1:]
    if older:
        retire(connection, older, force=force, quiet=quiet)
    return older


@transaction.atomic
def retire(connection: Connection, ids: Sequence[int], *, force: bool, quiet: timedelta) -> None:
    """All of them or none."""
    lock(connection)
    active = set(list_active(connection).values_list("pk", flat=True))
    if not active.issuperset(ids):
        raise StateError("This secret is retired already.")
    if active == set(ids):
        raise StateError("This is the only active secret: add the new one first.")
    if not force:
        refuse_in_use(connection, ids, quiet=quiet)
    list_active(connection).filter(pk__in=ids).update(retired_at=timezone.now())
    mark_changed(connection)


def refuse_in_use(connection: Connection, ids: Sequence[int], *, quiet: timedelta) -> None:
    """Raises StateError, with the numbers, for the first that is in use."""
    now = timezone.now()
    uses = measure_use(connection, now=now, quiet=quiet)
    for key in ids:
        if found := explain_use(uses, key, now=now, quiet=quiet):
            raise StateError(
                f"Secret {key} is still in use: {found}. Switch the sender to the newer one and wait, "
                "or force it: what is still signed with the old one is refused then."
            )


def lock(connection: Connection) -> None:
    """Until the end of the transaction nobody else adds or retires. Deliveries are stored meanwhile."""
    Connection.objects.select_for_update(no_key=True).only("pk").get(pk=connection.pk)


def list_active(connection: Connection) -> QuerySet[WebhookSecret]:
    """The newest first."""
    return WebhookSecret.objects.filter(connection=connection, retired_at=None)


# --- Their use --------------------------------------------------------------------------------------------------------


def list_states(connection: Connection) -> list[State]:
    """The active secrets, the newest first, in two queries."""
    now = timezone.now()
    uses = measure_use(connection, now=now)
    return [
        State(key, made_at, now, uses.get(key, Use()), explain_use(uses, key, now=now))
        for key, made_at in list_active(connection).values_list("pk", "created_at")
    ]


def measure_use(connection: Connection, *, now: datetime, quiet: timedelta = QUIET) -> dict[int, Use]:
    """What each secret has verified within the last day, by its id, in one query over that day's keys.

    A delivery counts when it came first, under the secret that its last repeat was signed with: what the sender signs
    today for a delivery of the day before yesterday is not seen here.
    """
    rows = (
        Delivery.objects.filter(connection=connection, id__gte=first_id_at(now - DAY), secret__isnull=False)
        .order_by()
        .values_list("secret_id")
        .annotate(
            recent=Count("pk", filter=Q(id__gte=first_id_at(now - quiet))),
            last_day=Count("pk"),
            last_at=Max("received_at"),
        )
    )
    return {key: Use(recent, last_day, last_at) for key, recent, last_day, last_at in rows}


def explain_use(uses: Mapping[int, Use], key: int, *, now: datetime, quiet: timedelta = QUIET) -> str:
    """How one sees that a secret is in use: it verified something lately, or else what came last. Empty where not.

    Without the second a sender that is quiet by night would look as if it had been switched.
    """
    use = uses.get(key, Use())
    if use.recent:
        count = f"{use.recent:,} deliver{'y' if use.recent == 1 else 'ies'}"
        return f"it verified {count} in the last {describe_span(quiet)}, the last one {describe_ago(use, now)}"
    if use.last_at and all(other.last_at is None or other.last_at <= use.last_at for other in uses.values()):
        return f"it verified the last delivery that came, {describe_ago(use, now)}, and no other secret has since"
    return ""


def describe_reminder(made_at: datetime, now: datetime) -> str:
    """For the newest active secret, such as "made 41 days ago: rotate it"; empty where it is not old."""
    return f"made {(now - made_at).days} days ago: rotate it" if now - made_at >= ROTATE_AFTER else ""


def describe_span(span: timedelta) -> str:
    return "hour" if span == QUIET else f"{span.total_seconds():g} seconds"


def describe_ago(use: Use, now: datetime) -> str:
    """How long ago it was used last, in minutes or hours."""
    minutes = (now - (use.last_at or now)) // timedelta(minutes=1)
    if minutes < 1:
        return "just now"
    count, unit = (minutes // 60, "hour") if minutes >= 60 else (minutes, "minute")
    return f"{count} {unit}{'' if count == 1 else 's'} ago"


# --- Refused requests -------------------------------------------------------------------------------------------------


def list_rejected(connection: Connection) -> QuerySet[Delivery]:
    """Requests whose signature or form was refused. Those that reuse another's id are for a person to decide."""
    rejected = Delivery.objects.filter(connection=connection, status=Delivery.Status.REJECTED)
    return rejected.exclude(cause=Cause.CONFLICT)


def count_rejected(connection: Connection) -> int:
    """Those of the last day; of each hour's only so many are kept."""
    return list_rejected(connection).filter(id__gte=first_id_at(timezone.now() - DAY)).count()


def verify_rejected_again(connection: Connection, *, limit: int = VERIFIED_AT_ONCE) -> VerifiedAgain:
    """Verify the newest of the refused requests with the secrets that are active now, and take in what they signed.

    Of several repeats of one delivery the first is taken in, and the others are closed. Call it in the transaction that
    queues the accepted ones. Raises UnstoredError where the connection is disabled.
    """
    endpoint = load_endpoint(connection.slug)
    ids = list(list_rejected(connection).order_by("-id").values_list("pk", flat=True)[: limit + 1])
    accepted, repeats, refused = [], 0, 0
    for delivery in Delivery.objects.filter(pk__in=ids[:limit]).order_by("id").iterator(chunk_size=100):
        try:
            intake.take_in(endpoint, delivery)
            accepted.append(delivery.pk)
        except ReusedIdError:
            is_closed = close_repeat(delivery)
            repeats, refused = repeats + is_closed, refused + (not is_closed)
        except (RejectedError, StateError, UnreadableValueError):
            refused += 1
    return VerifiedAgain(accepted, repeats, refused, has_more=len(ids) > limit)


def close_repeat(delivery: Delivery) -> bool:
    """Discard a refused request where the same delivery, with the same body, was accepted. Returns whether it was."""
    is_known = Delivery.objects.filter(
        connection_id=delivery.connection_id,
        delivery_id=delivery.delivery_id,
        is_accepted=True,
        body_digest=delivery.body_digest,
    ).exists()
    if is_known:
        discard(delivery, REPEATED)
    return is_known
