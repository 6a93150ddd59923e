"""Salesforce's Contacts and Leads, listed page by page."""

import re

import pytest
import responses

from integrations.exceptions import PayloadError
from integrations.providers.crm import ContactPage, FoundContact
from integrations.providers.salesforce.errors import NoFieldError
from tests.integrations.providers.salesforce_stubs import ID_1, ID_2, QUERY, SALESFORCE, account, asked, rows
from tests.listing_cases import CHANGED, CREATED, ListingCases, answer_json
from tests.provider_cases import QUOTED, Good, ProviderCases

COLUMNS = "Id, SystemModstamp, CreatedDate, FirstName, Email, Phone, MobilePhone, HomePhone, OtherPhone"
TIMES = {"CreatedDate": "2026-01-02T03:04:05.000+0000", "SystemModstamp": "2026-11-20T12:00:00.000+0000"}
SELECT = re.compile(r"SELECT .+ FROM Contact(?: WHERE Id > '(?P<after>\w{18})')? ORDER BY Id LIMIT (?P<limit>\d+)")


def make_id(number):
    return f"003{number:012}AAA"


def row(number=1, **values):
    return {"Id": make_id(number), **TIMES, **values}


def read(fields=("FirstName",), cursor="", size=2, **options):
    return SALESFORCE.list_contacts(account(**options), fields=fields, cursor=cursor, size=size)


def refuse_column(name):
    message = f"\nFROM Contact\n^\nERROR at Row:1:Column:8\nNo such column '{name}' on entity 'Contact'. If you are"
    return [{"message": message, "errorCode": "INVALID_FIELD"}]


class TestSalesforceListing(ListingCases):
    crm, fields, name_field = SALESFORCE, ("FirstName", "LeadSource"), "FirstName"
    id_field, stamp_field = "Id", "SystemModstamp"
    # A Contact has one address.
    has_more_emails = False

    def account(self):
        return account()

    def stub(self, http):
        http.add_callback("GET", QUERY, callback=self.answer_query)

    def answer_query(self, request):
        if trouble := self.take_trouble():
            return trouble
        soql = request.params["q"]
        if soql == "SELECT COUNT() FROM Contact":
            return answer_json({"totalSize": len(self.people), "done": True, "records": []})
        found = SELECT.fullmatch(soql)
        after = int(found["after"][3:15]) if found["after"] else 0
        return answer_json(rows(*self.give_page(after, int(found["limit"]))[0]))

    def show(self, person):
        phone, mobile = [*person.phones, None, None][:2]
        return row(
            person.number,
            FirstName=person.name,
            LeadSource=None,
            Email=next(iter(person.emails), None),
            Phone=phone,
            MobilePhone=mobile,
            HomePhone=None,
            OtherPhone=None,
            HasOptedOutOfEmail=person.has_opted_out,
            DoNotCall=False,
        )


class TestSalesforceListingErrors(ProviderCases):
    method, url = "GET", QUERY
    good = {
        200: Good(
            rows(row(FirstName="Zoe", Email="zoe@example.com")),
            ContactPage(
                [FoundContact(make_id(1), {"FirstName": "Zoe"}, CHANGED, CREATED, emails=("zoe@example.com",))],
                total=1,
                unread=[],
            ),
        )
    }
    rate_limit_wait_s = None

    def account(self, base_url):
        return account(base_url)

    def call(self, account):
        return SALESFORCE.list_contacts(account, fields=["FirstName"], cursor="", size=2)

    def error_body(self, status):
        return [{"message": QUOTED, "errorCode": "SOME_CODE", "fields": []}]


# --- Queries ----------------------------------------------------------------------------------------------------------


def test_contacts_are_asked_for_by_their_ids(provider_http):
    stub = provider_http.get(QUERY, json=rows(row(2)))
    assert read(cursor=ID_1).cursor == ""
    where = f"FROM Contact WHERE Id > '{ID_1}' ORDER BY Id LIMIT 2"
    assert asked(stub) == f"SELECT {COLUMNS}, HasOptedOutOfEmail, DoNotCall {where}"


def test_leads_are_asked_for_where_contacts_become_leads_but_no_converted_ones(provider_http):
    stub = provider_http.get(QUERY, json=rows(row(1, Company="Acme"), row(2, Company="(unknown)")))
    page = read(("Company",), object="Lead")
    assert [contact.values for contact in page.contacts] == [{"Company": "Acme"}, {"Company": None}]
    query, count = asked(stub, 0), asked(stub, 1)
    assert query.endswith("FROM Lead WHERE IsConverted = false ORDER BY Id LIMIT 2")
    assert "HomePhone" not in query
    assert count == "SELECT COUNT() FROM Lead WHERE IsConverted = false"
    read(("Company",), cursor=ID_1, object="Lead")
    assert f"WHERE Id > '{ID_1}' AND IsConverted = false ORDER" in asked(stub, 2)


def test_a_page_that_comes_in_parts_is_read_whole():
    """Where the rest is to be had is the org's to say: the specification has no such address."""
    part = {**rows(row(1)), "totalSize": 2, "done": False, "nextRecordsUrl": "/services/data/v59.0/query/01g-1"}
    with responses.RequestsMock() as stubs:
        stubs.get(QUERY, json=part)
        stubs.get(f"{QUERY}/01g-1", json=rows(row(2)))
        page = read(cursor=ID_2, size=3)
    assert [contact.external_id for contact in page.contacts] == [make_id(1), make_id(2)]


def test_a_field_that_is_hidden_from_us_is_left_out_and_not_asked_for_again(faulty_http):
    for name in ("HasOptedOutOfEmail", "HomePhone"):
        faulty_http.get(QUERY, status=400, json=refuse_column(name))
    stub = faulty_http.get(QUERY, json=rows(row(1), row(2)))
    cursor = read(cursor=ID_1).cursor
    assert cursor == f"{make_id(2)},HasOptedOutOfEmail,HomePhone"
    assert asked(stub).startswith(f"SELECT {COLUMNS.replace(' HomePhone,', '')}, DoNotCall FROM")
    calls = len(faulty_http.calls)
    assert read(cursor=cursor).cursor == cursor
    assert len(faulty_http.calls) == calls + 1
    assert f"Id > '{make_id(2)}'" in asked(stub, 1)


def test_a_mapped_field_that_the_org_lacks_is_for_an_administrator(provider_http):
    provider_http.get(QUERY, status=400, json=refuse_column("Region__c"))
    with pytest.raises(NoFieldError, match="Region__c"):
        read(("Region__c",))


def test_a_page_of_which_no_record_tells_its_id_is_refused(faulty_http):
    faulty_http.get(QUERY, json=rows({**TIMES, "Id": "x"}, TIMES))
    with pytest.raises(PayloadError, match="no ids"):
        read()


# --- Contacts ---------------------------------------------------------------------------------------------------------


def test_a_contacts_company_is_its_accounts_name(provider_http):
    acme = {"attributes": {"type": "Account"}, "Name": "Acme"}
    stub = provider_http.get(QUERY, json=rows(row(1, Account=acme), row(2, Account=None)))
    page = read(("Company",), cursor=ID_1)
    assert [contact.values["Company"] for contact in page.contacts] == ["Acme", None]
    assert ", Account.Name, Email" in asked(stub)


def test_a_field_is_found_whatever_its_case_in_the_mapping(provider_http):
    provider_http.get(QUERY, json=rows(row(1, LastName="Okafor")))
    assert read(("lastname",)).contacts[0].values == {"lastname": "Okafor"}


def test_what_stands_for_an_unknown_name_is_no_value(provider_http):
    provider_http.get(QUERY, json=rows(row(1, LastName="(unknown)"), row(2, LastName="zoe", Email="zoe@example.com")))
    assert [contact.values["LastName"] for contact in read(("LastName",), cursor=ID_1).contacts] == [None, None]


def test_who_is_not_to_be_called_has_refused_calls(provider_http):
    provider_http.get(QUERY, json=rows(row(1, HasOptedOutOfEmail=True, DoNotCall=True)))
    said = read().contacts[0].consents
    assert [(each.channel, each.is_given, each.said_at) for each in said] == [
        ("email", False, CHANGED),
        ("phone", False, CHANGED),
    ]
