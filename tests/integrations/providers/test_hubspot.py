"""HubSpot's adapter: what it asks, what it makes of the answers, and how one bad record leaves the others alone."""

import json

import pytest

from integrations import http
from integrations.exceptions import (
    ConflictError,
    KeepsyncError,
    LostAnswerError,
    MissingError,
    OutageError,
    PayloadError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    SetupError,
)
from integrations.providers import get_provider
from integrations.providers.base import Account
from integrations.providers.crm import CrmContact, CrmMeeting, Saved
from integrations.providers.hubspot import client
from integrations.providers.hubspot.mapping import OWN_PROPERTIES, write_value
from tests.provider_cases import QUOTED, Good, ProviderCases

HUBSPOT = get_provider("hubspot")
ORIGIN = "https://api.hubapi.com"
CONTACTS, MEETINGS = f"{ORIGIN}/crm/objects/2026-03/contacts", f"{ORIGIN}/crm/objects/2026-03/meetings"
PROPERTIES = f"{ORIGIN}/crm/properties/2026-03"
NOW = "2026-11-20T12:00:00Z"
EMAIL = "zoe.okafor@example.com"


def account(base_url=ORIGIN):
    return Account(base_url, credentials={"access_token": "token-1"})


def contact(key="contact-1", email=EMAIL, external_id="", **values):
    shown = {"email": email or None, "lastname": "Okafor", **values}
    return CrmContact(key, shown, external_id=external_id, email=email)


def meeting(key="meeting-1", external_id="", *, may_exist=False, contact_ids=("7",), **values):
    shown = {
        "hs_meeting_title": "Demo",
        "hs_meeting_start_time": NOW,
        "hs_meeting_end_time": "2026-11-20T12:30:00Z",
        "hs_meeting_outcome": "confirmed",
        **values,
    }
    return CrmMeeting(key, shown, external_id=external_id, may_exist=may_exist, contact_ids=contact_ids)


def record(record_id, **properties):
    return {"id": record_id, "archived": False, "createdAt": NOW, "updatedAt": NOW, "properties": properties}


def upserted(record_id, *, is_new=False, **properties):
    return {**record(record_id, **properties), "new": is_new}


def batch(*records, errors=()):
    answer = {"status": "COMPLETE", "startedAt": NOW, "completedAt": NOW, "results": list(records)}
    return {**answer, "numErrors": len(errors), "errors": list(errors)} if errors else answer


def refusal(message="Property values were not valid", category="VALIDATION_ERROR", **more):
    return {"status": "error", "category": category, "message": message, "correlationId": "c-1", **more}


def part(message, category):
    """One of the errors of a 207."""
    return {**refusal(message, category), "context": {}, "errors": [], "links": {}}


def sent(stubs, index=-1):
    return json.loads(stubs.calls[index].request.body)


def paths(stubs):
    return [f"{call.request.method} {call.request.path_url.partition('2026-03/')[2]}" for call in stubs.calls]


# --- The shared cases -------------------------------------------------------------------------------------------------


class TestHubSpotCases(ProviderCases):
    method, url = "POST", f"{CONTACTS}/batch/upsert"
    good = {
        200: Good(batch(upserted("11", email=EMAIL)), [Saved("11")]),
        201: Good(batch(upserted("11", email=EMAIL, is_new=True)), [Saved("11", is_new=True)]),
        207: Good(batch(upserted("11", email=EMAIL)), [Saved("11")]),
    }
    rate_limit_wait_s = 10

    def account(self, base_url):
        return account(base_url)

    def call(self, account):
        return HUBSPOT.save_contacts(account, [contact(firstname="Zoe")])

    def error_body(self, status):
        return refusal(QUOTED, errors=[{"message": QUOTED, "context": {"value": [QUOTED]}}])


# --- Errors -----------------------------------------------------------------------------------------------------------


def fail(stubs, status, body, **arguments):
    stubs.post(f"{CONTACTS}/merge", status=status, json=body, **arguments)
    stubs.get(f"{CONTACTS}/1", json=record("1"))
    with pytest.raises(KeepsyncError) as caught:
        HUBSPOT.merge_contacts(account(), "1", "2")
    return caught.value


@pytest.mark.parametrize(
    ("policy", "message", "seconds"),
    [
        ("TEN_SECONDLY_ROLLING", "You have reached your ten_secondly_rolling limit.", 10),
        ("SECONDLY", "You have reached your secondly limit.", 1),
        (None, "You have reached your secondly limit.", 1),
        ("DAILY", "You have reached your daily limit.", 3600),
        (None, "You have reached your daily limit.", 3600),
        (None, "Too many.", 10),
    ],
)
def test_rate_limit_without_a_time_waits_for_its_window(provider_http, policy, message, seconds):
    error = fail(provider_http, 429, refusal(message, "RATE_LIMITS", **({"policyName": policy} if policy else {})))
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s == seconds
    assert error.holds_connection


def test_locked_record_waits_alone(provider_http):
    error = fail(provider_http, 423, refusal("The object is locked."))
    assert isinstance(error, RateLimitedError)
    assert (error.retry_after_s, error.holds_connection) == (2, False)


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry-After": "1800"}, 1800), ({}, 600)])
def test_account_on_the_move_waits_as_long_as_hubspot_says(provider_http, headers, seconds):
    error = fail(provider_http, 477, refusal("Migration in progress"), headers=headers)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s == seconds


@pytest.mark.parametrize(
    "message",
    [
        'Property values were not valid: [{"isValid":false,"message":"Property \\"keepsync_id\\" does not exist",'
        '"error":"PROPERTY_DOESNT_EXIST","name":"keepsync_id"}]',
        "Unable to perform update/upsert by non-unique 0-1 property",
    ],
)
def test_property_that_is_not_there_is_for_a_person_to_make(provider_http, message):
    provider_http.post(f"{CONTACTS}/batch/upsert", status=400, json=refusal(message))
    with pytest.raises(SetupError, match=r"manage\.py connection test"):
        HUBSPOT.save_contacts(account(), [contact(), contact("contact-2", "lea@example.com")])
    assert len(provider_http.calls) == 1


def test_error_names_category_and_property_but_no_value(provider_http):
    message = (
        'Property values were not valid: [{"isValid":false,"message":"Email address zoe.okafor is invalid",'
        '"error":"INVALID_EMAIL","name":"email"}] for zoe.okafor@example.com of Okafor (id 4711)'
    )
    provider_http.post(f"{CONTACTS}/batch/upsert", status=400, json=refusal(message))
    (error,) = HUBSPOT.save_contacts(account(), [contact()])
    assert type(error) is PermanentError
    assert "VALIDATION_ERROR" in str(error)
    assert "email INVALID_EMAIL" in str(error)
    assert not [private for private in ("zoe", "Okafor", "4711") if private in str(error)]


def test_error_of_missing_permission_keeps_its_advice(provider_http):
    error = fail(provider_http, 403, refusal("This app hasn't been granted all required scopes.", "MISSING_SCOPES"))
    assert isinstance(error, SetupError)
    assert "give the connection the permission" in str(error)
    assert "MISSING_SCOPES" in str(error)


def test_connection_without_a_token_says_so():
    with pytest.raises(SetupError, match="access_token"):
        HUBSPOT.test(Account(ORIGIN))


@pytest.mark.parametrize(
    ("headers", "rest_s"),
    [
        ({"X-HubSpot-RateLimit-Remaining": "0", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}, 10),
        ({"X-HubSpot-RateLimit-Remaining": "1", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}, 0),
        ({"X-HubSpot-RateLimit-Remaining": "0", "X-HubSpot-RateLimit-Interval-Milliseconds": "soon"}, 0),
        ({"X-HubSpot-RateLimit-Remaining": "0"}, 0),
        ({}, 0),
    ],
)
def test_used_up_window_is_rested_out(provider_http, headers, rest_s):
    provider_http.post(f"{CONTACTS}/batch/upsert", json=batch(upserted("11", email=EMAIL)), headers=headers)
    with http.limit_time(20) as scope:
        HUBSPOT.save_contacts(account(), [contact()])
    assert scope.rest_s == rest_s


# --- Contacts ---------------------------------------------------------------------------------------------------------


def test_contacts_go_by_id_by_email_and_by_key_in_one_call_each(provider_http):
    provider_http.post(f"{CONTACTS}/batch/update", json=batch(record("5")))
    provider_http.post(f"{CONTACTS}/batch/upsert", json=batch(upserted("6", email=EMAIL, is_new=True)))
    provider_http.post(f"{CONTACTS}/batch/upsert", json=batch(upserted("7", keepsync_id="contact-3")))
    saved = HUBSPOT.save_contacts(
        account(), [contact("contact-3", ""), contact(), contact("contact-2", "lea@example.com", "5")]
    )
    assert saved == [Saved("7"), Saved("6", is_new=True), Saved("5")]
    assert sent(provider_http, 0)["inputs"] == [
        {
            "id": "5",
            "properties": {"keepsync_id": "contact-2", "email": "lea@example.com", "lastname": "Okafor"},
        }
    ]
    assert sent(provider_http, 1)["inputs"] == [
        {
            "id": EMAIL,
            "idProperty": "email",
            "properties": {"keepsync_id": "contact-1", "email": EMAIL, "lastname": "Okafor"},
        }
    ]
    assert sent(provider_http, 2)["inputs"] == [
        {
            "id": "contact-3",
            "idProperty": "keepsync_id",
            "properties": {"keepsync_id": "contact-3", "email": "", "lastname": "Okafor"},
        }
    ]


def test_results_are_matched_by_address_in_whichever_order_and_case(provider_http):
    results = [upserted("2", email="lea@example.com"), upserted("1", email="Zoe.Okafor@Example.com")]
    provider_http.post(f"{CONTACTS}/batch/upsert", json=batch(*results))
    saved = HUBSPOT.save_contacts(account(), [contact(), contact("contact-2", "lea@example.com")])
    assert saved == [Saved("1"), Saved("2")]


def test_same_address_twice_goes_in_two_calls(provider_http):
    provider_http.post(f"{CONTACTS}/batch/upsert", json=batch(upserted("1", email=EMAIL, is_new=True)))
    provider_http.post(f"{CONTACTS}/batch/upsert", json=batch(upserted("1", email=EMAIL)))
    saved = HUBSPOT.save_contacts(account(), [contact(lastname="First"), contact("contact-2", lastname="Second")])
    assert saved == [Saved("1", is_new=True), Saved("1")]
    assert [sent(provider_http, index)["inputs"][0]["properties"]["lastname"] for index in (0, 1)] == [
        "First",
        "Second",
    ]


@pytest.mark.parametrize("status", [400, 409])
def test_bad_record_that_spoils_the_batch_never_holds_back_the_others(provider_http, status):
    url = f"{CONTACTS}/batch/upsert"
    provider_http.post(url, status=status, json=refusal())
    provider_http.post(url, json=batch(upserted("1", email=EMAIL)))
    provider_http.post(url, status=status, json=refusal())
    provider_http.post(url, json=batch(upserted("3", email="ana@example.com")))
    first, second, third = HUBSPOT.save_contacts(
        account(), [contact(), contact("contact-2", "lea@example.com"), contact("contact-3", "ana@example.com")]
    )
    assert (first, third) == (Saved("1"), Saved("3"))
    assert isinstance(second, ConflictError if status == 409 else PermanentError)
    assert len(provider_http.calls) == 4


def test_record_without_a_result_is_asked_for_alone(provider_http):
    url = f"{CONTACTS}/batch/upsert"
    error = part("Property values were not valid", "VALIDATION_ERROR")
    provider_http.post(url, status=207, json=batch(upserted("1", email=EMAIL), errors=[error]))
    provider_http.post(url, status=207, json=batch(errors=[error]))
    first, second = HUBSPOT.save_contacts(account(), [contact(), contact("contact-2", "lea@example.com")])
    assert first == Saved("1")
    assert type(second) is PermanentError
    assert [each["id"] for each in sent(provider_http)["inputs"]] == ["lea@example.com"]


@pytest.mark.parametrize(
    ("category", "error"),
    [
        ("CONFLICT", ConflictError),
        ("OBJECT_ALREADY_EXISTS", ConflictError),
        ("OBJECT_NOT_FOUND", MissingError),
        ("RATE_LIMITS", RateLimitedError),
        ("VALIDATION_ERROR", PermanentError),
        ("SOMETHING_NEW", PermanentError),
    ],
)
def test_error_of_one_record_has_its_class(provider_http, category, error):
    provider_http.post(f"{CONTACTS}/batch/upsert", status=207, json=batch(errors=[part(QUOTED, category)]))
    (result,) = HUBSPOT.save_contacts(account(), [contact(firstname="Zoe")])
    assert type(result) is error
    assert not [private for private in (EMAIL, "Okafor") if private in str(result)]


@pytest.mark.parametrize("error", [None, 7, [], {}, {"category": [], "message": []}, {"errors": [None]}])
def test_error_of_one_record_may_have_any_shape(faulty_http, error):
    faulty_http.post(f"{CONTACTS}/batch/upsert", status=207, json=batch(errors=[error]))
    (result,) = HUBSPOT.save_contacts(account(), [contact()])
    assert type(result) is PermanentError


def test_answer_without_result_and_error_is_lost(provider_http):
    provider_http.post(f"{CONTACTS}/batch/upsert", json=batch())
    (result,) = HUBSPOT.save_contacts(account(), [contact()])
    assert type(result) is LostAnswerError


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (404, refusal("resource not found", "OBJECT_NOT_FOUND")),
        (207, batch(errors=[part("Could not get some CONTACT objects", "OBJECT_NOT_FOUND")])),
    ],
)
@pytest.mark.parametrize(("email", "unique"), [(EMAIL, "email"), ("", "keepsync_id")])
def test_contact_deleted_over_there_is_made_anew(provider_http, status, answer, email, unique):
    provider_http.post(f"{CONTACTS}/batch/update", status=status, json=answer)
    provider_http.post(f"{CONTACTS}/batch/upsert", json=batch(upserted("9", is_new=True)))
    assert HUBSPOT.save_contacts(account(), [contact(email=email, external_id="5")]) == [Saved("9", is_new=True)]
    assert sent(provider_http)["inputs"][0]["idProperty"] == unique


def test_contact_merged_over_there_has_the_survivors_id(provider_http):
    provider_http.post(f"{CONTACTS}/batch/update", json=batch(record("8")))
    assert HUBSPOT.save_contacts(account(), [contact(external_id="5")]) == [Saved("8")]


def test_contact_that_exists_already_is_updated(provider_http):
    taken = refusal("Contact already exists. Existing ID: 12345", "CONFLICT")
    provider_http.post(f"{CONTACTS}/batch/upsert", status=409, json=taken)
    provider_http.post(f"{CONTACTS}/batch/update", json=batch(record("12345")))
    assert HUBSPOT.save_contacts(account(), [contact()]) == [Saved("12345")]
    assert sent(provider_http)["inputs"][0]["id"] == "12345"


def test_known_contact_is_never_exchanged_for_another_that_has_its_address(provider_http):
    taken = refusal("Contact already exists. Existing ID: 12345", "CONFLICT")
    provider_http.post(f"{CONTACTS}/batch/update", status=409, json=taken)
    (result,) = HUBSPOT.save_contacts(account(), [contact(external_id="5")])
    assert isinstance(result, ConflictError)
    assert "12345" not in str(result)
    assert len(provider_http.calls) == 1


def test_locked_record_does_not_hold_back_the_others(provider_http):
    url = f"{CONTACTS}/batch/upsert"
    provider_http.post(url, status=423, json=refusal("The object is locked."))
    provider_http.post(url, status=423, json=refusal("The object is locked."))
    provider_http.post(url, json=batch(upserted("2", email="lea@example.com")))
    locked, other = HUBSPOT.save_contacts(account(), [contact(), contact("contact-2", "lea@example.com")])
    assert isinstance(locked, RateLimitedError)
    assert other == Saved("2")


@pytest.mark.parametrize(("status", "error"), [(401, ReauthoriseError), (429, RateLimitedError), (503, OutageError)])
def test_what_concerns_all_contacts_is_raised(provider_http, status, error):
    provider_http.post(f"{CONTACTS}/batch/upsert", status=status, json=refusal())
    with pytest.raises(error):
        HUBSPOT.save_contacts(account(), [contact(), contact("contact-2", "lea@example.com")])


def test_no_contacts_are_no_call(provider_http):
    assert HUBSPOT.save_contacts(account(), []) == []
    assert not provider_http.calls


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "true"), (False, "false"), (62, "62"), (1.5, "1.5"), ("a", "a"), (["a", 2], "a;2")],
)
def test_values_are_texts(value, text):
    assert write_value(value) == text


def test_contacts_are_looked_up_by_address(provider_http):
    provider_http.post(f"{CONTACTS}/search", json={"total": 1, "results": [record("1", email=EMAIL)]})
    (found,) = client.search_contacts_by_email(account(), EMAIL)
    assert (found.id, found.properties) == ("1", {"email": EMAIL})


@pytest.mark.parametrize("page", [{}, {"results": 7}, {"results": [7]}, {"results": [], "paging": {"next": {}}}])
def test_page_of_another_shape_is_refused_by_name(faulty_http, page):
    faulty_http.get(CONTACTS, json=page)
    with pytest.raises(PayloadError):
        client.list_contacts(account())


# --- Merging ----------------------------------------------------------------------------------------------------------


def test_merge_returns_the_id_that_is_left(provider_http):
    provider_http.post(f"{CONTACTS}/merge", json=record("9"))
    assert HUBSPOT.merge_contacts(account(), "1", "2") == "9"
    assert sent(provider_http) == {"primaryObjectId": "1", "objectIdToMerge": "2"}


@pytest.mark.parametrize(("record_id", "merged"), [("1", "2;3"), ("9", "1;2")])
def test_merging_what_is_merged_is_no_error(provider_http, record_id, merged):
    provider_http.post(f"{CONTACTS}/merge", status=400, json=refusal("Can not merge forward references"))
    provider_http.get(f"{CONTACTS}/1", json=record(record_id, hs_merged_object_ids=merged))
    assert HUBSPOT.merge_contacts(account(), "1", "2") == record_id


@pytest.mark.parametrize("merged", ["", "3;22"])
def test_merge_that_hubspot_refuses_is_an_error(provider_http, merged):
    provider_http.post(f"{CONTACTS}/merge", status=400, json=refusal())
    provider_http.get(f"{CONTACTS}/1", json=record("1", hs_merged_object_ids=merged))
    with pytest.raises(PermanentError, match="VALIDATION_ERROR"):
        HUBSPOT.merge_contacts(account(), "1", "2")


# --- Meetings ---------------------------------------------------------------------------------------------------------


def test_new_meeting_is_made_with_its_contacts(provider_http):
    provider_http.post(f"{MEETINGS}/batch/create", status=201, json=batch(record("21", keepsync_id="meeting-1")))
    assert HUBSPOT.save_meetings(account(), [meeting(contact_ids=("7", "8"))]) == [Saved("21", is_new=True)]
    (made,) = sent(provider_http)["inputs"]
    assert made["properties"] == {
        "keepsync_id": "meeting-1",
        "hs_meeting_title": "Demo",
        "hs_timestamp": NOW,
        "hs_meeting_start_time": NOW,
        "hs_meeting_end_time": "2026-11-20T12:30:00Z",
        "hs_meeting_outcome": "SCHEDULED",
    }
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 200}]
    assert made["associations"] == [{"to": {"id": "7"}, "types": types}, {"to": {"id": "8"}, "types": types}]
    assert len(provider_http.calls) == 1


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("tentative", "SCHEDULED"),
        ("held", "SCHEDULED"),
        ("cancelled", "CANCELED"),
        ("completed", "COMPLETED"),
        ("no_show", "NO_SHOW"),
    ],
)
def test_status_is_hubspots_outcome(provider_http, status, outcome):
    provider_http.post(f"{MEETINGS}/batch/create", status=201, json=batch(record("21", keepsync_id="meeting-1")))
    HUBSPOT.save_meetings(account(), [meeting(hs_meeting_outcome=status)])
    assert sent(provider_http)["inputs"][0]["properties"]["hs_meeting_outcome"] == outcome


def stub_association(stubs, meeting_id, contact_id, **answer):
    url = f"{MEETINGS}/{meeting_id}/associations/default/contacts/{contact_id}"
    stubs.put(url, **(answer or {"json": batch()}))


def test_known_meeting_is_updated_and_its_contacts_added(provider_http):
    provider_http.post(f"{MEETINGS}/batch/update", json=batch(record("21")))
    stub_association(provider_http, "21", "7")
    stub_association(provider_http, "21", "8")
    assert HUBSPOT.save_meetings(account(), [meeting(external_id="21", contact_ids=("7", "8"))]) == [Saved("21")]
    assert paths(provider_http) == [
        "POST meetings/batch/update",
        "PUT meetings/21/associations/default/contacts/7",
        "PUT meetings/21/associations/default/contacts/8",
    ]


def test_meeting_that_an_earlier_try_made_is_found_and_not_made_twice(provider_http):
    provider_http.post(f"{MEETINGS}/batch/read", status=207, json=batch(record("21", keepsync_id="meeting-1")))
    provider_http.post(f"{MEETINGS}/batch/update", json=batch(record("21")))
    provider_http.post(f"{MEETINGS}/batch/create", status=201, json=batch(record("22", keepsync_id="meeting-2")))
    stub_association(provider_http, "21", "7")
    meetings = [meeting("meeting-2", may_exist=True), meeting(may_exist=True)]
    assert HUBSPOT.save_meetings(account(), meetings) == [Saved("22", is_new=True), Saved("21")]
    assert sent(provider_http, 0) == {
        "inputs": [{"id": "meeting-2"}, {"id": "meeting-1"}],
        "idProperty": "keepsync_id",
        "properties": ["keepsync_id"],
        "propertiesWithHistory": [],
    }


@pytest.mark.parametrize("status", [400, 409])
def test_meeting_that_turns_out_to_exist_is_updated(provider_http, status):
    provider_http.post(f"{MEETINGS}/batch/create", status=status, json=refusal("keepsync_id is taken", "CONFLICT"))
    provider_http.post(f"{MEETINGS}/batch/read", json=batch(record("21", keepsync_id="meeting-1")))
    provider_http.post(f"{MEETINGS}/batch/update", json=batch(record("21")))
    stub_association(provider_http, "21", "7")
    assert HUBSPOT.save_meetings(account(), [meeting()]) == [Saved("21")]


def test_meeting_that_hubspot_refuses_leaves_the_others_alone(provider_http):
    provider_http.post(f"{MEETINGS}/batch/create", status=400, json=refusal())
    provider_http.post(f"{MEETINGS}/batch/create", status=400, json=refusal())
    provider_http.post(f"{MEETINGS}/batch/create", status=201, json=batch(record("22", keepsync_id="meeting-2")))
    provider_http.post(f"{MEETINGS}/batch/read", status=207, json=batch())
    refused, made = HUBSPOT.save_meetings(account(), [meeting(), meeting("meeting-2")])
    assert type(refused) is PermanentError
    assert made == Saved("22", is_new=True)


def test_meeting_deleted_over_there_is_made_anew(provider_http):
    gone = batch(errors=[part("Could not get some MEETING objects", "OBJECT_NOT_FOUND")])
    provider_http.post(f"{MEETINGS}/batch/update", status=207, json=gone)
    provider_http.post(f"{MEETINGS}/batch/read", status=207, json=gone)
    provider_http.post(f"{MEETINGS}/batch/create", status=201, json=batch(record("22", keepsync_id="meeting-1")))
    assert HUBSPOT.save_meetings(account(), [meeting(external_id="21")]) == [Saved("22", is_new=True)]


def test_contact_that_is_gone_is_no_missing_meeting(provider_http):
    provider_http.post(f"{MEETINGS}/batch/update", json=batch(record("21")))
    stub_association(provider_http, "21", "7", status=404, json=refusal("not found", "OBJECT_NOT_FOUND"))
    (result,) = HUBSPOT.save_meetings(account(), [meeting(external_id="21")])
    assert type(result) is ConflictError


@pytest.mark.parametrize(("status", "error"), [(401, ReauthoriseError), (429, RateLimitedError), (503, OutageError)])
def test_what_is_met_in_the_middle_leaves_what_is_done_done(provider_http, status, error):
    """Each contact is a call of its own: a batch that began anew each time would not come to its end."""
    provider_http.post(f"{MEETINGS}/batch/update", json=batch(record("21"), record("22"), record("23")))
    stub_association(provider_http, "21", "7")
    stub_association(provider_http, "22", "7", status=status, json=refusal())
    meetings = [meeting(f"meeting-{number}", external_id=number) for number in ("21", "22", "23")]
    first, *left = HUBSPOT.save_meetings(account(), [*meetings, meeting("meeting-24")])
    assert first == Saved("21")
    assert [type(each) for each in left] == [error] * 3
    assert not any("/23/" in path or "create" in path for path in paths(provider_http))


@pytest.mark.parametrize("body", ["<html>", '{"results": 7}', ""])
def test_lost_answer_to_a_creation_is_raised_and_the_creation_not_repeated(faulty_http, body):
    faulty_http.post(f"{MEETINGS}/batch/create", status=201, body=body)
    with pytest.raises(LostAnswerError):
        HUBSPOT.save_meetings(account(), [meeting(), meeting("meeting-2")])
    assert len(faulty_http.calls) == 1


def test_outage_on_creation_is_not_repeated_at_once_and_on_an_upsert_is(provider_http):
    provider_http.post(f"{MEETINGS}/batch/create", status=502, json=refusal())
    with pytest.raises(OutageError):
        HUBSPOT.save_meetings(account(), [meeting()])
    assert len(provider_http.calls) == 1
    provider_http.post(f"{CONTACTS}/batch/upsert", status=502, json=refusal())
    provider_http.post(f"{CONTACTS}/batch/upsert", json=batch(upserted("1", email=EMAIL)))
    assert HUBSPOT.save_contacts(account(), [contact()]) == [Saved("1")]


# --- Properties -------------------------------------------------------------------------------------------------------


def definition(name, **more):
    texts = {"description": "", "fieldType": "text", "groupName": "contactinformation", "label": name}
    return {"name": name, "type": "string", "options": [], **texts, **more}


def stub_properties(stubs, kind, *definitions):
    stubs.get(f"{PROPERTIES}/{kind}", json={"results": list(definitions)})


def test_missing_properties_are_made_in_the_group_of_their_neighbours(provider_http):
    stub_properties(provider_http, "contacts", definition("email"), definition("keepsync_lead_source"))
    stub_properties(provider_http, "meetings", definition("hs_meeting_title", groupName="meeting_group"))
    provider_http.post(f"{PROPERTIES}/contacts", status=201, json=definition("made"))
    provider_http.post(f"{PROPERTIES}/meetings", status=201, json=definition("made"))
    said = HUBSPOT.prepare(account())
    made = [json.loads(call.request.body) for call in provider_http.calls if call.request.method == "POST"]
    assert [(each["name"], each["groupName"]) for each in made] == [
        ("keepsync_id", "contactinformation"),
        ("keepsync_lead_score", "contactinformation"),
        ("keepsync_id", "meeting_group"),
        ("calendar_event_id", "meeting_group"),
        ("calendar_event_uid", "meeting_group"),
        ("payment_session_id", "meeting_group"),
    ]
    assert [each["name"] for each in made if each.get("hasUniqueValue")] == ["keepsync_id", "keepsync_id"]
    assert said.startswith("made the properties keepsync_id of contacts, keepsync_lead_score of contacts, ")


def stub_all_properties(stubs):
    for kind, names in OWN_PROPERTIES.items():
        stub_properties(stubs, kind, *(definition(name, hasUniqueValue=name == "keepsync_id") for name in names))


def test_connection_test_calls_hubspot_and_says_what_was_found(provider_http):
    provider_http.get(CONTACTS, json={"results": []})
    stub_all_properties(provider_http)
    assert HUBSPOT.test(account()) == "HubSpot answers; it has all properties that Keepsync needs."
    assert provider_http.calls[0].request.params["limit"] == "1"


def test_property_made_by_somebody_else_meanwhile_is_as_good(provider_http):
    stub_properties(provider_http, "contacts", definition("email"))
    stub_properties(provider_http, "meetings")
    for kind in OWN_PROPERTIES:
        provider_http.post(f"{PROPERTIES}/{kind}", status=409, json=refusal("already exists", "OBJECT_ALREADY_EXISTS"))
    assert "keepsync_id of meetings" in HUBSPOT.prepare(account())


def test_key_property_that_is_not_unique_is_for_a_person_to_delete(provider_http):
    stub_properties(provider_http, "contacts", definition("keepsync_id"))
    with pytest.raises(SetupError, match="keepsync_id of contacts is not unique"):
        HUBSPOT.prepare(account())


def test_every_field_of_the_default_mapping_is_one_that_hubspot_has_or_keepsync_makes():
    makes = {"contact": OWN_PROPERTIES["contacts"], "meeting": OWN_PROPERTIES["meetings"]}
    standard = ("hs_", "hubspot_", "email", "firstname", "lastname", "phone", "company", "country")
    for kind, mapping in HUBSPOT.default_mapping.items():
        assert [name for name in mapping.values() if name not in makes[kind] and not name.startswith(standard)] == []
