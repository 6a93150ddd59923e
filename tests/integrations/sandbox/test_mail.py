"""The played mail server, as Python's own client talks to it, and the pages that show what it got."""

import smtplib
import socket
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from integrations.sandbox.mail.listener import LARGEST_MAIL, Listener
from integrations.sandbox.mail.records import KEPT, keep
from tests.integrations.sandbox.playing import Played
from tests.integrations.sandbox.support import wait_until


@pytest.fixture
def port() -> Iterator[int]:
    listener = Listener(0)
    listener.start()
    yield listener.port
    listener.shutdown()
    listener.server_close()


def letter(subject: str = "Your demo", text: str = "See you.\n.hidden\n..dots\n") -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "Keepsync <k@acme.example>", "zoe@example.com"
    message.set_content(text)
    message.add_alternative("<p>See <b>you</b>.</p><script>alert(1)</script>", subtype="html")
    message.add_attachment(b"BEGIN:VCALENDAR", maintype="text", subtype="calendar", filename='in"vite.ics')
    return message


def send(port: int, message: EmailMessage, **options: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as server:
        server.send_message(message, **options)


def test_a_message_is_kept_with_its_text_page_and_attachments(mail: Played, port: int) -> None:
    send(port, letter("Zoë’s demo"))
    (kept,) = mail.state()["records"]["messages"]
    assert (kept["subject"], kept["from"], kept["to"]) == ("Zoë’s demo", "Keepsync <k@acme.example>", "zoe@example.com")
    assert (kept["sender"], kept["recipients"]) == ("k@acme.example", ["zoe@example.com"])
    assert kept["text"].splitlines() == ["See you.", ".hidden", "..dots"]
    assert kept["attachments"] == [{"name": 'in"vite.ics', "media_type": "text/calendar", "size": 15}]


def test_pages_show_the_message_without_running_it(mail: Played, port: int) -> None:
    send(port, letter("<b>Subject</b>"))
    number = mail.state()["records"]["messages"][0]["number"]
    assert "&lt;b&gt;Subject&lt;/b&gt;" in mail.page()
    page = mail.client.get(f"/mail/{number}/").content.decode()
    assert 'sandbox="" srcdoc="&lt;p&gt;See' in page
    assert "<script>alert" not in page
    found = mail.client.get(f"/mail/{number}/attachments/0/")
    assert found.content == b"BEGIN:VCALENDAR"
    assert found["Content-Disposition"] == 'attachment; filename="invite.ics"'
    for path in (f"/mail/{number}/attachments/1/", "/mail/99999/"):
        assert mail.client.get(path).status_code == 404


def test_a_refusal_keeps_nothing_and_a_lost_answer_keeps_the_message(mail: Played, port: int) -> None:
    mail.turn(rate_4xx=1)
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(port, letter())
    assert refused.value.smtp_code == 451
    assert mail.state()["counts"]["messages"] == 0
    mail.turn(rate_lost=1)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(port, letter())
    assert mail.state()["counts"]["messages"] == 1
    mail.turn(is_down=True)
    with pytest.raises(smtplib.SMTPConnectError):
        send(port, letter())
    mail.turn()
    send(port, letter())
    assert [item["status"] for item in mail.state()["requests"]] == [250, 0, 451]


def test_nobody_is_not_known(mail: Played, port: int) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(port, letter(), to_addrs="nobody@example.com")
    assert mail.state()["counts"]["messages"] == 0


def talk(port: int, *lines: str) -> list[str]:
    """The codes that each line is answered with, after the greeting's."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection, connection.makefile("rwb") as file:
        codes = [file.readline()[:3].decode()]
        for line in lines:
            file.write(f"{line}\r\n".encode())
            file.flush()
            codes.append(file.readline()[:3].decode())
        return codes


def test_commands_are_answered_in_their_order_only(mail: Played, port: int) -> None:
    lines = ("HELO x", "DATA", "RCPT TO:<a@b>", "MAIL x", "mail from:<> SIZE=5", "RCPT TO:<>", "RCPT TO:<a@b>")
    more = ("RSET", "DATA", "NOOP", "VRFY a", "STARTTLS", "QUIT")
    codes = talk(port, *lines, *more)
    assert " ".join(codes) == "220 250 503 503 501 250 501 250 250 503 250 252 502 221"


def test_a_connection_that_breaks_within_a_message_keeps_nothing(mail: Played, port: int) -> None:
    codes = talk(port, "HELO x", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA")
    assert codes[-1] == "354"
    send(port, letter())
    wait_until(lambda: mail.state()["counts"]["messages"] == 1, what="only the whole message")


def test_a_message_that_is_too_large_is_refused(mail: Played, port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as server:
        server.mail("a@b.example")
        server.rcpt("c@d.example")
        code, _ = server.data((b"x" * 1000 + b"\r\n") * (LARGEST_MAIL // 1000))
    assert code == 552
    assert mail.state()["counts"]["messages"] == 0


def test_odd_messages_are_shown_all_the_same(mail: Played) -> None:
    for raw in (b"", b"\xff\xfe", b"Subject: =?x?q?y?=\r\nContent-Type: text/plain; charset=x-none\r\n\r\n\xe9"):
        keep("a@b.example", ("c@d.example",), raw)
    forwarded = EmailMessage()
    forwarded.set_content("see")
    forwarded.add_attachment(letter())
    keep("", ("c@d.example",), forwarded.as_bytes())
    mail.page()
    for item in mail.state()["records"]["messages"]:
        assert mail.client.get(f"/mail/{item['number']}/").status_code == 200


def test_the_oldest_messages_are_forgotten(mail: Played) -> None:
    for number in range(KEPT + 3):
        keep("a@b.example", ("c@d.example",), f"Subject: {number}\r\n\r\n".encode())
    subjects = [item["subject"] for item in mail.state()["records"]["messages"]]
    assert (len(subjects), subjects[0]) == (KEPT, "3")


def test_faults_are_set_on_the_page(mail: Played) -> None:
    fields = {"latency_ms": "0", "rate_4xx": "0.5", "rate_lost": "0", "seed": "1"}
    assert mail.press("knobs/", **fields).status_code == 302
    assert mail.client.get("/mail/_sandbox/knobs").json()["rate_4xx"] == 0.5
    assert mail.press("knobs/", **{**fields, "rate_lost": "0.6"}).status_code == 422
    assert mail.press("knobs/", **{**fields, "rate_4xx": "2"}).status_code == 422
