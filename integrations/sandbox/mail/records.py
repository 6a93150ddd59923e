"""The messages that were handed over, the newest 200, and what a mail program would show of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import default as modern
from functools import cache
from typing import Any

from integrations.sandbox.clock import utc_now
from integrations.sandbox.faults import Fault, Faults
from integrations.sandbox.runtime import get_state_file
from integrations.sandbox.store import Store

KEPT = 200


@dataclass(frozen=True)
class MailKnobs:
    """Rates are probabilities from 0 to 1, drawn once for each message, together at most 1.

    rate_4xx: refused for now (451), nothing is kept. rate_lost: kept, and the connection breaks before the answer.
    is_down: nobody is greeted (421).
    """

    latency_ms: int = 0
    rate_4xx: float = 0.0
    rate_lost: float = 0.0
    seed: int = 0
    is_down: bool = False

    def rates(self) -> Mapping[Fault, float]:
        return {Fault.REFUSED: self.rate_4xx, Fault.LOST: self.rate_lost}


@dataclass(frozen=True)
class Mail:
    """`raw` is the message as it came, each byte one character (Latin-1)."""

    number: int
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    raw: str

    def parse(self) -> EmailMessage:
        message = message_from_bytes(self.raw.encode("latin-1"), policy=modern)
        assert isinstance(message, EmailMessage)  # noqa: S101  the policy makes no other
        return message


@dataclass
class State:
    mails: dict[str, Mail] = field(default_factory=dict)
    last_number: int = 0


@dataclass(frozen=True)
class Attachment:
    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Letter:
    """A message as people see it."""

    mail: Mail
    subject: str
    from_: str
    to: str
    text: str
    html: str
    attachments: tuple[Attachment, ...]


@cache
def get_store() -> Store[State]:
    return Store(State, "mail", get_state_file())


@cache
def get_mail_faults() -> Faults[MailKnobs]:
    return Faults(MailKnobs())


def keep(sender: str, recipients: tuple[str, ...], raw: bytes) -> Mail:
    with get_store().change() as state:
        state.last_number += 1
        mail = Mail(state.last_number, utc_now(), sender, recipients, raw.decode("latin-1"))
        state.mails[str(mail.number)] = mail
        for old in list(state.mails)[: max(len(state.mails) - KEPT, 0)]:
            del state.mails[old]
    return mail


def read_letter(mail: Mail) -> Letter:
    message = mail.parse()
    return Letter(
        mail,
        str(message["Subject"] or "(no subject)"),
        str(message["From"] or mail.sender),
        str(message["To"] or ", ".join(mail.recipients)),
        read_body(message, "plain"),
        read_body(message, "html"),
        tuple(read_attachment(part) for part in message.iter_attachments()),
    )


def read_body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return decode(part) if part is not None else ""


def read_attachment(part: EmailMessage) -> Attachment:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else part.as_bytes()
    return Attachment(part.get_filename() or "attachment", part.get_content_type(), content)


def decode(part: Message) -> str:
    """The text of a part, with what its character set does not have replaced, and a set that is unknown as UTF-8."""
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    try:
        return content.decode(part.get_content_charset("utf-8"), errors="replace")
    except LookupError:
        return content.decode(errors="replace")


def show_records() -> dict[str, Any]:
    return {"messages": [show_letter(read_letter(mail)) for mail in get_store().read().mails.values()]}


def show_letter(letter: Letter) -> dict[str, Any]:
    return {
        "number": letter.mail.number,
        "received_at": letter.mail.received_at.isoformat(),
        "sender": letter.mail.sender,
        "recipients": list(letter.mail.recipients),
        "subject": letter.subject,
        "from": letter.from_,
        "to": letter.to,
        "message_id": str(letter.mail.parse()["Message-ID"] or ""),
        "text": letter.text,
        "html": letter.html,
        "attachments": [
            {"name": item.name, "media_type": item.media_type, "size": len(item.content)} for item in letter.attachments
        ],
    }
