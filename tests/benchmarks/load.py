"""A load generator: one thread, many keep-alive connections, each with one request on the way at a time."""

import hashlib
import hmac
import json
import secrets
import selectors
import socket
import statistics
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

BODY_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Result:
    """`latencies_s` of the requests that were answered 200; `accepted` are their delivery ids."""

    seconds: float
    latencies_s: list[float]
    accepted: list[str]
    refused: int

    @property
    def rate(self) -> float:
        return len(self.accepted) / self.seconds

    def percentile_ms(self, percent: int) -> float:
        return statistics.quantiles(self.latencies_s, n=100)[percent - 1] * 1000


def make_requests(count: int, *, path: str, secret: str, sample: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Delivery id and request bytes of `count` unique signed deliveries of about 2 KB."""
    for _ in range(count):
        delivery_id = f"dlv_{uuid.uuid4().hex}"
        event = {**sample["data"]["event"], "id": delivery_id, "uid": f"{delivery_id}@calendar.live", "description": ""}
        payload = {**sample, "id": delivery_id, "data": {"event": event}}
        # Random, so that the database's compression makes neither side's rows smaller than real ones.
        event["description"] = secrets.token_urlsafe(BODY_BYTES)[: max(0, BODY_BYTES - len(json.dumps(payload)))]
        body = json.dumps(payload).encode()
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"X-CL-Delivery-ID: {delivery_id}\r\nX-CL-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield delivery_id, head.encode() + body


def run_load(port: int, requests: Sequence[tuple[str, bytes]], concurrency: int) -> Result:
    """Send all requests over `concurrency` connections and wait for every answer."""
    waiting = iter(requests)
    selector = selectors.DefaultSelector()
    started_at: dict[socket.socket, tuple[str, float]] = {}
    latencies: list[float] = []
    accepted: list[str] = []
    refused = 0

    def send_next(connection: socket.socket) -> None:
        following = next(waiting, None)
        if following is None:
            selector.unregister(connection)
            connection.close()
            started_at.pop(connection, None)
            return
        started_at[connection] = following[0], time.perf_counter()
        connection.sendall(following[1])

    begun = time.perf_counter()
    for _ in range(concurrency):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        send_next(connection)
    while started_at:
        for key, _ in selector.select(timeout=30):
            connection = key.fileobj  # type: ignore[assignment]
            answer = read_answer(connection)
            delivery_id, sent_at = started_at[connection]
            if answer.startswith(b"HTTP/1.1 200"):
                latencies.append(time.perf_counter() - sent_at)
                accepted.append(delivery_id)
            else:
                refused += 1
            send_next(connection)
    return Result(time.perf_counter() - begun, latencies, accepted, refused)


def read_answer(connection: socket.socket) -> bytes:
    """One whole response with a Content-Length."""
    answer = connection.recv(65536)
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return head
