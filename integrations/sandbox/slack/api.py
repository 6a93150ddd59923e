"""/api and /services. Slack answers failures with status 200 and `"ok": false`; incoming webhooks answer in plain text.

Channels: any id, or any name; `#gone`, `#archived` and `#private` are refused with Slack's own errors.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.clock import utc_now
from integrations.sandbox.faults import get_faults
from integrations.sandbox.frame import Frame, Refusals, RefusedError
from integrations.sandbox.slack.records import BOT_ID, USER, Message, get_store, new_ts

CHANNEL_ID, CHANNEL_NAME = re.compile("[CGD][A-Z0-9]{8,}"), re.compile("#?[a-z0-9_-]{1,80}")
REFUSED_NAMES = {"gone": "channel_not_found", "archived": "is_archived", "private": "not_in_channel"}
LONGEST_TEXT, MOST_BLOCKS, MOST_ATTACHMENTS = 40_000, 50, 100


class SlackError(RefusedError):
    def __init__(self, error: str) -> None:
        super().__init__(JsonResponse({"ok": False, "error": error}))


def refuse_token() -> HttpResponse:
    return SlackError("invalid_auth").response


def refuse_rate(retry_after_s: int) -> HttpResponse:
    headers = {"Retry-After": str(retry_after_s)}
    return JsonResponse({"ok": False, "error": "rate_limited"}, status=429, headers=headers)


def refuse(status: int, message: str) -> HttpResponse:
    return HttpResponse(message, status=status, content_type="text/plain")


def refuse_rate_in_text(retry_after_s: int) -> HttpResponse:
    return HttpResponse("rate_limited", status=429, content_type="text/plain", headers={"Retry-After": retry_after_s})


frame = Frame("slack", Refusals(refuse_token, refuse_rate, refuse))
hooks = Frame("slack", Refusals(refuse_token, refuse_rate_in_text, refuse))


# --- The API ----------------------------------------------------------------------------------------------------------


def post_message(request: HttpRequest) -> HttpResponse:
    body = read_arguments(request)
    channel = find_channel(body.get("channel"))
    content = read_content(body)
    thread_ts = str(body.get("thread_ts") or "")
    with get_store().change() as state:
        now = utc_now()
        name = str(body["channel"]).removeprefix("#")
        ts = new_ts(state, now)
        message = Message(ts, channel, sent_at=now, thread_ts=thread_ts, channel_name=name, **content)
        state.messages[message.ts] = message
    shown = {"type": "message", "subtype": "bot_message", "text": message.text, "ts": message.ts, "username": USER}
    shown |= {"bot_id": BOT_ID} | ({"thread_ts": thread_ts} if thread_ts else {})
    return JsonResponse({"ok": True, "channel": channel, "ts": message.ts, "message": shown})


def update_message(request: HttpRequest) -> HttpResponse:
    body = read_arguments(request)
    channel, content = find_channel(body.get("channel")), read_content(body)
    with get_store().change() as state:
        message = state.messages.get(str(body.get("ts")))
        if message is None or message.channel != channel:
            raise SlackError("message_not_found")
        message = replace(message, **content)
        state.messages[message.ts] = message
    shown = {"text": message.text}
    return JsonResponse({"ok": True, "channel": channel, "ts": message.ts, "text": message.text, "message": shown})


def read_arguments(request: HttpRequest) -> dict[str, Any]:
    """The arguments of a call, as JSON or as a form in which lists are JSON texts. Raises SlackError."""
    if request.content_type != "application/json":
        fields: dict[str, Any] = request.POST.dict()
        return fields | {name: _read_list(fields[name]) for name in ("blocks", "attachments") if fields.get(name)}
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise SlackError("invalid_form_data") from error
    if not isinstance(body, dict):
        raise SlackError("invalid_form_data")
    return body


def _read_list(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SlackError("invalid_array_arg") from error


def read_content(body: Mapping[str, Any]) -> dict[str, Any]:
    """Text, blocks and attachments, at least one of them. Raises SlackError."""
    text, blocks, attachments = body.get("text") or "", body.get("blocks") or [], body.get("attachments") or []
    if not isinstance(text, str) or not isinstance(blocks, list) or not isinstance(attachments, list):
        raise SlackError("invalid_array_arg")
    if not (text or blocks or attachments):
        raise SlackError("no_text")
    if len(text) > LONGEST_TEXT:
        raise SlackError("msg_too_long")
    if len(attachments) > MOST_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    if len(blocks) > MOST_BLOCKS or not all(isinstance(block, dict) and "type" in block for block in blocks):
        raise SlackError("invalid_array_arg")
    return {"text": text, "blocks": blocks, "attachments": attachments}


def find_channel(channel: Any) -> str:
    """The id of a channel given by id or name; a name always leads to the same id. Raises SlackError."""
    if isinstance(channel, str) and CHANNEL_ID.fullmatch(channel):
        return channel
    if not isinstance(channel, str) or not CHANNEL_NAME.fullmatch(channel):
        raise SlackError("channel_not_found")
    name = channel.removeprefix("#")
    if name in REFUSED_NAMES:
        raise SlackError(REFUSED_NAMES[name])
    return f"C{hashlib.sha256(name.encode()).hexdigest()[:10].upper()}"


# --- Incoming webhooks ------------------------------------------------------------------------------------------------


def receive(request: HttpRequest, team: str, bot: str, secret: str) -> HttpResponse:
    if get_faults("slack").knobs.is_revoked:
        return refuse(404, "no_service")
    try:
        content = read_content(json.loads(request.body))
    except SlackError as error:
        return refuse(400, str(json.loads(error.response.content)["error"]))
    except (ValueError, AttributeError, RecursionError):
        return refuse(400, "invalid_payload")
    with get_store().change() as state:
        now = utc_now()
        message = Message(new_ts(state, now), f"{team}/{bot}", sent_at=now, is_from_webhook=True, **content)
        state.messages[message.ts] = message
    return HttpResponse("ok", content_type="text/plain")
