"""Slack: messages by a bot and by an incoming webhook, and what their answers mean."""

import json
from typing import Any

import pytest
import requests
import responses

from integrations.exceptions import (
    KeepsyncError,
    LostAnswerError,
    OutageError,
    PayloadError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    SetupError,
)
from integrations.providers import get_provider
from integrations.providers.base import Account
from integrations.providers.slack.client import escape_text, link, post_message
from tests.provider_cases import QUOTED, Good, ProviderCases

ORIGIN = "https://slack.com"
POST = f"{ORIGIN}/api/chat.postMessage"
WEBHOOK = "https://hooks.slack.com/services/T0/B0/xyzSecret"
CHANNEL, TS = "C024BE91L", "1795359060.000100"
MESSAGE = {"type": "message", "user": "U0123456", "text": "Hot lead", "ts": TS, "team": "T01234567"}
POSTED = {"ok": True, "channel": CHANNEL, "ts": TS, "message": MESSAGE}
BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "Hot lead"}}]


def bot(**options: str) -> Account:
    return Account(ORIGIN, options or {"channel": CHANNEL}, {"bot_token": "xoxb-1"})


def webhook(base_url: str = ORIGIN, url: str = WEBHOOK) -> Account:
    return Account(base_url, credentials={"webhook_url": url})


def body_of(call: Any) -> Any:
    return json.loads(call.request.body)


def failure(code: str) -> dict[str, Any]:
    return {"ok": False, "error": code}


# --- What every provider does -----------------------------------------------------------------------------------------


class TestBotCases(ProviderCases):
    method, url = "POST", POST
    good = {200: Good(POSTED, TS)}

    def account(self, base_url: str) -> Account:
        return Account(base_url, {"channel": CHANNEL}, {"bot_token": "xoxb-1"})

    def call(self, account: Account) -> Any:
        return post_message(account, "Hot lead", blocks=BLOCKS)

    def error_body(self, status: int) -> Any:
        """Slack answers its own errors with status 200; those with another one come from in front of it."""
        return {"status": status, "response_metadata": {"messages": [QUOTED]}}


class TestWebhookCases(ProviderCases):
    method, url, origin = "POST", WEBHOOK, ORIGIN
    good = {200: Good("ok", "")}
    errors = {404: SetupError}
    plain_errors = {404: SetupError}

    def account(self, base_url: str) -> Account:
        return webhook(base_url)

    def call(self, account: Account) -> Any:
        return post_message(account, "Hot lead", blocks=BLOCKS)

    def error_body(self, status: int) -> Any:
        return {"error": QUOTED}

    def stub(self, http: responses.RequestsMock, **answer: Any) -> None:
        """Its answers are plain texts."""
        is_text = answer.get("json") == "ok"
        super().stub(http, **({"status": 200, "body": "ok", "content_type": "text/plain"} if is_text else answer))


# --- By a bot ---------------------------------------------------------------------------------------------------------


def test_bot_posts_to_the_channel(provider_http):
    call = provider_http.post(POST, json=POSTED)
    assert post_message(bot(), "Hot lead") == TS
    request = call.calls[0].request
    assert body_of(call.calls[0]) == {"channel": CHANNEL, "text": "Hot lead", "unfurl_links": False}
    assert request.headers["Authorization"] == "Bearer xoxb-1"


def test_every_call_has_a_connection_of_its_own(provider_http):
    provider_http.post(POST, json=POSTED)
    provider_http.post(WEBHOOK, body="ok", content_type="text/plain")
    post_message(bot(), "Hot lead")
    post_message(webhook(), "Hot lead")
    assert [call.request.headers["Connection"] for call in provider_http.calls] == ["close", "close"]


def test_blocks_go_along_and_a_text_too_long_is_cut(provider_http):
    call = provider_http.post(POST, json=POSTED)
    post_message(bot(), "x" * 50_000, blocks=BLOCKS)
    body = body_of(call.calls[0])
    assert body["blocks"] == BLOCKS
    assert len(body["text"]) == 40_000


def test_bot_without_a_channel_says_what_to_set():
    account = Account(ORIGIN, credentials={"bot_token": "xoxb-1"})
    with pytest.raises(SetupError, match="option channel"):
        post_message(account, "Hot lead")


def test_message_that_was_posted_counts_without_its_ts(faulty_http):
    faulty_http.post(POST, json={"ok": True})
    assert post_message(bot(), "Hot lead") == ""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("channel_not_found", SetupError),
        ("not_in_channel", SetupError),
        ("is_archived", SetupError),
        ("not_authed", ReauthoriseError),
        ("invalid_auth", ReauthoriseError),
        ("account_inactive", ReauthoriseError),
        ("rate_limited", RateLimitedError),
        ("msg_too_long", PermanentError),
        ("no_text", PermanentError),
    ],
)
def test_slacks_error_codes_have_their_class(provider_http, code, expected):
    provider_http.post(POST, json=failure(code))
    with pytest.raises(KeepsyncError, match=code) as caught:
        post_message(bot(), "Hot lead")
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("missing_scope", SetupError),
        ("not_allowed_token_type", SetupError),
        ("token_revoked", ReauthoriseError),
        ("token_expired", ReauthoriseError),
        ("ratelimited", RateLimitedError),
        ("fatal_error", LostAnswerError),
        ("internal_error", LostAnswerError),
        ("request_timeout", LostAnswerError),
        ("service_unavailable", OutageError),
        ("something_new", PermanentError),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_codes_that_the_specification_leaves_out_have_their_class_too(faulty_http, code, expected, status):
    faulty_http.post(POST, status=status, json=failure(code))
    with pytest.raises(KeepsyncError, match=code) as caught:
        post_message(bot(), "Hot lead")
    assert type(caught.value) is expected


@pytest.mark.parametrize("error", [None, 7, {}, QUOTED, ""])
def test_error_that_is_no_code_is_not_passed_on(faulty_http, error):
    faulty_http.post(POST, json={"ok": False, "error": error})
    with pytest.raises(PermanentError, match="unknown error"):
        post_message(bot(), "Hot lead")


@pytest.mark.parametrize("answer", [{"ok": 1}, {"ok": "true"}, {"ok": None}, {}])
def test_answer_that_does_not_say_ok_is_a_lost_one(faulty_http, answer):
    faulty_http.post(POST, json=answer)
    with pytest.raises(LostAnswerError):
        post_message(bot(), "Hot lead")


@pytest.mark.parametrize("problem", [{"status": 503}, {"body": requests.ReadTimeout()}])
@pytest.mark.parametrize(("account", "url"), [(bot(), POST), (webhook(), WEBHOOK)])
def test_message_is_never_sent_twice_by_itself(faulty_http, problem, account, url):
    call = faulty_http.post(url, **problem)
    with pytest.raises(OutageError):
        post_message(account, "Hot lead")
    assert call.call_count == 1


# --- By an incoming webhook -------------------------------------------------------------------------------------------


def test_webhook_posts_without_a_channel(provider_http):
    call = provider_http.post(WEBHOOK, body="ok", content_type="text/plain")
    assert post_message(webhook(), "Hot lead", blocks=BLOCKS) == ""
    assert body_of(call.calls[0]) == {"text": "Hot lead", "blocks": BLOCKS}


def test_webhooks_path_is_called_at_the_origin_that_stands_for_slack():
    with responses.RequestsMock() as stubs:
        call = stubs.post("https://stand-in.example/services/T0/B0/xyzSecret", body="ok")
        post_message(webhook("https://stand-in.example"), "Hot lead")
    assert call.call_count == 1


def test_webhook_is_used_only_where_there_is_no_bot(provider_http):
    provider_http.post(POST, json=POSTED)
    credentials = {"bot_token": "xoxb-1", "webhook_url": WEBHOOK}
    assert post_message(Account(ORIGIN, {"channel": CHANNEL}, credentials), "Hot lead") == TS


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (400, "invalid_payload", PermanentError),
        (403, "invalid_token", SetupError),
        (403, "action_prohibited", SetupError),
        (404, "no_service", SetupError),
        (410, "channel_is_archived", SetupError),
        (500, "rollup_error", OutageError),
    ],
)
def test_webhooks_refusals_have_their_class(provider_http, status, text, expected):
    provider_http.post(WEBHOOK, status=status, body=text, content_type="text/plain")
    with pytest.raises(KeepsyncError) as caught:
        post_message(webhook(), "Hot lead")
    assert type(caught.value) is expected
    assert text in str(caught.value) or status == 500
    assert "xyzSecret" not in str(caught.value)


def test_webhooks_address_is_never_logged(provider_http, caplog):
    provider_http.post(WEBHOOK, body="ok", content_type="text/plain")
    with caplog.at_level("DEBUG", logger="integrations"):
        post_message(webhook(), "Hot lead")
    logged = " ".join(str(record.__dict__) for record in caplog.records)
    assert "request sent" in logged
    assert "xyzSecret" not in logged
    assert "services" not in logged


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (ORIGIN, "hooks.slack.com/services/x"),
        (ORIGIN, "ftp://hooks.slack.com/services/x"),
        (ORIGIN, "https://["),
        ("https://stand-in.example", "https://["),
    ],
)
def test_webhook_that_is_no_address_has_to_be_set(base_url, url):
    with pytest.raises(SetupError):
        post_message(webhook(base_url, url), "Hot lead")


def test_connection_without_credentials_says_what_to_do():
    for call in (lambda account: post_message(account, "Hot lead"), get_provider("slack").test):
        with pytest.raises(SetupError, match="authorise it, or set its option bot_token or webhook_url"):
            call(Account(ORIGIN))


# --- The connection's test --------------------------------------------------------------------------------------------

AUTH = {
    "ok": True,
    "url": "https://acme.slack.com/",
    "team": "Acme",
    "user": "keepsync",
    "team_id": "T01234567",
    "user_id": "U0123456",
}


def test_connection_test_names_bot_and_workspace(provider_http):
    provider_http.get(f"{ORIGIN}/api/auth.test", json=AUTH)
    assert get_provider("slack").test(bot()) == "Slack answers: the bot is keepsync in Acme."


def test_connection_test_says_that_the_channel_is_missing(provider_http):
    provider_http.get(f"{ORIGIN}/api/auth.test", json=AUTH)
    account = Account(ORIGIN, credentials={"bot_token": "xoxb-1"})
    assert "option channel" in get_provider("slack").test(account)


def test_connection_test_of_a_dead_token_asks_for_authorisation(provider_http):
    provider_http.get(f"{ORIGIN}/api/auth.test", json=failure("invalid_auth"))
    with pytest.raises(ReauthoriseError, match="authorise"):
        get_provider("slack").test(bot())


def test_connection_test_refuses_what_names_nobody(faulty_http):
    faulty_http.get(f"{ORIGIN}/api/auth.test", json={"ok": True, "team": "Acme"})
    with pytest.raises(PayloadError, match="user"):
        get_provider("slack").test(bot())


def test_webhook_is_not_tested_by_posting(provider_http):
    assert "without posting" in get_provider("slack").test(webhook())
    assert not provider_http.calls


# --- Texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("Okafor & Söhne <b>", "Okafor &amp; Söhne &lt;b&gt;"),
        ("&amp;", "&amp;amp;"),
        ("<!channel> <@U1>", "&lt;!channel&gt; &lt;@U1&gt;"),
        ("*plain* _text_", "*plain* _text_"),
    ],
)
def test_text_is_escaped_by_slacks_rules(text, escaped):
    assert escape_text(text) == escaped


@pytest.mark.parametrize(
    ("url", "label", "written"),
    [
        ("https://a.example/m/7", "Demo", "<https://a.example/m/7|Demo>"),
        ("https://a.example/?a=1&b=2", "A & B", "<https://a.example/?a=1&amp;b=2|A &amp; B>"),
        (
            "https://a.example/|> <x",
            "one|two\nthree > four",
            "<https://a.example/%7C%3E%20%3Cx|one two three &gt; four>",
        ),
        ("https://a.example/", " ", "<https://a.example/>"),
    ],
)
def test_link_cannot_be_ended_early(url, label, written):
    assert link(url, label) == written
