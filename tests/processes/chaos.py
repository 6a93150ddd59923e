"""Two hundred bookings that go through everything: who books what and changes his mind how, from one seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from bookings.rehearsal.sandbox import Customer, Guest, Record
from integrations.sandbox.calendar_live.catalog import CALENDARS, EVENT_TYPES
from integrations.sandbox.calendar_live.schedule import Interval, slots
from tests.processes.town import Town

SEED = 20261123
# Sales calls with answers, calls on Zoom, groups that calendar.live sells, and workshops that Keepsync sells.
SALES, CALLS, GROUPS, GROUP_SIZE, WORKSHOPS = 84, 50, 6, 8, 18
BOOKINGS = SALES + CALLS + GROUPS * GROUP_SIZE + WORKSHOPS
# How many of the people who have a call book a second time, as the same person.
REGULARS = 20
RESCHEDULED, CANCELLED, DECLINED = 0.15, 0.15, 0.15
ANSWERS: tuple[dict[str, str], ...] = (
    {},
    {"team_size": "11-50"},
    {"team_size": "1000+", "timeline": "now"},
    {"timeline": "later"},
)

API = ("hubspot", "salesforce", "pipedrive", "zoom", "stripe", "slack")
WEBHOOKS = {"double": 0.2, "reorder": 0.15}
RATE_429, RATE_5XX = 0.1, 0.2


@dataclass
class Visit:
    """One booking, and what its customer still does about it."""

    slug: str
    slot: str
    guest: Guest
    steps: list[str]
    new_slot: str = ""
    event_id: str = ""
    checkout_url: str = ""
    done: list[str] = field(default_factory=list)
    host: "Visit | None" = None

    @property
    def may_act(self) -> bool:
        """Whether there is something left to do, and whom it waits for has done all."""
        return bool(self.steps) and not (self.host and self.host.steps)


# --- The plan ---------------------------------------------------------------------------------------------------------


def make_plan(chance: random.Random) -> list[Visit]:
    """Every time is used once, so that nobody meets somebody else's booking but in a group."""
    emea, us = iter(list_slots("pricing-masterclass")), iter(list_slots("deep-dive-workshop"))
    groups = [next(emea) for _ in range(GROUPS)]
    workshops = [next(us) for _ in range(WORKSHOPS)]
    trials, demos = list_slots("trial", after=groups[-1]), list_slots("demo", after=workshops[-1])
    chance.shuffle(trials)
    chance.shuffle(demos)
    people = make_people()
    regulars = [next(people) for _ in range(REGULARS)]
    visits = [make_call("demo", demos, chance.choice(ANSWERS), next(people), chance) for _ in range(SALES - REGULARS)]
    visits += [
        make_call("trial", trials, chance.choice(ANSWERS), next(people), chance) for _ in range(CALLS - REGULARS)
    ]
    for guest in regulars:
        visits += [make_call("demo", demos, {}, guest, chance), make_call("trial", trials, {}, guest, chance)]
    visits += [make_workshop(slot, next(people), chance) for slot in workshops]
    for slot in groups:
        visits += make_group(slot, people, chance)
    assert len(visits) == BOOKINGS
    return visits


def list_slots(slug: str, *, after: str = "") -> list[str]:
    """The times at which the event type is offered, from the day after the given one on."""
    event_type = EVENT_TYPES[slug]
    zone = ZoneInfo(CALENDARS[event_type.calendar_id].timezone)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    start = datetime.fromisoformat(after) + timedelta(days=1) if after else tomorrow
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    window = Interval(midnight, tomorrow + timedelta(days=55))
    found = slots(zone, window, timedelta(minutes=event_type.duration_min))
    return [slot.start.strftime("%Y-%m-%dT%H:%M:%SZ") for slot in found]


def make_people() -> Iterator[Guest]:
    """Everybody works at another company, so that nobody is taken for somebody else."""
    for number in count(1):
        yield Guest(f"Person{number} Chaos{number}", f"person{number}@company{number}.example.com", f"Company {number}")


def make_call(slug: str, free: list[str], answers: dict[str, str], guest: Guest, chance: random.Random) -> Visit:
    steps = ["book"]
    steps += ["reschedule"] * (chance.random() < RESCHEDULED)
    steps += ["cancel"] * (chance.random() < CANCELLED)
    answering = Guest(guest.full_name, guest.email, guest.company, answers)
    return Visit(slug, free.pop(), answering, steps, new_slot=free.pop())


def make_group(slot: str, people: Iterator[Guest], chance: random.Random) -> list[Visit]:
    """The first one pays and stays before the others come, so that there is always an event for them to join."""
    visits: list[Visit] = []
    for number in range(GROUP_SIZE):
        steps = ["book", *["decline"] * (chance.random() < DECLINED), "pay"]
        steps += ["cancel"] * (number > 0 and chance.random() < CANCELLED)
        visits.append(Visit("pricing-masterclass", slot, next(people), steps, host=visits[0] if visits else None))
    return visits


def make_workshop(slot: str, guest: Guest, chance: random.Random) -> Visit:
    """Keepsync sends the link to pay by e-mail."""
    steps = ["book", "open_letter", *["decline"] * (chance.random() < DECLINED), "pay"]
    steps += ["cancel"] * (chance.random() < 2 * CANCELLED)
    return Visit("deep-dive-workshop", slot, guest, steps)


# --- The customers ----------------------------------------------------------------------------------------------------


@dataclass
class Crowd:
    """All customers, who act one after the other in an order that the seed decides."""

    town: Town
    visits: list[Visit]
    chance: random.Random
    dropped: int = 0

    @property
    def customer(self) -> Customer:
        return Customer(f"http://127.0.0.1:{self.town.port}")

    def is_done(self) -> bool:
        return not any(visit.steps for visit in self.visits)

    def act(self) -> bool:
        """The next step of somebody; False where all wait for letters that have not come."""
        acting = [visit for visit in self.visits if visit.may_act]
        self.chance.shuffle(acting)
        letters = self.read_letters() if all(visit.steps[0] == "open_letter" for visit in acting) else {}
        for visit in acting:
            if visit.steps[0] == "open_letter" and not self.open_letter(visit, letters):
                continue
            self.take_step(visit)
            return True
        return False

    def take_step(self, visit: Visit) -> None:
        step = visit.steps.pop(0)
        if step != "open_letter":
            getattr(self, step)(visit)
        visit.done.append(step)

    def read_letters(self) -> dict[str, str]:
        """The link to pay by address."""
        links = {}
        for letter in self.town.read("mail")["records"]["messages"]:
            words = letter["text"].split()
            for link in (word for word in words if "/stripe/checkout/" in word):
                links[letter["recipients"][0]] = link
        return links

    def open_letter(self, visit: Visit, letters: dict[str, str]) -> bool:
        visit.checkout_url = letters.get(visit.guest.email, "")
        return bool(visit.checkout_url)

    # --- Steps

    def book(self, visit: Visit) -> None:
        answer = self.customer.book(visit.slug, visit.slot, visit.guest)
        if "/stripe/checkout/" in answer:
            visit.checkout_url = answer
        else:
            visit.event_id = answer.partition("/bookings/")[2].partition("/")[0]

    def pay(self, visit: Visit) -> None:
        self.customer.pay(visit.checkout_url)

    def decline(self, visit: Visit) -> None:
        self.customer.try_declined_card(visit.checkout_url)

    def reschedule(self, visit: Visit) -> None:
        self.customer.reschedule(visit.event_id, visit.new_slot)

    def cancel(self, visit: Visit) -> None:
        event = self.customer.find_event(visit.guest) if not visit.event_id else {"id": visit.event_id}
        self.customer.cancel(event["id"], self.find_place(event, visit))

    def find_place(self, event: Record, visit: Visit) -> str:
        """Of a group, the customer's own place only."""
        if visit.slug != "pricing-masterclass":
            return ""
        return next(each["id"] for each in event["attendees"] if each["email"] == visit.guest.email)


def turn_faults(town: Town) -> None:
    """30 % of all requests fail, and webhooks go astray. The seed is the same at each provider."""
    for provider in API:
        webhooks = WEBHOOKS if provider in ("hubspot", "pipedrive", "zoom", "stripe") else {}
        # Pipedrive has no batches, and would rest most of the time.
        rest_s = 0 if provider == "pipedrive" else 1
        rates = {"rate_429": RATE_429, "rate_5xx": RATE_5XX, "retry_after_s": rest_s}
        town.turn(provider, **rates, seed=SEED, webhooks=webhooks)
    town.turn("mail", rate_4xx=RATE_429 + RATE_5XX, seed=SEED)
    town.turn("calendar-live", webhooks={**WEBHOOKS, "drop": 0.08}, seed=SEED)


def redeliver_dropped(town: Town) -> int:
    """Ask calendar.live for what it never sent, as the reconciliation of its delivery log does. How many there were."""
    deliveries = town.read("calendar-live")["records"]["deliveries"]
    dropped = [row["id"] for row in deliveries if not row["attempts"] and row["status"] == "delivered"]
    for delivery_id in dropped:
        Customer(f"http://127.0.0.1:{town.port}").redeliver(delivery_id)
    return len(dropped)


def count_unsent(town: Town) -> int:
    """Webhooks that the sandbox has still to post."""
    own = [row["status"] for row in town.read("calendar-live")["records"]["deliveries"]]
    others = [row["status"] for provider in API for row in town.read(provider)["webhooks"]]
    return [*own, *others].count("pending")
