"""Slack, as far as it is called: one message, by a bot (chat.postMessage) or by an incoming webhook.

Neither has an idempotency key, and a message cannot be looked for: where the answer is lost, nobody but a person can
tell whether it arrived. So every call has a connection of its own, and a stale one is never the reason.
See https://docs.slack.dev/reference/methods/chat.postMessage and
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
"""

import re
from typing import Any
from urllib.parse import urlsplit

import requests

from integrations import http
from integrations.exceptions import (
    KeepsyncError,
    LostAnswerError,
    OutageError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    SetupError,
)
from integrations.payloads import PayloadReader, cut
from integrations.providers.base import Account
from integrations.providers.oauth import Identity

NAME = "Slack"
ORIGIN = "https://slack.com"
TEXT_LENGTH = 40_000
# Words only, as all that are known: what holds a digit may be a token that was sent there.
CODE = re.compile("[a-z_]{1,64}")
ONE_CALL_EACH = {"Connection": "close"}
NO_CREDENTIALS = (
    "the connection has neither a bot nor a webhook: authorise it, or set its option bot_token or webhook_url."
)

RATE_LIMITS = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
BAD_TOKENS = frozenset({"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"})
# Slack says of these that part of the work may have been done, or it did not get the whole request.
UNCLEAR = frozenset({"fatal_error", "internal_error", "request_timeout"})
OUTAGES = frozenset({"service_unavailable", "team_added_to_org"})
TO_SET_UP = {
    "channel_not_found": "set the option channel to the channel's id, and invite the bot to it where it is private",
    "not_in_channel": "invite the bot to the channel",
    "is_archived": "the channel is archived, so set the option channel to another one",
    "missing_scope": "give the Slack app the scope chat:write, and install it again",
    "not_allowed_token_type": "set the option bot_token to a bot's token, which begins with xoxb-",
    "restricted_action": "let the bot post to the channel in the workspace's settings",
    "ekm_access_denied": "the workspace's administrators have suspended posting",
}


def post_message(account: Account, text: str, *, blocks: list[dict[str, Any]] | None = None) -> str:
    """The message's `ts`; empty for one by an incoming webhook. `text` is escaped already: see `escape_text`.

    Raises LostAnswerError where it may have been posted, SetupError, ReauthoriseError, RateLimitedError, OutageError,
    or PermanentError naming Slack's error code.
    """
    message: dict[str, Any] = {"text": cut(text, TEXT_LENGTH), **({"blocks": blocks} if blocks else {})}
    if find_token(account):
        return post_by_bot(account, message)
    if account.credentials.get("webhook_url"):
        post_by_webhook(account, message)
        return ""
    raise SetupError(NO_CREDENTIALS)


def escape_text(text: str) -> str:
    """The three characters that mean something to Slack (https://docs.slack.dev/messaging/formatting-message-text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def link(url: str, label: str) -> str:
    """A link as Slack writes it. What would end the address is percent-encoded, and left out of the label."""
    address = url.replace("|", "%7C").replace("<", "%3C").replace(">", "%3E").replace(" ", "%20")
    words = " ".join(label.replace("|", " ").split())
    return f"<{escape_text(address)}|{escape_text(words)}>" if words else f"<{escape_text(address)}>"


# --- By a bot ---------------------------------------------------------------------------------------------------------


def post_by_bot(account: Account, message: dict[str, Any]) -> str:
    channel = account.options.get("channel")
    if not channel:
        raise SetupError("the connection has no channel to post to: set its option channel.")
    body = {"channel": channel, "unfurl_links": False, **message}
    ts = call(account, "POST", "/api/chat.postMessage", json=body).value.get("ts")
    return ts if isinstance(ts, str) else ""


def find_token(account: Account) -> str:
    """The bot's token: as authorised, or as a person has copied it here. Empty where there is none."""
    return account.credentials.get("access_token") or account.credentials.get("bot_token", "")


def identify(account: Account) -> Identity:
    """The workspace."""
    found = call(account, "GET", "/api/auth.test")
    return Identity(found.identifier("team_id"), found.text("team", max_length=255))


def identify_bot(account: Account) -> tuple[str, str]:
    """The names of the bot and of its workspace."""
    found = call(account, "GET", "/api/auth.test")
    return found.text("user"), found.text("team")


def call(account: Account, method: str, path: str, **arguments: Any) -> PayloadReader:
    """The answer whose `ok` is true: Slack reports most failures with status 200 as {"ok": false, "error": code}."""
    headers = {"Authorization": f"Bearer {find_token(account)}", **ONE_CALL_EACH}
    url = f"{account.base_url}{path}"
    answer = http.request_json(method, url, provider=NAME, headers=headers, explain=explain, **arguments)
    if isinstance(answer, dict) and answer.get("ok") is True:
        return PayloadReader(answer, "answer")
    if isinstance(answer, dict) and answer.get("ok") is False:
        raise error_of(answer.get("error"))
    raise LostAnswerError("Slack's answer does not say whether it was done.")


def explain(response: requests.Response) -> KeepsyncError | None:
    """An error code in an answer of another status. What says how long to wait is left to the header."""
    answer = http.read_error(response)
    if response.status_code == 429 or not isinstance(answer, dict) or "error" not in answer:
        return None
    return error_of(answer["error"])


def error_of(value: Any) -> KeepsyncError:
    code = read_code(value)
    if code in RATE_LIMITS:
        return RateLimitedError(f"Slack limits the rate ({code}).")
    if code in BAD_TOKENS:
        return ReauthoriseError(f"Slack refuses the connection's token ({code}): authorise it again.")
    if code in TO_SET_UP:
        return SetupError(f"Slack cannot post the message ({code}): {TO_SET_UP[code]}.")
    if code in UNCLEAR:
        return LostAnswerError(f"Slack does not say whether it was done ({code}).")
    if code in OUTAGES:
        return OutageError(f"Slack is away ({code}).")
    return PermanentError(f"Slack refuses it ({code}).")


def read_code(value: Any) -> str:
    return value if isinstance(value, str) and CODE.fullmatch(value) else "unknown error"


# --- By an incoming webhook -------------------------------------------------------------------------------------------


def post_by_webhook(account: Account, message: dict[str, Any]) -> None:
    response = http.request(
        "POST",
        find_webhook(account),
        provider=NAME,
        json=message,
        headers=ONE_CALL_EACH,
        is_secret_url=True,
        explain=explain_webhook,
    )
    if read_text(response) != "ok":
        raise LostAnswerError("Slack's webhook does not answer ok.")


def find_webhook(account: Account) -> str:
    """The webhook's own address, or its path at the origin that stands for all of Slack's hosts."""
    url = account.credentials["webhook_url"]
    if account.base_url == ORIGIN:
        return url
    try:
        return f"{account.base_url}{urlsplit(url).path}"
    except ValueError:
        raise SetupError("the option webhook_url is no address: copy the whole of it from Slack.") from None


def explain_webhook(response: requests.Response) -> KeepsyncError | None:
    """Its errors are texts, such as no_service."""
    code = read_code(read_text(response))
    if response.status_code in (403, 404, 410):
        text = "make a new one for a channel that is in use, and set the option webhook_url"
        return SetupError(f"Slack refuses the incoming webhook ({code}): {text}.")
    if response.status_code == 400:
        return PermanentError(f"Slack refuses the message ({code}).")
    return None


def read_text(response: requests.Response) -> str:
    return response.content[:100].decode("ascii", "replace").strip()
