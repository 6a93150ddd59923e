"""Health in one line: that all is well, or what is wrong and what to press."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from integrations.admin.alerts import Bar, Level, make_start_bars
from integrations.admin.dead_letters import UNKNOWN
from integrations.admin.formats import address_of_list, link, relate
from integrations.admin.runbook import make_overdue_bars
from integrations.models import Delivery, Effect
from integrations.operations.heartbeats import find_silences
from integrations.operations.standing import LATE, Standing

STANDS_STILL = "What is due is not worked on, or nobody is told of trouble."


@dataclass(frozen=True, slots=True)
class Health:
    """The worst is told in the line itself; `bars` are the others, and reminders after them."""

    text: str
    tone: str
    bars: Sequence[Bar]
    lines: Sequence[str] = ()
    link: SafeString | str = ""


def examine(request: HttpRequest, now: datetime, *, deliveries: Standing | None, effects: Standing | None) -> Health:
    """Of what one may see: None where that is not so."""
    bars = [*find_faults(now, deliveries=deliveries, effects=effects), *make_start_bars(request)]
    bars += make_overdue_bars(request, now)
    bars.sort(key=lambda bar: [Level.CRITICAL, Level.WARNING, Level.INFO].index(Level(bar.level)))
    wrong = sum(bar.level != Level.INFO for bar in bars)
    if not wrong:
        return Health("All is well.", "good", bars)
    worst, *others = bars
    tone = "bad" if worst.level == Level.CRITICAL else "warn"
    count = "One thing needs you" if wrong == 1 else f"{wrong} things need you, the worst first"
    return Health(f"{count}: {worst.title}.", tone, others, worst.lines, worst.link)


def find_faults(now: datetime, *, deliveries: Standing | None, effects: Standing | None) -> Iterator[Bar]:
    for silence in find_silences(now):
        title = f"{silence.what} was {relate(silence.since)}" if silence.since else silence.what
        yield Bar(Level.CRITICAL, title, [f"{STANDS_STILL} {silence.hint[:1].upper()}{silence.hint[1:]}"])
    if deliveries and deliveries.late:
        minutes = LATE // timedelta(minutes=1)
        target = link(address_of_list(Delivery, status__exact="received"), "Look at them")
        title = f"{tell(deliveries.late, 'delivery', 'deliveries')} for more than {minutes} minutes"
        lines = ["No worker runs, too few do, or their connection is paused."]
        yield Bar(Level.WARNING, f"{title} to be worked on", lines, target)
    dead = sum(standing.dead_count for standing in (deliveries, effects) if standing)
    if dead:
        target = link(reverse("admin:integrations_delivery_dead_letters"), "Mend the cause, then replay")
        title = f"{dead:,} dead letter{'' if dead == 1 else 's'}"
        yield Bar(Level.WARNING, title, [], target)
    if effects and effects.unknown:
        filters = {f"{field}__exact": value for field, value in UNKNOWN.items()}
        target = link(address_of_list(Effect, **filters), "Say whether they arrived")
        yield Bar(Level.WARNING, f"{tell(effects.unknown, 'effect', 'effects')} for your word", [], target)
    if effects and effects.refused:
        target = link(address_of_list(Effect, status__exact="waiting", cause__exact="residency"), "See whose data")
        yield Bar(Level.INFO, f"{tell(effects.refused, 'effect', 'effects')} for the residency policy", [], target)


def tell(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many} wait{'s' if count == 1 else ''}"
