"""A meeting as an iCalendar file (RFC 5545, RFC 5546) to attach to an e-mail. Pure.

calendar.live is the organiser and collects the answers, so no file of ours asks for one: a confirmation is PUBLISHed
without attendees, and where a method names the attendee, it says that no answer is wanted.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vCalAddress, vRecur, vText

from bookings.timezones import localize, parse_rule, zone

type Method = Literal["PUBLISH", "REQUEST", "CANCEL"]

PRODUCT = "-//Keepsync//Keepsync//EN"
MEDIA_TYPE = "text/calendar"
# The largest INTEGER (RFC 5545 3.3.8).
LARGEST_SEQUENCE = 2**31 - 1
# How far the zone's changes of offset are written down for a series without an end.
ZONE_YEARS = 10
# A TEXT holds tabs and line breaks, and no other control characters (RFC 5545 3.3.11); UTF-8 no lone surrogates.
UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def make_calendar_file(
    *,
    method: Method,
    uid: str,
    sequence: int,
    start: datetime,
    end: datetime,
    summary: str,
    description: str,
    url: str,
    organizer_email: str,
    attendee_email: str,
    attendee_name: str,
    rrule: str = "",
    exdates: Sequence[datetime] = (),
    timezone: str = "",
    now: datetime,
) -> bytes:
    """The file's bytes. Moments are aware; empty texts are left out. `url` also stands as the place, where people look.

    A single meeting is written in UTC, a series in its zone's wall-clock time. Raises ValueError for a rule or a
    `timezone` that cannot be used.
    """
    event = Event()
    event.add("uid", clean_line(uid))
    event.add("dtstamp", now.astimezone(UTC))
    event.add("sequence", min(max(sequence, 0), LARGEST_SEQUENCE))
    event.add("status", "CANCELLED" if method == "CANCEL" else "CONFIRMED")
    event.add("summary", clean_text(summary))
    add_texts(event, description=description, url=url)
    add_people(
        event,
        organizer_email=organizer_email,
        attendee_email="" if method == "PUBLISH" else attendee_email,
        attendee_name=attendee_name,
    )
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    calendar.add_component(event)
    if rrule:
        add_series(calendar, event, start=start, end=end, rrule=rrule, exdates=exdates, in_zone=zone(timezone))
    else:
        event.add("dtstart", start.astimezone(UTC))
        event.add("dtend", end.astimezone(UTC))
    content: bytes = calendar.to_ical()
    return content


def add_texts(event: Event, *, description: str, url: str) -> None:
    if description:
        event.add("description", clean_text(description))
    if url:
        event.add("url", clean_line(url))
        event.add("location", clean_line(url))


def add_people(event: Event, *, organizer_email: str, attendee_email: str, attendee_name: str) -> None:
    if organizer_email:
        event.add("organizer", vCalAddress(f"mailto:{clean_line(organizer_email)}"))
    if attendee_email:
        attendee = vCalAddress(f"mailto:{clean_line(attendee_email)}")
        attendee.params["RSVP"] = vText("FALSE")
        if attendee_name:
            # Double quotes cannot stand in a parameter, and few programs know the escape of RFC 6868.
            attendee.params["CN"] = vText(clean_line(attendee_name).replace('"', "'"))
        event.add("attendee", attendee)


def add_series(
    calendar: Calendar,
    event: Event,
    *,
    start: datetime,
    end: datetime,
    rrule: str,
    exdates: Sequence[datetime],
    in_zone: ZoneInfo,
) -> None:
    """Wall-clock times with their zone, and what the zone's clocks do meanwhile."""
    rule = parse_rule(rrule)
    recurrence = vRecur.from_ical(rule.days)
    last = start + timedelta(days=366 * ZONE_YEARS)
    if rule.until is not None:
        # Beside a start with a zone UNTIL is in UTC (RFC 5545 3.3.10).
        until = localize(rule.until, in_zone) if rule.until.tzinfo is None else rule.until.astimezone(UTC)
        recurrence["UNTIL"] = [until.replace(microsecond=0)]
        last = max(start, min(last, until))
    event.add("dtstart", start.astimezone(in_zone))
    event.add("dtend", end.astimezone(in_zone))
    event.add("rrule", recurrence)
    if exdates:
        event.add("exdate", [exdate.astimezone(in_zone) for exdate in exdates])
    calendar.add_missing_timezones(
        first_date=(start - timedelta(days=366)).date(), last_date=(last + timedelta(days=366)).date()
    )


def clean_text(text: str) -> str:
    return UNWRITABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def clean_line(text: str) -> str:
    return " ".join(clean_text(text).split())
