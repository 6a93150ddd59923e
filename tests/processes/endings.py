"""What must be there in the end, on every side, exactly once: each function lists what is not so, in words."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from bookings.rehearsal.checks import is_live_in_zoom, is_registered, key_in_zoom
from bookings.rehearsal.crms import READERS, CrmState
from integrations.demo import CRMS
from tests.processes.chaos import Visit
from tests.processes.town import Town

PAYMENTS = """
SELECT status, count(*), count(DISTINCT session_id), count(meeting_id) FROM bookings_payment GROUP BY status
"""

type Record = dict[str, Any]

OVER = ("succeeded", "suppressed")
HIGH_SCORE = {"team_size": "1000+", "timeline": "now"}
ONLINE = ("trial", "pricing-masterclass", "deep-dive-workshop")


@dataclass
class Ending:
    """Everything at one moment. `visits` say who did what, and calendar.live's events what came of it."""

    town: Town
    visits: list[Visit]

    @cached_property
    def records(self) -> dict[str, Record]:
        names = (*CRMS, "zoom", "stripe", "slack", "mail", "calendar-live")
        return {name: self.town.read(name)["records"] for name in names}

    @cached_property
    def events(self) -> dict[str, Record]:
        return {event["id"]: event for event in self.records["calendar-live"]["events"]}

    @cached_property
    def meetings(self) -> dict[str, Record]:
        """Keepsync's, by calendar.live's id."""
        return {row["external_id"]: row for row in self.town.installation.list_all("meetings")}

    @cached_property
    def effects(self) -> dict[str, tuple[str, str]]:
        """Kind and status by id."""
        rows = self.town.installation.fetch("SELECT id::text, kind, status FROM integrations_effect")
        return {key: (kind, status) for key, kind, status in rows}

    @cached_property
    def contacts(self) -> list[Record]:
        return self.town.installation.list_all("contacts")

    @cached_property
    def people(self) -> Counter[tuple[str, str]]:
        """Address and name of each of Keepsync's contacts."""
        return Counter((email, contact["full_name"]) for contact in self.contacts for email in contact["emails"])

    def visits_of(self, event: Record) -> list[Visit]:
        """A group's visits by its time, since its customers know no id."""
        if event["event_type"]["slug"] != "pricing-masterclass":
            return [visit for visit in self.visits if visit.event_id == event["id"]]
        return [visit for visit in self.visits if visit.slug == "pricing-masterclass" and visit.slot == event["start"]]

    def is_high(self, event: Record) -> bool:
        return any(visit.guest.answers == HIGH_SCORE for visit in self.visits_of(event))

    def is_online(self, event: Record) -> bool:
        """Whether it has a Zoom meeting in the end: confirmed, and paid if it costs money."""
        is_owed = event["event_type"]["slug"] == "deep-dive-workshop" and "pay" not in self.visits_of(event)[0].done
        return event["event_type"]["online_meeting"] == "zoom" and event["status"] == "confirmed" and not is_owed


def start_of(event: Record) -> datetime:
    return datetime.fromisoformat(event["start"])


def end_of(event: Record) -> datetime:
    return datetime.fromisoformat(event["end"])


# --- Keepsync ---------------------------------------------------------------------------------------------------------


def find_open_work(ending: Ending) -> Iterator[str]:
    for key, (kind, status) in ending.effects.items():
        if status not in OVER:
            yield f"effect {kind} {key} is {status}"
    query = "SELECT delivery_id, status FROM integrations_delivery WHERE NOT status = ANY(%s)"
    for key, status in ending.town.installation.fetch(query, ["processed", "stale", "ignored"]):
        yield f"delivery {key} is {status}"


def compare_meetings(ending: Ending) -> Iterator[str]:
    if ending.meetings.keys() != ending.events.keys():
        yield f"Keepsync has {len(ending.meetings)} meetings, calendar.live {len(ending.events)}"
    for key, event in ending.events.items():
        meeting = ending.meetings.get(key, {})
        for name in ("status", "start", "end", "version"):
            if meeting.get(name) != event[name]:
                yield f"{key}: {name} is {meeting.get(name)} in Keepsync, {event[name]} at calendar.live"


def compare_contacts(ending: Ending) -> Iterator[str]:
    """All who attend; who left a group again may have done so before Keepsync knew of it."""
    attending = {
        (person["email"], person["full_name"]) for event in ending.events.values() for person in event["attendees"]
    }
    left = {(visit.guest.email, visit.guest.full_name) for visit in ending.visits if "cancel" in visit.done}
    if not attending <= ending.people.keys() <= attending | left:
        yield f"Keepsync lacks {attending - ending.people.keys()} and has {ending.people.keys() - attending - left}"
    if ending.people.total() != len(ending.people) or len(ending.contacts) != len(ending.people):
        yield f"Keepsync has {len(ending.contacts)} contacts for {len(ending.people)} people"


# --- CRMs -------------------------------------------------------------------------------------------------------------


def compare_crms(ending: Ending) -> Iterator[str]:
    for slug in CRMS:
        state = READERS[slug](ending.records[slug])
        yield from (f"{slug}: {problem}" for problem in compare_people(ending, state))
        yield from (
            f"{slug}: {problem}" for problem in compare_entries(ending, state, is_group_kept=slug != "salesforce")
        )


def compare_people(ending: Ending, state: CrmState) -> Iterator[str]:
    found = Counter((person.email, person.full_name) for person in state.people)
    if found != ending.people:
        yield f"people are {dict(found - ending.people)} too many, {dict(ending.people - found)} too few"


def compare_entries(ending: Ending, state: CrmState, *, is_group_kept: bool) -> Iterator[str]:
    """`is_group_kept`: the CRM joins a meeting with all its people; else with the first one."""
    emails = {person.id: person.email for person in state.people}
    if len(state.entries) != len(ending.events):
        yield f"has {len(state.entries)} meetings, calendar.live {len(ending.events)}"
    for key, event in ending.events.items():
        found = state.find_entries(ending.meetings[key]["id"])
        if len(found) != 1:
            yield f"{key} is there {len(found)} times"
            continue
        [entry] = found
        if (entry.start, entry.end) != (start_of(event), end_of(event)):
            yield f"{key} is at another time"
        if entry.is_cancelled != (event["status"] == "cancelled"):
            yield f"{key} is {event['status']}, and cancelled there: {entry.is_cancelled}"
        there = {emails.get(contact_id, "nobody") for contact_id in entry.contact_ids}
        attending = [person["email"] for person in event["attendees"]]
        ever = {visit.guest.email for visit in ending.visits_of(event)}
        if not (set(attending if is_group_kept else attending[:1]) <= there <= ever):
            yield f"{key} is joined with {sorted(there)}, and attended by {sorted(attending)}"


# --- Zoom and Stripe --------------------------------------------------------------------------------------------------


def compare_zoom(ending: Ending) -> Iterator[str]:
    ever: dict[str, list[Record]] = defaultdict(list)
    for row in ending.records["zoom"]["meetings"]:
        ever[key_in_zoom(row)].append(row)
    ids = {ending.meetings[key]["id"]: event for key, event in ending.events.items()}
    yield from (f"zoom: a meeting of nobody's ({key})" for key in ever.keys() - ids.keys())
    for key, event in ids.items():
        live = [row for row in ever[key] if is_live_in_zoom(row)]
        if len(ever[key]) > 1 or len(live) != ending.is_online(event):
            yield f"zoom: {event['id']} ({event['status']}) has {len(live)} meetings, and had {len(ever[key])}"
        elif live:
            yield from (f"zoom: {event['id']} {problem}" for problem in compare_online(ending, live[0], event))


def compare_online(ending: Ending, row: Record, event: Record) -> Iterator[str]:
    start, length = datetime.fromisoformat(row["start_time"]), timedelta(minutes=row["duration"])
    if (start, start + length) != (start_of(event), end_of(event)):
        yield "is at another time"
    if event["event_type"]["capacity"] > 1:
        registrants = ending.records["zoom"]["registrants"]
        in_it = Counter(each["email"] for each in registrants if is_registered(each, row["id"]))
        attending = Counter(person["email"] for person in event["attendees"])
        if in_it != attending:
            yield f"has the registrants {in_it - attending} too many, {attending - in_it} too few"


def compare_payments(ending: Ending) -> Iterator[str]:
    """One checkout and one charge for each place, as Keepsync knows; and the money back for a workshop given up."""
    stripe = ending.records["stripe"]
    sessions = {session["order"]["customer_email"]: session for session in stripe["sessions"]}
    selling = [visit for visit in ending.visits if visit.slug in ("pricing-masterclass", "deep-dive-workshop")]
    if len(stripe["sessions"]) != len(selling):
        yield f"stripe: {len(stripe['sessions'])} checkouts for {len(selling)} places"
    charged = Counter(row["session_id"] for row in stripe["payments"] if row["status"] == "succeeded")
    refunded = Counter(row["session_id"] for row in stripe["payments"] if row["amount_refunded"])
    for visit in selling:
        session_id = sessions[visit.guest.email]["id"]
        is_given_back = visit.slug == "deep-dive-workshop" and "cancel" in visit.done
        if (charged[session_id], refunded[session_id]) != (1, int(is_given_back)):
            yield f"stripe: {visit.done} came to {charged[session_id]} charges, {refunded[session_id]} refunds"
    given_back = sum(visit.slug == "deep-dive-workshop" and "cancel" in visit.done for visit in selling)
    wanted = Counter({"paid": len(selling) - given_back, "refunded": given_back})
    for status, number, sessions_known, meetings in ending.town.installation.fetch(PAYMENTS):
        if not number == sessions_known == meetings == wanted[status]:
            yield f"Keepsync: {number} payments are {status}, {meetings} of them with a meeting; not {wanted[status]}"


# --- Messages to people -----------------------------------------------------------------------------------------------


def compare_slack(ending: Ending) -> Iterator[str]:
    """A booking that is cancelled may have been so before Keepsync knew of it."""
    said = Counter(
        meeting_id
        for row in ending.records["slack"]["messages"]
        for meeting_id in re.findall(r"/meeting/([0-9a-f-]{36})/", row["text"])
    )
    for key, event in ending.events.items():
        allowed = ({0, 1} if event["status"] == "cancelled" else {1}) if ending.is_high(event) else {0}
        if said[ending.meetings[key]["id"]] not in allowed:
            meeting_id = ending.meetings[key]["id"]
            texts = [row["text"] for row in ending.records["slack"]["messages"] if meeting_id in row["text"]]
            yield f"slack: {key} was told {said[meeting_id]} times: {texts}"
    alerts = sum(effect == ("alert.slack", "succeeded") for effect in ending.effects.values())
    if said.total() + alerts != len(ending.records["slack"]["messages"]):
        yield "slack: there are messages about nothing"


def compare_letters(ending: Ending) -> Iterator[str]:
    """Each letter once; a confirmation that was sent is taken back with the booking. Operators may hear of alerts."""
    mails = ending.records["mail"]["messages"]
    ids = Counter(row["message_id"] for row in mails)
    yield from (f"mail: {message_id} came {number} times" for message_id, number in ids.items() if number > 1)
    got: dict[str, Counter[str]] = defaultdict(Counter)
    for row in mails:
        kind, _ = ending.effects.get(row["message_id"][1:37], ("unknown", ""))
        if kind != "alert.email":
            got[row["recipients"][0]][kind.removeprefix("email.")] += 1
    expected = Counter(visit.guest.email for visit in ending.visits if visit.slug in ONLINE)
    yield from (f"mail: somebody unknown got {counts}" for email, counts in got.items() if email not in expected)
    for visit in (visit for visit in ending.visits if visit.slug in ONLINE):
        letters = got[visit.guest.email]
        if letters not in allowed_letters(visit):
            yield f"mail: {visit.slug} {visit.done} got {dict(letters)}"


def allowed_letters(visit: Visit) -> list[Counter[str]]:
    bill = Counter({"payment_link": 1} if visit.slug == "deep-dive-workshop" else {})
    if "cancel" not in visit.done:
        return [bill + Counter({"confirmation": 1})]
    return [bill, bill + Counter({"confirmation": 1, "cancellation": 1})]


CHECKS = (
    find_open_work,
    compare_meetings,
    compare_contacts,
    compare_crms,
    compare_zoom,
    compare_payments,
    compare_slack,
    compare_letters,
)
