"""calendar.live's own log of what it has sent: what failed there and never came here is asked for again."""

from datetime import timedelta

from django.utils import timezone

from bookings.reconciliation.walks import Walk
from integrations.exceptions import MissingError, SetupError
from integrations.models import Delivery
from integrations.providers.calendar_live.reading import LogPage, list_webhook_deliveries, redeliver

KEPT_FOR = timedelta(days=30)
FAILED, PING = "failed", "ping"


def take_log(walk: Walk) -> bool:
    """Read a page of the log, and have what never came sent again: it comes as a webhook. Whether it was the last."""
    run = walk.run
    if run.meeting_id is not None:
        return True
    since = max(timezone.now() - KEPT_FOR, run.connection.created_at, *([run.since] if run.since else []))
    try:
        page = walk.call(
            run.connection,
            lambda account: list_webhook_deliveries(account, since=since, status=FAILED, cursor=run.cursor),
        )
    except SetupError as error:
        walk.note(f"The delivery log was not read: {error}")
        return True
    for delivery_id in find_unstored(walk, page):
        ask_again(walk, delivery_id)
    run.cursor = page.cursor
    return not page.cursor


def find_unstored(walk: Walk, page: LogPage) -> list[str]:
    ids = [each.id for each in page.deliveries if each.status == FAILED and each.event_type != PING]
    stored = Delivery.objects.filter(connection=walk.run.connection_id, delivery_id__in=ids, is_accepted=True)
    known = set(stored.values_list("delivery_id", flat=True))
    return [each for each in dict.fromkeys(ids) if each not in known]


def ask_again(walk: Walk, delivery_id: str) -> None:
    """The log may have forgotten it meanwhile."""
    if not walk.is_dry:
        try:
            walk.call(walk.run.connection, lambda account: redeliver(account, delivery_id))
        except MissingError:
            return
    walk.run.redelivered += 1
