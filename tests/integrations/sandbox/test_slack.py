"""The played Slack: its API and incoming webhooks, held to the published specification."""

import json
from typing import Any

import pytest

from tests.integrations.sandbox.playing import Played

POST = "/api/chat.postMessage"
BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "*Hot lead*"}}]


def hook(slack: Played, body: Any, **options: Any) -> Any:
    hooks = Played(slack.client, "slack", "https://hooks.slack.com", {"Content-Type": "application/json"})
    return hooks.call("POST", "/services/T0/B0/secret", data=json.dumps(body), **options)


def test_a_message_is_posted_and_changed(slack: Played) -> None:
    made = slack.json("POST", POST, json={"channel": "#sales", "text": "Hot lead", "blocks": BLOCKS})
    assert made["ok"] is True
    changed = {"channel": made["channel"], "ts": made["ts"], "text": "Won"}
    assert slack.json("POST", "/api/chat.update", data=changed)["text"] == "Won"
    other = slack.json("POST", POST, data={"channel": made["channel"], "text": "2", "blocks": json.dumps(BLOCKS)})
    assert other["ts"] > made["ts"]
    messages = slack.state()["records"]["messages"]
    assert [(item["text"], item["channel"]) for item in messages] == [("Won", made["channel"]), ("2", made["channel"])]
    unknown = slack.json("POST", "/api/chat.update", data=changed | {"ts": "1.1"})
    assert unknown == {"ok": False, "error": "message_not_found"}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"channel": "#gone", "text": "x"}, "channel_not_found"),
        ({"channel": "No Channel", "text": "x"}, "channel_not_found"),
        ({"channel": "#archived", "text": "x"}, "is_archived"),
        ({"channel": "#private", "text": "x"}, "not_in_channel"),
        ({"channel": "#sales"}, "no_text"),
        ({"channel": "#sales", "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": "#sales", "text": "x", "blocks": [{}]}, "invalid_array_arg"),
        ({"channel": "#sales", "text": 5}, "invalid_array_arg"),
        ([], "invalid_form_data"),
    ],
)
def test_failures_are_said_with_status_200(slack: Played, body: Any, error: str) -> None:
    assert slack.refuse("POST", POST, status=200, json=body) == {"ok": False, "error": error}
    assert slack.state()["counts"]["messages"] == 0


def test_the_token_is_tested_and_refused(slack: Played) -> None:
    assert slack.json("GET", "/api/auth.test")["user"] == "keepsync"
    headers = {"Authorization": "Bearer wrong"}
    assert slack.json("GET", "/api/auth.test", headers=headers) == {"ok": False, "error": "invalid_auth"}
    slack.turn(is_revoked=True)
    assert slack.json("POST", POST, json={"channel": "#sales", "text": "x"})["error"] == "invalid_auth"


def test_too_many_messages_are_refused_with_the_time_to_wait(slack: Played) -> None:
    slack.turn(rate_429=1, retry_after_s=30)
    answer = slack.call("POST", POST, json={"channel": "#sales", "text": "x"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "30")
    assert hook(slack, {"text": "x"}).headers["Retry-After"] == "30"
    slack.turn(rate_5xx=1)
    assert slack.call("POST", POST, json={"channel": "#sales", "text": "x"}).status_code >= 500
    assert slack.state()["counts"]["messages"] == 0


def test_incoming_webhooks_answer_in_plain_text(slack: Played) -> None:
    good = hook(slack, {"text": "Hot lead", "blocks": BLOCKS})
    assert (good.status_code, good.text) == (200, "ok")
    for body, reason in (({}, "no_text"), ([], "invalid_payload"), ({"text": 5}, "invalid_array_arg")):
        refused = hook(slack, body, is_checked=False)
        assert (refused.status_code, refused.text) == (400, reason)
    slack.turn(is_revoked=True)
    assert (hook(slack, {"text": "x"}).status_code, slack.state()["counts"]["messages"]) == (404, 1)


def test_the_page_shows_messages_with_their_blocks(slack: Played) -> None:
    slack.json("POST", POST, json={"channel": "#sales", "blocks": BLOCKS})
    hook(slack, {"attachments": [{"text": "From a <b>webhook</b>"}]})
    page = slack.page()
    assert "*Hot lead*" in page
    assert "From a &lt;b&gt;webhook&lt;/b&gt;" in page
    assert "#sales" in page
