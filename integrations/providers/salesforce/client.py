"""Salesforce's REST API, as far as it is called.

Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/ (resources Query, sObject Rows, and
sObject Collections Upsert).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import batched
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from integrations import http
from integrations.exceptions import KeepsyncError, LostAnswerError, PayloadError, SetupError
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.crm import Saved
from integrations.providers.oauth import Grant, Identity
from integrations.providers.oauth import read_grant as read_standard_grant
from integrations.providers.salesforce.errors import explain, make_error, read_rest
from integrations.providers.salesforce.mapping import KEY_FIELD

NAME = "Salesforce"
LOGIN_ORIGIN = "https://login.salesforce.com"
API_VERSION = "v59.0"
LOGIN_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})
# Values in one look-up: a query is a GET, and its address may have 16,384 characters.
LOOK_UP_SIZE = 50
# At most 2,000 rows each.
PAGES_LIMIT = 1000
# Otherwise an org's assignment rules would choose another owner at every write
# (https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_autoassign.htm).
WRITE_HEADERS = {"Sforce-Auto-Assign": "FALSE"}
ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\0": None})


# --- Authorising ------------------------------------------------------------------------------------------------------


def read_grant(answer: PayloadReader) -> Grant:
    """With the org's own address. It does not say how long the token lives: the org's session settings do."""
    return replace(read_standard_grant(answer), api_url=answer.text("instance_url"))


def identify(account: Account) -> Identity:
    """The org; asked for as a record, because the address for users' identities wants one more scope."""
    rows = query(account, write_query(["Id", "Name"], "Organization", "LIMIT 1"))
    if not rows:
        raise PayloadError("query.records", "names no organisation.")
    return Identity(rows[0].identifier("Id"), rows[0].text("Name", max_length=255))


# --- Queries ----------------------------------------------------------------------------------------------------------


def query(account: Account, soql: str) -> list[PayloadReader]:
    """All rows of all pages."""
    return [row for page in iterate_pages(account, soql) for row in page]


def iterate_pages(account: Account, soql: str, *, with_deleted: bool = False) -> Iterator[list[PayloadReader]]:
    """The rows page by page, and with what lies in the recycle bin if wanted.

    Raises PayloadError for an answer that is none, or that leads to another host.
    """
    path = "/queryAll" if with_deleted else "/query"
    answer = call(account, "GET", f"{data_url(account)}{path}", params={"q": soql})
    for _ in range(PAGES_LIMIT):
        page = PayloadReader(answer, "query")
        yield [PayloadReader(value, path) for path, value in page.items("records")]
        if page.value.get("done") is not False:
            return
        answer = call(account, "GET", next_url(account, page))
    raise LostAnswerError(f"{NAME} answers a query with over {PAGES_LIMIT} pages.")


def count(account: Account, sobject: str, rest: str) -> int:
    """How many rows a query would find."""
    answer = call(account, "GET", f"{data_url(account)}/query", params={"q": write_query(["COUNT()"], sobject, rest)})
    return PayloadReader(answer, "query").integer("totalSize", minimum=0)


def next_url(account: Account, page: PayloadReader) -> str:
    """The credentials go to the connection's own origin only, whatever the answer says."""
    base = f"{account.base_url}/"
    found = urljoin(base, page.text("nextRecordsUrl"))
    if urlsplit(found)[:2] != urlsplit(base)[:2]:
        raise PayloadError(page.at("nextRecordsUrl"), "leads to another host.")
    return found


def look_up(
    account: Account, sobject: str, *, fields: Sequence[str], field: str, values: Iterable[str], also: str = ""
) -> list[PayloadReader]:
    """The records whose `field` has one of the values; `also` is one more condition."""
    return [
        row
        for some in batched(dict.fromkeys(values), LOOK_UP_SIZE)
        for row in query(account, write_query(fields, sobject, f"WHERE {field} IN ({list_texts(some)}){also}"))
    ]


def write_query(fields: Iterable[str], sobject: str, rest: str) -> str:
    """SOQL. Values stand in `rest`, as `quote_text` writes them."""
    return f"SELECT {', '.join(fields)} FROM {sobject} {rest}".rstrip()  # noqa: S608


def list_texts(values: Iterable[str]) -> str:
    return ",".join(quote_text(value) for value in values)


def quote_text(value: str) -> str:
    """A SOQL literal: backslash and apostrophe are escaped (SOQL reference, quoted string escape sequences)."""
    return f"'{value.translate(ESCAPES)}'"


# --- Writing ----------------------------------------------------------------------------------------------------------


def upsert(account: Account, sobject: str, records: Sequence[Mapping[str, Any]]) -> list[Saved | KeepsyncError]:
    """Create or update up to 200 records by our key, which stands among their values; one result each, in order."""
    body = {"allOrNone": False, "records": [{"attributes": {"type": sobject}, **record} for record in records]}
    url = f"{data_url(account)}/composite/sobjects/{sobject}/{KEY_FIELD}"
    answer = call(account, "PATCH", url, is_repeatable=True, json=body)
    if not isinstance(answer, list) or len(answer) != len(records):
        raise LostAnswerError(f"{NAME} does not answer with one result for each record.")
    return [read_result(result) for result in answer]


def read_result(result: Any) -> Saved | KeepsyncError:
    match result:
        case {"success": True, "id": str(external_id)} if external_id:
            return Saved(external_id, is_new=result.get("created") is True)
        case {"success": False, "errors": [{"statusCode": str(code)} as error, *_]}:
            return make_error(code, error.get("message"), error.get("fields"))
    return LostAnswerError(f"{NAME} does not say what became of the record.")


def update(account: Account, sobject: str, external_id: str, values: Mapping[str, Any]) -> None:
    """Raises MissingError where the record was deleted."""
    url = f"{data_url(account)}/sobjects/{sobject}/{quote(external_id, safe='')}"
    http.request("PATCH", url, is_repeatable=True, json=values, **options(account, "PATCH"))


# --- Calls ------------------------------------------------------------------------------------------------------------


def call(account: Account, method: str, url: str, **arguments: Any) -> Any:
    """The answer's JSON value; None where it has no body. Raises what `http.request` and `explain` say."""
    return http.request_json(method, url, **options(account, method), **arguments)


def options(account: Account, method: str) -> dict[str, Any]:
    """What every request has: credentials, and how to read what comes back."""
    headers = {"Authorization": f"Bearer {read_token(account)}", "Accept": "application/json"}
    if method != "GET":
        headers |= WRITE_HEADERS
    return {"provider": NAME, "headers": headers, "explain": explain, "read_rest": read_rest}


def read_token(account: Account) -> str:
    token = account.credentials.get("access_token")
    if not token:
        raise SetupError("the connection has no access token: authorise it, or set its option access_token.")
    return token


def data_url(account: Account) -> str:
    return f"{org_url(account)}/services/data/{API_VERSION}"


def org_url(account: Account) -> str:
    """Records are at the org's own address, not where one logs in. Raises SetupError where only that one is known.

    Authorising tells that address, so that a missing token is what is complained of first.
    """
    read_token(account)
    if urlsplit(account.base_url).hostname in LOGIN_HOSTS:
        raise SetupError(
            "the connection's base URL is Salesforce's log-in page: set it to the org's My Domain, "
            "such as https://acme.my.salesforce.com (Setup, My Domain)."
        )
    return account.base_url
