"""How each CRM shows a meeting, a contact and an owner: for the cases that fetching them by their ids is held to."""

from typing import Any

from responses import RequestsMock

from integrations.providers.base import Account
from tests.integrations.providers import test_hubspot, test_pipedrive_listing, test_pipedrive_meetings
from tests.integrations.providers.salesforce_stubs import EVENT_ID, ID_1, ID_2, QUERY, account, rows

HUBSPOT = "https://api.hubapi.com/crm"
ASSOCIATIONS = f"{HUBSPOT}/associations/2026-03/meetings/contacts/batch/read"
NOTE = (
    "<p>Price &amp; terms<br>soon</p><p><br></p><p>Calendar event: evt_1</p><p>Keepsync id: m-1</p>"
    "<p>Called her on Monday</p>"
)


class HubSpotCase:
    name, meeting_ids, contact_ids, owner_id = "hubspot", ("31", "32"), ("7", "8"), "71"
    account: Account = test_hubspot.account()
    calls = {"meetings": 2, "contacts": 1}
    meeting_values = {
        "hs_meeting_title": "Sales call",
        "hs_meeting_start_time": "2026-11-24T13:00:00Z",
        "hs_meeting_end_time": "2026-11-24T13:30:00Z",
        "hs_meeting_outcome": "SCHEDULED",
        "hs_meeting_body": "Price & terms\nsoon",
        "calendar_event_id": None,
    }
    contact_values = {"firstname": "Zoe", "phone": "+12125550123", "company": None}

    def meeting(self, number: int = 0, **changes: Any) -> dict[str, Any]:
        properties = {
            "keepsync_id": f"m-{number + 1}",
            "hs_meeting_title": "Sales call",
            "hs_meeting_start_time": "2026-11-24T13:00:00.000Z",
            "hs_meeting_end_time": "2026-11-24T13:30:00Z",
            "hs_meeting_outcome": "SCHEDULED",
            "hs_meeting_body": "<div>Price &amp; terms<br/>soon</div>",
            "hubspot_owner_id": "71",
        }
        return test_hubspot.record(self.meeting_ids[number], **{**properties, **changes})

    def cancelled(self) -> dict[str, Any]:
        return {"hs_meeting_outcome": "CANCELED"}

    def nobodys(self) -> dict[str, Any]:
        return {"keepsync_id": "", "hubspot_owner_id": ""}

    def contact(self, number: int = 0) -> dict[str, Any]:
        properties = {"firstname": "Zoe", "phone": "+12125550123", "email": "zoe@example.com"}
        return test_hubspot.record(self.contact_ids[number], **properties)

    def stub_meetings(self, http: RequestsMock, *records: Any, attended: bool = True, status: int = 200) -> None:
        http.post(f"{test_hubspot.MEETINGS}/batch/read", status=status, json=test_hubspot.batch(*records))
        kind = [{"category": "HUBSPOT_DEFINED", "typeId": 200}]
        results = [
            {"from": {"id": each["id"]}, "to": [{"toObjectId": key, "associationTypes": kind} for key in ("7", "8")]}
            for each in records
        ]
        http.post(ASSOCIATIONS, json=test_hubspot.batch(*(results if attended else ())))

    def stub_contacts(self, http: RequestsMock, *records: Any, status: int = 200) -> None:
        http.post(f"{test_hubspot.CONTACTS}/batch/read", status=status, json=test_hubspot.batch(*records))

    def stub_owner(self, http: RequestsMock, status: int = 200, **shown: Any) -> None:
        times = {"createdAt": test_hubspot.NOW, "updatedAt": test_hubspot.NOW}
        owner = {"id": "71", "archived": False, "type": "PERSON", **times, **shown}
        http.get(f"{HUBSPOT}/owners/2026-03/71", status=status, json=owner)


class SalesforceCase:
    name, meeting_ids, contact_ids = "salesforce", (EVENT_ID, "00U000000000002AAA"), (ID_1, ID_2)
    owner_id = "005000000000002AAA"
    account: Account = account()
    calls = {"meetings": 1, "contacts": 1}
    meeting_values = {
        "Subject": "Sales call",
        "StartDateTime": "2026-11-24T13:00:00Z",
        "ActivityDateTime": "2026-11-24T13:00:00Z",
        "EndDateTime": "2026-11-24T13:30:00Z",
        "Description": "Price & terms\nsoon",
        "Cal_Event_Id__c": None,
    }
    contact_values = {"FirstName": "Zoe", "Phone": "+12125550123", "Company": None}

    def meeting(self, number: int = 0, **changes: Any) -> dict[str, Any]:
        values = {
            "Id": self.meeting_ids[number],
            "SystemModstamp": "2026-11-20T12:00:00.000+0000",
            "Keepsync_Id__c": f"m-{number + 1}",
            "Subject": "Sales call",
            "StartDateTime": "2026-11-24T13:00:00.000+0000",
            "ActivityDateTime": "2026-11-24T13:00:00.000+0000",
            "EndDateTime": "2026-11-24T13:30:00.000+0000",
            "Description": "Price & terms\nsoon",
            "Cal_Event_Id__c": None,
            "WhoId": ID_1,
            "OwnerId": self.owner_id,
        }
        return {"attributes": {"type": "Event"}, **values, **changes}

    def cancelled(self) -> dict[str, Any]:
        return {"Subject": "CANCELED: Sales call"}

    def nobodys(self) -> dict[str, Any]:
        return {"Keepsync_Id__c": None, "OwnerId": None, "WhoId": None}

    def contact(self, number: int = 0) -> dict[str, Any]:
        stamps = dict.fromkeys(("SystemModstamp", "CreatedDate"), "2026-11-20T12:00:00.000+0000")
        values = {"FirstName": "Zoe", "Phone": "+12125550123", "Email": "zoe@example.com", "Account": None}
        return {"Id": self.contact_ids[number], **stamps, **values}

    def stub_meetings(self, http: RequestsMock, *records: Any, attended: bool = True, status: int = 200) -> None:
        http.get(QUERY, status=status, json=rows(*records) if status == 200 else [])

    stub_contacts = stub_meetings

    def stub_owner(self, http: RequestsMock, status: int = 200, **shown: Any) -> None:
        error = [{"message": "no", "errorCode": "INVALID_TYPE", "fields": []}]
        found = rows({"Email": shown.get("email")}) if status == 200 else rows()
        http.get(QUERY, status=400 if status == 403 else 200, json=error if status == 403 else found)


class PipedriveCase:
    name, meeting_ids, contact_ids, owner_id = "pipedrive", ("31", "32"), ("7", "8"), "18"
    account: Account = test_pipedrive_meetings.ACCOUNT
    calls = {"meetings": 1, "contacts": 2}
    meeting_values = {
        "subject": "Sales call",
        "due_date": "2026-11-24",
        "due_time": "13:00",
        "duration": "00:30",
        "note": "Price & terms\nsoon",
        "location": "https://zoom.example/j/1",
        "owner_id": "18",
        "done": False,
        "note:Calendar event": "evt_1",
        "note:Calendar event uid": None,
    }
    contact_values = {"name": "Zoe", "phones": "+12125550123", "Lead source": "fair", "job_title": None}

    def meeting(self, number: int = 0, **changes: Any) -> dict[str, Any]:
        values = {
            "id": int(self.meeting_ids[number]),
            "update_time": "2026-11-20T12:00:00Z",
            "subject": "Sales call",
            "due_date": "2026-11-24",
            "due_time": "13:00:00",
            "duration": "00:30:00",
            "location": {"value": "https://zoom.example/j/1"},
            "done": False,
            "owner_id": 18,
            "note": NOTE.replace("m-1", f"m-{number + 1}"),
            "participants": [{"person_id": 8, "primary": False}, {"person_id": 7, "primary": True}],
            "is_deleted": False,
        }
        return {**values, **changes}

    def cancelled(self) -> dict[str, Any]:
        return {"subject": "Cancelled: Sales call"}

    def nobodys(self) -> dict[str, Any]:
        return {"note": "Price &amp; terms<br>soon", "owner_id": None, "participants": []}

    def contact(self, number: int = 0) -> dict[str, Any]:
        return test_pipedrive_listing.person(
            int(self.contact_ids[number]),
            name="Zoe",
            phones=test_pipedrive_listing.ways("+12125550123"),
            emails=test_pipedrive_listing.ways("zoe@example.com"),
            custom_fields={test_pipedrive_listing.SOURCE_CODE: "fair"},
        )

    def stub_meetings(self, http: RequestsMock, *records: Any, attended: bool = True, status: int = 200) -> None:
        shown = {"success": True, "data": list(records)}
        http.get(test_pipedrive_meetings.ACTIVITIES, status=status, json=shown)

    def stub_contacts(self, http: RequestsMock, *records: Any, status: int = 200) -> None:
        test_pipedrive_listing.stub_fields(http)
        shown = {"success": True, "data": list(records)}
        http.get(test_pipedrive_listing.PERSONS, status=status, json=shown)

    def stub_owner(self, http: RequestsMock, status: int = 200, **shown: Any) -> None:
        user = {"id": 18, "name": "Lea", "active_flag": True, "email": "", **shown}
        answer = {"success": True, "data": user} if status == 200 else {"success": False, "error": "no"}
        http.get("https://api.pipedrive.com/api/v1/users/18", status=status, json=answer)


CASES = [HubSpotCase(), SalesforceCase(), PipedriveCase()]
