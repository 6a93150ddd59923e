"""Reading meetings back from the CRMs: the same cases for each, with requests and answers held to its specification."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from responses import RequestsMock

from integrations.exceptions import ReauthoriseError
from integrations.providers import get_provider
from integrations.providers.base import Account
from integrations.providers.comparing import is_same
from integrations.providers.crm import Crm, CrmMeeting
from tests.integrations.providers import test_hubspot, test_pipedrive_meetings
from tests.integrations.providers.salesforce_stubs import EVENT_ID, QUERY, account, rows

HUBSPOT_READ = f"{test_hubspot.MEETINGS}/batch/read"
SUBJECT = "Sales call"


class HubSpotCase:
    name, title, ids = "hubspot", "hs_meeting_title", ("31", "32")
    account: Account = test_hubspot.account()

    def values(self) -> dict[str, Any]:
        return {
            "hs_meeting_title": SUBJECT,
            "hs_meeting_start_time": "2026-11-24T13:00:00Z",
            "hs_meeting_outcome": "confirmed",
            "hs_meeting_body": None,
        }

    def record(self, key: str, number: int, **changes: Any) -> dict[str, Any]:
        properties = {
            "keepsync_id": key,
            "hs_meeting_title": SUBJECT,
            "hs_meeting_start_time": "2026-11-24T13:00:00.000Z",
            "hs_meeting_outcome": "SCHEDULED",
            "hs_meeting_body": "A rep's own words",
        }
        return test_hubspot.record(self.ids[number], **{**properties, **changes})

    def cancelled(self) -> dict[str, Any]:
        return {"hs_meeting_outcome": "CANCELED"}

    def stub(self, http: RequestsMock, *records: Any, status: int = 200) -> Any:
        return http.post(HUBSPOT_READ, status=status, json=test_hubspot.batch(*records))


class SalesforceCase:
    name, title, ids = "salesforce", "Subject", (EVENT_ID, "00U000000000002AAA")
    account: Account = account()

    def values(self) -> dict[str, Any]:
        return {
            "Subject": SUBJECT,
            "StartDateTime": "2026-11-24T13:00:00Z",
            "Description": None,
            "Location": "https://zoom.example/j/1",
        }

    def record(self, key: str, number: int, **changes: Any) -> dict[str, Any]:
        fields = {
            "Id": self.ids[number],
            "Keepsync_Id__c": key,
            "Subject": SUBJECT,
            "StartDateTime": "2026-11-24T13:00:00.000+0000",
            "Description": "A rep's own words",
            "Location": "https://zoom.example/j/1",
            "ShowAs": "Busy",
        }
        return {"attributes": {"type": "Event"}, **fields, **changes}

    def cancelled(self) -> dict[str, Any]:
        return {"Subject": f"Cancelled: {SUBJECT}", "ShowAs": "Free"}

    def stub(self, http: RequestsMock, *records: Any, status: int = 200) -> Any:
        return http.get(QUERY, status=status, json=rows(*records) if status == 200 else [])


class PipedriveCase:
    name, title, ids = "pipedrive", "subject", ("31", "32")
    account: Account = test_pipedrive_meetings.ACCOUNT

    def values(self) -> dict[str, Any]:
        return {
            "subject": SUBJECT,
            "due_date": "2026-11-24",
            "due_time": "13:00",
            "duration": "00:30",
            "done": "confirmed",
            "location": "https://zoom.example/j/1",
            "note:Calendar event": "evt_1",
        }

    def record(self, key: str, number: int, **changes: Any) -> dict[str, Any]:
        fields = {
            "id": int(self.ids[number]),
            "subject": SUBJECT,
            "due_date": "2026-11-24",
            "due_time": "13:00:00",
            "duration": "00:30:00",
            "done": False,
            "location": {"value": "https://zoom.example/j/1"},
            "note": f"<p>Calendar event: evt_1</p><p>Keepsync id: {key}</p><p>A rep's own words</p>",
        }
        return {**fields, **changes}

    def cancelled(self) -> dict[str, Any]:
        return {"subject": f"Cancelled: {SUBJECT}", "done": True}

    def stub(self, http: RequestsMock, *records: Any, status: int = 200) -> Any:
        return http.get(
            test_pipedrive_meetings.ACTIVITIES, status=status, json={"success": True, "data": list(records)}
        )


CASES = [HubSpotCase(), SalesforceCase(), PipedriveCase()]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Any:
    return request.param


def crm(case: Any) -> Crm:
    found = get_provider(case.name)
    assert isinstance(found, Crm)
    return found


def meeting(case: Any, number: int = 0, key: str = "m-1", **changes: Any) -> CrmMeeting:
    return replace(CrmMeeting(key, case.values(), case.ids[number]), **changes)


def test_a_record_as_it_should_be_differs_in_nothing_and_what_is_not_known_here_is_not_compared(case, provider_http):
    case.stub(provider_http, case.record("m-1", 0))
    (found,) = crm(case).read_meetings(case.account, [meeting(case)])
    assert found is not None
    assert (found.external_id, found.key, found.differing, found.is_cancelled) == (case.ids[0], "m-1", (), False)


def test_a_field_that_somebody_changed_there_is_named(case, provider_http):
    case.stub(provider_http, case.record("m-1", 0, **{case.title: "Another title"}))
    (found,) = crm(case).read_meetings(case.account, [meeting(case)])
    assert found is not None
    assert found.differing == (case.title,)


def test_records_come_in_the_order_of_the_meetings_and_a_missing_one_is_none(case, provider_http):
    stub = case.stub(provider_http, case.record("m-2", 1))
    found = crm(case).read_meetings(case.account, [meeting(case), meeting(case, 1, "m-2")])
    assert [each and each.key for each in found] == [None, "m-2"]
    assert stub.call_count == 1


def test_a_cancelled_record_says_so_and_one_that_does_not_differs(case, provider_http):
    stub = case.stub(provider_http, case.record("m-1", 0, **case.cancelled()), case.record("m-2", 1))
    values = case.values() | ({"hs_meeting_outcome": "cancelled"} if case.name == "hubspot" else {})
    if case.name == "pipedrive":
        values["done"] = "cancelled"
    wanted = [
        meeting(case, values=values, is_cancelled=True),
        meeting(case, 1, "m-2", values=values, is_cancelled=True),
    ]
    marked, unmarked = crm(case).read_meetings(case.account, wanted)
    assert marked is not None
    assert unmarked is not None
    assert (marked.is_cancelled, marked.differing) == (True, ())
    assert not unmarked.is_cancelled
    assert unmarked.differing
    assert stub.call_count == 1


def test_a_record_that_is_another_meetings_names_it(case, provider_http):
    case.stub(provider_http, case.record("m-9", 0))
    (found,) = crm(case).read_meetings(case.account, [meeting(case)])
    assert found is not None
    assert found.key == "m-9"


def test_a_refused_token_is_told(case, faulty_http):
    case.stub(faulty_http, status=401)
    with pytest.raises(ReauthoriseError):
        crm(case).read_meetings(case.account, [meeting(case)])


def test_nothing_is_asked_for_no_meetings(case, provider_http):
    assert crm(case).read_meetings(case.account, []) == []
    assert not provider_http.calls


def test_salesforce_asks_for_ids_only_and_cut_texts_are_as_good_as_whole_ones(provider_http):
    case = SalesforceCase()
    long = "x" * 300
    cut = f"{'x' * 254}…"
    stub = case.stub(provider_http, case.record("m-1", 0, Subject=cut))
    wanted = [meeting(case, values={**case.values(), "Subject": long}), meeting(case, external_id="no id")]
    found, missing = crm(case).read_meetings(case.account, wanted)
    assert found.differing == ()
    assert missing is None
    asked = parse_qs(urlsplit(stub.calls[0].request.url).query)["q"][0]
    assert asked.endswith(f"FROM Event WHERE Id IN ('{EVENT_ID}')")


def test_hubspots_description_is_the_same_however_its_editor_writes_it(provider_http):
    case = HubSpotCase()
    case.stub(provider_http, case.record("m-1", 0, hs_meeting_body="<div>Price &amp; terms<br>soon</div>"))
    wanted = meeting(case, values={**case.values(), "hs_meeting_body": "Price & terms\nsoon"})
    (found,) = crm(case).read_meetings(case.account, [wanted])
    assert found.differing == ()


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("2026-11-24T13:00:00Z", "2026-11-24T14:00:00+01:00", True),
        ("2026-11-24T13:00:00Z", "2026-11-24T13:00:01Z", False),
        ("a\nb ", " a\r\nb", True),
        ("a", "A", False),
        (18, 18, True),
        (18, "18", False),
        (True, False, False),
    ],
)
def test_values_are_the_same_as_people_read_them(ours, theirs, same):
    assert is_same(ours, theirs) is same
