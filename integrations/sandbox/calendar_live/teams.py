"""More calendars, for who wants a crowd (SANDBOX_TEAMS): each with three public pages, one of which sees no other."""

from integrations.sandbox.calendar_live.records import Calendar, EventType

ZONES = ("Europe/Paris", "America/New_York", "Asia/Tokyo", "Australia/Sydney", "America/Sao_Paulo")
PAGES = (("intro", "Introduction", True), ("review", "Review", True), ("short", "Short call", False))
DURATION_MIN = 30


def make_calendars(count: int) -> dict[str, Calendar]:
    """By id."""
    made = (make_calendar(number) for number in range(1, count + 1))
    return {calendar.id: calendar for calendar in made}


def make_calendar(number: int) -> Calendar:
    owner = f"owner{number}@acme.example"
    return Calendar(f"cal_team_{number}", f"Team {number}", ZONES[number % len(ZONES)], owner)


def make_event_types(count: int) -> dict[str, EventType]:
    """By slug: `team-1-intro`, `team-1-review` and `team-1-short`, which books over what the others have sold."""
    made = (make_event_type(number, *page) for number in range(1, count + 1) for page in PAGES)
    return {event_type.slug: event_type for event_type in made}


def make_event_type(number: int, name: str, title: str, sees_others: bool) -> EventType:
    return EventType(
        f"et_team_{number}_{name}",
        f"team-{number}-{name}",
        f"{title} with team {number}",
        "A talk with one of the teams.",
        duration_min=DURATION_MIN,
        calendar_id=f"cal_team_{number}",
        sees_others=sees_others,
    )
