"""Who tries to book what, and changes his mind how: all from one seed."""

import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from integrations.sandbox.calendar_live.schedule import Interval, slots
from integrations.sandbox.calendar_live.teams import DURATION_MIN, PAGES
from tests.simulation.arena import CRMS, TEAMS

HALF = timedelta(minutes=DURATION_MIN)
# Slots that are competed for, for each try; and the fewest of a calendar.
SLOTS_PER_TRY, FEWEST_SLOTS = 1 / 3, 8
BY_PROGRAM, OFF_THE_GRID = 0.6, 0.2
CANCELLED, MOVED = 0.1, 0.15
PEOPLE = 400


@dataclass
class Try:
    """One try to book in a way of trying.py, and what is done with what was booked. `by` is a program's CRM."""

    number: int
    way: str
    by: str
    calendar: str
    page: str
    start: datetime
    end: datetime
    person: int
    then: str = ""
    new_start: datetime | None = None
    # What came of it: the statuses of both, our id of the meeting or calendar.live's of the event.
    status: int = 0
    key: str = ""
    then_status: int = 0
    repeats: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"Call {self.number:05}"

    @property
    def is_booked(self) -> bool:
        return bool(self.key)


def make_plan(size: int, chance: random.Random) -> list[Try]:
    """In the order in which they are made."""
    count = max(FEWEST_SLOTS, math.ceil(size * SLOTS_PER_TRY / len(TEAMS)))
    offered = {key: list_slots(key, count) for key in TEAMS}
    return [make_try(number, offered, chance) for number in range(size)]


def list_slots(calendar: str, count: int) -> list[datetime]:
    """The first ones that its public pages offer from tomorrow on."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    window = Interval(tomorrow, tomorrow + timedelta(days=55))
    return [slot.start for slot in slots(ZoneInfo(TEAMS[calendar].timezone), window, HALF)][:count]


def make_try(number: int, offered: dict[str, list[datetime]], chance: random.Random) -> Try:
    calendar = chance.choice(list(offered))
    start, new_start = chance.choice(offered[calendar]), chance.choice(offered[calendar])
    way, by = "program" if chance.random() < BY_PROGRAM else "page", chance.choice(CRMS)
    if way == "program" and chance.random() < OFF_THE_GRID:
        start += HALF / 2
    page = f"{calendar.removeprefix('cal_').replace('_', '-')}-{chance.choice(PAGES)[0]}"
    draw = chance.random()
    then = "cancel" if draw < CANCELLED else "move" if draw < CANCELLED + MOVED else ""
    person = chance.randrange(PEOPLE)
    return Try(number, way, by, calendar, page, start, start + HALF, person, then, new_start)


def write_person(number: int) -> dict[str, str]:
    """Everybody works at another company, so that nobody is taken for somebody else."""
    name, company = f"Person{number} Chaos{number}", f"Company {number}"
    return {"full_name": name, "email": f"person{number}@company{number}.example.com", "company": company}
