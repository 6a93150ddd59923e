"""Salesforce's adapter: records are found, adopted, created and updated, and fail alone."""

import pytest

from integrations.exceptions import (
    ConflictError,
    LostAnswerError,
    MissingError,
    OutageError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    SetupError,
    TransientError,
)
from integrations.providers.crm import Saved
from integrations.providers.salesforce.errors import IncompleteError, NoFieldError
from tests.integrations.providers.salesforce_stubs import (
    COMPOSITE,
    EVENT_ID,
    ID_1,
    ID_2,
    SALESFORCE,
    VALUES,
    account,
    asked,
    contact,
    failed,
    meeting,
    saved,
    sent,
    stub_query,
    stub_update,
    stub_upsert,
)
from tests.provider_cases import QUOTED

# --- Contacts --------------------------------------------------------------------------------------------------------


def test_unknown_contact_is_looked_for_by_e_mail_and_created_by_our_key(provider_http):
    query = stub_query(provider_http)
    upsert = stub_upsert(provider_http, saved())
    assert SALESFORCE.save_contacts(account(), [contact()]) == [Saved(ID_1, is_new=True)]
    assert asked(query) == "SELECT Id, Email, Keepsync_Id__c FROM Contact WHERE Email IN ('zoe@example.com')"
    values = {"Email": "zoe@example.com", "FirstName": "Zoe", "LastName": "Okafor", "Phone": None}
    record = {"attributes": {"type": "Contact"}, **values, "Keepsync_Id__c": "c-1"}
    assert sent(upsert) == {"allOrNone": False, "records": [record]}
    headers = upsert.calls[0].request.headers
    assert (headers["Authorization"], headers["Sforce-Auto-Assign"]) == ("Bearer token-1", "FALSE")


def test_several_contacts_take_one_look_up_and_one_call(provider_http):
    query = stub_query(provider_http)
    stub_upsert(provider_http, saved(ID_1), saved(ID_2, is_new=False))
    contacts = [contact("c-1", email="a@example.com"), contact("c-2", email="b@example.com")]
    assert SALESFORCE.save_contacts(account(), contacts) == [Saved(ID_1, is_new=True), Saved(ID_2)]
    assert asked(query).endswith("WHERE Email IN ('a@example.com','b@example.com')")
    assert len(provider_http.calls) == 2


def test_record_that_has_our_key_is_updated_by_it(provider_http):
    stub_query(provider_http, {"Id": ID_1, "Email": "Zoe@Example.com", "Keepsync_Id__c": "c-1"})
    upsert = stub_upsert(provider_http, saved(is_new=False))
    assert SALESFORCE.save_contacts(account(), [contact()]) == [Saved(ID_1)]
    assert sent(upsert)["records"][0]["Keepsync_Id__c"] == "c-1"


def test_only_record_with_the_e_mail_is_adopted_without_emptying_its_fields(provider_http):
    stub_query(provider_http, {"Id": ID_1, "Email": "ZOE@example.com", "Keepsync_Id__c": None})
    update = stub_update(provider_http)
    upsert = stub_upsert(provider_http, saved(is_new=False))
    values = {**VALUES, "LastName": None, "Phone": None}
    assert SALESFORCE.save_contacts(account(), [contact(values=values)]) == [Saved(ID_1)]
    assert sent(update) == {"Keepsync_Id__c": "c-1"}
    record = {
        "attributes": {"type": "Contact"},
        "Email": "zoe@example.com",
        "FirstName": "Zoe",
        "Keepsync_Id__c": "c-1",
    }
    assert sent(upsert)["records"] == [record]


def test_several_records_with_the_e_mail_are_a_conflict_that_says_what_to_do(provider_http):
    free = [{"Id": external_id, "Email": "zoe@example.com", "Keepsync_Id__c": None} for external_id in (ID_1, ID_2)]
    stub_query(provider_http, *free)
    (result,) = SALESFORCE.save_contacts(account(), [contact()])
    assert isinstance(result, ConflictError)
    assert str(result) == "several Contacts have this e-mail: merge them in Salesforce, then replay."


def test_record_of_another_of_our_contacts_is_left_alone(provider_http):
    """A shared mailbox: both have its address."""
    stub_query(provider_http, {"Id": ID_1, "Email": "zoe@example.com", "Keepsync_Id__c": "c-9"})
    stub_upsert(provider_http, saved(ID_2))
    assert SALESFORCE.save_contacts(account(), [contact()]) == [Saved(ID_2, is_new=True)]


def test_record_is_adopted_by_one_contact_only(provider_http):
    stub_query(provider_http, {"Id": ID_1, "Email": "zoe@example.com", "Keepsync_Id__c": None})
    update = stub_update(provider_http)
    upsert = stub_upsert(provider_http, saved(ID_1, is_new=False), saved(ID_2))
    results = SALESFORCE.save_contacts(account(), [contact("c-1"), contact("c-2")])
    assert results == [Saved(ID_1), Saved(ID_2, is_new=True)]
    assert update.call_count == 1
    assert [record["Keepsync_Id__c"] for record in sent(upsert)["records"]] == ["c-1", "c-2"]


def test_linked_record_is_looked_up_by_id_and_updated_by_our_key(provider_http):
    query = stub_query(provider_http, {"Id": ID_1, "Keepsync_Id__c": "c-1"})
    upsert = stub_upsert(provider_http, saved(is_new=False))
    values = {"LastName": "", "FirstName": None}
    assert SALESFORCE.save_contacts(account(), [contact(external_id=ID_1[:15], values=values)]) == [Saved(ID_1)]
    assert asked(query) == f"SELECT Id, Keepsync_Id__c FROM Contact WHERE Id IN ('{ID_1[:15]}')"
    # The name over there stays, as ours is not known; what was emptied is emptied.
    record = {"attributes": {"type": "Contact"}, "FirstName": None, "Keepsync_Id__c": "c-1"}
    assert sent(upsert)["records"] == [record]


def test_linked_record_that_was_made_over_there_is_given_our_key(provider_http):
    stub_query(provider_http, {"Id": ID_1, "Keepsync_Id__c": None})
    update = stub_update(provider_http)
    upsert = stub_upsert(provider_http, saved(is_new=False))
    assert SALESFORCE.save_contacts(account(), [contact(external_id=ID_1)]) == [Saved(ID_1)]
    assert sent(update) == {"Keepsync_Id__c": "c-1"}
    # Linked: what was emptied here is emptied there.
    assert sent(upsert)["records"][0]["Phone"] is None


def test_linked_record_that_was_deleted_is_made_anew(provider_http):
    by_id = stub_query(provider_http, soql=f"SELECT Id, Keepsync_Id__c FROM Contact WHERE Id IN ('{ID_1}')")
    by_email = stub_query(
        provider_http, soql="SELECT Id, Email, Keepsync_Id__c FROM Contact WHERE Email IN ('zoe@example.com')"
    )
    stub_upsert(provider_http, saved(ID_2))
    assert SALESFORCE.save_contacts(account(), [contact(external_id=ID_1)]) == [Saved(ID_2, is_new=True)]
    assert (by_id.call_count, by_email.call_count) == (1, 1)


def test_link_that_is_no_salesforce_id_does_not_spoil_the_others(provider_http):
    query = stub_query(provider_http, {"Id": ID_1, "Keepsync_Id__c": "m-1"})
    stub_upsert(provider_http, saved(ID_1, is_new=False), saved(ID_2), sobject="Event")
    meetings = [meeting("m-1", external_id=ID_1), meeting("m-2", external_id="evt-7")]
    assert SALESFORCE.save_meetings(account(), meetings) == [Saved(ID_1), Saved(ID_2, is_new=True)]
    assert asked(query) == f"SELECT Id, Keepsync_Id__c, Subject FROM Event WHERE Id IN ('{ID_1}')"


def test_record_deleted_between_look_up_and_update_is_made_anew(provider_http):
    stub_query(provider_http, {"Id": ID_1, "Keepsync_Id__c": None})
    stub_update(provider_http, status=404, json=[{"message": "gone", "errorCode": "ENTITY_IS_DELETED", "fields": []}])
    upsert = stub_upsert(provider_http, saved(ID_2))
    assert SALESFORCE.save_contacts(account(), [contact(external_id=ID_1)]) == [Saved(ID_2, is_new=True)]
    assert sent(upsert)["records"][0]["LastName"] == "Okafor"


@pytest.mark.parametrize(
    ("email", "last_name"),
    [("zoe.okafor@example.com", "zoe.okafor"), ("", "(unknown)"), ("z" * 90 + "@a.co", "z" * 79 + "…")],
)
def test_new_contact_has_the_last_name_that_salesforce_requires(provider_http, email, last_name):
    stub_query(provider_http)
    upsert = stub_upsert(provider_http, saved())
    SALESFORCE.save_contacts(account(), [contact(email=email, values={"LastName": None, "Company": "Acme"})])
    record = sent(upsert)["records"][0]
    assert record["LastName"] == last_name
    assert "Company" not in record


def test_contact_without_a_usable_e_mail_is_not_looked_for(provider_http):
    """An address over 80 characters fits into no Email field."""
    stub_upsert(provider_http, saved(), saved(ID_2))
    SALESFORCE.save_contacts(account(), [contact("c-1", email=""), contact("c-2", email="z" * 80 + "@example.com")])
    assert len(provider_http.calls) == 1


def test_lead_has_a_company_and_a_converted_one_is_not_adopted(provider_http):
    query = stub_query(provider_http)
    upsert = stub_upsert(provider_http, saved("00Q000000000001AAA"), sobject="Lead")
    SALESFORCE.save_contacts(account(object="Lead"), [contact(values={"LastName": "Okafor", "Company": None})])
    assert asked(query).endswith("FROM Lead WHERE Email IN ('zoe@example.com') AND IsConverted = false")
    assert sent(upsert)["records"][0] == {
        "attributes": {"type": "Lead"},
        "LastName": "Okafor",
        "Company": "(unknown)",
        "Keepsync_Id__c": "c-1",
    }


def test_option_object_that_is_neither_contact_nor_lead_is_a_setup_error():
    with pytest.raises(SetupError, match="neither Contact nor Lead"):
        SALESFORCE.save_contacts(account(object="Account"), [contact()])


def test_e_mail_cannot_leave_its_soql_literal(provider_http):
    query = stub_query(provider_http)
    stub_upsert(provider_http, saved())
    SALESFORCE.save_contacts(account(), [contact(email="o'neil\\@example.com")])
    assert asked(query).endswith(r"WHERE Email IN ('o\'neil\\@example.com')")


def test_many_contacts_are_looked_for_in_queries_of_a_length_that_salesforce_takes(provider_http):
    query = stub_query(provider_http)
    stub_upsert(provider_http, *[saved(f"0030000000{number:05}AAA") for number in range(100)])
    contacts = [contact(f"c-{number}", email=f"{'x' * 50}{number}@example.com") for number in range(100)]
    assert len(SALESFORCE.save_contacts(account(), contacts)) == 100
    assert query.call_count == 2
    assert max(len(call.request.url) for call in query.calls) < 16_384


# --- What becomes of single records ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("DUPLICATES_DETECTED", ConflictError),
        ("DUPLICATE_VALUE", ConflictError),
        ("DUPLICATE_EXTERNAL_ID", ConflictError),
        ("REQUIRED_FIELD_MISSING", IncompleteError),
        ("INVALID_EMAIL_ADDRESS", PermanentError),
        ("STRING_TOO_LONG", PermanentError),
        ("A_CODE_OF_TOMORROW", PermanentError),
        ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", SetupError),
        ("ENTITY_IS_DELETED", MissingError),
        ("UNABLE_TO_LOCK_ROW", TransientError),
    ],
)
def test_refused_record_fails_alone_and_its_error_quotes_nothing(faulty_http, code, kind):
    stub_query(faulty_http)
    stub_upsert(faulty_http, failed(code, f"{QUOTED}: 'Okafor'", ["Email", "zoe@example.com", 7]), saved(ID_2))
    bad, good = SALESFORCE.save_contacts(account(), [contact("c-1"), contact("c-2", email="b@example.com")])
    assert type(bad) is kind
    assert f"({code}: Email)" in str(bad)
    assert "zoe" not in str(bad)
    assert "Okafor" not in str(bad)
    assert good == Saved(ID_2, is_new=True)


def test_field_that_the_org_lacks_is_named(faulty_http):
    stub_query(faulty_http)
    message = "No such column 'Keepsync_Lead_Score__c' on sobject of type Contact"
    stub_upsert(faulty_http, failed("INVALID_FIELD", message))
    (error,) = SALESFORCE.save_contacts(account(), [contact()])
    assert isinstance(error, NoFieldError)
    assert "Contact has no field Keepsync_Lead_Score__c" in str(error)


def test_field_that_is_no_external_id_is_a_setup_error(provider_http):
    stub_query(provider_http)
    message = "Provided external ID field does not exist or is not accessible: Keepsync_Id__c"
    url = f"{COMPOSITE}/Contact/Keepsync_Id__c"
    provider_http.patch(url, status=404, json=[{"message": message, "errorCode": "NOT_FOUND"}])
    with pytest.raises(SetupError, match="External ID, Unique"):
        SALESFORCE.save_contacts(account(), [contact()])


def test_validation_rule_is_quoted_without_values(faulty_http):
    stub_query(faulty_http)
    message = "Phone of zoe@example.com must start with '+', not 0612345678"
    stub_upsert(faulty_http, failed("FIELD_CUSTOM_VALIDATION_EXCEPTION", message, ["Phone"]))
    (error,) = SALESFORCE.save_contacts(account(), [contact()])
    assert str(error).endswith("a rule of the org: Phone of … must start with …, not ….")


@pytest.mark.parametrize("result", [None, 7, {}, {"success": True}, {"success": True, "id": 7}, {"success": False}])
def test_result_that_cannot_be_read_is_a_lost_answer_of_that_record(faulty_http, result):
    stub_query(faulty_http)
    stub_upsert(faulty_http, result, saved(ID_2))
    bad, good = SALESFORCE.save_contacts(account(), [contact("c-1"), contact("c-2", email="b@example.com")])
    assert isinstance(bad, LostAnswerError)
    assert good == Saved(ID_2, is_new=True)


@pytest.mark.parametrize("results", [[], [saved(), saved()]])
def test_another_number_of_results_is_a_lost_answer(provider_http, results):
    stub_query(provider_http)
    stub_upsert(provider_http, *results)
    with pytest.raises(LostAnswerError):
        SALESFORCE.save_contacts(account(), [contact()])


def stub_two_to_adopt(stubs, status, code):
    stub_query(stubs, {"Id": ID_1, "Keepsync_Id__c": None}, {"Id": ID_2, "Keepsync_Id__c": None})
    stub_update(stubs, ID_1, status=status, json=[{"message": "m", "errorCode": code, "fields": []}])
    stub_update(stubs, ID_2)
    stub_upsert(stubs, saved(ID_2, is_new=False))
    return [contact("c-1", external_id=ID_1), contact("c-2", external_id=ID_2)]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "DUPLICATE_VALUE", ConflictError),
        (400, "INVALID_FIELD_FOR_INSERT_UPDATE", SetupError),
        (400, "UNABLE_TO_LOCK_ROW", TransientError),
    ],
)
def test_adoption_that_is_refused_fails_alone(provider_http, status, code, kind):
    contacts = stub_two_to_adopt(provider_http, status, code)
    bad, good = SALESFORCE.save_contacts(account(), contacts)
    assert type(bad) is kind
    assert good == Saved(ID_2)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "INVALID_SESSION_ID", ReauthoriseError),
        (403, "REQUEST_LIMIT_EXCEEDED", RateLimitedError),
        (503, "SERVER_UNAVAILABLE", OutageError),
    ],
)
def test_adoption_that_fails_for_all_is_raised(provider_http, status, code, kind):
    contacts = stub_two_to_adopt(provider_http, status, code)
    with pytest.raises(kind):
        SALESFORCE.save_contacts(account(), contacts)


# --- Meetings --------------------------------------------------------------------------------------------------------


def test_new_meeting_is_an_event_with_its_leading_contact(provider_http):
    upsert = stub_upsert(provider_http, saved(EVENT_ID), sobject="Event")
    given = meeting(
        contact_ids=(ID_1, ID_2), values={"Location": "https://zoom.us/j/" + "1" * 300, "Cal_Uid__c": "uid-1"}
    )
    assert SALESFORCE.save_meetings(account(), [given]) == [Saved(EVENT_ID, is_new=True)]
    (record,) = sent(upsert)["records"]
    assert record == {
        "attributes": {"type": "Event"},
        "Subject": "Demo",
        "StartDateTime": "2026-11-24T09:00:00Z",
        "EndDateTime": "2026-11-24T09:30:00Z",
        "Location": "https://zoom.us/j/" + "1" * 236 + "…",
        "Cal_Uid__c": "uid-1",
        "ShowAs": "Busy",
        "WhoId": ID_1,
        "Keepsync_Id__c": "m-1",
    }
    assert len(record["Location"]) == 255


def test_cancelled_meeting_keeps_its_event_and_leaves_the_time_free(provider_http):
    stub_query(provider_http, {"Id": EVENT_ID, "Keepsync_Id__c": "m-1"})
    upsert = stub_upsert(provider_http, saved(EVENT_ID, is_new=False), sobject="Event")
    given = meeting(external_id=EVENT_ID, is_cancelled=True, values={"Subject": "D" * 300})
    assert SALESFORCE.save_meetings(account(), [given]) == [Saved(EVENT_ID)]
    (record,) = sent(upsert)["records"]
    assert (record["Subject"], record["ShowAs"]) == ("Cancelled: " + "D" * 243 + "…", "Free")
    assert "WhoId" not in record


def test_event_that_was_made_over_there_is_given_our_key(provider_http):
    stub_query(provider_http, {"Id": EVENT_ID, "Keepsync_Id__c": None})
    update = stub_update(provider_http, EVENT_ID, "Event")
    stub_upsert(provider_http, saved(EVENT_ID, is_new=False), sobject="Event")
    assert SALESFORCE.save_meetings(account(), [meeting(external_id=EVENT_ID)]) == [Saved(EVENT_ID)]
    assert sent(update) == {"Keepsync_Id__c": "m-1"}


# --- Owners ----------------------------------------------------------------------------------------------------------


def test_owner_is_the_active_user_with_the_address(provider_http):
    query = stub_query(provider_http, {"Id": "005000000000001AAA"})
    assert SALESFORCE.find_owner(account(), "lea@acme.example") == "005000000000001AAA"
    assert asked(query) == "SELECT Id FROM User WHERE Email IN ('lea@acme.example') AND IsActive = true"


def test_owner_that_is_no_user_is_empty(provider_http):
    stub_query(provider_http)
    assert SALESFORCE.find_owner(account(), "lea@acme.example") == ""
    assert SALESFORCE.find_owner(account(), "") == ""
