"""Merging two records. Only the SOAP API can.

Source: https://developer.salesforce.com/docs/platform/api/guide/sforce-api-calls-merge.html (partner WSDL).
"""

from xml.etree import ElementTree

import requests

from integrations import http
from integrations.exceptions import KeepsyncError, LostAnswerError, MissingError
from integrations.providers.base import Account
from integrations.providers.salesforce import client
from integrations.providers.salesforce.errors import make_error
from integrations.providers.salesforce.mapping import KEY_FIELD

PATH = f"/services/Soap/u/{client.API_VERSION.removeprefix('v')}"
ENVELOPE = "{http://schemas.xmlsoap.org/soap/envelope/}"
PARTNER = "{urn:partner.soap.sforce.com}"
# Faults that are the server's own trouble, and may pass.
OWN_TROUBLE = frozenset({"UNKNOWN_EXCEPTION", "SERVER_UNAVAILABLE"})
RECORD = "{urn:sobject.partner.soap.sforce.com}"


def merge_records(account: Account, sobject: str, survivor_id: str, loser_id: str) -> str:
    """The id that is left. The loser is deleted, and what hung on it moves to the survivor, which keeps its values.

    A loser that is gone already counts as merged. Raises MissingError where the survivor is gone.
    """
    if survivor_id[:15] == loser_id[:15]:
        return survivor_id
    try:
        return read_merged(post(account, make_envelope(account, sobject, survivor_id, loser_id)))
    except MissingError:
        rows = client.look_up(account, sobject, fields=("Id", KEY_FIELD), field="Id", values=[survivor_id])
        if not rows:
            raise MissingError(f"Salesforce has no such {sobject} any more: nothing can be merged into it.") from None
        return rows[0].identifier("Id")


def make_envelope(account: Account, sobject: str, survivor_id: str, loser_id: str) -> bytes:
    """Built as a tree, which escapes what it is given."""
    envelope = ElementTree.Element(f"{ENVELOPE}Envelope")
    session = add(add(envelope, f"{ENVELOPE}Header"), f"{PARTNER}SessionHeader")
    add(session, f"{PARTNER}sessionId", client.read_token(account))
    request = add(add(add(envelope, f"{ENVELOPE}Body"), f"{PARTNER}merge"), f"{PARTNER}request")
    survivor = add(request, f"{PARTNER}masterRecord")
    add(survivor, f"{RECORD}type", sobject)
    add(survivor, f"{RECORD}Id", survivor_id)
    add(request, f"{PARTNER}recordToMergeIds", loser_id)
    return ElementTree.tostring(envelope, encoding="unicode").encode()


def add(parent: ElementTree.Element, tag: str, text: str | None = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag)
    child.text = text
    return child


def post(account: Account, envelope: bytes) -> ElementTree.Element | None:
    """The answer's document; None where it is none. Asking twice is harmless: the loser can be merged only once."""
    response = http.request(
        "POST",
        f"{client.org_url(account)}{PATH}",
        provider=client.NAME,
        is_repeatable=True,
        explain=explain_fault,
        data=envelope,
        headers={"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'},
    )
    return parse_xml(response.content)


def read_merged(document: ElementTree.Element | None) -> str:
    """Raises LostAnswerError where the answer says neither that it was done nor that it failed."""
    result = document.find(".//{*}result") if document is not None else None
    if result is not None:
        if result.findtext("{*}success") == "true" and (merged := result.findtext("{*}id")):
            return merged
        if code := result.findtext("{*}errors/{*}statusCode"):
            raise make_error(code, result.findtext("{*}errors/{*}message"))
    raise LostAnswerError(f"{client.NAME} does not say what became of the merge.")


def explain_fault(response: requests.Response) -> KeepsyncError | None:
    """The error of a SOAP fault, which comes with status 500; None where there is none."""
    document = parse_xml(response.content)
    fault = document.find(f".//{ENVELOPE}Fault") if document is not None else None
    code = (fault.findtext("{*}faultcode") or "").rpartition(":")[2] if fault is not None else ""
    if fault is None or not code.isupper() or code in OWN_TROUBLE:
        return None
    return make_error(code, fault.findtext("{*}faultstring"))


def parse_xml(body: bytes) -> ElementTree.Element | None:
    """None for what is not UTF-8 XML, or has a document type: entities can be made to grow without end."""
    try:
        text = body.decode()
        return None if "<!DOCTYPE" in text.upper() else ElementTree.fromstring(text)  # noqa: S314
    except (ValueError, ElementTree.ParseError):
        return None
