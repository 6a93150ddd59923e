"""What several tests assert."""

from tests.processes.installation import Installation
from tests.processes.samples import Payload, read_tag


def assert_one_booking(installation: Installation, booking: Payload) -> None:
    event = booking["data"]["event"]
    """One meeting and one contact, and that each was written once, by this delivery."""
    [meeting] = installation.list_all("meetings", external_id=event["id"])
    [contact] = [row for row in installation.list_all("contacts") if read_tag(row) == read_tag(meeting)]
    assert [attendee["contact"] for attendee in meeting["attendees"]] == [contact["id"]]
    assert contact["emails"] == [event["attendees"][0]["email"].strip().lower()]
    for table, key in (("bookings_historicalmeeting", meeting["id"]), ("contacts_historicalcontact", contact["id"])):
        rows = installation.fetch(f"SELECT history_type, delivery_id FROM {table} WHERE id = %s", key)
        assert [kind for kind, _ in rows] == ["+"]
        assert str(rows[0][1]) == installation.delivery(booking["id"])["id"]
