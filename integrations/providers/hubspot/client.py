"""HubSpot's API, as far as it is called. https://developers.hubspot.com/docs/api-reference/latest/overview

Every function raises what `http.request` raises, with HubSpot's own errors read by errors.py. An answer that is not of
the documented shape is a LostAnswerError after a write and a PayloadError after a read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import requests

from integrations import http
from integrations.exceptions import ConflictError, LostAnswerError, PayloadError, ReauthoriseError, SetupError
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.hubspot.errors import NAME, explain
from integrations.providers.hubspot.mapping import CONTACTS, EMAIL, KEY, MEETINGS
from integrations.providers.oauth import Grant, Identity
from integrations.providers.oauth import read_grant as read_standard_grant

# HubSpot's APIs are dated; each version is supported for 18 months or more.
VERSION = "2026-03"
ORIGIN = "https://api.hubapi.com"
TOKEN = f"/oauth/{VERSION}/token"
OBJECTS = f"/crm/objects/{VERSION}"
PROPERTIES = f"/crm/properties/{VERSION}"
ASSOCIATIONS = f"/crm/associations/{VERSION}"
OWNERS = f"/crm/owners/{VERSION}"
PAGE_SIZE = 100
# HubSpot's own kind of link from a meeting to a contact.
MEETING_TO_CONTACT = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 200}
MERGED_IDS = "hs_merged_object_ids"


@dataclass(frozen=True, slots=True)
class Found:
    """A record as HubSpot shows it. `is_new` where an upsert has just made it."""

    id: str
    properties: Mapping[str, str]
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What a batch did, and HubSpot's `errors` for the rest (207)."""

    found: Sequence[Found]
    errors: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Records as they came; `after` leads to the next page, and is empty on the last."""

    records: Sequence[PayloadReader]
    after: str


# --- Requests ---------------------------------------------------------------------------------------------------------


def call(method: str, account: Account, path: str, *, is_repeatable: bool = True, **arguments: Any) -> PayloadReader:
    """The answer's object; everything but creating may be asked twice."""
    token = account.credentials.get("access_token")
    if not token:
        raise SetupError("the connection has no access token: authorise it, or set its option access_token.")
    answer = http.request_json(
        method,
        f"{account.base_url}{path}",
        provider=NAME,
        is_repeatable=is_repeatable,
        headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
        explain=explain,
        read_rest=read_rest,
        **arguments,
    )
    with losing_answer():
        return PayloadReader(answer, "the answer")


@contextmanager
def losing_answer() -> Iterator[None]:
    """What was asked for may have been done, however the answer looks."""
    try:
        yield
    except PayloadError as error:
        raise LostAnswerError(f"{NAME} answers something else than its API says: {error}") from error


def read_rest(response: requests.Response) -> float | None:
    """The rest of a window whose calls are used up; search answers have no such headers."""
    window = response.headers.get("X-HubSpot-RateLimit-Interval-Milliseconds", "")
    if response.headers.get("X-HubSpot-RateLimit-Remaining") != "0" or not http.SECONDS.fullmatch(window):
        return None
    return int(window) / 1000


def path_of(*parts: str) -> str:
    return "/".join((OBJECTS, *(quote(part, safe="") for part in parts)))


# --- Authorising ------------------------------------------------------------------------------------------------------


def read_grant(answer: PayloadReader) -> Grant:
    """HubSpot lists what it granted as `scopes`."""
    grant = read_standard_grant(answer)
    names = [value for _, value in answer.items("scopes", is_required=False) if isinstance(value, str)]
    return replace(grant, scope=" ".join(names)) if names else grant


def identify(account: Account) -> Identity:
    """The account (hub) that an OAuth token opens, by asking about the token itself (RFC 7662).

    Raises SetupError without the application's client_id, ReauthoriseError for a token that HubSpot does not know.
    """
    if not account.credentials.get("client_id"):
        raise SetupError("the connection has no client_id, so HubSpot does not say whose account it is.")
    client = {name: account.credentials.get(name, "") for name in ("client_id", "client_secret")}
    form = {**client, "token": account.credentials["access_token"], "token_type_hint": "access_token"}
    found = call("POST", account, f"{TOKEN}/introspect", data=form)
    if found.value.get("active") is False:
        raise ReauthoriseError("HubSpot does not know the connection's token: authorise it again.")
    hub_id = str(found.integer("hub_id", minimum=1))
    return Identity(hub_id, found.optional_text("hub_domain", max_length=255) or f"HubSpot account {hub_id}")


# --- Batches: up to 100 inputs ----------------------------------------------------------------------------------------


def update_batch(account: Account, kind: str, inputs: Sequence[Mapping[str, Any]]) -> BatchAnswer:
    """`inputs` are `{id, properties}`; the same id may stand in them once."""
    return read_batch(call("POST", account, path_of(kind, "batch", "update"), json={"inputs": inputs}))


def upsert_batch(account: Account, kind: str, inputs: Sequence[Mapping[str, Any]]) -> BatchAnswer:
    """`inputs` are `{id, idProperty, properties}`; the same id may stand in them once."""
    return read_batch(call("POST", account, path_of(kind, "batch", "upsert"), json={"inputs": inputs}))


def create_batch(account: Account, kind: str, inputs: Sequence[Mapping[str, Any]]) -> BatchAnswer:
    """`inputs` are `{properties, associations}`."""
    path = path_of(kind, "batch", "create")
    return read_batch(call("POST", account, path, json={"inputs": inputs}, is_repeatable=False))


def find_by_key(account: Account, kind: str, keys: Iterable[str]) -> dict[str, str]:
    """Our id → HubSpot's, for those that are there. Reads the records themselves, not the index that lags behind."""
    inputs = [{"id": key} for key in keys]
    body = {"inputs": inputs, "idProperty": KEY, "properties": [KEY], "propertiesWithHistory": []}
    answer = read_batch(call("POST", account, path_of(kind, "batch", "read"), json=body))
    return {found.properties[KEY]: found.id for found in answer.found if found.properties.get(KEY)}


def read_records(account: Account, kind: str, ids: Iterable[str], properties: Iterable[str]) -> dict[str, Found]:
    """Up to 100 records by their ids, with these properties; those that are archived or not there are left out."""
    records = [read_record(each) for each in fetch_records(account, kind, ids, properties)]
    return {found.id: found for found in records}


def fetch_records(account: Account, kind: str, ids: Iterable[str], properties: Iterable[str]) -> list[PayloadReader]:
    """The same as HubSpot shows them."""
    body = {"inputs": [{"id": each} for each in ids], "properties": list(properties), "propertiesWithHistory": []}
    answer = call("POST", account, path_of(kind, "batch", "read"), json=body)
    return [PayloadReader(value, path) for path, value in answer.items("results")]


def read_batch(answer: PayloadReader) -> BatchAnswer:
    with losing_answer():
        found = [read_record(PayloadReader(value, path)) for path, value in answer.items("results")]
        return BatchAnswer(found, [error for _, error in answer.items("errors", is_required=False)])


def read_record(record: PayloadReader) -> Found:
    """Properties that have no value are left out."""
    properties = record.optional_object("properties")
    texts = {} if properties is None else {k: v for k, v in properties.value.items() if isinstance(v, str)}
    return Found(record.identifier("id"), texts, record.value.get("new") is True)


# --- Contacts and meetings --------------------------------------------------------------------------------------------


def list_contacts(
    account: Account, after: str = "", *, properties: Sequence[str] = (EMAIL, KEY), page_size: int = PAGE_SIZE
) -> Page:
    """A page of up to 100 contacts with these properties, in the order of their ids; archived ones are left out."""
    params = {"limit": str(page_size), "properties": ",".join(properties)} | ({"after": after} if after else {})
    page = call("GET", account, path_of(CONTACTS), params=params)
    records = [PayloadReader(value, path) for path, value in page.items("results")]
    paging = page.optional_object("paging")
    following = paging and paging.optional_object("next")
    return Page(records, following.identifier("after") if following else "")


def count_contacts(account: Account) -> int:
    """How many there are, by the index that lags some seconds behind."""
    body = {"filterGroups": [], "properties": [], "sorts": [], "limit": 1, "after": "0"}
    return call("POST", account, path_of(CONTACTS, "search"), json=body).integer("total", minimum=0)


def search_contacts_by_email(account: Account, email: str) -> list[Found]:
    """Those whose primary address it is. The index lags some seconds behind: for looking up, not for deciding."""
    query = {"propertyName": EMAIL, "operator": "EQ", "value": email}
    body = {
        "filterGroups": [{"filters": [query]}],
        "properties": [EMAIL, KEY],
        "sorts": [],
        "limit": PAGE_SIZE,
        "after": "0",
    }
    answer = call("POST", account, path_of(CONTACTS, "search"), json=body)
    return [read_record(PayloadReader(value, path)) for path, value in answer.items("results")]


def merge_contacts(account: Account, survivor_id: str, loser_id: str) -> str:
    """The id that HubSpot gives the merged contact, which may be a new one."""
    body = {"primaryObjectId": survivor_id, "objectIdToMerge": loser_id}
    answer = call("POST", account, path_of(CONTACTS, "merge"), json=body)
    with losing_answer():
        return read_record(answer).id


def find_merged(account: Account, survivor_id: str, loser_id: str) -> str:
    """The id of the contact that both are already; empty where they are not one."""
    record = read_record(call("GET", account, path_of(CONTACTS, survivor_id), params={"properties": MERGED_IDS}))
    ids = {record.id, *record.properties.get(MERGED_IDS, "").split(";")}
    return record.id if {survivor_id, loser_id} <= ids else ""


def associate(account: Account, meeting_id: str, contact_id: str) -> None:
    """Let the contact attend the meeting; doing it twice changes nothing."""
    call("PUT", account, path_of(MEETINGS, meeting_id, "associations", "default", CONTACTS, contact_id))


def list_attendees(account: Account, meeting_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Of up to 100 meetings, the ids of the contacts who attend them; one that nobody attends may be left out."""
    attendees: dict[str, tuple[str, ...]] = {}
    inputs = [{"id": each} for each in meeting_ids]
    while inputs:
        answer = call("POST", account, f"{ASSOCIATIONS}/{MEETINGS}/{CONTACTS}/batch/read", json={"inputs": inputs})
        inputs = []
        for path, value in answer.items("results"):
            result = PayloadReader(value, path)
            meeting_id, found, after = read_associated(result)
            attendees[meeting_id] = attendees.get(meeting_id, ()) + found
            inputs += [{"id": meeting_id, "after": after}] if after else []
    return attendees


def read_associated(result: PayloadReader) -> tuple[str, tuple[str, ...], str]:
    """Whose they are, the ids of the others, and where the rest begins; empty where there is none."""
    found = [PayloadReader(value, path) for path, value in result.items("to")]
    ids = tuple(str(each.required("toObjectId")) for each in found)
    paging = result.optional_object("paging")
    following = paging.optional_object("next") if paging else None
    return str(result.object("from").required("id")), ids, following.identifier("after") if following else ""


def find_owner_email(account: Account, owner_id: str) -> str:
    """Raises MissingError for one who is not there any more."""
    return call("GET", account, f"{OWNERS}/{quote(owner_id, safe='')}").optional_text("email")


# --- Properties -------------------------------------------------------------------------------------------------------


def list_properties(account: Account, kind: str) -> dict[str, PayloadReader]:
    """An object type's properties by name."""
    answer = call("GET", account, f"{PROPERTIES}/{kind}")
    readers = (PayloadReader(value, path) for path, value in answer.items("results"))
    return {reader.text("name"): reader for reader in readers}


def create_property(account: Account, kind: str, definition: Mapping[str, Any]) -> None:
    """One that somebody else has made meanwhile is as good."""
    try:
        call("POST", account, f"{PROPERTIES}/{kind}", json=definition)
    except ConflictError:
        return
