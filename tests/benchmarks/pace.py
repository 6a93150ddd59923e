"""Requests at fixed times, however long the answers take: what a sender does that waits for nobody."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Sent:
    """When a request was due (POSIX seconds), its answer's status, and the seconds from then to the whole answer."""

    due_at: float
    status: int
    latency_s: float


@dataclass(slots=True)
class Sender:
    """Takes the connection that has rested longest, or opens one more where all are busy."""

    port: int
    resting: deque[Streams] = field(default_factory=deque)

    async def send(self, request: bytes, due_at: float) -> Sent:
        try:
            streams = self.resting.popleft() if self.resting else await asyncio.open_connection("127.0.0.1", self.port)
            status = await exchange(*streams, request)
            self.resting.append(streams)
        except (OSError, asyncio.IncompleteReadError):
            status = 0
        return Sent(due_at, status, time.time() - due_at)


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """The status of an answer with a Content-Length, which is read whole."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


async def send_all(port: int, requests: Sequence[bytes], per_s: float) -> list[Sent]:
    """Each request at its time, on its own; the answers in the requests' order."""
    sender, begun = Sender(port), time.time()
    tasks = []
    for index, request in enumerate(requests):
        due_at = begun + index / per_s
        await asyncio.sleep(max(0.0, due_at - time.time()))
        tasks.append(asyncio.create_task(sender.send(request, due_at)))
    sent = await asyncio.gather(*tasks)
    for _, writer in sender.resting:
        writer.close()
    return sent
