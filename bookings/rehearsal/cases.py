"""The staging cases: each books at calendar.live as a customer does, and waits until all sides tell the same story."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from bookings.flows import letters
from bookings.rehearsal.checks import Expected, find_deliveries, looking_for
from bookings.rehearsal.sandbox import Guest, Record
from bookings.rehearsal.stage import Stage
from integrations.jobs import replay_deliveries
from integrations.models import Delivery

type Play = Callable[[Stage], None]

CALL, WEBINAR = "trial", "pricing-masterclass"
# Enough for a high score under the rules that Keepsync comes with.
EAGER = {"team_size": "1000+", "timeline": "now"}
CANCELLED_LETTERS = {letters.CONFIRMATION: 1, letters.CANCELLATION: 1}


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    play: Play


def new_booking(stage: Stage) -> None:
    """Contact, meeting, CRM records, online meeting, Slack message and confirmation are there once."""
    event, guest = stage.book(CALL, EAGER)
    stage.wait(looking_for(stage, confirmed(stage, event, guest)))


def update(stage: Stage) -> None:
    """A reschedule moves what is there, and makes nothing new."""
    event, guest = stage.book(CALL)
    stage.wait(looking_for(stage, confirmed(stage, event, guest)))
    move(stage, event)
    stage.wait(looking_for(stage, confirmed(stage, stage.customer.read_event(event["id"]), guest)))


def cancel(stage: Stage) -> None:
    """A cancellation is told everywhere, takes the online meeting back, and says so to the customer."""
    event, guest = stage.book(CALL)
    expected = confirmed(stage, event, guest)
    stage.wait(looking_for(stage, expected))
    stage.customer.cancel(event["id"])
    gone = replace(expected, status="cancelled", is_online=False, letters=CANCELLED_LETTERS)
    stage.wait(looking_for(stage, gone))


def failed_payment(stage: Stage) -> None:
    """Without money there is no online meeting and no confirmation; and a checkout that ran out ends the booking."""
    event, guest = stage.book(WEBINAR)
    stage.customer.try_declined_card(event["payment"]["url"])
    unpaid = Expected(event, guest, status="tentative", is_online=False, letters={}, payment="failed")
    stage.wait(looking_for(stage, unpaid))
    stage.customer.let_expire(event["payment"]["url"])
    stage.wait(looking_for(stage, replace(unpaid, status="cancelled")))


def webhook_replay(stage: Stage) -> None:
    """The same delivery again, from calendar.live and by a replay here, makes nothing happen twice."""
    event, guest = stage.book(CALL, EAGER)
    expected = confirmed(stage, event, guest)
    stage.wait(looking_for(stage, expected))
    delivery = find_deliveries(stage, event).first()
    stage.customer.redeliver(delivery.delivery_id)
    stage.wait(lambda: lacks_duplicate(delivery))
    replay_deliveries(Delivery.objects.filter(pk=delivery.pk))
    stage.wait(lambda: lacks_replay(delivery))
    stage.wait(looking_for(stage, expected))


def lacks_duplicate(delivery: Delivery) -> list[str]:
    delivery.refresh_from_db()
    return [] if delivery.duplicates else ["calendar.live's second try of the delivery has not come"]


def lacks_replay(delivery: Delivery) -> list[str]:
    delivery.refresh_from_db()
    is_done = 0 < delivery.attempts_before_replay < delivery.attempts
    return [] if is_done else ["the replayed delivery has not been worked on: a worker must run"]


# --- What they share --------------------------------------------------------------------------------------------------


def confirmed(stage: Stage, event: Record, guest: Guest) -> Expected:
    """What a call that is confirmed comes to here: without Zoom there is no link to send."""
    is_online = stage.find("zoom") is not None
    return Expected(event, guest, is_online=is_online)


def move(stage: Stage, event: Record) -> None:
    stage.customer.reschedule(event["id"], stage.customer.list_slots(CALL)[-1])


STAGING = (
    Case("new_booking", new_booking),
    Case("update", update),
    Case("cancel", cancel),
    Case("failed_payment", failed_payment),
    Case("webhook_replay", webhook_replay),
)


def choose(cases: Iterable[Case], names: Iterable[str]) -> list[Case]:
    """Those named, in their own order; all where none is named."""
    wanted = {name.strip().lower().replace("-", "_").replace(" ", "_") for name in names}
    return [case for case in cases if not wanted or case.name in wanted]
