"""/services/Soap/u: merge(), which REST does not have. The session stands in the envelope, not in a header.

https://developer.salesforce.com/docs/platform/api/guide/sforce-api-calls-merge.html (partner WSDL)
"""

from typing import Any
from xml.etree import ElementTree

from django.http import HttpRequest, HttpResponse

from integrations.sandbox.faults import get_faults
from integrations.sandbox.frame import Frame, Refusals
from integrations.sandbox.salesforce.answers import SalesforceError
from integrations.sandbox.salesforce.changes import get_row, merge
from integrations.sandbox.salesforce.records import Row, State, get_store

ENVELOPE, PARTNER = "http://schemas.xmlsoap.org/soap/envelope/", "urn:partner.soap.sforce.com"
FAULTS = "urn:fault.partner.soap.sforce.com"


def refuse_token() -> HttpResponse:
    return fault("INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader: Illegal Session")


def refuse_rate(_: int) -> HttpResponse:
    return fault("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")


def refuse(status: int, message: str) -> HttpResponse:
    return fault("UNKNOWN_EXCEPTION", message, status=status)


frame = Frame("salesforce", Refusals(refuse_token, refuse_rate, refuse))


def fault(code: str, message: str, *, status: int = 500) -> HttpResponse:
    envelope, body = make_envelope()
    element = ElementTree.SubElement(body, f"{{{ENVELOPE}}}Fault")
    ElementTree.SubElement(element, "faultcode").text = f"sf:{code}"
    ElementTree.SubElement(element, "faultstring").text = f"{code}: {message}"
    return answer(envelope, status=status)


def make_envelope() -> tuple[ElementTree.Element, ElementTree.Element]:
    envelope = ElementTree.Element(f"{{{ENVELOPE}}}Envelope")
    # The code of a fault is a qualified name, so its prefix has to be declared although no element bears it.
    envelope.set("xmlns:sf", FAULTS)
    return envelope, ElementTree.SubElement(envelope, f"{{{ENVELOPE}}}Body")


def answer(envelope: ElementTree.Element, *, status: int = 200) -> HttpResponse:
    text = ElementTree.tostring(envelope, encoding="unicode", xml_declaration=False)
    return HttpResponse(f'<?xml version="1.0" encoding="UTF-8"?>{text}', content_type="text/xml", status=status)


def call(request: HttpRequest) -> HttpResponse:
    """merge(): one result, or a fault."""
    try:
        document = parse(request.body)
    except ValueError:
        return fault("MALFORMED_XML", "The body is no SOAP envelope.")
    session = document.findtext(".//{*}SessionHeader/{*}sessionId") or ""
    if get_faults("salesforce").knobs.is_revoked or not frame.is_token(session):
        return refuse_token()
    wanted = document.find("{*}Body/{*}merge/{*}request")
    if wanted is None:
        return fault("INVALID_OPERATION", "Only merge is played here.")
    try:
        with get_store().change() as state:
            master, losers = run_merge(state, wanted)
    except SalesforceError as error:
        return show_result([("success", "false")], error)
    merged = [("mergedRecordIds", loser.id) for loser in losers]
    return show_result([("id", master.id), *merged, ("success", "true")])


def parse(body: bytes) -> ElementTree.Element:
    """Raises ValueError for what is no XML, or has a document type: entities can be made to grow without end."""
    text = body.decode()
    if "<!DOCTYPE" in text.upper():
        raise ValueError("no document types")
    try:
        return ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        raise ValueError("no XML") from error


def run_merge(state: State, wanted: ElementTree.Element) -> tuple[Row, list[Row]]:
    """The master as it is then, and the losers. Raises SalesforceError."""
    record = wanted.find("{*}masterRecord")
    if record is None:
        raise SalesforceError("REQUIRED_FIELD_MISSING", "masterRecord is required")
    sobject, changed = "", {}
    for child in record:
        name = child.tag.rpartition("}")[2]
        if name == "type":
            sobject = child.text or ""
        elif name not in ("Id", "fieldsToNull"):
            changed[name] = child.text
    losers = [get_row(state, sobject, child.text or "") for child in wanted.findall("{*}recordToMergeIds")]
    master = get_row(state, sobject, record.findtext("{*}Id") or "")
    return merge(state, master, losers, changed), losers


def show_result(fields: list[tuple[str, Any]], error: SalesforceError | None = None) -> HttpResponse:
    envelope, body = make_envelope()
    response = ElementTree.SubElement(body, f"{{{PARTNER}}}mergeResponse")
    result = ElementTree.SubElement(response, f"{{{PARTNER}}}result")
    if error is not None:
        errors = ElementTree.SubElement(result, f"{{{PARTNER}}}errors")
        for name, text in (("message", error.message), ("statusCode", error.code)):
            ElementTree.SubElement(errors, f"{{{PARTNER}}}{name}").text = text
    for name, text in fields:
        ElementTree.SubElement(result, f"{{{PARTNER}}}{name}").text = text
    return answer(envelope)
