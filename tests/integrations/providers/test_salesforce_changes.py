"""Polling Salesforce: changes, deletions and merges since a moment, in pages, with what the org has."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
import time_machine

from integrations.events import RecordChanged, RecordDeleted, RecordKind, RecordsMerged
from integrations.exceptions import MissingError, OutageError, SetupError
from integrations.providers.base import Account
from integrations.providers.salesforce import changes
from integrations.providers.salesforce.provider import Salesforce
from tests.contract_check import IS_HERE, find_contract

DATA = "https://acme.my.salesforce.com/services/data/v59.0"
SINCE = datetime(2026, 11, 20, 8, 0, 0, 500_000, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STAMP = "2026-11-20T09:00:00.000+0000"
OLD = "2026-01-01T09:00:00.000+0000"
CONTACT_ID, EVENT_ID = "003000000000001AAA", "00U000000000001AAA"


@pytest.fixture(autouse=True)
def _noon():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def stubs():
    """`/queryAll` is no part of the contract's slice: it is held to its twin `/query`."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as stubs:
        yield stubs
        for call in stubs.calls if IS_HERE else ():
            if "q=" in call.request.url:
                request = call.request.copy()
                request.url = request.url.replace("/queryAll", "/query")
                find_contract(request.url).check_request(request)


def account(**options):
    return Account("https://acme.my.salesforce.com", options, {"access_token": "token-1"})


def contact(**fields):
    values = {"Id": CONTACT_ID, "SystemModstamp": STAMP, "CreatedDate": OLD, "IsDeleted": False}
    return {"attributes": {"type": "Contact"}, **values, "MasterRecordId": None, **fields}


def event(**fields):
    values = {"Id": EVENT_ID, "SystemModstamp": STAMP, "CreatedDate": OLD, "IsDeleted": False, "IsChild": False}
    return {"attributes": {"type": "Event"}, **values, **fields}


def stub(stubs, contacts=(), events=(), *, path="/queryAll", missing=()):
    """An org with these rows, which lacks some fields."""

    def answer(request):
        soql = read_soql(request)
        for field in missing:
            if f"{field}," in soql:
                message = f"No such column '{field}' on entity 'Event'."
                return 400, {}, json.dumps([{"message": message, "errorCode": "INVALID_FIELD"}])
        rows = list(events if " FROM Event " in soql else contacts)
        return 200, {}, json.dumps({"totalSize": len(rows), "done": True, "records": rows})

    stubs.add_callback("GET", f"{DATA}{path}", callback=answer, content_type="application/json")


def read_soql(request):
    return parse_qs(urlsplit(request.url).query)["q"][0]


def poll(**options):
    return Salesforce().list_changes(account(**options), SINCE)


def test_changed_records_are_told_as_ours_would_be(stubs):
    contacts = [contact(Email="zoe@example.com", LastName="zoe", Phone="+33612345678")]
    events = [event(Subject="Cancelled: Demo", StartDateTime="2026-11-24T10:00:00.000+0100", CreatedDate=STAMP)]
    stub(stubs, contacts, events)
    found = poll()
    at = datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert found.events == [
        RecordChanged(
            "contact.updated",
            RecordKind.CONTACT,
            CONTACT_ID,
            {"Email": "zoe@example.com", "LastName": None, "Phone": "+33612345678"},
            at,
        ),
        RecordChanged(
            "meeting.created",
            RecordKind.MEETING,
            EVENT_ID,
            {"Subject": "Demo", "StartDateTime": "2026-11-24T09:00:00Z"},
            at,
            is_new=True,
        ),
    ]
    assert found.until == at
    assert found.notes == []


def test_question_asks_for_the_mapped_fields_in_the_order_of_change(stubs):
    stub(stubs)
    poll()
    of_contacts, of_events = (read_soql(call.request) for call in stubs.calls)
    assert of_contacts == (
        "SELECT Id, SystemModstamp, IsDeleted, MasterRecordId, CreatedDate, Keepsync_Id__c, Email, FirstName, "
        "LastName, Phone, LeadSource, OwnerId FROM Contact WHERE SystemModstamp >= 2026-11-20T08:00:00Z "
        "ORDER BY SystemModstamp, Id"
    )
    assert "Cal_Uid__c, Cal_Event_Id__c, Cal_Payment_Session__c FROM Event" in of_events


def test_leads_are_polled_where_contacts_become_leads(stubs):
    stub(stubs, [contact(Company="(unknown)", LastName="Okafor")])
    (change,) = poll(object="Lead").events
    assert change.values == {"Company": None, "LastName": "Okafor"}
    assert "Company FROM Lead" in read_soql(stubs.calls[0].request)


def test_nothing_changed_leaves_the_moment_open(stubs):
    stub(stubs)
    found = poll()
    assert (list(found.events), found.until) == ([], None)


def test_deleted_and_merged_records_are_told(stubs):
    gone = contact(IsDeleted=True)
    merged = contact(Id="003000000000002AAA", IsDeleted=True, MasterRecordId=CONTACT_ID)
    stub(stubs, [gone, merged], [event(IsDeleted=True)])
    at = datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert poll().events == [
        RecordDeleted("contact.deleted", RecordKind.CONTACT, CONTACT_ID, at),
        RecordsMerged("contact.merged", RecordKind.CONTACT, CONTACT_ID, ("003000000000002AAA",), at),
        RecordDeleted("meeting.deleted", RecordKind.MEETING, EVENT_ID, at),
    ]


def test_copies_of_an_event_for_its_invitees_are_no_meetings(stubs):
    stub(stubs, events=[event(), event(Id="00U000000000002AAA", IsChild=True)])
    assert [change.external_id for change in poll().events] == [EVENT_ID]


def test_field_that_the_org_lacks_is_left_out_and_noted(stubs):
    stub(stubs, events=[event(Subject="Demo")], missing=["Cal_Uid__c", "Cal_Event_Id__c"])
    found = poll()
    assert len(found.events) == 1
    assert found.notes == ["Event has no field Cal_Uid__c.", "Event has no field Cal_Event_Id__c."]


def test_field_that_was_not_asked_for_cannot_be_left_out(stubs):
    message = "No such column 'Other__c' on entity 'Contact'."
    stubs.get(f"{DATA}/queryAll", status=400, json=[{"message": message, "errorCode": "INVALID_FIELD"}])
    with pytest.raises(SetupError, match="Other__c"):
        poll()


def test_without_query_all_the_other_changes_are_told(stubs):
    stubs.get(f"{DATA}/queryAll", status=404)
    stub(stubs, [contact()], path="/query")
    found = poll()
    assert len(found.events) == 1
    assert found.notes == ["Deleted Contacts cannot be read.", "Deleted Events cannot be read."]


def test_org_that_has_no_queries_at_all_is_an_error(stubs):
    stubs.get(f"{DATA}/queryAll", status=404)
    stubs.get(f"{DATA}/query", status=404)
    with pytest.raises(MissingError):
        poll()


def test_outage_is_raised(stubs):
    stubs.get(f"{DATA}/queryAll", status=503)
    with pytest.raises(OutageError):
        poll()


def test_last_moments_are_asked_for_again(stubs):
    """What is stamped earlier may become visible later."""
    stub(stubs, [contact(SystemModstamp="2026-11-20T11:59:58.000+0000")])
    assert poll().until == NOW - timedelta(minutes=2)


def test_moment_never_goes_back(stubs):
    stub(stubs, [contact(SystemModstamp="2026-11-20T08:00:00.000+0000")])
    assert poll().until == SINCE


@pytest.mark.parametrize("query_all", [True, False])
def test_page_that_is_lost_in_between_is_an_error_and_nothing_is_told_twice(stubs, query_all):
    path = "/queryAll" if query_all else "/query"
    if not query_all:
        stubs.get(f"{DATA}/queryAll", status=404)
    page = {"totalSize": 2, "done": False, "nextRecordsUrl": "/services/data/v59.0/query/01g-1", "records": [contact()]}
    stubs.get(f"{DATA}{path}", json=page)
    stubs.get(f"{DATA}/query/01g-1", status=404)
    with pytest.raises(MissingError):
        poll()


def stub_pages(stubs, stamps):
    """Contacts with one page for each stamp, and one Event that changed last."""

    def answer(request):
        if "q=" in request.url and " FROM Event " in read_soql(request):
            rows = [event(SystemModstamp="2026-11-20T11:00:00.000+0000")]
            return 200, {}, json.dumps({"totalSize": 1, "done": True, "records": rows})
        number = 0 if "q=" in request.url else int(request.url.rpartition("-")[2])
        next_url = f"/services/data/v59.0/query/01g-{number + 1}"
        is_done = number + 1 == len(stamps)
        rows = [contact(SystemModstamp=f"2026-11-20T{stamps[number]}.000+0000")]
        page = {"totalSize": len(stamps), "done": is_done, "nextRecordsUrl": None if is_done else next_url}
        return 200, {}, json.dumps({**page, "records": rows})

    stubs.add_callback("GET", f"{DATA}/queryAll", callback=answer, content_type="application/json")
    for number in range(1, len(stamps)):
        stubs.add_callback("GET", f"{DATA}/query/01g-{number}", callback=answer, content_type="application/json")


def test_after_some_pages_the_next_call_goes_on_where_this_one_stopped(stubs):
    stub_pages(stubs, ["08:10:00", "08:20:00", "08:30:00", "08:40:00", "08:50:00", "09:00:00"])
    found = poll()
    assert len(found.events) == changes.PAGES + 1
    # The Event changed later, and will be told again.
    assert found.until == datetime(2026, 11, 20, 8, 50, tzinfo=UTC)


def test_many_changes_of_one_second_are_read_whole(stubs):
    stub_pages(stubs, ["08:00:00"] * (changes.PAGES + 2))
    assert len(poll().events) == changes.PAGES + 3
