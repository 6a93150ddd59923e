"""Whole lists of the played CRMs' contacts, held to the specifications: pages, what can be asked for, and consents."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integrations.sandbox.playing import Played

CONTACTS = "/crm/objects/2026-03/contacts"
PERSONS, PERSON_FIELDS = "/api/v2/persons", "/api/v2/personFields"
QUERY, ROWS = "/services/data/v59.0/query", "/services/data/v59.0/sobjects/Contact"


# --- HubSpot ----------------------------------------------------------------------------------------------------------


def list_hubspot(hubspot: Played, after: str = "", **params: Any) -> tuple[list[dict[str, Any]], str]:
    page = hubspot.json("GET", CONTACTS, params={**params, **({"after": after} if after else {})})
    return page["results"], page.get("paging", {}).get("next", {}).get("after", "")


def test_hubspots_contacts_come_in_pages_of_up_to_a_hundred(hubspot: Played) -> None:
    hubspot.press("people/make/", count="250")
    found, after = list_hubspot(hubspot, limit=100, properties="hs_email_optout,hs_additional_emails,phone")
    sizes = [len(found)]
    while after:
        page, after = list_hubspot(hubspot, after, limit=100, properties="hs_email_optout,hs_additional_emails,phone")
        sizes.append(len(page))
        found += page
    assert sizes == [100, 100, 50]
    assert len({item["id"] for item in found}) == 250
    said = [item["properties"].get("hs_email_optout") for item in found]
    assert 0 < said.count("true") < 50
    assert any(item["properties"].get("hs_additional_emails") for item in found)
    body = {"filterGroups": [], "properties": [], "sorts": [], "limit": 1, "after": "0"}
    assert hubspot.json("POST", f"{CONTACTS}/search", json=body)["total"] == 250


def test_hubspots_pages_stay_where_they_are_when_contacts_go(hubspot: Played) -> None:
    hubspot.press("people/make/", count="5")
    first, after = list_hubspot(hubspot, limit=2)
    hubspot.call("DELETE", f"{CONTACTS}/{first[0]['id']}")
    rest, _ = list_hubspot(hubspot, after, limit=100)
    assert len(first) + len(rest) == 5


# --- Salesforce -------------------------------------------------------------------------------------------------------


def query(salesforce: Played, soql: str) -> Any:
    return salesforce.json("GET", QUERY, params={"q": soql})


def test_salesforces_contacts_can_be_paged_by_their_ids_and_counted(salesforce: Played) -> None:
    """Ids are in the order of their characters, capitals first: more than 62 show it."""
    salesforce.press("people/make/", count="150")
    ids: list[str] = []
    while True:
        where = f"WHERE Id > '{ids[-1]}' " if ids else ""
        rows = query(salesforce, f"SELECT Id FROM Contact {where}ORDER BY Id LIMIT 40")["records"]
        ids += [row["Id"] for row in rows]
        if len(rows) < 40:
            break
    assert len(ids) == len(set(ids)) == 150
    assert ids == sorted(ids)
    counted = query(salesforce, f"SELECT COUNT() FROM Contact WHERE Id > '{ids[99]}'")
    assert counted == {"totalSize": 50, "done": True, "records": []}


def test_a_contact_is_shown_with_its_accounts_name_and_what_it_has_refused(salesforce: Played) -> None:
    salesforce.press("people/make/", count="100")
    fields = "AccountId, Account.Name, HasOptedOutOfEmail, DoNotCall, HomePhone"
    rows = query(salesforce, f"SELECT {fields} FROM Contact ORDER BY Id")["records"]
    named = [row for row in rows if row["AccountId"]]
    assert all(row["Account"]["Name"] and row["Account"]["attributes"]["type"] == "Account" for row in named)
    assert {row["Account"] for row in rows if not row["AccountId"]} == {None}
    assert len({row["AccountId"] for row in named}) == len({row["Account"]["Name"] for row in named})
    assert {row["HasOptedOutOfEmail"] for row in rows} == {True, False}
    headers = {"Content-Type": "application/json"}
    # The org of which the specification was made has no such field.
    made = salesforce.refuse("POST", ROWS, status=201, json={"LastName": "Roe", "DoNotCall": True}, headers=headers)
    shown = query(salesforce, f"SELECT DoNotCall FROM Contact WHERE Id = '{made['id']}'")["records"]
    assert shown[0]["DoNotCall"] is True


# --- Pipedrive --------------------------------------------------------------------------------------------------------


def list_pipedrive(pipedrive: Played, **params: Any) -> tuple[list[dict[str, Any]], str]:
    page = pipedrive.json("GET", PERSONS, params=params)
    return page["data"], page["additional_data"].get("next_cursor", "")


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("sort", ["id", "add_time", "update_time"])
def test_pipedrives_pages_stay_where_they_are_when_persons_go(pipedrive: Played, sort: str, direction: str) -> None:
    pipedrive.press("people/make/", count="5")
    order = {"sort_by": sort, "sort_direction": direction}
    first, cursor = list_pipedrive(pipedrive, limit=2, **order)
    pipedrive.call("DELETE", f"{PERSONS}/{first[0]['id']}")
    rest, end = list_pipedrive(pipedrive, limit=500, cursor=cursor, **order)
    numbers = [person["id"] for person in (*first, *rest)]
    assert sorted(numbers, reverse=direction == "desc") == numbers
    assert (len(numbers), end) == (5, "")


def test_the_marketing_status_is_told_where_it_is_asked_for(pipedrive: Played) -> None:
    pipedrive.press("people/make/", count="100")
    plain, _ = list_pipedrive(pipedrive, limit=100)
    assert not any("marketing_status" in person for person in plain)
    told, _ = list_pipedrive(pipedrive, limit=100, include_fields="marketing_status")
    assert {person["marketing_status"] for person in told} == {"subscribed", "unsubscribed", "no_consent"}
    pipedrive.refuse("GET", PERSONS, status=400, params={"include_fields": "shoe_size"})


def test_a_company_without_the_marketing_app_is_not_told_it(pipedrive: Played) -> None:
    pipedrive.press("people/make/", count="1")
    assert "Cancel the marketing app" in pipedrive.page()
    pipedrive.press("marketing/turn/")
    assert "Buy the marketing app" in pipedrive.page()
    pipedrive.json("GET", PERSONS, status=400, params={"include_fields": "marketing_status"})
    assert len(list_pipedrive(pipedrive)[0]) == 1
    pipedrive.press("marketing/turn/")
    assert list_pipedrive(pipedrive, include_fields="marketing_status")[1] == ""


def test_options_are_shown_with_their_labels_where_it_is_asked_for(pipedrive: Played) -> None:
    made = {}
    for name, kind in (("Rating", "enum"), ("Tags", "set"), ("Source", "varchar")):
        options = {} if kind == "varchar" else {"options": [{"label": "Hot"}, {"label": "VIP"}]}
        field = pipedrive.json("POST", PERSON_FIELDS, json={"field_name": name, "field_type": kind, **options})["data"]
        made[name] = field["field_code"]
    values = {made["Rating"]: 1, made["Tags"]: [1, 2], made["Source"]: "fair"}
    pipedrive.json("POST", PERSONS, json={"name": "Zoë", "custom_fields": values})
    pipedrive.json("POST", PERSONS, json={"name": "Noor"})
    (zoe, noor), _ = list_pipedrive(pipedrive, include_option_labels="true")
    hot, vip = {"id": 1, "label": "Hot"}, {"id": 2, "label": "VIP"}
    assert zoe["custom_fields"] == {made["Rating"]: hot, made["Tags"]: [hot, vip], made["Source"]: "fair"}
    assert noor["custom_fields"] == dict.fromkeys(made.values())
    (plain, _), _ = list_pipedrive(pipedrive, custom_fields=made["Rating"])
    assert plain["custom_fields"] == {made["Rating"]: 1}
    pipedrive.json("GET", PERSONS, status=400, params={"custom_fields": ",".join(["x"] * 16)})


# --- All of them ------------------------------------------------------------------------------------------------------

LISTS: dict[str, Callable[[Played], Any]] = {
    "hubspot": lambda played: played.call("GET", CONTACTS, is_checked=False),
    "salesforce": lambda played: played.call("GET", QUERY, is_checked=False, params={"q": "SELECT Id FROM Contact"}),
    "pipedrive": lambda played: played.call("GET", PERSONS, is_checked=False),
}


@pytest.mark.parametrize("provider", LISTS)
def test_the_faults_concern_lists_too(provider: str, request: pytest.FixtureRequest) -> None:
    played: Played = request.getfixturevalue(provider)
    for knobs, statuses in (({"rate_429": 1.0}, {429, 403}), ({"is_down": True}, {503}), ({"is_revoked": True}, {401})):
        played.turn(**knobs)
        assert LISTS[provider](played).status_code in statuses
    played.turn()
    assert LISTS[provider](played).status_code == 200
