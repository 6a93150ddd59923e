"""Time zones and series: wall-clock recurrence (RFC 5545, DESIGN section 8) as pure functions of values.

A series keeps its wall-clock time in its zone: rules yield local days, `localize` makes instants of them. Every
instant that comes in must be aware; every one that goes out is UTC. Whatever can't be used raises ValueError.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice, takewhile
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from dateutil.rrule import rrulestr

MAX_RULE_LENGTH = 500
DEFAULT_LIMIT = 1000
FIRST_YEAR, LAST_YEAR = 1600, 2399
# The Gregorian calendar repeats every 400 years. dateutil looks for matches up to the year 9999; run that far ahead,
# a rule that matches nothing gives up within 400 years (0.2 s, twisted ones 1 s) and not after 8000 (4 s and more).
_YEARS_AHEAD = 9999 - LAST_YEAR

_DAYS_AT_MOST = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}
_HIGHEST = {"BYMONTH": 12, "BYMONTHDAY": 31, "BYYEARDAY": 366, "BYWEEKNO": 53}
_SELECTORS = {"BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYDAY"}
_NOT_WITH = {
    "BYMONTHDAY": ("WEEKLY",),
    "BYYEARDAY": ("DAILY", "WEEKLY", "MONTHLY"),
    "BYWEEKNO": ("DAILY", "WEEKLY", "MONTHLY"),
}
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_PART = re.compile(r"([A-Z]+)=([A-Z0-9,+-]+)")
_UNTIL = re.compile(r"[0-9]{8}(T[0-9]{6}Z?)?")
_NUMBER = re.compile(r"[+-]?[0-9]{1,3}")
_DAY_SELECTOR = re.compile("BYDAY|BYMONTHDAY|BYYEARDAY")
_BYDAY_ITEM = re.compile(rf"([+-]?[0-9]{{1,2}})?({'|'.join(_WEEKDAYS)})")


@dataclass(frozen=True, slots=True)
class Rule:
    """A checked RRULE. `days` is the rule without UNTIL, as dateutil reads it; `until` is inclusive: naive is
    wall-clock time in the series' zone, aware is an instant."""

    days: str
    freq: str
    interval: int
    count: int | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One meeting of a series. All UTC but `local_start`, which carries the zone's offset; `original_start` is the
    start as the rule gave it, by which a change to this one occurrence names it."""

    start: datetime
    end: datetime
    local_start: datetime
    original_start: datetime


class Transition(NamedTuple):
    at: datetime
    before: timedelta
    after: timedelta


def zone(name: str) -> ZoneInfo:
    """The zone of that IANA name, spelled exactly."""
    if not isinstance(name, str) or name not in _zone_names():
        raise ValueError(f"not an IANA time zone: {name!r:.80}")
    return ZoneInfo(name)  # keeps its own cache


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime", "Factory"})  # this machine's own zone; "not set"


def format_instant(instant: datetime) -> str:
    """An aware instant as ISO 8601 in UTC with Z, in whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_utc(text: str) -> datetime:
    """What `format_instant` has written."""
    return datetime.fromisoformat(text).astimezone(UTC)


def localize(wall: datetime, zone: ZoneInfo) -> datetime:
    """The UTC instant of a naive wall-clock time: one that doesn't exist moves forward by the gap, of one that
    exists twice the first is taken (RFC 5545 3.3.5; fold=0 of PEP 495 is just that)."""
    if wall.tzinfo is not None:
        raise ValueError(f"a wall-clock time carries no offset: {wall}")
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def parse_rule(rrule: str) -> Rule:
    """Check an RRULE value (RFC 5545 3.3.10) that recurs daily or more rarely."""
    parts = _split_rule(rrule)
    freq = parts.get("FREQ", "none")
    if freq not in _DAYS_AT_MOST:
        raise ValueError(f"FREQ must be one of {', '.join(_DAYS_AT_MOST)}, not {freq:.80}")
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError("COUNT and UNTIL exclude each other")
    until = parts.pop("UNTIL", None)
    for key, value in parts.items():
        _check_part(key, value, parts)
    return Rule(
        days=";".join(f"{key}={value}" for key, value in parts.items()),
        freq=freq,
        interval=int(parts.get("INTERVAL", 1)),
        count=int(parts["COUNT"]) if "COUNT" in parts else None,
        until=None if until is None else _parse_until(until),
    )


def validate_rule(rrule: str, start: datetime, zone: ZoneInfo) -> None:
    """Raise ValueError unless `expand` can use the rule for a series that starts at `start`."""
    next(_series(start=start, end=start, zone=zone, rrule=rrule, exdates=(), since=start), None)


def expand(
    *,
    start: datetime,
    end: datetime,
    zone: ZoneInfo,
    rrule: str | None,
    exdates: Iterable[datetime] = (),
    window_start: datetime,
    window_end: datetime,
    limit: int = DEFAULT_LIMIT,
) -> list[Occurrence]:
    """The occurrences that overlap [window_start, window_end), by start; no more than the first `limit`.

    `start` and `end` are the first occurrence's, every other one lasts exactly as long (RFC 5545 3.8.5.3). A start
    that its own rule doesn't match is not an occurrence. Exdates are instants and count against COUNT. No rule:
    a single event. Series end with the year 2399.
    """
    opens, closes = _utc(window_start), _utc(window_end)
    if opens >= closes:
        return []
    series = _series(start=start, end=end, zone=zone, rrule=rrule, exdates=exdates, since=opens)
    begun = takewhile(lambda occurrence: occurrence.start < closes, series)
    return list(islice((one for one in begun if one.end > opens or one.start >= opens), limit))


def next_occurrence(
    *,
    start: datetime,
    end: datetime,
    zone: ZoneInfo,
    rrule: str | None,
    exdates: Iterable[datetime] = (),
    after: datetime,
) -> Occurrence | None:
    """The first occurrence that starts later than `after`."""
    series = _series(start=start, end=end, zone=zone, rrule=rrule, exdates=exdates, since=_utc(after))
    return next((one for one in series if one.start > after), None)


def transitions(zone: ZoneInfo, start: datetime, end: datetime) -> list[Transition]:
    """The changes of the zone's offset in [start, end), to the second. Looks once a day, then bisects: a change
    taken back within a day is not seen."""
    found = []
    low, last = (_utc(moment).replace(microsecond=0) - timedelta(seconds=1) for moment in (start, end))
    before = _offset(low, zone)
    while low < last:
        high = min(low + timedelta(days=1), last)
        if (after := _offset(high, zone)) != before:
            high = _first_change(low, high, zone)
            after = _offset(high, zone)
            found.append(Transition(high, before, after))
        low, before = high, after
    return found


def _split_rule(rrule: str) -> dict[str, str]:
    if not isinstance(rrule, str) or len(rrule) > MAX_RULE_LENGTH or not rrule.isascii():
        raise ValueError(f"a rule is ASCII text of at most {MAX_RULE_LENGTH} characters")
    parts: dict[str, str] = {}
    for part in rrule.upper().split(";"):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"a rule is KEY=VALUE parts joined by semicolons, not {part!r:.80}")
        if match[1] in parts:
            raise ValueError(f"{match[1]:.80} may be given only once")
        parts[match[1]] = ",".join(dict.fromkeys(match[2].split(",")))  # each value once
    return parts


def _check_part(key: str, value: str, parts: dict[str, str]) -> None:
    if parts["FREQ"] in _NOT_WITH.get(key, ()):
        raise ValueError(f"{key} can't be used with FREQ={parts['FREQ']}")
    if key == "BYSETPOS" and not _SELECTORS & parts.keys():
        raise ValueError("BYSETPOS needs another BY part to select from")
    match key:
        case "FREQ":
            is_valid = True
        case "INTERVAL" | "COUNT":
            is_valid = value.isdigit() and int(value) > 0
        case "WKST":
            is_valid = value in _WEEKDAYS
        case "BYDAY":
            is_valid = all(_is_weekday(item, _highest_ordinal(parts)) for item in value.split(","))
        case "BYSETPOS":  # a place beyond the period's days is never filled, and slow to find empty each time
            is_valid = all(_is_number(item, _DAYS_AT_MOST[parts["FREQ"]], signed=True) for item in value.split(","))
        case _ if key in _HIGHEST:
            is_valid = all(_is_number(item, _HIGHEST[key], signed=key != "BYMONTH") for item in value.split(","))
        case _:
            raise ValueError(f"{key:.80} is not a part of a rule that recurs daily or more rarely")
    if not is_valid:
        raise ValueError(f"{key} can't be {value:.80}")


def _highest_ordinal(parts: dict[str, str]) -> int:
    """How far BYDAY may count weekdays: through a month, through a year, or not at all."""
    if parts["FREQ"] in ("DAILY", "WEEKLY") or "BYWEEKNO" in parts:
        return 0
    return 5 if parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts else 53


def _is_weekday(item: str, highest_ordinal: int) -> bool:
    match = _BYDAY_ITEM.fullmatch(item)
    return match is not None and (match[1] is None or _is_number(match[1], highest_ordinal, signed=True))


def _is_number(item: str, highest: int, *, signed: bool) -> bool:
    return _NUMBER.fullmatch(item) is not None and 1 <= abs(int(item)) <= highest and (signed or item.isdigit())


def _parse_until(value: str) -> datetime:
    """UNTIL as in Rule. A date takes in its whole local day: calendars send dates where the RFC wants a time."""
    try:
        if _UNTIL.fullmatch(value) is None:
            raise ValueError(value)
        until = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"UNTIL must be a date or a date-time, not {value:.80}") from error
    return until if "T" in value else datetime.combine(until, time.max)


def _series(
    *,
    start: datetime,
    end: datetime,
    zone: ZoneInfo,
    rrule: str | None,
    exdates: Iterable[datetime],
    since: datetime,
) -> Iterator[Occurrence]:
    """All occurrences in order; those that end before `since` may be left out."""
    start, end = _checked(start), _checked(end)
    if end < start:
        raise ValueError(f"the end {end} comes before the start {start}")
    length = end - start
    removed = {_utc(exdate) for exdate in exdates}
    starts = (start,) if rrule is None else _starts(parse_rule(rrule), start, zone, since - start - length)
    for moment in starts:
        if moment not in removed:
            yield Occurrence(moment, moment + length, moment.astimezone(zone), moment)


def _starts(rule: Rule, start: datetime, zone: ZoneInfo, ahead: timedelta) -> Iterator[datetime]:
    """The rule's instants, strictly increasing; those more than a few days before `start + ahead` may be left out.

    A zone that skipped a whole day (Pacific/Apia 2011) moves that day's occurrence onto the next one: given once.
    """
    first = start.astimezone(zone).replace(tzinfo=None)
    previous = None
    for day in _days(rule, first.date(), ahead.days - 3):  # a wall clock is never 3 days off UTC
        wall = datetime.combine(day, first.time())
        moment = start if day == first.date() else localize(wall, zone)  # a first start may be the later of two
        if _is_over(rule.until, wall, moment):
            return
        if moment != previous:
            yield moment
        previous = moment


def _is_over(until: datetime | None, wall: datetime, moment: datetime) -> bool:
    return until is not None and (wall > until if until.tzinfo is None else moment > until)


def _days(rule: Rule, first: date, ahead: int) -> Iterator[date]:
    """The rule's days from `first` on; those more than a period before the `ahead`th day may be left out.

    1. Without COUNT, days and weeks start late by whole intervals, and a week early: dateutil cuts the week it
       starts in short, which BYSETPOS sees. Months and years are few enough to be counted through.
    2. A week number alone means the first start's weekday, where dateutil would take all seven days.
    3. Move 400-year cycles ahead, where dateutil stops soon (see _YEARS_AHEAD), and back.
    """
    text = rule.days
    if "BYWEEKNO" in text and not _DAY_SELECTOR.search(text):
        text += f";BYDAY={_WEEKDAYS[first.weekday()]}"
    if rule.count is None and rule.freq in ("DAILY", "WEEKLY"):
        step = rule.interval * (7 if rule.freq == "WEEKLY" else 1)
        ahead = min(ahead, (date(LAST_YEAR, 12, 31) - first).days)
        first += timedelta(days=max(0, (ahead - 7) // step * step))
    shifted = first.replace(year=first.year + _YEARS_AHEAD)
    found = iter(rrulestr(text, dtstart=datetime.combine(shifted, time())))
    while True:
        try:
            day = next(found).date()
        except (StopIteration, ValueError):  # ValueError: a week that runs into the year 10000
            return
        yield day.replace(year=day.year - _YEARS_AHEAD)


def _utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError(f"an instant needs an offset: {moment}")
    return moment.astimezone(UTC)


def _checked(moment: datetime) -> datetime:
    if not FIRST_YEAR < moment.year < LAST_YEAR:
        raise ValueError(f"an event lies between the years {FIRST_YEAR} and {LAST_YEAR}: {moment}")
    return _utc(moment)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _first_change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The first second in (low, high] whose offset isn't that of `low`, if it changes once."""
    before = _offset(low, zone)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (low, middle) if _offset(middle, zone) != before else (middle, high)
    return high
