"""Merging Salesforce records over SOAP, which no contract here describes: the envelope itself is checked."""

from xml.etree import ElementTree

import pytest
import requests
import responses

from integrations.exceptions import (
    ConflictError,
    LostAnswerError,
    MissingError,
    OutageError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    SetupError,
)
from integrations.providers.base import Account
from integrations.providers.salesforce.provider import Salesforce

ORG = "https://acme.my.salesforce.com"
URL = f"{ORG}/services/Soap/u/59.0"
QUERY = f"{ORG}/services/data/v59.0/query"
SURVIVOR, LOSER = "003000000000001AAA", "003000000000002AAA"
NAMES = {
    "s": "http://schemas.xmlsoap.org/soap/envelope/",
    "p": "urn:partner.soap.sforce.com",
    "r": "urn:sobject.partner.soap.sforce.com",
}
WRAP = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns="urn:partner.soap.sforce.com" xmlns:sf="urn:fault.partner.soap.sforce.com"><soapenv:Body>{}</soapenv:Body>'
    "</soapenv:Envelope>"
)
MERGED = WRAP.format(
    f"<mergeResponse><result><id>{SURVIVOR}</id><mergedRecordIds>{LOSER}</mergedRecordIds><success>true</success>"
    "</result></mergeResponse>"
)


@pytest.fixture
def stubs():
    with responses.RequestsMock() as stubs:
        yield stubs


def refusal(code, message="entity is deleted"):
    return WRAP.format(
        f"<mergeResponse><result><errors><message>{message}</message><statusCode>{code}</statusCode></errors>"
        "<id></id><success>false</success></result></mergeResponse>"
    )


def fault(code, message="m"):
    """Without the default namespace that other answers have."""
    return WRAP.replace(' xmlns="urn:partner.soap.sforce.com"', "").format(
        f"<soapenv:Fault><faultcode>{code}</faultcode><faultstring>{code}: {message}</faultstring></soapenv:Fault>"
    )


def stub_survivor(stubs, *ids):
    records = [{"Id": external_id} for external_id in ids]
    return stubs.get(QUERY, json={"totalSize": len(records), "done": True, "records": records})


def merge(survivor_id=SURVIVOR, loser_id=LOSER, token="token-1", **options):
    account = Account(ORG, options, {"access_token": token})
    return Salesforce().merge_contacts(account, survivor_id, loser_id)


def test_merge_is_asked_for_in_the_partner_apis_words(stubs):
    call = stubs.post(URL, body=MERGED)
    assert merge(token="00D!a&b<c>") == SURVIVOR
    request = call.calls[0].request
    assert request.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert request.headers["SOAPAction"] == '""'
    envelope = ElementTree.fromstring(request.body)
    assert envelope.tag == f"{{{NAMES['s']}}}Envelope"
    assert envelope.findtext("s:Header/p:SessionHeader/p:sessionId", namespaces=NAMES) == "00D!a&b<c>"
    (given,) = envelope.findall("s:Body/p:merge/p:request", NAMES)
    assert given.findtext("p:masterRecord/r:type", namespaces=NAMES) == "Contact"
    assert given.findtext("p:masterRecord/r:Id", namespaces=NAMES) == SURVIVOR
    assert [item.text for item in given.findall("p:recordToMergeIds", NAMES)] == [LOSER]
    # The WSDL is a sequence.
    assert [item.tag for item in given] == [
        "{urn:partner.soap.sforce.com}masterRecord",
        "{urn:partner.soap.sforce.com}recordToMergeIds",
    ]


def test_leads_are_merged_as_leads(stubs):
    call = stubs.post(URL, body=MERGED)
    merge(object="Lead")
    assert b">Lead<" in call.calls[0].request.body


def test_record_is_not_merged_into_itself(stubs):
    assert merge(SURVIVOR, SURVIVOR[:15]) == SURVIVOR
    assert not stubs.calls


@pytest.mark.parametrize("answer", [refusal("ENTITY_IS_DELETED"), refusal("INVALID_CROSS_REFERENCE_KEY")])
def test_loser_that_is_gone_was_merged_already(stubs, answer):
    stubs.post(URL, body=answer)
    stub_survivor(stubs, SURVIVOR)
    assert merge() == SURVIVOR


def test_survivor_that_is_gone_is_missing(stubs):
    stubs.post(URL, body=refusal("ENTITY_IS_DELETED"))
    stub_survivor(stubs)
    with pytest.raises(MissingError, match="nothing can be merged into it"):
        merge()


def test_answer_lost_on_the_way_is_asked_for_again(stubs):
    stubs.post(URL, body=requests.ReadTimeout())
    stubs.post(URL, body=refusal("ENTITY_IS_DELETED"))
    stub_survivor(stubs, SURVIVOR)
    assert merge() == SURVIVOR


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("sf:INVALID_SESSION_ID", ReauthoriseError),
        ("sf:REQUEST_LIMIT_EXCEEDED", RateLimitedError),
        ("sf:API_DISABLED_FOR_ORG", SetupError),
        ("sf:MALFORMED_ID", PermanentError),
        ("sf:UNKNOWN_EXCEPTION", OutageError),
        ("soapenv:Server", OutageError),
    ],
)
def test_fault_has_its_class_and_quotes_nothing(stubs, code, kind):
    stubs.post(URL, status=500, body=fault(code, "zoe@example.com"))
    with pytest.raises(kind) as caught:
        merge()
    assert type(caught.value) is kind
    assert "zoe" not in str(caught.value)


def test_refused_merge_has_its_class(stubs):
    stubs.post(URL, body=refusal("DUPLICATE_VALUE", "zoe@example.com"))
    with pytest.raises(ConflictError, match="DUPLICATE_VALUE"):
        merge()


@pytest.mark.parametrize("status", [502, 503])
def test_page_of_a_proxy_is_an_outage(stubs, status):
    stubs.post(URL, status=status, body="<html><body>Bad gateway")
    with pytest.raises(OutageError):
        merge()


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>' + MERGED.partition("?>")[2].replace(SURVIVOR, "&b;")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "<a>",
        "<a/>",
        WRAP.format(""),
        MERGED.replace("true", "maybe"),
        BOMB,
        BOMB.encode("utf-16"),
        b"\xff\xfe<",
    ],
)
def test_answer_that_does_not_say_what_became_of_it_is_lost(stubs, body):
    stubs.post(URL, body=body)
    with pytest.raises(LostAnswerError):
        merge()


def test_log_in_page_is_no_org():
    with pytest.raises(SetupError, match="My Domain"):
        Salesforce().merge_contacts(Account(Salesforce.origin, {}, {"access_token": "t"}), SURVIVOR, LOSER)
