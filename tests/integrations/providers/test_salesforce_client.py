"""Salesforce's API: limits, pages, what an org lacks, and what every provider's adapter does."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from integrations import http
from integrations.exceptions import (
    ConflictError,
    LostAnswerError,
    PayloadError,
    RateLimitedError,
    SetupError,
)
from integrations.providers.base import Account
from integrations.providers.crm import Saved
from integrations.providers.salesforce import client
from tests.integrations.providers.salesforce_stubs import (
    COMPOSITE,
    DATA,
    ID_1,
    ID_2,
    ORG,
    QUERY,
    SALESFORCE,
    account,
    contact,
    rows,
    saved,
    stub_query,
)
from tests.provider_cases import QUOTED, Good, ProviderCases

CODES = {400: "INVALID_EMAIL_ADDRESS", 401: "INVALID_SESSION_ID", 403: "INSUFFICIENT_ACCESS", 404: "NOT_FOUND"}

# --- Limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "wait_s"),
    [("TotalRequests Limit exceeded.", 900), ("ConcurrentRequests (Concurrent API Requests) Limit exceeded.", 30)],
)
def test_used_up_calls_are_a_rate_limit_with_a_wait(provider_http, message, wait_s):
    provider_http.get(QUERY, status=403, json=[{"message": message, "errorCode": "REQUEST_LIMIT_EXCEEDED"}])
    with pytest.raises(RateLimitedError) as caught:
        SALESFORCE.find_owner(account(), "lea@acme.example")
    assert caught.value.retry_after_s == wait_s


@pytest.mark.parametrize(
    ("header", "rest_s"),
    [
        ("api-usage=18/5000", 0),
        ("api-usage=5000/5000", 900),
        ("api-usage=5001/5000; per-app-api-usage=17/250(appName=keepsync)", 900),
        ("per-app-api-usage=250/250(appName=keepsync)", 0),
        ("", 0),
        ("api-usage=x", 0),
    ],
)
def test_connection_rests_when_the_calls_of_the_day_are_used_up(provider_http, header, rest_s):
    provider_http.get(QUERY, json=rows(), headers={"Sforce-Limit-Info": header})
    with http.limit_time(10) as scope:
        SALESFORCE.find_owner(account(), "lea@acme.example")
    assert scope.rest_s == rest_s


def test_several_records_with_one_external_id_are_a_conflict(provider_http):
    """Status 300, with which an upsert of one record answers."""
    provider_http.patch(
        f"{DATA}/sobjects/Contact/Keepsync_Id__c/c-1",
        status=300,
        json=[f"/services/data/v59.0/sobjects/Contact/{ID_1}"],
    )
    url = f"{DATA}/sobjects/Contact/Keepsync_Id__c/c-1"
    with pytest.raises(ConflictError, match="Keepsync_Id__c: merge them"):
        http.request("PATCH", url, json={"LastName": "Okafor"}, **client.options(account(), "PATCH"))


# --- Setting up ------------------------------------------------------------------------------------------------------


def no_column(field, sobject):
    message = (
        f"\nSELECT {field} FROM {sobject}\n ^\nERROR at Row:1:Column:8\nNo such column '{field}' on entity '{sobject}'."
    )
    return [{"message": message, "errorCode": "INVALID_FIELD"}]


def stub_org(stubs, *missing):
    """An org that lacks these fields, such as Event.Cal_Uid__c."""

    def answer(request):
        words = parse_qs(urlsplit(request.url).query)["q"][0].replace(",", "").split()
        sobject = words[words.index("FROM") + 1]
        for field in words[1 : words.index("FROM")]:
            if f"{sobject}.{field}" in missing:
                return 400, {}, json.dumps(no_column(field, sobject))
        return 200, {}, json.dumps(rows({"Name": "Acme"}) if sobject == "Organization" else rows())

    stubs.add_callback("GET", QUERY, callback=answer, content_type="application/json")


def test_connection_test_names_the_org(provider_http):
    stub_org(provider_http)
    found = SALESFORCE.test(account())
    assert found == "Salesforce answers for Acme; Contact and Event have the fields that Keepsync needs."
    assert len(provider_http.calls) == 3


def test_every_field_that_the_org_lacks_is_named_with_its_type(provider_http):
    stub_org(provider_http, "Contact.Keepsync_Id__c", "Event.Keepsync_Id__c", "Event.Cal_Payment_Session__c")
    with pytest.raises(SetupError) as caught:
        SALESFORCE.prepare(account())
    assert (
        "Contact.Keepsync_Id__c (Text(64), External ID, Unique), Event.Keepsync_Id__c (Text(64), External ID, Unique), "
        "Event.Cal_Payment_Session__c (Text(255))."
    ) in str(caught.value)


def test_lead_is_prepared_where_contacts_become_leads(provider_http):
    stub_org(provider_http, "Lead.Keepsync_Id__c")
    with pytest.raises(SetupError, match=r"Lead\.Keepsync_Id__c"):
        SALESFORCE.prepare(account(object="Lead"))


@pytest.mark.parametrize("host", ["login", "test"])
def test_log_in_page_is_no_org(host):
    with pytest.raises(SetupError, match="My Domain"):
        SALESFORCE.test(account(f"https://{host}.salesforce.com"))


def test_missing_token_is_asked_for_first():
    with pytest.raises(SetupError, match="authorise"):
        SALESFORCE.test(Account(SALESFORCE.origin))


# --- Pages -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def stubs():
    """For what the contract does not hold: an answer's next page."""
    with responses.RequestsMock() as stubs:
        yield stubs


@pytest.mark.parametrize("prefix", ["", ORG])
def test_all_pages_of_a_query_are_read(stubs, prefix):
    first = {"totalSize": 2, "done": False, "nextRecordsUrl": f"{prefix}/services/data/v59.0/query/01g-2000"}
    stubs.get(QUERY, json={**first, "records": [{"Id": ID_1}]})
    second = stubs.get(f"{DATA}/query/01g-2000", json=rows({"Id": ID_2}))
    found = client.query(account(), "SELECT Id FROM Contact")
    assert [row.text("Id") for row in found] == [ID_1, ID_2]
    assert second.calls[0].request.headers["Authorization"] == "Bearer token-1"


@pytest.mark.parametrize(
    "url", ["https://evil.example/q", "//evil.example/q", "http://acme.my.salesforce.com/q", f"{ORG}:8443/q", 7, None]
)
def test_next_page_on_another_host_is_not_asked_for(stubs, url):
    stubs.get(QUERY, json={"totalSize": 2, "done": False, "nextRecordsUrl": url, "records": []})
    with pytest.raises(PayloadError, match=r"query\.nextRecordsUrl"):
        client.query(account(), "SELECT Id FROM Contact")


def test_query_without_end_is_given_up(stubs, monkeypatch):
    monkeypatch.setattr(client, "PAGES_LIMIT", 3)
    page = {"totalSize": 2, "done": False, "nextRecordsUrl": "/services/data/v59.0/query", "records": []}
    stubs.get(QUERY, json=page)
    with pytest.raises(LostAnswerError, match="over 3 pages"):
        client.query(account(), "SELECT Id FROM Contact")


# --- What every provider does ----------------------------------------------------------------------------------------


def error_of(status):
    return [{"message": QUOTED, "errorCode": CODES.get(status, "UNKNOWN_EXCEPTION"), "fields": ["Email"]}]


class TestUpsertCases(ProviderCases):
    method, url = "PATCH", f"{COMPOSITE}/Contact/Keepsync_Id__c"
    good = {200: Good([saved()], [Saved(ID_1, is_new=True)])}

    def account(self, base_url):
        return account(base_url)

    def call(self, account):
        return SALESFORCE.save_contacts(account, [contact(email="zoe.okafor@example.com")])

    def error_body(self, status):
        return error_of(status)

    def stub_before(self, http):
        stub_query(http)

    def answer_before(self, method, path):
        return rows() if method == "GET" else None


class TestUpdateCases(ProviderCases):
    method, url = "PATCH", f"{DATA}/sobjects/Contact/{ID_1}"
    good = {204: Good()}
    reads_answer = False

    def account(self, base_url):
        return account(base_url)

    def call(self, account):
        return client.update(account, "Contact", ID_1, {"Email": "zoe.okafor@example.com"})

    def error_body(self, status):
        return error_of(status)


class TestQueryCases(ProviderCases):
    method, url = "GET", QUERY
    good = {200: Good(rows({"Id": "005000000000001AAA"}), "005000000000001AAA")}

    def account(self, base_url):
        return account(base_url)

    def call(self, account):
        return SALESFORCE.find_owner(account, "zoe.okafor@example.com")

    def error_body(self, status):
        return error_of(status)
