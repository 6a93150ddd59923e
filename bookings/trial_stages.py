"""How far a test booking has come: each stage with its time, and what to do where one stands still.

It is read from the delivery, the meeting and the effects that it has led to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Model, Q
from django.utils import timezone

from bookings.models import Meeting, TrialBooking
from bookings.sync import UPSERT as MEETING
from contacts.models import Contact
from contacts.sync import UPSERT as CONTACT
from integrations.models import Connection, Delivery, Effect
from integrations.operations.heartbeats import find_silences
from integrations.pairs import list_crms
from integrations.webhook_secrets import list_rejected

CANCELLED = "event.cancelled"
# So long nothing is said: it takes a moment.
PATIENCE = timedelta(seconds=15)
# After that the page does not ask by itself any more.
WATCHED = timedelta(minutes=30)
AT_WORK = (Delivery.Status.RECEIVED, Delivery.Status.PROCESSING)
TAKEN = (Delivery.Status.PROCESSED, Delivery.Status.STALE)
OVER = (Effect.Status.SUCCEEDED, Effect.Status.SUPPRESSED)
WAITED_FOR = (Effect.Status.PENDING, Effect.Status.RUNNING)


class State(StrEnum):
    DONE = "done"
    WAITS = "waits"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Stage:
    """`after` is how long it took from the stage before; `row` is what shows it."""

    title: str
    state: State
    text: str = ""
    at: datetime | None = None
    after: timedelta | None = None
    row: Model | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """One way: the booking, or its cancelling. `since` is when calendar.live had it."""

    trial: TrialBooking
    since: datetime
    is_cancelling: bool
    now: datetime

    @property
    def is_late(self) -> bool:
        return self.now - self.since > PATIENCE

    def find_delivery(self) -> Delivery | None:
        """The first one that tells of it."""
        told = Delivery.objects.filter(
            connection=self.trial.connection_id, subject=self.trial.event_uid, is_accepted=True
        ).defer("body", "headers")
        told = told.filter(event_type=CANCELLED) if self.is_cancelling else told.exclude(event_type=CANCELLED)
        return told.order_by("id").first()

    def find_meeting(self) -> Meeting | None:
        found = Meeting.objects.filter(connection=self.trial.connection_id, external_id=self.trial.event_id).first()
        if found and self.is_cancelling and found.status != Meeting.Status.CANCELLED:
            return None
        return found

    def find_effect(self, crm: Connection, kind: str, subject: str, delivery: Delivery) -> Effect | None:
        """What was carried out, or is to be, since the delivery came: at first for the booking, at last for the end."""
        effects = Effect.objects.filter(connection=crm, kind=kind, subject=subject)
        since = effects.filter(Q(finished_at=None) | Q(finished_at__gte=delivery.received_at))
        return since.order_by("-id" if self.is_cancelling else "id").first()


def list_stages(trial: TrialBooking) -> list[Stage]:
    """Of the booking; once it is cancelled, of that, after it."""
    if trial.booked_at is None:
        if trial.cancelled_at:
            return [Stage("Given up", State.DONE, at=trial.cancelled_at)]
        text = "calendar.live gave no answer. Send it again: no second event is made."
        return [Stage("Booked at calendar.live", State.STUCK, text)]
    now = timezone.now()
    booked = Leg(trial, trial.booked_at, False, now)
    stages = [Stage("Booked at calendar.live", State.DONE, at=trial.booked_at, after=trial.booked_at - trial.asked_at)]
    stages += follow(booked)
    if trial.cancelled_at:
        stages = [stage for stage in stages if stage.state == State.DONE]
        stages.append(Stage("Cancelled at calendar.live", State.DONE, at=trial.cancelled_at))
        stages += follow(Leg(trial, trial.cancelled_at, True, now))
    return stages


def is_complete(stages: list[Stage]) -> bool:
    return all(stage.state == State.DONE for stage in stages)


# --- One way ----------------------------------------------------------------------------------------------------------


def follow(leg: Leg) -> Iterator[Stage]:
    delivery = leg.find_delivery()
    if delivery is None:
        yield from await_webhook(leg)
        return
    yield Stage("Webhook received", State.DONE, at=delivery.received_at, after=delivery.received_at - leg.since)
    text = f"Its signature was right, by secret {delivery.secret_id}." if delivery.secret_id else ""
    yield Stage("Signature verified", State.DONE, text, delivery.received_at, row=delivery)
    yield describe_work(delivery)
    if delivery.status not in TAKEN:
        return
    meeting = leg.find_meeting()
    if meeting is None:
        yield Stage("Meeting cancelled here" if leg.is_cancelling else "Meeting here", State.WAITS, "Not yet.")
        return
    yield from describe_records(leg, meeting, delivery)
    for crm in list_crms(leg.trial.connection_id):
        yield from describe_crm(leg, crm, meeting, delivery)


def await_webhook(leg: Leg) -> Iterator[Stage]:
    title, connection = "Webhook received", leg.trial.connection
    refused = list_rejected(connection).filter(received_at__gte=leg.since - PATIENCE).count()
    if refused:
        yield Stage(title, State.DONE, f"{refused} came.")
        text = (
            "It was refused: calendar.live signs with another secret than the active ones here. Add the secret that it "
            "has, then press Verify rejected on the connection's page."
        )
        yield Stage("Signature verified", State.STUCK, text, row=connection)
        return
    if not leg.is_late:
        yield Stage(title, State.WAITS, "On its way.")
        return
    text = leg.trial.finding or (
        "Nothing has come. Is the webhook's address entered at calendar.live, exactly as the first steps show it, and "
        "can it be reached from outside? Ask calendar.live what it says."
    )
    yield Stage(title, State.STUCK, text, row=connection)


def describe_work(delivery: Delivery) -> Stage:
    title = "Worked on"
    if delivery.status in TAKEN and delivery.processed_at:
        after = delivery.processed_at - delivery.received_at
        return Stage(title, State.DONE, at=delivery.processed_at, after=after)
    if delivery.status not in AT_WORK:
        text = f"{delivery.get_status_display()}: {delivery.error or 'its page says why.'}"
        return Stage(title, State.STUCK, text, row=delivery)
    if delivery.connection.status == Connection.Status.PAUSED:
        return Stage(title, State.STUCK, "The connection is paused: resume it.", row=delivery.connection)
    if silences := find_silences(timezone.now()):
        return Stage(title, State.STUCK, f"{silences[0].what}: {silences[0].hint}", row=delivery)
    return Stage(title, State.WAITS, "A worker is about to take it.")


def describe_records(leg: Leg, meeting: Meeting, delivery: Delivery) -> Iterator[Stage]:
    if leg.is_cancelling:
        yield Stage("Meeting cancelled here", State.DONE, at=delivery.processed_at, row=meeting)
        return
    contact = find_contact(meeting)
    if contact is not None:
        yield Stage("Contact here", State.DONE, at=delivery.processed_at, row=contact)
    yield Stage("Meeting here", State.DONE, at=delivery.processed_at, row=meeting)


def find_contact(meeting: Meeting) -> Contact | None:
    return Contact.objects.filter(attendances__meeting=meeting).order_by("id").first()


def describe_crm(leg: Leg, crm: Connection, meeting: Meeting, delivery: Delivery) -> Iterator[Stage]:
    """Its contact, which a cancelling leaves as it is, and its meeting."""
    contact = None if leg.is_cancelling else find_contact(meeting)
    if contact is not None and (effect := leg.find_effect(crm, CONTACT, f"contact:{contact.pk}", delivery)):
        yield describe_effect(f"Contact at {crm}", effect)
    effect = leg.find_effect(crm, MEETING, f"meeting:{meeting.pk}", delivery)
    title = f"Meeting {'cancelled ' if leg.is_cancelling else ''}at {crm}"
    yield describe_effect(title, effect) if effect else Stage(title, State.WAITS, "It is about to be sent.")


def describe_effect(title: str, effect: Effect) -> Stage:
    if effect.status in OVER:
        text = f"Its id there is {effect.external_id}." if effect.external_id else effect.close_reason
        after = effect.finished_at - effect.created_at if effect.finished_at else None
        return Stage(title, State.DONE, text, effect.finished_at, after, effect)
    if effect.status in WAITED_FOR:
        return Stage(title, State.WAITS, "It is being sent.", row=effect)
    cause = effect.get_cause_display().lower() if effect.cause else "its page says why"
    text = f"{effect.get_status_display()} ({cause}): {effect.error}" if effect.error else effect.get_status_display()
    return Stage(title, State.STUCK, text, row=effect)
