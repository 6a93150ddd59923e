"""Proxies in front of the outside that keep one exchange back, for as long as a test needs to kill somebody meanwhile.

An exchange is kept either before it is carried out or after: then it has happened, and nobody has been told so.
"""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from re import Pattern
from re import compile as compile_pattern
from typing import ClassVar

from tests.processes.exchanges import Answer, exchange
from tests.processes.waiting import DEADLINE_S

# What concerns one connection only, or is made anew here.
OWN_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class Hold:
    """One exchange that is kept back; `is_before` says on which side of its being carried out."""

    def __init__(self, pattern: str, *, is_before: bool) -> None:
        self.pattern: Pattern[str] = compile_pattern(pattern)
        self.is_before = is_before
        self.reached, self.decided = threading.Event(), threading.Event()
        self.goes_on = False

    def wait(self) -> None:
        """Until the exchange is here. Raises AssertionError where none comes."""
        assert self.reached.wait(DEADLINE_S), f"not within {DEADLINE_S} s: {self.pattern.pattern}"

    def pass_on(self) -> None:
        self.goes_on = True
        self.decided.set()

    def drop(self) -> None:
        """Nothing more of it reaches either side."""
        self.decided.set()

    def keep(self) -> bool:
        """Called by a proxy: stands still until the test has decided. Whether the exchange goes on."""
        self.reached.set()
        self.decided.wait(DEADLINE_S)
        return self.goes_on


class Holds:
    """What is to be kept back next, if anything: the first exchange that matches."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.armed: list[Hold] = []

    @contextmanager
    def holding(self, pattern: str, *, is_before: bool = False) -> Iterator[Hold]:
        """The pattern is searched for in `METHOD /path?query`, and in the SMTP command. At the end it is dropped."""
        hold = Hold(pattern, is_before=is_before)
        with self.lock:
            self.armed.append(hold)
        try:
            yield hold
        finally:
            hold.drop()
            self.disarm(hold)

    def disarm(self, hold: Hold) -> None:
        with self.lock:
            self.armed = [each for each in self.armed if each is not hold]

    def take(self, line: str) -> Hold | None:
        """The hold for this exchange, which then counts for no other."""
        with self.lock:
            found = next((hold for hold in self.armed if hold.pattern.search(line)), None)
            self.armed = [hold for hold in self.armed if hold is not found]
        return found


class BrokenOffError(Exception):
    """The exchange ends here; both connections are closed."""


def carry_out[T](hold: Hold | None, act: Callable[[], T]) -> T:
    """The answer, once the hold lets go of it. Raises BrokenOffError where it does not."""
    if hold and hold.is_before and not hold.keep():
        raise BrokenOffError
    answer = act()
    if hold and not hold.is_before and not hold.keep():
        raise BrokenOffError
    return answer


# --- HTTP -------------------------------------------------------------------------------------------------------------


class HttpProxy(ThreadingHTTPServer):
    """On a free loopback port, in front of another one."""

    daemon_threads = True
    # The first one of several connections that come at once must not be refused.
    request_queue_size = 64

    def __init__(self, target: int, holds: Holds) -> None:
        super().__init__(("127.0.0.1", 0), HttpExchange)
        self.target, self.holds = target, holds

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed reads no answer."""


class HttpExchange(BaseHTTPRequestHandler):
    server: HttpProxy
    protocol_version = "HTTP/1.1"

    def do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        hold = self.server.holds.take(f"{self.command} {self.path}")
        try:
            answer = carry_out(hold, lambda: self.ask(body))
        except (BrokenOffError, OSError, HTTPException):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name not in OWN_HEADERS:
                self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do  # noqa: N815  http.server calls them so

    def ask(self, body: bytes) -> Answer:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in OWN_HEADERS}
        return exchange(self.server.target, self.command, self.path, body=body or None, headers=headers)

    def log_message(self, format: str, *args: object) -> None:
        pass


# --- SMTP -------------------------------------------------------------------------------------------------------------


class SmtpProxy(socketserver.ThreadingTCPServer):
    """The same for a mail server without pipelining: every command waits for its reply (RFC 5321 3.1)."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: int, holds: Holds) -> None:
        super().__init__(("127.0.0.1", 0), SmtpSession)
        self.target, self.holds = target, holds

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed reads no reply."""


class SmtpSession(socketserver.StreamRequestHandler):
    server: SmtpProxy
    timeout: ClassVar[float | None] = DEADLINE_S

    def handle(self) -> None:
        with (
            socket.create_connection(("127.0.0.1", self.server.target), DEADLINE_S) as upstream,
            upstream.makefile("rwb", buffering=0) as self.upstream,
        ):
            self.relay(self.read_reply())
            try:
                while line := self.rfile.readline():
                    self.relay(self.carry_mail(line) if line.strip().upper() == b"DATA" else self.ask(line))
            except (BrokenOffError, OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    def carry_mail(self, line: bytes) -> bytes:
        """DATA with what follows it, as one exchange; nothing reaches the server before all of it is here."""
        self.relay(b"354 Go on\r\n")
        mail = b""
        while not mail.endswith(b"\r\n.\r\n"):
            mail += self.rfile.readline() or self.break_off()
        return carry_out(self.server.holds.take("DATA"), lambda: self.hand_over(line, mail))

    def hand_over(self, line: bytes, mail: bytes) -> bytes:
        reply = self.ask(line)
        return self.ask(mail) if reply.startswith(b"354") else reply

    def break_off(self) -> bytes:
        raise BrokenOffError

    def ask(self, line: bytes) -> bytes:
        self.upstream.write(line)
        return self.read_reply()

    def read_reply(self) -> bytes:
        """All lines of a reply: those that are followed by another one have a hyphen after the code."""
        reply = b""
        while line := self.upstream.readline():
            reply += line
            if line[3:4] != b"-":
                return reply
        raise BrokenOffError

    def relay(self, reply: bytes) -> None:
        self.wfile.write(reply)


@contextmanager
def serving[S: HttpProxy | SmtpProxy](server: S) -> Iterator[S]:
    """The proxy, answering on a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
