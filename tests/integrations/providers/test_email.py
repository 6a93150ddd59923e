"""E-mail: what a real mail server on the loopback is handed, and what its answers mean."""

import base64
import email
import email.policy
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core import mail

from bookings.calendar_files import make_calendar_file
from integrations.exceptions import (
    LostAnswerError,
    OutageError,
    PermanentError,
    SetupError,
    TransientError,
)
from integrations.providers import get_provider
from integrations.providers.base import Account
from integrations.providers.email.client import Attachment, Message, send_message

ACCOUNT = Account("", options={"from_address": "Keepsync <meetings@keepsync.example>"})
PRIVATE = "zoe.okafor@example.com"
# Instead of a reply: hang up, or say nothing at all.
HANG_UP, SILENCE = "hang up", "silence"
HELLO = "250-mail.example\r\n250 AUTH PLAIN"


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks SMTP (RFC 5321). `replies` says what it answers to a command instead of what is usual.

    `body` stands for the end of the message, `greeting` for the connection. What it took is in `taken`.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, replies: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.replies = {
            "greeting": "220 mail.example",
            "EHLO": HELLO,
            "AUTH": "235 2.7.0 welcome",
            "DATA": "354 go on",
            "QUIT": "221 bye",
            **replies,
        }
        self.taken: list[email.message.EmailMessage] = []
        self.commands: list[str] = []
        self.is_over = threading.Event()


class Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        is_open = self.reply("greeting")
        while is_open and (line := self.rfile.readline().decode().strip()):
            self.server.commands.append(line)
            verb = line.split(" ")[0].upper()
            is_open = self.reply(verb) and verb != "QUIT"
            if is_open and verb == "DATA" and self.server.replies[verb].startswith("354"):
                is_open = self.take_message()

    def take_message(self) -> bool:
        # A leading dot was doubled on the way (RFC 5321 4.5.2).
        content = b"".join(line.removeprefix(b".") for line in iter(self.rfile.readline, b".\r\n"))
        message = email.message_from_bytes(content, policy=email.policy.default)
        if self.server.replies.get("body", "250").startswith("250"):
            self.server.taken.append(message)
        return self.reply("body")

    def reply(self, name: str) -> bool:
        """Whether the connection goes on."""
        reply = self.server.replies.get(name, "250 ok")
        if reply == SILENCE:
            self.server.is_over.wait(5)
        if reply in (HANG_UP, SILENCE):
            return False
        self.wfile.write(f"{reply}\r\n".encode())
        return not reply.startswith("421")


@pytest.fixture
def serve(settings: Any) -> Callable[..., AbstractContextManager[MailServer]]:
    """Start a mail server with these replies and make it Django's."""

    @contextmanager
    def start(*, replies: Mapping[str, str] | None = None, **options: Any) -> Iterator[MailServer]:
        with MailServer(replies or {}) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            use_server(settings, port=server.server_address[1], **options)
            yield server
            server.is_over.set()
            server.shutdown()
            thread.join(timeout=5)

    return start


def use_server(settings: Any, **options: Any) -> None:
    backend = "django.core.mail.backends.smtp.EmailBackend"
    settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": {"host": "127.0.0.1", "timeout": 5, **options}}}


def make_message(**fields):
    values = {
        "to": PRIVATE,
        "subject": "Your meeting: Vorführung",
        "text": "Hello Zoe,\n.\nsee you.\n",
        "html": "<p>Hello Zoe</p>",
        "message_id": "<effect-42@keepsync.example>",
    }
    return Message(**{**values, **fields})


def catch(message=None, account=ACCOUNT):
    """The error that sending ends with; it names nobody."""
    with pytest.raises((OutageError, TransientError, PermanentError)) as caught:
        send_message(account, message or make_message())
    assert PRIVATE not in str(caught.value)
    assert caught.value.__cause__ is None or PRIVATE not in str(caught.value.__cause__)
    return caught.value


# --- The message -----------------------------------------------------------------------------------------------------


def test_message_arrives_whole(serve):
    with serve() as server:
        send_message(ACCOUNT, make_message())
    (message,) = server.taken
    assert message["From"] == "Keepsync <meetings@keepsync.example>"
    assert message["To"] == PRIVATE
    assert message["Subject"] == "Your meeting: Vorführung"
    assert message["Message-ID"] == "<effect-42@keepsync.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"]
    assert message.get_body(("plain",)).get_content().splitlines() == ["Hello Zoe,", ".", "see you."]
    assert message.get_body(("html",)).get_content().strip() == "<p>Hello Zoe</p>"
    assert "mail from:<meetings@keepsync.example>" in server.commands
    assert f"rcpt to:<{PRIVATE}>" in server.commands


def test_connection_is_closed_in_the_end(serve):
    with serve() as server:
        send_message(ACCOUNT, make_message())
    assert server.commands[-1].upper() == "QUIT"


def test_long_message_id_arrives_as_it_is(serve):
    message_id = f"<{'effect-' * 20}@keepsync.example>"
    with serve() as server:
        send_message(ACCOUNT, make_message(message_id=message_id))
    assert "".join(server.taken[0]["Message-ID"].split()) == message_id


def test_sender_is_the_settings_where_the_connection_names_none(serve, settings):
    settings.DEFAULT_FROM_EMAIL = "office@keepsync.example"
    with serve() as server:
        send_message(Account(""), make_message())
    assert server.taken[0]["From"] == "office@keepsync.example"


def test_text_alone_is_no_multipart_message(serve):
    with serve() as server:
        send_message(ACCOUNT, make_message(html=""))
    assert server.taken[0].get_content_type() == "text/plain"


def test_calendar_file_arrives_with_its_method(serve):
    moment = datetime(2026, 11, 24, 9, tzinfo=UTC)
    content = make_calendar_file(
        method="PUBLISH",
        uid="9f27c1f4@calendar.live",
        sequence=1,
        start=moment,
        end=moment,
        summary="Vorführung",
        description="",
        url="",
        organizer_email="",
        attendee_email="",
        attendee_name="",
        now=moment,
    )
    attachment = Attachment("meeting.ics", content, "text/calendar; method=PUBLISH")
    with serve() as server:
        send_message(ACCOUNT, make_message(attachments=(attachment,)))
    (part,) = server.taken[0].iter_attachments()
    assert part.get_content_type() == "text/calendar"
    assert part["Content-Type"].params == {"method": "PUBLISH", "charset": "utf-8"}
    assert part.get_filename() == "meeting.ics"
    assert part.get_content().replace("\r\n", "\n") == content.decode().replace("\r\n", "\n")


def test_recipient_with_a_domain_beyond_ascii_is_reached(serve):
    with serve() as server:
        send_message(ACCOUNT, make_message(to="zoe@bücher.example"))
    assert "rcpt to:<zoe@xn--bcher-kva.example>" in server.commands


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "Hello\nBcc: eve@example.com"},
        {"subject": "Hello\rBcc: eve@example.com"},
        {"subject": "Hello\x00"},
        {"to": f"{PRIVATE}\nBcc: eve@example.com"},
        {"to": f"{PRIVATE}, eve@example.com"},
        {"to": f"Zoe <{PRIVATE}>"},
        {"to": "zoé@example.com"},
        {"to": "nobody"},
        {"to": ""},
        {"message_id": "effect-42"},
        {"message_id": "<a@b>\r\nBcc: eve@example.com"},
        {"attachments": (Attachment("a\r\nX: y.ics", b"", "text/calendar"),)},
        {"attachments": (Attachment("a.ics", b"", "text/calendar\r\nX: y"),)},
        {"text": "\ud800"},
        {"subject": "\ud800"},
    ],
)
def test_message_that_cannot_be_written_safely_is_not_sent(serve, fields):
    with serve() as server:
        assert type(catch(make_message(**fields))) is PermanentError
    assert server.taken == []


@pytest.mark.parametrize("sender", ["nobody", "a@b.example\r\nBcc: eve@example.com", "a@b.example, c@d.example"])
def test_sender_that_is_no_address_has_to_be_set(sender):
    error = catch(account=Account("", options={"from_address": sender}))
    assert type(error) is SetupError
    assert "from_address" in str(error)


# --- What the server says --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "reply", "expected"),
    [
        ("greeting", "554 5.3.2 not now", OutageError),
        ("greeting", HANG_UP, OutageError),
        ("greeting", "421 4.3.2 closing", OutageError),
        ("MAIL", "553 5.1.8 sender unknown", SetupError),
        ("MAIL", "530 5.7.0 authentication required", SetupError),
        ("MAIL", "552 5.3.4 too big", PermanentError),
        ("MAIL", "451 4.3.0 try later", TransientError),
        ("RCPT", "550 5.1.1 no such user zoe.okafor@example.com", PermanentError),
        ("RCPT", "451 4.7.1 greylisted", TransientError),
        ("RCPT", "421 4.3.2 closing", OutageError),
        ("RCPT", "299 what", OutageError),
        ("DATA", "554 5.5.1 no valid recipients", PermanentError),
        ("DATA", "451 4.3.0 try later", TransientError),
        ("body", "554 5.7.1 spam", PermanentError),
        ("body", "451 4.3.0 try later", TransientError),
        ("body", "421 4.3.2 closing", OutageError),
        ("body", "299 what", LostAnswerError),
        ("body", HANG_UP, LostAnswerError),
        ("DATA", HANG_UP, LostAnswerError),
    ],
)
def test_servers_answer_says_whether_the_message_was_taken(serve, command, reply, expected):
    with serve(replies={command: reply}) as server:
        error = catch()
    assert type(error) is expected
    assert server.taken == []
    if reply != HANG_UP and expected is not LostAnswerError:
        assert reply[:3] in str(error)


def test_server_that_says_nothing_after_the_message_may_have_taken_it(serve):
    with serve(replies={"body": SILENCE}, timeout=0.3):
        assert type(catch()) is LostAnswerError


def test_server_that_says_nothing_at_first_is_an_outage(serve):
    with serve(replies={"greeting": SILENCE}, timeout=0.3):
        assert type(catch()) is OutageError


@pytest.mark.parametrize("reply", [HANG_UP, "500 what", SILENCE])
def test_message_that_was_taken_stays_taken_however_the_server_leaves(serve, reply):
    with serve(replies={"QUIT": reply}, timeout=0.3) as server:
        send_message(ACCOUNT, make_message())
    assert len(server.taken) == 1


def test_refused_connection_is_an_outage(settings):
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as closed:
        port = closed.server_address[1]
    use_server(settings, port=port)
    error = catch()
    assert type(error) is OutageError
    assert "ConnectionRefusedError" in str(error)


def test_host_without_an_address_is_an_outage(settings):
    use_server(settings, host="mail.invalid", port=25)
    assert type(catch()) is OutageError


def test_host_that_is_no_name_has_to_be_set(settings):
    use_server(settings, host=f"{'a' * 70}.example", port=25)
    assert type(catch()) is SetupError


@pytest.mark.parametrize(
    ("replies", "options", "expected"),
    [
        ({}, {}, None),
        ({"AUTH": "535 5.7.8 wrong"}, {}, SetupError),
        ({"AUTH": "454 4.7.0 not now"}, {}, OutageError),
        ({"EHLO": "250 mail.example"}, {}, SetupError),
        ({"EHLO": "250 AUTH UNHEARD-OF"}, {}, SetupError),
        ({}, {"use_tls": True}, SetupError),
    ],
)
def test_log_in(serve, replies, options, expected):
    with serve(replies=replies, username="keepsync", password="s3cret", **options) as server:
        if expected:
            error = catch()
            assert type(error) is expected
            assert expected is not SetupError or "EMAIL_URL" in str(error)
            assert "s3cret" not in str(error)
        else:
            send_message(ACCOUNT, make_message())
            assert base64.b64encode(b"\0keepsync\0s3cret").decode() in server.commands[1]
    assert len(server.taken) == (0 if expected else 1)


def test_plain_server_behind_smtps_is_an_outage(serve):
    with serve(use_ssl=True):
        assert type(catch()) is OutageError


# --- The connection's test --------------------------------------------------------------------------------------------


def test_connection_test_opens_and_closes(serve):
    with serve(username="keepsync", password="s3cret") as server:
        assert "SMTP" in get_provider("email").test(ACCOUNT)
    assert [command.split(" ")[0].upper() for command in server.commands] == ["EHLO", "AUTH", "QUIT"]
    assert server.taken == []


def test_connection_test_fails_where_the_server_is_away(serve):
    with serve(replies={"greeting": "554 no"}), pytest.raises(OutageError, match="554"):
        get_provider("email").test(ACCOUNT)


def test_other_backend_than_smtp_is_told(mailoutbox):
    assert "'locmem'" in get_provider("email").test(ACCOUNT)
    assert "EMAIL_URL" in get_provider("email").test(ACCOUNT)
    send_message(ACCOUNT, make_message())
    assert [sent.to for sent in mailoutbox] == [[PRIVATE]]
    assert mail.outbox is mailoutbox


def test_connection_test_refuses_a_sender_that_is_no_address(mailoutbox):
    with pytest.raises(SetupError, match="from_address"):
        get_provider("email").test(Account("", options={"from_address": "nobody"}))


def test_email_has_no_webhooks():
    provider = get_provider("email")
    assert (provider.origin, provider.signature_header, provider.visible_keys) == ("", "", frozenset())
