"""A person who has left traces in every table, for the tests of erasing and exporting."""

import json
from typing import Any

from bookings.models import Attendance, MeetingLink
from contacts.merging import merge
from contacts.models import CandidatePair, Contact, ContactLink, ImportRow, ImportRun
from integrations.models import Connection
from tests.bookings.flows.playing import PAID, connect, pair_with_hubspot, person, run_effects, tell, tell_zoom
from tests.contacts.families import agree, edit, meet
from tests.factories import make_delivery, make_payload, post_webhook
from tests.integrations.admin.support import make_effect
from tests.leaks import find_in, read_decrypted

# What must not be left anywhere, in lower case.
NEEDLES = (
    "okafor", "zoë", "zoe", "blanc", "612345678", "06 12 34 56 78", "prefers portuguese", "keep me posted",
)  # fmt: skip
ZOE = {
    "id": "att_zg", "email": "zoe.okafor@example.com", "full_name": "Zoë Okafor", "phone": "06 12 34 56 78",
    "company": None, "country": "FR", "timezone": None, "response": "accepted", "consent": None,
}  # fmt: skip
HUBSPOT_EVENT = {
    "subscriptionType": "contact.propertyChange", "objectId": 501, "propertyName": "email", "occurredAt": 1795359060000,
    "propertyValue": "zoe.okafor@example.com", "eventId": 1, "subscriptionId": 2,
}  # fmt: skip


def live(calendar: Connection) -> Contact:
    """What Zoë and others have done by now; Zoë's contact. Runs in the outside world of the flows' tests."""
    hubspot = pair_with_hubspot(calendar)
    for provider in ("zoom", "slack", "stripe"):
        connect(provider)
    book_alone()
    book_together("sam", "zoe", "lea")
    book_together("sam", "zoe", "lea", id="ev_left", uid="left@x")
    book_together("sam", "lea", version=2, id="ev_left", uid="left@x")
    run_effects()
    tell_zoom("meeting.registration_created", "8001", id="reg_1", email="zoe.okafor@example.com")
    zoe = Attendance.objects.get(attendee_id="att_zg").contact
    edit(zoe, notes="Prefers Portuguese, 06 12 34 56 78")
    blanc = meet(calendar, "att_b", "z.blanc@y.example", full_name="Zoë Blanc", company="Okafor & Fils")
    agree(calendar, blanc, "att_b")
    ContactLink.objects.filter(contact=zoe, connection=hubspot).update(external_id="501")
    ContactLink.objects.create(contact=blanc, connection=connect("hubspot", "hubspot-2"), external_id="77")
    merge(zoe, blanc)
    pair_up(zoe, Attendance.objects.get(attendee_id="att_lea", meeting__external_id="ev_grp").contact)
    import_rows(zoe)
    make_effect(hubspot, subject=f"contact:{zoe.pk}")
    tell_more(calendar, hubspot)
    return Contact.objects.get(pk=zoe.pk)


def book_alone() -> None:
    """A call that is told twice, and a webinar that is paid."""
    answers = [{"key": "timeline", "question": "When?", "value": "now, call 06 12 34 56 78"}]
    tell(title="Trial call with Zoë Okafor", description="For Okafor & Fils", answers=answers)
    tell(title="Trial call of Zoë Okafor", version=2, attendee={"email": "zoe@okafor.example"}, answers=answers)
    tell(version=3, title="Trial call", answers=answers)
    tell("paid_event_created", status="confirmed", payment=PAID, version=2)
    run_effects()


def book_together(*names: str, **event: Any) -> None:
    people = [ZOE if name == "zoe" else person(name) for name in names]
    values = {
        "id": "ev_grp", "uid": "grp@x", "title": "Zoë Okafor meets Sam", "description": "Ask zoe.okafor@example.com",
        "answers": [{"key": "who", "value": ["Okafor Zoë", "Sam"]}], "attendees": people,
    }  # fmt: skip
    tell(**{**values, **event})


def pair_up(one: Contact, other: Contact) -> CandidatePair:
    first, second = sorted((one, other), key=lambda each: each.pk)
    return CandidatePair.objects.create(first=first, second=second, reason="phone_held")


def import_rows(zoe: Contact) -> None:
    run = ImportRun.objects.create(source="csv", file_name="people.csv", status="done")
    ImportRow.objects.create(run=run, number=1, outcome="for_review", contact=zoe, values={"name": "Zoë Okafor"})
    ImportRow.objects.create(run=run, number=2, outcome="refused", values={"email": "zoe.okafor@example.com"})
    ImportRow.objects.create(run=run, number=3, outcome="refused", values={"email": "sam@acme.example"})


def tell_more(calendar: Connection, hubspot: Connection) -> None:
    """What was refused, has failed, was told by the CRM among other things, or is of other people."""
    payload = make_payload("dlv_refused", id="ev_7", uid="uid_7")
    assert post_webhook(payload, secret="wrong").status_code == 401
    make_delivery(calendar, make_payload("dlv_dead", id="ev_8", uid="uid_8"), status="dead")
    others = {**HUBSPOT_EVENT, "objectId": 9, "propertyValue": "sam@acme.example"}
    activity = {**HUBSPOT_EVENT, "subscriptionType": "meeting.propertyChange", "propertyValue": "Call with Zoë Okafor"}
    links = MeetingLink.objects.filter(connection=hubspot, meeting__external_id__in=("ev_9f27c1", "ev_grp"))
    theirs = [[others, {**activity, "objectId": int(each.external_id)}] for each in links.order_by("pk")]
    for number, events in enumerate(([others, HUBSPOT_EVENT], [others], theirs[0], [theirs[1][1]])):
        body = json.dumps(events).encode()
        subject = f"meeting:{events[0]['objectId']}" if len(events) == 1 and number else "contact:9"
        make_delivery(hubspot, body, delivery_id=f"hs_{number}", status="processed", subject=subject)


def find_left() -> dict[str, list[str]]:
    """Table → what names the person there."""
    found = {table: find_in(text.casefold().encode(), NEEDLES) for table, text in read_decrypted().items()}
    return {table: sorted(left) for table, left in found.items() if left}
