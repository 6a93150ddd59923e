"""What must have come of a booking on every side, and what is missing where it has not. Each side is looked at once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from bookings.flows import lead_capture, letters, online_meeting
from bookings.models import Meeting
from bookings.rehearsal.crms import READERS, CrmState
from bookings.rehearsal.sandbox import Guest, Played, Record
from bookings.rehearsal.stage import Stage
from contacts.claims import Kind
from contacts.identifiers import hold
from contacts.models import Contact
from integrations import effects
from integrations.models import Connection, Delivery, Effect

# Zoom's registrants who are in.
REGISTERED = "approved"
LETTERS = (letters.CONFIRMATION, letters.CANCELLATION, letters.PAYMENT_LINK)
WORDS = {letters.CONFIRMATION: "confirmation", letters.CANCELLATION: "cancellation", letters.PAYMENT_LINK: "bill"}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a booking must have come to. `is_online`: it has its Zoom meeting; `letters` are counted by kind."""

    event: Record
    guest: Guest
    status: str = "confirmed"
    is_online: bool = True
    letters: Mapping[str, int] = field(default_factory=lambda: {letters.CONFIRMATION: 1})
    payment: str = ""

    @property
    def start(self) -> datetime:
        return datetime.fromisoformat(self.event["start"])

    @property
    def end(self) -> datetime:
        return datetime.fromisoformat(self.event["end"])


def find_problems(stage: Stage, expected: Expected) -> list[str]:
    """All that is not as it must be, with nothing left to do; in words for people."""
    meeting = find_meeting(stage, expected.event)
    open_work = [*check_deliveries(stage, expected.event), *(check_effects(meeting) if meeting else ())]
    if open_work or meeting is None:
        return open_work or ["Keepsync has no meeting for the booking"]
    return [
        *check_meeting(meeting, expected),
        *check_contact(meeting, expected.guest),
        *(problem for crm in stage.crms for problem in check_crm(crm, meeting, expected)),
        *check_zoom(stage, meeting, expected),
        *check_slack(stage, meeting),
        *check_letters(stage, meeting, expected),
        *check_payment(stage, expected),
    ]


def find_meeting(stage: Stage, event: Record) -> Meeting | None:
    return Meeting.objects.filter(connection=stage.calendar, external_id=event["id"]).first()


# --- Keepsync ---------------------------------------------------------------------------------------------------------


def find_deliveries(stage: Stage, event: Record) -> Any:
    return Delivery.objects.filter(connection=stage.calendar, subject=event["uid"]).order_by("id")


def check_deliveries(stage: Stage, event: Record) -> Iterator[str]:
    found = list(find_deliveries(stage, event))
    if not found:
        yield (
            "no webhook about the booking has come: the web process must run, and the sandbox must post calendar.live's"
            f" webhooks to {settings.BASE_URL}/webhooks/{stage.calendar.slug}/, signed with the connection's secret"
        )
    for delivery in found:
        if delivery.status in (Delivery.Status.DEAD, Delivery.Status.REJECTED):
            yield f"delivery {delivery.delivery_id} is {delivery.status}: {delivery.error}"
        elif delivery.status not in (Delivery.Status.PROCESSED, Delivery.Status.STALE):
            yield f"delivery {delivery.delivery_id} is still {delivery.status}: a worker must run"


def find_effects(meeting: Meeting) -> Any:
    """All that was planned for the meeting, and for who attends it."""
    subjects = [f"meeting:{meeting.pk}"]
    subjects += [f"contact:{contact}" for contact in meeting.attendances.values_list("contact", flat=True)]
    subjects += [f"invitation:{invitation.pk}" for invitation in meeting.invitations.all()]
    return Effect.objects.filter(subject__in=subjects).select_related("connection").order_by("id")


def check_effects(meeting: Meeting) -> Iterator[str]:
    for effect in find_effects(meeting).exclude(status__in=(Effect.Status.SUCCEEDED, Effect.Status.SUPPRESSED)):
        why = f": {effect.error}" if effect.error else ""
        is_open = effect.status in effects.OPEN
        yield f"{effect.kind} at {effect.connection} is {'still ' if is_open else ''}{effect.status}{why}"


def check_meeting(meeting: Meeting, expected: Expected) -> Iterator[str]:
    if meeting.status != expected.status:
        yield f"the meeting is {meeting.status} in Keepsync, not {expected.status}"
    if (meeting.start, meeting.end) != (expected.start, expected.end):
        yield "the meeting has other times in Keepsync than at calendar.live"
    if expected.payment and meeting.payment_status != expected.payment:
        yield f"its payment is {meeting.payment_status or 'unknown'} in Keepsync, not {expected.payment}"


def check_contact(meeting: Meeting, guest: Guest) -> Iterator[str]:
    found = list(hold(Contact.objects.filter(merged_into=None), Kind.EMAIL, guest.email))
    attending = set(meeting.attendances.values_list("contact", flat=True))
    if len(found) != 1:
        yield f"Keepsync has {len(found)} contacts with the customer's address, not one"
    elif found[0].full_name != guest.full_name:
        yield "the contact has another name in Keepsync than the customer gave"
    elif attending != {found[0].pk}:
        yield "the meeting is not attended by the customer's contact alone"


# --- CRMs -------------------------------------------------------------------------------------------------------------


def check_crm(crm: Connection, meeting: Meeting, expected: Expected) -> list[str]:
    state = READERS[crm.provider](Played(crm.base_url).read())
    return [f"{crm.slug} {problem}" for problem in compare_crm(state, str(meeting.pk), expected)]


def compare_crm(state: CrmState, key: str, expected: Expected) -> Iterator[str]:
    people, entries = state.find_people(expected.guest.email), state.find_entries(key)
    if len(people) != 1:
        yield f"has the customer {count(len(people))}, not once"
    if len(entries) != 1:
        yield f"has the meeting {count(len(entries))}, not once"
    if len(people) != 1 or len(entries) != 1:
        return
    person, entry = people[0], entries[0]
    if person.full_name != expected.guest.full_name:
        yield "has the customer under another name"
    if (entry.start, entry.end) != (expected.start, expected.end):
        yield "has the meeting at another time"
    if entry.contact_ids != {person.id}:
        yield "does not join the meeting with the customer"
    if entry.is_cancelled != (expected.status == Meeting.Status.CANCELLED):
        yield f"has the meeting {'cancelled' if entry.is_cancelled else 'as if it took place'}"


def count(number: int) -> str:
    return {0: "not at all", 1: "once", 2: "twice"}.get(number, f"{number} times")


# --- Zoom and Stripe --------------------------------------------------------------------------------------------------


def check_zoom(stage: Stage, meeting: Meeting, expected: Expected) -> Iterator[str]:
    account = stage.find("zoom")
    if account is None:
        return
    records = stage.played(account).read()
    live = [row for row in records["meetings"] if is_live_in_zoom(row) and key_in_zoom(row) == str(meeting.pk)]
    if len(live) != expected.is_online:
        wanted = "once" if expected.is_online else "not at all"
        yield f"{account.slug} has the online meeting {count(len(live))}, not {wanted}"
    elif live:
        yield from compare_zoom(live[0], records["registrants"], meeting, expected)


def compare_zoom(row: Record, registrants: Iterable[Record], meeting: Meeting, expected: Expected) -> Iterator[str]:
    length = timedelta(minutes=row["duration"])
    if datetime.fromisoformat(row["start_time"]) != expected.start or length != expected.end - expected.start:
        yield "the online meeting has another time"
    if meeting.made_join_url == "":
        yield "Keepsync has no link to the online meeting"
    if online_meeting.read_capacity(meeting) > 1:
        here = [each["email"] for each in registrants if is_registered(each, row["id"])]
        if here.count(expected.guest.email) != 1:
            yield f"the customer is registered {count(here.count(expected.guest.email))}, not once"


def is_live_in_zoom(row: Record) -> bool:
    return row["deleted_at"] is None


def key_in_zoom(row: Record) -> str:
    """Our id of it, at the beginning of the agenda."""
    words = row["agenda"].split(maxsplit=2)
    return str(words[1]) if words[:1] == ["Keepsync"] and len(words) > 1 else ""


def is_registered(registrant: Record, zoom_id: int) -> bool:
    return bool(registrant["meeting_id"] == zoom_id and registrant["status"] == REGISTERED)


def check_payment(stage: Stage, expected: Expected) -> Iterator[str]:
    """Nobody was asked for money twice."""
    session_id = (expected.event.get("payment") or {}).get("session_id")
    account = stage.find("stripe")
    if account is None or not session_id:
        return
    sessions = stage.played(account).read()["sessions"]
    asked = [row["id"] for row in sessions if row["order"]["customer_email"] == expected.guest.email]
    if asked != [session_id]:
        yield f"{account.slug} has {len(asked)} checkouts for the customer, not the one of calendar.live"


# --- Messages to people -----------------------------------------------------------------------------------------------


def check_slack(stage: Stage, meeting: Meeting) -> Iterator[str]:
    """One message for a high score, whatever the rules for scores are here."""
    account = stage.find("slack")
    if account is None:
        return
    is_high = meeting.attendances.filter(lead_score__gte=lead_capture.HIGH_SCORE).exists()
    said = [row for row in stage.played(account).read()["messages"] if str(meeting.pk) in row["text"]]
    if len(said) != is_high:
        yield f"{account.slug} was told of the booking {count(len(said))}, not {count(int(is_high))}"


def check_letters(stage: Stage, meeting: Meeting, expected: Expected) -> Iterator[str]:
    """By the ledger; and by the sandbox's outbox, where that is where this installation's letters go."""
    wanted = expected.letters if letters.find_mailer(meeting) and stage.find("zoom") else {}
    sent = list(find_effects(meeting).filter(kind__in=LETTERS, status=Effect.Status.SUCCEEDED))
    kinds = Counter(effect.kind for effect in sent)
    yield from compare_letters(kinds, wanted, where="the ledger")
    if has_outbox(stage):
        ids = {f"<{effect.pk}@{settings.MAIL_DOMAIN}>": effect.kind for effect in sent}
        mails = [row for row in stage.mail.read()["messages"] if expected.guest.email in row["recipients"]]
        yield from compare_letters(Counter(ids.get(row["message_id"], "") for row in mails), wanted, where="the outbox")


def compare_letters(found: Mapping[str, int], wanted: Mapping[str, int], *, where: str) -> Iterator[str]:
    for kind in (*LETTERS, ""):
        number, right = found.get(kind, 0), wanted.get(kind, 0)
        if number != right:
            yield f"{where} has {number} of the customer's {WORDS.get(kind, 'unknown letter')}s, not {right}"


def has_outbox(stage: Stage) -> bool:
    """Whether letters of this installation have ever come to the sandbox: else EMAIL_URL leads elsewhere."""
    domain = f"@{settings.MAIL_DOMAIN}>"
    return any(row["message_id"].endswith(domain) for row in stage.mail.read()["messages"])


type FindProblems = Callable[[], list[str]]


def looking_for(stage: Stage, expected: Expected) -> FindProblems:
    return lambda: find_problems(stage, expected)
