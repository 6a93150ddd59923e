"""An org at Salesforce, stubbed for its adapter's tests."""

import json
from urllib.parse import parse_qs, urlsplit

from responses.matchers import query_param_matcher

from integrations.providers.base import Account
from integrations.providers.crm import CrmContact, CrmMeeting
from integrations.providers.salesforce.provider import Salesforce

ORG = "https://acme.my.salesforce.com"
DATA = f"{ORG}/services/data/v59.0"
QUERY = f"{DATA}/query"
COMPOSITE = f"{DATA}/composite/sobjects"
SALESFORCE = Salesforce()
ID_1, ID_2 = "003000000000001AAA", "003000000000002AAA"
EVENT_ID = "00U000000000001AAA"
VALUES = {"Email": "zoe@example.com", "FirstName": "Zoe", "LastName": "Okafor", "Phone": None, "OwnerId": None}


def account(base_url=ORG, **options):
    return Account(base_url, options, {"access_token": "token-1"})


def contact(key="c-1", *, external_id="", email="zoe@example.com", values=None):
    return CrmContact(key, VALUES if values is None else values, external_id, email=email)


def meeting(key="m-1", **fields):
    values = {"Subject": "Demo", "StartDateTime": "2026-11-24T09:00:00Z", "EndDateTime": "2026-11-24T09:30:00Z"}
    return CrmMeeting(key, {**values, **fields.pop("values", {})}, **fields)


def rows(*records):
    records = [{"attributes": {"type": "Contact"}, **record} for record in records]
    return {"totalSize": len(records), "done": True, "records": records}


def stub_query(stubs, *records, soql=None):
    match = [query_param_matcher({"q": soql})] if soql else []
    return stubs.get(QUERY, json=rows(*records), match=match)


def stub_upsert(stubs, *results, sobject="Contact"):
    return stubs.patch(f"{COMPOSITE}/{sobject}/Keepsync_Id__c", json=list(results))


def stub_update(stubs, external_id=ID_1, sobject="Contact", **answer):
    return stubs.patch(f"{DATA}/sobjects/{sobject}/{external_id}", **(answer or {"status": 204}))


def saved(external_id=ID_1, *, is_new=True):
    return {"id": external_id, "success": True, "errors": [], "created": is_new}


def failed(code, message="", fields=()):
    """As Salesforce has it: without an id."""
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": list(fields)}]}


def sent(stub, number=0):
    """The body of a call to the stub."""
    return json.loads(stub.calls[number].request.body)


def asked(stub, number=0):
    """The SOQL of a call to the stub."""
    return parse_qs(urlsplit(stub.calls[number].request.url).query)["q"][0]
