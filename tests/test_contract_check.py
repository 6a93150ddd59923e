"""The check itself: for every provider a good request passes, and a bad one is refused for the right reason."""

import json
import re

import pytest
import requests
import responses

from tests.contract_check import IS_HERE, SHARED, WHY_NOT, ContractError, check_calls, find_contract

needs_contracts = pytest.mark.skipif(not IS_HERE, reason=WHY_NOT)

BEARER = {"Authorization": "Bearer token-1"}
BASIC = {"Authorization": "Basic eA=="}
HUBSPOT = "https://api.hubapi.com/crm/objects/2026-03"
UPSERT, MEETINGS = f"{HUBSPOT}/contacts/batch/upsert", f"{HUBSPOT}/meetings"
ASSOCIATION = f"{MEETINGS}/5/associations/default/contacts/1"
SALESFORCE = "https://acme.my.salesforce.com/services/data/v59.0/sobjects"
PIPEDRIVE = "https://acme.pipedrive.com/api"
ZOOM = "https://api.zoom.us/v2"
CHECKOUT = "https://api.stripe.com/v1/checkout/sessions"
SLACK = "https://slack.com/api/chat.postMessage"
HOOK = "https://hooks.slack.com/services/T0/B0/xyz"

TO_CONTACT = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 200}
START, END = "2026-11-22T10:00:00Z", "2026-11-22T10:30:00Z"
PRICE = "line_items[0][price_data]"
ORDER = {
    "mode": "payment",
    "success_url": "https://keepsync.example/ok",
    "line_items[0][quantity]": "1",
    f"{PRICE}[currency]": "eur",
    f"{PRICE}[unit_amount]": "1500",
    f"{PRICE}[product_data][name]": "Webinar",
    "metadata[event_uid]": "uid-1",
    "expires_at": "1795359060",
}
WEBINAR = {
    "topic": "Demo",
    "type": 2,
    "start_time": START,
    "duration": 30,
    "timezone": "UTC",
    "settings": {"approval_type": 0, "registration_type": 1},
}


def make_request(method, url, headers=BEARER, **content):
    return requests.Request(method, url, headers=headers, **content).prepare()


GOOD = [
    make_request(
        "POST",
        UPSERT,
        json={"inputs": [{"id": "a@b.co", "idProperty": "email", "properties": {"email": "a@b.co"}}]},
    ),
    make_request("POST", f"{HUBSPOT}/contacts/merge", json={"primaryObjectId": "1", "objectIdToMerge": "2"}),
    make_request(
        "POST",
        MEETINGS,
        json={
            "properties": {"hs_timestamp": START, "hs_meeting_title": "Demo"},
            "associations": [{"to": {"id": "1"}, "types": [TO_CONTACT]}],
        },
    ),
    make_request("PUT", ASSOCIATION),
    make_request("PATCH", f"{SALESFORCE}/Contact/CalAttendee__c/att-1", json={"LastName": "Roe", "Cal_Uid__c": "u"}),
    make_request("POST", f"{SALESFORCE}/Event", json={"Subject": "Demo", "StartDateTime": START, "EndDateTime": END}),
    make_request("POST", f"{PIPEDRIVE}/v2/persons", json={"name": "Roe", "emails": [{"value": "a@b.co"}]}),
    make_request("PUT", f"{PIPEDRIVE}/v1/persons/7/merge", json={"merge_with_id": 8}),
    make_request(
        "GET", f"{PIPEDRIVE}/v2/persons/search", params={"term": "a@b.co", "fields": "email", "exact_match": "true"}
    ),
    make_request("POST", f"{ZOOM}/users/me/meetings", json=WEBINAR),
    make_request("POST", f"{ZOOM}/meetings/85746065/registrants", json={"email": "a@b.co", "first_name": "Ann"}),
    make_request(
        "POST",
        "https://zoom.us/oauth/token",
        BASIC,
        data={"grant_type": "account_credentials", "account_id": "A"},
    ),
    make_request("POST", CHECKOUT, {**BEARER, "Idempotency-Key": "key-1"}, data=ORDER),
    make_request("POST", f"{CHECKOUT}/cs_1/expire"),
    make_request("POST", SLACK, json={"channel": "C1", "text": "hot lead"}),
    make_request("POST", HOOK, {}, json={"text": "hot lead"}),
]

BAD = [
    (
        make_request("POST", UPSERT, json={"inputs": [{"idProperty": "email", "properties": {}}]}),
        "'id' is a required property",
    ),
    (
        make_request("POST", f"{HUBSPOT}/contacts/merge", json={"primaryObjectId": 1, "objectIdToMerge": "2"}),
        "not of type 'string'",
    ),
    (make_request("POST", MEETINGS, json={"props": {}, "associations": []}), "'props' is not in the contract"),
    (make_request("POST", ASSOCIATION), "method not in the contract"),
    (make_request("GET", f"{HUBSPOT}/contacts", params={"page": 2}), "query parameter 'page' is not in the contract"),
    (make_request("GET", "https://api.hubapi.com/crm/v3/objects/contacts"), "no such path in the contract"),
    (
        make_request("PATCH", f"{SALESFORCE}/Contact/CalAttendee__c/att-1", json={"Last_Name": "Roe"}),
        "'Last_Name' is not in the contract",
    ),
    (make_request("POST", f"{SALESFORCE}/Event", {}, json={"Subject": "Demo"}), "no credentials"),
    (
        make_request("POST", f"{PIPEDRIVE}/v2/persons", json={"name": "Roe", "email": "a@b.co"}),
        "'email' is not in the contract",
    ),
    (make_request("PUT", f"{PIPEDRIVE}/v1/persons/7/merge", json={}), "'merge_with_id' is a required property"),
    (make_request("GET", f"{PIPEDRIVE}/v2/persons/search", params={"fields": "email"}), "'term' is required"),
    (
        make_request("POST", f"{ZOOM}/users/me/meetings", json={**WEBINAR, "type": "scheduled"}),
        "type: 'scheduled' is not",
    ),
    (
        make_request("POST", f"{ZOOM}/meetings/85746065/registrants", json={"email": "a@b.co"}),
        "'first_name' is a required property",
    ),
    (
        make_request("POST", "https://zoom.us/oauth/token", BASIC, data={"grant_type": "account_credentials"}),
        "not valid under any",
    ),
    (make_request("POST", CHECKOUT, data={**ORDER, f"{PRICE}[curency]": "eur"}), "curency"),
    (make_request("POST", CHECKOUT, data={**ORDER, "line_items[0][quantity]": "one"}), "'one' is not"),
    (make_request("POST", "https://api.stripe.com/v1/refunds", json={"payment_intent": "pi_1"}), "content type"),
    (make_request("POST", SLACK, json={"channel": "C1", "txt": "hot lead"}), "'txt'"),
    (make_request("POST", HOOK, {}, json={"channel": "C1"}), "channel"),
]


def name_case(value):
    return f"{value.method} {value.url}" if isinstance(value, requests.PreparedRequest) else None


@needs_contracts
def test_the_provider_contracts_are_here():
    """Skipped where they are missing: then the adapters' requests and answers are not checked either."""
    assert (SHARED / "signature_vectors.json").is_file()


@needs_contracts
@pytest.mark.parametrize("request_", GOOD, ids=name_case)
def test_request_that_the_contract_allows_passes(request_):
    assert find_contract(request_.url).check_request(request_).startswith("/")


@needs_contracts
@pytest.mark.parametrize(("request_", "reason"), BAD, ids=name_case)
def test_request_that_the_contract_does_not_allow_is_refused(request_, reason):
    with pytest.raises(ContractError, match=re.escape(reason)):
        find_contract(request_.url).check_request(request_)


@needs_contracts
def test_address_of_no_provider_is_refused():
    with pytest.raises(ContractError, match="no contract"):
        find_contract("https://api.provider.example/v1/calendars")


@needs_contracts
@pytest.mark.parametrize(("status", "answer"), [(201, {"contact_id": 5}), (302, {})])
def test_made_up_answer_that_no_provider_would_give_is_refused(status, answer):
    with responses.RequestsMock() as stubs:
        stubs.post(f"{HUBSPOT}/contacts", status=status, json=answer)
        body = {"properties": {"email": "a@b.co"}, "associations": []}
        requests.post(f"{HUBSPOT}/contacts", json=body, headers=BEARER, timeout=5, allow_redirects=False)
        check_calls(stubs.calls, are_answers_checked=False)
        with pytest.raises(ContractError, match=str(status)):
            check_calls(stubs.calls)


@needs_contracts
@pytest.mark.parametrize("name", ["checkout.session", "refund", "event"])
def test_stripes_own_example_objects_fit(name):
    example = json.loads((SHARED / "stripe" / "fixtures.json").read_text())[name]
    contract = find_contract("https://api.stripe.com/")
    assert list(contract.find_errors(f"urn:spec#/components/schemas/{name}", example)) == []
