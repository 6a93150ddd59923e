"""What all played providers share: access, faults, log and the steering API; tried with HubSpot's."""

import json
import time
from typing import Any

import pytest

from integrations.sandbox import frame
from integrations.sandbox.faults import Fault, Faults, KnobError, Knobs, parse_knobs
from integrations.sandbox.log import KEPT, Entry, RequestLog, summarise
from tests.integrations.sandbox.playing import Played
from tests.integrations.sandbox.support import START

CONTACTS = "/crm/objects/2026-03/contacts"
BODY = {"properties": {"firstname": "Zoë"}, "associations": []}


@pytest.mark.parametrize("value", ["Bearer wrong", "Basic c2FuZGJveA==", "", "Bearer sandbox-access-töken"])
def test_without_the_token_nothing_is_done_and_401_is_answered(hubspot: Played, value: str) -> None:
    headers = {"Authorization": value.encode("utf-8").decode("latin-1")}
    answer = hubspot.refuse("POST", CONTACTS, status=401, json=BODY, headers=headers)
    assert answer["category"] == "INVALID_AUTHENTICATION"
    assert hubspot.state()["counts"]["contacts"] == 0


def test_an_unknown_address_or_method_is_refused_in_the_providers_way_and_logged(hubspot: Played) -> None:
    assert hubspot.refuse("GET", "/crm/v3/objects/contacts", status=404)["status"] == "error"
    assert hubspot.refuse("PUT", CONTACTS, status=405)["status"] == "error"
    assert [item["status"] for item in hubspot.state()["requests"]] == [405, 404]


def test_requests_are_logged_with_body_and_status_newest_first(hubspot: Played) -> None:
    hubspot.json("POST", CONTACTS, status=201, json=BODY)
    hubspot.json("GET", CONTACTS, params={"limit": 5})
    newest, oldest = hubspot.state()["requests"]
    assert (newest["method"], newest["path"]) == ("GET", f"/hubspot{CONTACTS}?limit=5")
    assert (oldest["status"], json.loads(oldest["body"]), oldest["fault"]) == (201, BODY, "")


def test_too_many_requests_are_refused_with_the_time_to_wait(hubspot: Played) -> None:
    hubspot.turn(rate_429=1, retry_after_s=7)
    answer = hubspot.call("POST", CONTACTS, json=BODY)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.json()["policyName"] == "TEN_SECONDLY_ROLLING"
    assert hubspot.state()["counts"]["contacts"] == 0


def test_a_server_error_does_nothing(hubspot: Played) -> None:
    hubspot.turn(rate_5xx=1)
    assert hubspot.call("POST", CONTACTS, json=BODY).status_code in (500, 502, 503)
    assert hubspot.state()["counts"]["contacts"] == 0


def test_a_lost_answer_is_a_504_to_what_was_done(hubspot: Played) -> None:
    hubspot.turn(rate_lost=1)
    assert hubspot.call("POST", CONTACTS, json=BODY).status_code == 504
    assert hubspot.state()["counts"]["contacts"] == 1


def test_a_time_out_does_nothing_and_takes_its_time(hubspot: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "TIMEOUT_S", 0.02)
    hubspot.turn(rate_timeout=1, latency_ms=20)
    started = time.monotonic()
    assert hubspot.call("POST", CONTACTS, json=BODY).status_code == 504
    assert time.monotonic() - started >= 0.04
    assert hubspot.state()["counts"]["contacts"] == 0


def test_a_provider_that_is_down_answers_503_and_a_revoked_token_401(hubspot: Played) -> None:
    hubspot.turn(is_down=True)
    assert hubspot.call("GET", CONTACTS).status_code == 503
    hubspot.turn(is_revoked=True)
    assert hubspot.call("GET", CONTACTS).status_code == 401
    hubspot.turn()
    assert hubspot.call("GET", CONTACTS).status_code == 200
    assert [item["fault"] for item in hubspot.state()["requests"]] == ["", "revoked", "down"]


def test_the_same_seed_gives_the_same_row_of_faults(hubspot: Played) -> None:
    rows = []
    for _ in range(2):
        hubspot.turn(rate_429=0.3, rate_5xx=0.3, seed=42)
        rows.append([hubspot.call("GET", CONTACTS).status_code for _ in range(20)])
    assert rows[0] == rows[1]
    assert {200, 429} <= set(rows[0])


def test_rates_are_met_on_average() -> None:
    faults = Faults(Knobs())
    faults.set(Knobs(rate_429=0.2, rate_5xx=0.1, rate_lost=0.3, rate_timeout=0.1, seed=7))
    drawn = [faults.draw() for _ in range(5000)]
    for fault, rate in faults.knobs.rates().items():
        assert drawn.count(fault) / 5000 == pytest.approx(rate, abs=0.03)
    assert drawn.count(None) / 5000 == pytest.approx(0.3, abs=0.03)
    assert Fault.LOST in drawn


def test_knobs_that_are_left_out_are_off(hubspot: Played) -> None:
    hubspot.turn(latency_ms=5, webhooks={"drop": 0.5})
    hubspot.turn(seed=3)
    assert hubspot.client.get("/hubspot/_sandbox/knobs").json() == {
        "latency_ms": 0,
        "rate_429": 0.0,
        "rate_5xx": 0.0,
        "rate_lost": 0.0,
        "rate_timeout": 0.0,
        "retry_after_s": 1,
        "seed": 3,
        "is_down": False,
        "is_revoked": False,
        "token_lifetime_s": 0,
        "token_latency_ms": 0,
        "rate_token_5xx": 0.0,
        "webhooks": {"drop": 0.0, "double": 0.0, "reorder": 0.0},
    }


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ([], "The body"),
        ({"rate": 1}, "rate"),
        ({"rate_429": 1.1}, "rate_429"),
        ({"rate_429": "1"}, "rate_429"),
        ({"rate_429": True}, "rate_429"),
        ({"rate_429": float("nan")}, "rate_429"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"token_latency_ms": 60_001}, "token_latency_ms"),
        ({"rate_token_5xx": 2}, "rate_token_5xx"),
        ({"latency_ms": 1.5}, "latency_ms"),
        ({"is_down": 1}, "is_down"),
        ({"webhooks": {"drop": 2}}, "webhooks.drop"),
        ({"webhooks": 1}, "webhooks"),
        ({"rate_429": 0.6, "rate_lost": 0.6}, "The rates"),
    ],
)
def test_knobs_that_cannot_be_are_refused_by_name(value: Any, field: str) -> None:
    with pytest.raises(KnobError) as caught:
        parse_knobs(Knobs, value)
    assert caught.value.field == field


def test_the_steering_api_refuses_what_is_no_json_and_keeps_the_knobs(hubspot: Played) -> None:
    hubspot.turn(seed=9)
    for body in ("{", '{"rate_429": 5}'):
        answer = hubspot.client.put("/hubspot/_sandbox/knobs", body, content_type="application/json")
        assert answer.status_code == 400
        assert answer.json()["code"] == "invalid"
    assert hubspot.client.get("/hubspot/_sandbox/knobs").json()["seed"] == 9


def test_a_reset_forgets_records_requests_webhooks_and_faults(hubspot: Played) -> None:
    hubspot.json("POST", CONTACTS, status=201, json=BODY)
    hubspot.turn(is_down=True)
    assert hubspot.state()["counts"]["webhooks"] == 1
    hubspot.reset()
    assert set(hubspot.state()["counts"].values()) == {0}
    assert hubspot.call("GET", CONTACTS).status_code == 200


def test_faults_are_set_on_the_page_with_the_same_rules(hubspot: Played) -> None:
    fields = dict.fromkeys(("latency_ms", "rate_429", "rate_5xx", "rate_lost", "rate_timeout", "seed"), "0")
    fields |= {"retry_after_s": "2", "drop": "0", "double": "0.5", "reorder": "0"}
    assert hubspot.press("knobs/", **{**fields, "rate_429": "0.25", "is_revoked": "on"}).status_code == 302
    knobs = hubspot.client.get("/hubspot/_sandbox/knobs").json()
    assert (knobs["rate_429"], knobs["is_revoked"], knobs["webhooks"]["double"]) == (0.25, True, 0.5)
    of_tokens = {"token_lifetime_s": "60", "token_latency_ms": "", "rate_token_5xx": "1"}
    assert hubspot.press("knobs/", **{**fields, **of_tokens, "rate_429": "1"}).status_code == 302
    knobs = hubspot.client.get("/hubspot/_sandbox/knobs").json()
    assert [knobs[name] for name in of_tokens] == [60, 0, 1.0]
    hubspot.turn(rate_429=0.1)
    assert "Faults are switched on" in hubspot.page()
    refused = hubspot.press("knobs/", **{**fields, "rate_429": "0.6", "rate_5xx": "0.6"})
    assert refused.status_code == 422
    assert b"may add up to 1 at most" in refused.content
    assert hubspot.press("knobs/", **{**fields, "double": "7"}).status_code == 422


def test_the_log_keeps_the_newest_and_counts_all() -> None:
    log = RequestLog()
    for number in range(KEPT + 5):
        log.add(Entry(START, "GET", f"/{number}", 200, "", 1))
    assert (len(log.entries()), log.count, log.entries()[0].path) == (KEPT, KEPT + 5, f"/{KEPT + 4}")
    assert summarise(b"x" * 3000).endswith("x…")
    assert summarise(b"\xff") == "\ufffd"
