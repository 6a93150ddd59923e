"""What providers remember, and that it comes back from the state file."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from integrations.sandbox.hubspot import records as hubspot_records
from integrations.sandbox.mail import records as mail_records
from integrations.sandbox.persistence import StateFile, decode, encode
from integrations.sandbox.pipedrive import records as pipedrive_records
from integrations.sandbox.salesforce import records as salesforce_records
from integrations.sandbox.slack import records as slack_records
from integrations.sandbox.store import Store, show_state
from integrations.sandbox.zoom import records as zoom_records
from tests.integrations.sandbox.playing import Played


@dataclass(frozen=True)
class Thing:
    name: str


@dataclass
class Things:
    things: dict[str, Thing] = field(default_factory=dict)
    last_id: int = 0


def test_a_change_is_kept_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    store = Store(Things, "things", StateFile(path))
    before = store.read()
    with store.change() as state:
        state.things["1"] = Thing("one")
    with pytest.raises(ZeroDivisionError), store.change() as state:
        state.things["2"] = Thing(str(1 // state.last_id))
    assert (before.things, store.read().things) == ({}, {"1": Thing("one")})
    assert Store(Things, "things", StateFile(path)).read() == store.read()
    assert show_state(store.read()) == {"things": [{"name": "one"}], "last_id": 0}
    store.reset()
    assert Store(Things, "things", StateFile(path)).read() == Things()


def fill_hubspot(played: Played) -> None:
    body = {"properties": {"firstname": "Zoë"}, "associations": []}
    ids = [played.json("POST", "/crm/objects/2026-03/contacts", status=201, json=body)["id"] for _ in range(2)]
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 200}]
    associations = [{"to": {"id": ids[0]}, "types": types}]
    meeting = {"properties": {"hs_timestamp": "2026-11-24T10:00:00Z"}, "associations": associations}
    played.json("POST", "/crm/objects/2026-03/meetings", status=201, json=meeting)
    merge = {"primaryObjectId": ids[0], "objectIdToMerge": ids[1]}
    played.json("POST", "/crm/objects/2026-03/contacts/merge", json=merge)
    option = {"label": "A", "value": "a", "hidden": False, "displayOrder": 0}
    choice = {"name": "mood", "label": "Mood", "type": "enumeration", "fieldType": "select", "groupName": "g"}
    played.json("POST", "/crm/properties/2026-03/contacts", status=201, json=choice | {"options": [option]})


def fill_salesforce(played: Played) -> None:
    headers = {"Content-Type": "application/json"}
    body = {"Subject": "x", "StartDateTime": "2026-11-24T10:00:00Z", "DurationInMinutes": 30}
    played.json("POST", "/services/data/v59.0/sobjects/Event", status=201, json=body, headers=headers)
    played.press("fields/Contact.Keepsync_Id__c/turn/")


def fill_pipedrive(played: Played) -> None:
    field_ = {"field_name": "Size", "field_type": "enum", "options": [{"label": "small"}]}
    played.json("POST", "/api/v2/personFields", json=field_)
    number = played.json("POST", "/api/v2/persons", json={"name": "Zoë", "emails": [{"value": "z@example.com"}]})
    participants = [{"person_id": number["data"]["id"], "primary": True}]
    played.json("POST", "/api/v2/activities", json={"subject": "x", "participants": participants})
    played.json("DELETE", f"/api/v2/persons/{number['data']['id']}")


def fill_zoom(played: Played) -> None:
    body = {"tracking_fields": [{"field": "a", "value": "b"}], "settings": {"approval_type": 0}}
    recurrence = {"type": 2, "weekly_days": "1"}
    meeting = body | {"type": 8, "start_time": "2026-11-24T10:00:00Z", "recurrence": recurrence}
    made = played.json("POST", "/v2/users/me/meetings", status=201, json=meeting)
    person = {"email": "z@example.com", "first_name": "Zoë", "city": "Paris"}
    played.json("POST", f"/v2/meetings/{made['id']}/registrants", status=201, json=person)


def fill_slack(played: Played) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "x"}}]
    played.json("POST", "/api/chat.postMessage", json={"channel": "#sales", "blocks": blocks})


def fill_mail(played: Played) -> None:
    mail_records.keep("a@b.example", ("c@d.example", "e@f.example"), b"Subject: \xff\r\n\r\nx")


@pytest.mark.parametrize(
    ("provider", "fill", "read"),
    [
        ("hubspot", fill_hubspot, lambda: hubspot_records.get_store().read()),
        ("salesforce", fill_salesforce, lambda: salesforce_records.get_store().read()),
        ("pipedrive", fill_pipedrive, lambda: pipedrive_records.get_store().read()),
        ("zoom", fill_zoom, lambda: zoom_records.get_store().read()),
        ("slack", fill_slack, lambda: slack_records.get_store().read()),
        ("mail", fill_mail, lambda: mail_records.get_store().read()),
    ],
)
def test_everything_comes_back_from_the_file(
    request: pytest.FixtureRequest, provider: str, fill: Callable[[Played], None], read: Callable[[], Any]
) -> None:
    played = request.getfixturevalue(provider)
    fill(played)
    state = read()
    assert state != type(state)()
    assert decode(type(state), json.loads(json.dumps(encode(state)))) == state
    assert played.page()
