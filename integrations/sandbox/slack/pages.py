"""Slack's page: the messages, as the team reads them."""

from typing import Any

from integrations.sandbox.panel import Card, Panel, Section
from integrations.sandbox.slack.records import Message, get_store


def show_sections() -> list[Section]:
    messages = reversed(get_store().read().messages.values())
    return [Section("Messages", [show_card(message) for message in messages], "Nobody said anything so far.")]


def show_card(message: Message) -> Card:
    source = "incoming webhook" if message.is_from_webhook else f"#{message.channel_name}"
    facts = {
        "text": message.text,
        "blocks": "\n".join(find_texts(message.blocks)),
        "attachments": "\n".join(find_texts(message.attachments)),
        "channel": message.channel,
        "answers": message.thread_ts,
    }
    title = message.text or facts["blocks"] or facts["attachments"] or "(no text)"
    return Card(message.ts, title, f"{source}, {message.sent_at:%Y-%m-%d %H:%M:%S}", "", facts)


def find_texts(value: Any) -> list[str]:
    """The texts in blocks and attachments, in their order, whatever they are nested in."""
    if isinstance(value, list):
        return [text for item in value for text in find_texts(item)]
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for item in value.values() if isinstance(item, list | dict) for text in find_texts(item)]
    return []


panel = Panel(
    "slack",
    name="Slack",
    intro="The messages that the team got, by the API or by incoming webhook.",
    show=show_sections,
)
