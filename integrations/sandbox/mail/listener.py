"""A small SMTP server on loopback (RFC 5321): HELO, EHLO, MAIL, RCPT, DATA, RSET, NOOP, VRFY and QUIT.

It takes mail for everybody but `nobody@…` (550), and hands it to records.keep(). Faults are drawn for each message.
"""

import re
import socketserver
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from integrations.sandbox.clock import utc_now
from integrations.sandbox.faults import Fault
from integrations.sandbox.log import Entry, get_log
from integrations.sandbox.mail.records import get_mail_faults, keep

LARGEST_MAIL = 10 * 1024 * 1024
LONGEST_LINE = 8192
IDLE_S = 60
PATH = re.compile(r"(?:FROM|TO):\s*<([^<>\s]*)>(?:\s.*)?", re.IGNORECASE)


class Session(socketserver.StreamRequestHandler):
    """One connection; `sender` and `recipients` are the envelope of the message in hand."""

    timeout = IDLE_S

    def setup(self) -> None:
        super().setup()
        self.commands: dict[str, Callable[[str], bool | None]] = {
            "HELO": self.greet,
            "EHLO": self.greet_extended,
            "MAIL": self.take_sender,
            "RCPT": self.take_recipient,
            "DATA": self.take_mail,
            "RSET": self.start_over,
            "NOOP": lambda _: self.say("250 2.0.0 OK"),
            "VRFY": lambda _: self.say("252 2.1.5 Cannot verify, will try"),
        }
        self.forget()

    def handle(self) -> None:
        with suppress(OSError):  # the other side is gone, or silent for too long: nobody is left to tell
            self.talk()

    def talk(self) -> None:
        if get_mail_faults().knobs.is_down:
            return self.say("421 4.3.2 The sandbox's mail server is down")
        self.say("220 sandbox ESMTP")
        while line := self.rfile.readline(LONGEST_LINE):
            verb, _, rest = line.decode(errors="replace").strip().partition(" ")
            if verb.upper() == "QUIT":
                return self.say("221 2.0.0 Bye")
            command = self.commands.get(verb.upper())
            if command is None:
                self.say("502 5.5.1 There is no such command")
            elif command(rest.strip()) is False:
                return None
        return None

    def say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def forget(self) -> None:
        self.sender: str | None = None
        self.recipients: list[str] = []

    def greet(self, _: str) -> None:
        self.forget()
        self.say("250 sandbox")

    def greet_extended(self, _: str) -> None:
        self.forget()
        self.say("250-sandbox", "250-8BITMIME", "250-SMTPUTF8", f"250 SIZE {LARGEST_MAIL}")

    def start_over(self, _: str) -> None:
        self.forget()
        self.say("250 2.0.0 OK")

    def take_sender(self, rest: str) -> None:
        path = PATH.fullmatch(rest)
        if path is None:
            return self.say("501 5.5.4 MAIL FROM:<address>")
        self.forget()
        self.sender = path[1]
        return self.say("250 2.1.0 OK")

    def take_recipient(self, rest: str) -> None:
        path = PATH.fullmatch(rest)
        if self.sender is None:
            return self.say("503 5.5.1 MAIL comes first")
        if path is None or not path[1]:
            return self.say("501 5.5.4 RCPT TO:<address>")
        if path[1].lower().startswith("nobody@"):
            return self.say("550 5.1.1 There is nobody of that name")
        self.recipients.append(path[1])
        return self.say("250 2.1.5 OK")

    def take_mail(self, _: str) -> bool:
        """DATA; whether the connection goes on."""
        if not self.recipients:
            self.say("503 5.5.1 RCPT comes first")
            return True
        self.say("354 End with a line that has a dot only")
        raw = self.read_mail()
        if raw is None:
            self.say("552 5.3.4 The message is too large")
        else:
            time.sleep(get_mail_faults().knobs.latency_ms / 1000)
            fault = get_mail_faults().draw()
            if fault is Fault.LOST:
                self.keep_mail(raw, 0, fault)
                return False
            self.keep_mail(raw, 451 if fault else 250, fault or "")
        self.forget()
        return True

    def keep_mail(self, raw: bytes, status: int, fault: str) -> None:
        """Keep and answer; status 451 keeps nothing, 0 answers nothing."""
        envelope = f"{self.sender} to {', '.join(self.recipients)}"
        if status == 451:
            self.say("451 4.3.0 Not now, try again later")
        else:
            mail = keep(self.sender or "", tuple(self.recipients), raw)
            if status:
                self.say(f"250 2.0.0 Kept as {mail.number}")
        get_log("mail").add(Entry(utc_now(), "DATA", envelope, status, "", 0, fault))

    def read_mail(self) -> bytes | None:
        """The message without the dots that were doubled (RFC 5321 4.5.2); None where it is too large."""
        lines, size = [], 0
        while (line := self.rfile.readline(LONGEST_LINE)) not in (b".\r\n", b".\n"):
            if not line:
                raise ConnectionResetError("the connection ended within a message")
            size += len(line)
            if size <= LARGEST_MAIL:
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines) if size <= LARGEST_MAIL else None


class Listener(socketserver.ThreadingTCPServer):
    """On loopback only; port 0 takes a free one, `port` says which."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Session)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="smtp", daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that broke; the log has what was handed over."""


def start_listener(port: int | None) -> None:
    """Nothing where no port is set."""
    if port is not None:
        Listener(port).start()
