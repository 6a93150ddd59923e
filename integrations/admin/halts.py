"""Why a delivery or an effect stands still, and the buttons that let it go on, as far as one may press them."""

from collections.abc import Collection, Iterator, Sequence
from urllib.parse import urlencode

from django.db.models import Model
from django.http import HttpRequest
from unfold.enums import ActionVariant

from integrations import deliveries
from integrations.admin import connection_buttons, delivery_buttons, effect_buttons
from integrations.admin.base import Button
from integrations.admin.effect_outlook import EarlierFinder, describe_next
from integrations.admin.formats import address_of, format_utc, relate
from integrations.admin.oauth_buttons import CHANGE, PAGE, has_oauth
from integrations.admin.timeline import Halt, Way
from integrations.effect_actions import is_unknown
from integrations.models import Connection, Delivery, Effect

GO_ON = ("confirm_arrival", "send_again", "try_now", "replay", "verify_again", "discard")
OPEN_DELIVERIES = (Delivery.Status.RECEIVED, Delivery.Status.PROCESSING, Delivery.Status.RETRYING)
OPEN_EFFECTS = (Effect.Status.PENDING, Effect.Status.RUNNING, Effect.Status.RETRYING, Effect.Status.WAITING)


def list_ways(request: HttpRequest, row: Model, buttons: Sequence[Button], names: Collection[str]) -> Iterator[Way]:
    """To the confirmations of those that fit the row and that one may press; they lead back to this page."""
    for button in buttons:
        if button.name in names and button.fits(row) and request.user.has_perm(button.permission):
            yield lead(request, button.label, address_of(row, button.name), variant=button.variant)


def lead(request: HttpRequest, label: str, address: str, *, variant: ActionVariant = ActionVariant.PRIMARY) -> Way:
    return Way(label, f"{address}?{urlencode({'back': request.path})}", variant == ActionVariant.PRIMARY)


def list_connection_ways(request: HttpRequest, connection: Connection) -> Iterator[Way]:
    """What lets a connection work again."""
    if connection.status == Connection.Status.ACTIVE:
        return
    if connection.status != Connection.Status.NEEDS_REAUTHORISATION:
        yield from list_ways(request, connection, connection_buttons.BUTTONS, ("resume",))
    elif has_oauth(connection) and request.user.has_perm(CHANGE):
        yield Way("Reauthorise", address_of(connection, PAGE), is_primary=True)
    else:
        yield from list_ways(request, connection, connection_buttons.BUTTONS, ("set_credentials",))


def find_effect_halt(request: HttpRequest, effect: Effect, earlier_than: EarlierFinder) -> Halt | None:
    """None for one that is closed."""
    is_dead = effect.status == Effect.Status.DEAD
    if not is_dead and effect.status not in OPEN_EFFECTS:
        return None
    ways = [
        *list_ways(request, effect, effect_buttons.BUTTONS, GO_ON),
        *list_connection_ways(request, effect.connection),
    ]
    # A connection that only rests, or is away, is taken up again by itself.
    is_bad = is_dead or is_unknown(effect) or effect.connection.status != Connection.Status.ACTIVE
    return Halt(describe_next(effect, earlier_than), ways, is_bad)


def find_delivery_halt(request: HttpRequest, delivery: Delivery) -> Halt | None:
    """None for one that is closed."""
    is_stuck = delivery.status in (Delivery.Status.DEAD, Delivery.Status.REJECTED)
    if not is_stuck and delivery.status not in OPEN_DELIVERIES:
        return None
    names = [name for name in GO_ON if is_stuck or name != "discard"]
    ways = list(list_ways(request, delivery, delivery_buttons.BUTTONS, names))
    if delivery.connection.status not in deliveries.WORKING:
        ways += list_connection_ways(request, delivery.connection)
    return Halt(describe_delivery(delivery), ways, is_stuck or delivery.connection.status not in deliveries.WORKING)


def describe_delivery(delivery: Delivery) -> str:
    """What happens next with one that is not closed."""
    connection = delivery.connection
    if delivery.status == Delivery.Status.DEAD:
        return "It could not be worked on. Mend what the error names and replay it, or discard it."
    if delivery.status == Delivery.Status.REJECTED:
        return "It was refused when it came. Once the secret is right, verify it again; or discard it."
    if connection.status not in deliveries.WORKING:
        return f"It waits until {connection}, which is {connection.get_status_display().lower()}, is resumed."
    if delivery.status == Delivery.Status.RETRYING and delivery.next_attempt_at:
        return f"Next try {relate(delivery.next_attempt_at)} ({format_utc(delivery.next_attempt_at)})."
    return "It is in the queue, or being worked on at this moment."
