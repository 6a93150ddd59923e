"""The played Salesforce: REST held to the published specification, SOQL and the SOAP merge to its documentation."""

from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest

from integrations.sandbox.salesforce.catalog import FIELDS
from integrations.sandbox.salesforce.records import add_check, make_id
from tests.integrations.sandbox.playing import ACCESS_TOKEN, Played

DATA = "/services/data/v59.0"
KEY = "Keepsync_Id__c"
EVENT = {"Subject": "Demo", "StartDateTime": "2026-11-24T10:00:00Z", "EndDateTime": "2026-11-24T10:30:00Z"}


def create(salesforce: Played, sobject: str = "Contact", **values: Any) -> str:
    body = ({"LastName": "Roe"} if sobject != "Event" else EVENT) | values
    options = {"json": body, "headers": {"Content-Type": "application/json"}}
    record_id: str = salesforce.json("POST", f"{DATA}/sobjects/{sobject}", status=201, **options)["id"]
    return record_id


def query(salesforce: Played, soql: str, **options: Any) -> Any:
    return salesforce.json("GET", f"{DATA}/query", params={"q": soql}, **options)


def names(salesforce: Played, condition: str) -> str:
    rows = query(salesforce, f"SELECT LastName FROM Contact {condition}")["records"]
    return "".join(row["LastName"] for row in rows)


def refuse(salesforce: Played, method: str, path: str, *, status: int = 400, **options: Any) -> str:
    (error,) = salesforce.refuse(method, DATA + path, status=status, **options)
    return str(error["errorCode"])


def test_a_record_is_made_read_changed_and_deleted(salesforce: Played) -> None:
    record_id = create(salesforce, FirstName="Zoë", Email="zoe@example.com")
    path = f"{DATA}/sobjects/Contact/{record_id}"
    headers = {"Content-Type": "application/json"}
    assert salesforce.call("PATCH", path, json={"Phone": "1", "FirstName": ""}, headers=headers).status_code == 204
    shown = salesforce.json("GET", path)
    assert (shown["Name"], shown["Phone"], shown["Email"]) == ("Roe", "1", "zoe@example.com")
    assert set(salesforce.refuse("GET", path, status=200, params={"fields": "Phone"})) == {"attributes", "Id", "Phone"}
    assert salesforce.call("GET", f"{DATA}/sobjects/Contact/{record_id[:15]}").status_code == 200
    assert salesforce.call("DELETE", path).status_code == 204
    assert refuse(salesforce, "GET", f"/sobjects/Contact/{record_id}", status=404) == "ENTITY_IS_DELETED"
    assert refuse(salesforce, "GET", "/sobjects/Contact/003000000000999AAA", status=404) == "NOT_FOUND"


def test_ids_are_of_salesforces_form() -> None:
    assert add_check("001A0000006Vm9r") == "001A0000006Vm9rIAC"
    assert make_id("Contact", 1) == "003000000000001AAA"
    assert len({make_id("Lead", number).lower() for number in range(62**2)}) == 62**2


@pytest.mark.parametrize(
    ("sobject", "body", "code"),
    [
        ("Contact", {"FirstName": "Zoë"}, "REQUIRED_FIELD_MISSING"),
        ("Contact", {"LastName": "x" * 81}, "STRING_TOO_LONG"),
        ("Contact", {"LastName": "Roe", "Nickname": "Z"}, "INVALID_FIELD"),
        ("Contact", {"LastName": "Roe", "Name": "Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ("Contact", {"LastName": "Roe", "Email": "zoe"}, "INVALID_EMAIL_ADDRESS"),
        ("Contact", {"LastName": 5}, "JSON_PARSER_ERROR"),
        ("Contact", {"LastName": "Roe", "OwnerId": "lea"}, "MALFORMED_ID"),
        ("Contact", {"LastName": "Roe", "OwnerId": "003000000000001AAA"}, "INVALID_CROSS_REFERENCE_KEY"),
        ("Lead", {"LastName": "Roe"}, "REQUIRED_FIELD_MISSING"),
        ("Event", {"Subject": "x"}, "REQUIRED_FIELD_MISSING"),
        ("Event", EVENT | {"EndDateTime": None}, "REQUIRED_FIELD_MISSING"),
        ("Event", EVENT | {"EndDateTime": "2026-11-24T09:00:00Z"}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Event", EVENT | {"StartDateTime": "soon"}, "JSON_PARSER_ERROR"),
        ("Event", EVENT | {"ShowAs": "Gone"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("Event", EVENT | {"WhoId": "003000000000999AAA"}, "INVALID_CROSS_REFERENCE_KEY"),
    ],
)
def test_bad_values_are_refused_with_salesforces_codes(
    salesforce: Played, sobject: str, body: dict[str, Any], code: str
) -> None:
    assert refuse(salesforce, "POST", f"/sobjects/{sobject}", json=body) == code
    assert salesforce.state()["counts"][sobject] == 0


@pytest.mark.parametrize("text", ["", "[", "[]"])
def test_a_body_that_is_no_object_is_refused(salesforce: Played, text: str) -> None:
    headers = {"Content-Type": "application/json"}
    assert refuse(salesforce, "POST", "/sobjects/Contact", data=text, headers=headers) == "JSON_PARSER_ERROR"


def test_an_upsert_creates_then_updates(salesforce: Played) -> None:
    path = f"{DATA}/sobjects/Contact/{KEY}/a%2Fb"
    made = salesforce.json("PATCH", path, status=201, json={"LastName": "Roe"})
    again = salesforce.json("PATCH", path, status=200, json={"LastName": "Doe"})
    assert (made["created"], again["created"], again["id"]) == (True, False, made["id"])
    found = salesforce.refuse("GET", path, status=200)
    assert (found["LastName"], found[KEY]) == ("Doe", "a/b")
    only = {"params": {"updateOnly": "true"}, "json": {"LastName": "Poe"}}
    assert refuse(salesforce, "PATCH", f"/sobjects/Contact/{KEY}/new", status=404, **only) == "NOT_FOUND"
    assert refuse(salesforce, "PATCH", f"/sobjects/Contact/{KEY}/new", json={KEY: "new"}) == "INVALID_FIELD"
    assert refuse(salesforce, "PATCH", "/sobjects/Contact/Phone/new", status=404, json={}) == "NOT_FOUND"


def test_an_external_id_that_several_have_answers_300_and_changes_nothing(salesforce: Played) -> None:
    ids = [create(salesforce, Legacy_Id__c="x") for _ in range(2)]
    path = f"{DATA}/sobjects/Contact/Legacy_Id__c/x"
    paths = salesforce.json("PATCH", path, status=300, json={"LastName": "Doe"})
    assert [item.rpartition("/")[2] for item in paths] == ids
    assert names(salesforce, "") == "RoeRoe"


def test_a_unique_value_is_one_records_alone(salesforce: Played) -> None:
    holder = create(salesforce, Keepsync_Id__c="a")
    body = {"LastName": "Doe", KEY: "A"}
    (error,) = salesforce.refuse("POST", f"{DATA}/sobjects/Contact", status=400, json=body)
    assert error["errorCode"] == "DUPLICATE_VALUE"
    assert holder[:15] in error["message"]


def upsert(salesforce: Played, *records: dict[str, Any], **options: Any) -> Any:
    records = tuple({"attributes": {"type": "Contact"}} | record for record in records)
    body = {"records": list(records), **options}
    return salesforce.json("PATCH", f"{DATA}/composite/sobjects/Contact/{KEY}", json=body)


def test_a_batch_says_of_each_record_what_became_of_it(salesforce: Played) -> None:
    good, bad = {KEY: "a", "LastName": "Roe"}, {KEY: "b"}
    results = upsert(salesforce, good, bad, {"LastName": "Poe"}, {**good, "FirstName": "Zoë"}, allOrNone=False)
    assert [result["success"] for result in results] == [True, False, False, True]
    assert [result.get("created") for result in results] == [True, None, None, False]
    assert results[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert results[2]["errors"][0]["statusCode"] == "MISSING_ARGUMENT"
    assert salesforce.state()["counts"]["Contact"] == 1


def test_all_or_none_undoes_what_was_done(salesforce: Played) -> None:
    results = upsert(salesforce, {KEY: "a", "LastName": "Roe"}, {KEY: "b"}, allOrNone=True)
    codes = [result["errors"][0]["statusCode"] for result in results]
    assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    assert salesforce.state()["counts"]["Contact"] == 0
    many = {"records": [{"attributes": {"type": "Contact"}}] * 201}
    refuse(salesforce, "PATCH", f"/composite/sobjects/Contact/{KEY}", json=many)


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("", "ABC"),
        ("WHERE Email = 'A@example.com'", "A"),
        ("WHERE Email IN ('a@example.com','c@example.com')", "AC"),
        ("where email not in ('a@example.com') and Phone = null", "B"),
        ("WHERE Phone != null", "C"),
        ("WHERE FirstName = 'O\\'Neil \\\\ \\n'", "B"),
        ("WHERE FirstName LIKE 'o%'", "B"),
        ("WHERE SystemModstamp >= 2020-01-01T00:00:00Z ORDER BY SystemModstamp DESC, LastName LIMIT 2", "CB"),
        ("WHERE CreatedDate < 2020-01-01T00:00:00.000+0000", ""),
        ("WHERE HasOptedOutOfEmail = false ORDER BY Phone, LastName", "ABC"),
        ("WHERE IsDeleted = true", ""),
        ("ORDER BY LastName DESC LIMIT 1", "C"),
    ],
)
def test_queries_find_what_they_ask_for(salesforce: Played, condition: str, found: str) -> None:
    for name, more in (("A", {}), ("B", {"FirstName": "O'Neil \\ \n"}), ("C", {"Phone": "1"})):
        create(salesforce, LastName=name, Email=f"{name}@example.com", **more)
    assert names(salesforce, condition) == found


def test_queries_by_id_take_both_lengths(salesforce: Played) -> None:
    record_id = create(salesforce)
    assert names(salesforce, f"WHERE Id IN ('{record_id}','{record_id[:15]}')") == "Roe"
    assert query(salesforce, "SELECT Name FROM Organization LIMIT 1")["records"][0]["Name"] == "Acme"
    active = "SELECT Id FROM User WHERE Email = 'kim.gone@acme.example' AND IsActive = true"
    assert query(salesforce, active)["totalSize"] == 0


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Nickname FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity", "INVALID_TYPE"),
        ("SELECT Id, Account.Industry FROM Contact", "INVALID_FIELD"),
        ("SELECT Account.Name FROM Lead", "INVALID_FIELD"),
        ("SELECT COUNT( FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Id Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE LastName = 'x", "MALFORMED_QUERY"),
        ('SELECT Id FROM Contact WHERE LastName = "x"', "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE LastName > = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE LastName 'x'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE LastName = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Contact LIMIT many", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact LIMIT 1 OFFSET 2", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE LastName = 'a' OR LastName = 'b'", "MALFORMED_QUERY"),
    ],
)
def test_queries_that_are_none_are_refused(salesforce: Played, soql: str, code: str) -> None:
    assert refuse(salesforce, "GET", "/query", params={"q": soql}) == code


def test_long_results_come_in_pages_under_the_same_origin(salesforce: Played) -> None:
    for start in (0, 200):
        upsert(salesforce, *({KEY: str(number), "LastName": "Roe"} for number in range(start, start + 150)))
    first = query(salesforce, f"SELECT {KEY} FROM Contact", headers={"Sforce-Query-Options": "batchSize=200"})
    assert (first["totalSize"], first["done"], len(first["records"])) == (300, False, 200)
    assert first["nextRecordsUrl"].startswith("/salesforce/services/data/v59.0/query/")
    rest = salesforce.refuse("GET", first["nextRecordsUrl"].removeprefix("/salesforce"), status=200)
    assert (rest["done"], len(rest["records"])) == (True, 100)
    assert refuse(salesforce, "GET", "/query/x") == "INVALID_QUERY_LOCATOR"


def merge(salesforce: Played, master: str, *losers: str, session: str = ACCESS_TOKEN, body: str | None = None) -> Any:
    given = "".join(f"<m:recordToMergeIds>{escape(loser)}</m:recordToMergeIds>" for loser in losers)
    text = (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="urn:partner.soap.sforce.com" '
        'xmlns:s="urn:sobject.partner.soap.sforce.com"><e:Header><m:SessionHeader><m:sessionId>'
        f"{session}</m:sessionId></m:SessionHeader></e:Header><e:Body><m:merge><m:request><m:masterRecord>"
        f"<s:type>Contact</s:type><s:Id>{master}</s:Id><s:Phone>2</s:Phone></m:masterRecord>{given}"
        "</m:request></m:merge></e:Body></e:Envelope>"
    )
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
    path = "/services/Soap/u/59.0"
    answer = salesforce.call("POST", path, is_checked=False, data=(body or text).encode(), headers=headers)
    return answer.status_code, ElementTree.fromstring(answer.content)


def test_a_merge_deletes_the_losers_and_keeps_what_hung_on_them(salesforce: Played) -> None:
    master, loser = create(salesforce), create(salesforce, LastName="R.", Email="r@example.com")
    event = create(salesforce, "Event", WhoId=loser)
    status, document = merge(salesforce, master, loser)
    assert (status, document.findtext(".//{*}success"), document.findtext(".//{*}id")) == (200, "true", master)
    assert salesforce.json("GET", f"{DATA}/sobjects/Event/{event}")["WhoId"] == master
    assert salesforce.json("GET", f"{DATA}/sobjects/Contact/{master}")["Phone"] == "2"
    soql = f"SELECT Id, IsDeleted, MasterRecordId FROM Contact WHERE Id = '{loser}'"
    assert query(salesforce, soql)["records"] == []
    (row,) = salesforce.refuse("GET", f"{DATA}/queryAll", status=200, params={"q": soql})["records"]
    assert (row["IsDeleted"], row["MasterRecordId"]) == (True, master)


def test_merges_that_cannot_be_are_refused(salesforce: Played) -> None:
    master, loser = create(salesforce), create(salesforce)
    for losers, code in (((master,), "INVALID_ID_FIELD"), ((), "INVALID_OPERATION"), (("x",), "NOT_FOUND")):
        status, document = merge(salesforce, master, *losers)
        assert (status, document.findtext(".//{*}statusCode")) == (200, code)
    merge(salesforce, master, loser)
    assert merge(salesforce, master, loser)[1].findtext(".//{*}statusCode") == "ENTITY_IS_DELETED"
    for options, code in (
        ({"session": "wrong"}, "sf:INVALID_SESSION_ID"),
        ({"body": "<x"}, "sf:MALFORMED_XML"),
        ({"body": "<!DOCTYPE x><x/>"}, "sf:MALFORMED_XML"),
    ):
        status, document = merge(salesforce, master, loser, **options)
        assert (status, document.findtext(".//faultcode")) == (500, code)


def test_limits_and_tokens_are_refused_in_salesforces_words(salesforce: Played) -> None:
    salesforce.turn(rate_429=1)
    answer = salesforce.call("GET", f"{DATA}/query", params={"q": "SELECT Id FROM Contact"}, is_checked=False)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert answer.headers["Sforce-Limit-Info"].startswith("api-usage=1/")
    salesforce.turn(is_revoked=True)
    assert refuse(salesforce, "GET", "/query", status=401) == "INVALID_SESSION_ID"
    assert merge(salesforce, "x", "y")[1].findtext(".//faultcode") == "sf:INVALID_SESSION_ID"


def test_a_field_that_is_removed_is_no_column_any_more(salesforce: Played) -> None:
    assert salesforce.press(f"fields/Contact.{KEY}/turn/").status_code == 302
    soql = f"SELECT {KEY} FROM Contact"
    (error,) = salesforce.refuse("GET", f"{DATA}/query", status=400, params={"q": soql})
    assert error["message"] == f"No such column '{KEY}' on entity 'Contact'."
    assert salesforce.state()["records"]["missing_fields"] == [f"Contact.{KEY}"]
    salesforce.press(f"fields/Contact.{KEY}/turn/")
    assert query(salesforce, soql)["totalSize"] == 0
    assert salesforce.press("fields/Contact.Email/turn/").status_code == 409


def test_a_person_there_adds_changes_merges_and_deletes_on_the_page(salesforce: Played) -> None:
    assert salesforce.press("people/add/", LastName="Roe", Email="zoe@example.com").status_code == 302
    assert salesforce.press("people/add/", FirstName="Nobody").status_code == 409
    one, two = salesforce.state()["records"]["Contact"][0]["Id"], create(salesforce)
    event = create(salesforce, "Event")
    assert "zoe@example.com" in salesforce.page()
    assert salesforce.press(f"rows/Contact/{one}/edit/", LastName="Doe").status_code == 302
    assert salesforce.press(f"rows/Contact/{one}/merge/", other=two).status_code == 302
    assert salesforce.press(f"rows/Event/{event}/delete/").status_code == 302
    assert salesforce.press(f"rows/Contact/{two}/edit/", LastName="X").status_code == 409
    assert names(salesforce, "") == "Doe"
    assert {row["IsDeleted"] for row in salesforce.state()["records"]["Event"]} == {True}
    assert FIELDS["Contact"][KEY].is_unique
