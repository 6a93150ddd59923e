"""A proxy in front of PostgreSQL that can lose the server's answer to one kind of statement.

It reads as much of the protocol as it needs (https://www.postgresql.org/docs/current/protocol-message-formats.html):
which prepared statement has which text, and when it is executed.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from psycopg.conninfo import conninfo_to_dict

START_UP_CODES = {80877103, 80877104}  # SSLRequest and GSSENCRequest, which come before the start-up message
CHUNK = 65536


@dataclass
class Messages:
    """A client's bytes, cut into (type, content); start-up messages, which have no type, are left out."""

    buffer: bytes = b""
    is_started: bool = False

    def cut(self, chunk: bytes) -> Iterator[tuple[bytes, bytes]]:
        self.buffer += chunk
        while len(self.buffer) >= (head := 5 if self.is_started else 4):
            size = head - 4 + int.from_bytes(self.buffer[head - 4 : head])
            if len(self.buffer) < size:
                return
            kind, content, self.buffer = self.buffer[: head - 4], self.buffer[head:size], self.buffer[size:]
            if kind:
                yield kind, content
            elif int.from_bytes(content[:4]) not in START_UP_CODES:
                self.is_started = True


@dataclass
class Proxy:
    """Listens on a loopback port. Once armed, it swallows the answer to the next execution of a matching statement.

    With `cuts`, it then closes the connection, as a server that has gone away; otherwise the client waits for ever.
    """

    server: str
    needle: bytes
    swallowed: threading.Event = field(default_factory=threading.Event)
    armed: threading.Event = field(default_factory=threading.Event)
    cuts: bool = False
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    sockets: list[socket.socket] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def __enter__(self) -> Self:
        self.run(self.accept)
        return self

    def __exit__(self, *_: object) -> None:
        for each in [self.listener, *self.sockets]:
            shut(each)
        for thread in self.threads:
            thread.join()
        for each in [self.listener, *self.sockets]:
            each.close()

    def arm(self, *, cuts: bool) -> None:
        self.cuts = cuts
        self.swallowed.clear()
        self.armed.set()

    def run(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self.threads.append(thread)
        thread.start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = self.connect()
                self.sockets += [client, server]
                link = Link(self, client, server)
                self.run(link.carry_questions)
                self.run(link.carry_answers)

    def connect(self) -> socket.socket:
        parts = conninfo_to_dict(self.server)
        host, port = str(parts.get("host") or "127.0.0.1"), int(parts.get("port") or 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server


@dataclass
class Link:
    """One client's connection, with the names of its matching prepared statements."""

    proxy: Proxy
    client: socket.socket
    server: socket.socket
    messages: Messages = field(default_factory=Messages)
    matching: set[bytes] = field(default_factory=set)
    loses_answer: bool = False

    def carry_questions(self) -> None:
        with suppress(OSError):
            while chunk := self.client.recv(CHUNK):
                for kind, content in self.messages.cut(chunk):
                    self.look_at(kind, content)
                self.server.sendall(chunk)
        shut(self.server)

    def look_at(self, kind: bytes, content: bytes) -> None:
        """Parse holds a statement's name and text, Bind a portal's and a statement's name; a zero byte ends each."""
        first, second = [*content.split(b"\0", 2), b""][:2]
        if kind == b"P":
            self.matching.discard(first)
            self.matching |= {first} if self.proxy.needle in second else set()
        if kind == b"B" and second in self.matching and self.proxy.armed.is_set():
            self.proxy.armed.clear()
            self.loses_answer = True

    def carry_answers(self) -> None:
        with suppress(OSError):
            while chunk := self.server.recv(CHUNK):
                if not self.loses_answer:
                    self.client.sendall(chunk)
                    continue
                self.proxy.swallowed.set()
                if self.proxy.cuts:
                    break
        if not self.loses_answer or self.proxy.cuts:
            shut(self.client)


def shut(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
