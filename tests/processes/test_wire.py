"""Webhooks as bytes on a socket: what a test client that calls the application itself never sees."""

import json
import socket
from collections.abc import Mapping
from http.client import parse_headers
from typing import Any

import pytest

from tests.factories import encode, sign, webhook_headers
from tests.processes.exchanges import TIMEOUT_S, Answer, exchange
from tests.processes.installation import SLUG, Installation
from tests.processes.samples import make_booking

pytestmark = pytest.mark.slow

PATH = f"/webhooks/{SLUG}/"
MIB = 1024 * 1024
CHUNK = 40_000
GZIP = {"Content-Encoding": "gzip"}


def write_head(method: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {PATH} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def write_request(payload: Any, *, is_chunked: bool = False, headers: Mapping[str, str] | None = None) -> bytes:
    """A signed webhook without a Content-Type."""
    body = encode(payload)
    delivery_id = payload["id"] if isinstance(payload, dict) else "dlv_wire"
    signed = {"X-CL-Delivery-ID": delivery_id, "X-CL-Signature": sign(body)}
    length = {"Transfer-Encoding": "chunked"} if is_chunked else {"Content-Length": str(len(body))}
    head = write_head("POST", {**signed, **length, **(headers or {})})
    return head + (chunk_up(body) if is_chunked else body)


def chunk_up(body: bytes) -> bytes:
    chunks = [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])


def send(installation: Installation, *requests: bytes) -> list[Answer]:
    """Write all requests at once to one connection; then read their answers."""
    with socket.create_connection(("127.0.0.1", installation.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(b"".join(requests))
        with connection.makefile("rb") as stream:
            return [read_answer(stream) for _ in requests]


def read_answer(stream: Any) -> Answer:
    status = int(stream.readline().split()[1])
    headers = {name.lower(): value for name, value in parse_headers(stream).items()}
    return Answer(status, headers, stream.read(int(headers["content-length"])))


def outcome(answer: Answer) -> tuple[int, str]:
    document = answer.json()
    return answer.status, document.get("status") or document["code"]


def test_chunked_body_without_a_length(installation: Installation) -> None:
    booking = make_booking()
    [answer] = send(installation, write_request(booking, is_chunked=True))
    assert outcome(answer) == (200, "accepted")
    installation.wait_until_settled(booking["id"])
    assert installation.delivery(booking["id"])["status"] == "processed"


@pytest.mark.parametrize("is_chunked", [False, True])
def test_one_byte_more_than_a_mebibyte_is_too_large(installation: Installation, is_chunked: bool) -> None:
    [answer] = send(installation, write_request(b" " * (MIB + 1), is_chunked=is_chunked))
    assert outcome(answer) == (413, "too_large")


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_mebibyte_is_read_whole(installation: Installation, is_chunked: bool) -> None:
    """Its signature counts, and then that it is no JSON; a booking of that size is taken."""
    [answer] = send(installation, write_request(b"x" * MIB, is_chunked=is_chunked))
    assert outcome(answer) == (400, "malformed")
    booking = make_booking()
    booking["padding"] = ""
    booking["padding"] = "x" * (MIB - len(encode(booking)))
    assert len(encode(booking)) == MIB
    [answer] = send(installation, write_request(booking, is_chunked=is_chunked))
    assert outcome(answer) == (200, "accepted")


def test_compressed_body_is_refused(installation: Installation) -> None:
    [answer] = send(installation, write_request(make_booking(), headers=GZIP))
    assert outcome(answer) == (415, "unsupported_encoding")
    [answer] = send(installation, write_request(make_booking(), headers={"Content-Encoding": "identity"}))
    assert outcome(answer) == (200, "accepted")


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain", "multipart/form-data", "\xff"])
def test_any_content_type_and_none_is_taken(installation: Installation, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    [answer] = send(installation, write_request(make_booking(), headers=headers))
    assert outcome(answer) == (200, "accepted")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_another_method_than_post_is_refused(installation: Installation, method: str) -> None:
    answer = exchange(installation.port, method, PATH)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"


def test_answers_of_a_kept_connection_come_in_order(installation: Installation) -> None:
    """What a refused request had in its body is no request, whether it was read or not."""
    first, second = make_booking(), make_booking()
    inner = write_request(make_booking())
    answers = send(
        installation,
        write_request(first),
        write_request(inner, headers=GZIP),
        write_request(second, is_chunked=True),
        write_request(inner, is_chunked=True, headers=GZIP),
        write_request(first),
        write_head("GET", {}),
        write_request({**second, "account_id": "acct_other"}),
        write_request(second),
    )
    assert [outcome(answer) for answer in answers] == [
        (200, "accepted"),
        (415, "unsupported_encoding"),
        (200, "accepted"),
        (415, "unsupported_encoding"),
        (200, "duplicate"),
        (405, "method_not_allowed"),
        (409, "delivery_id_reused"),
        (200, "duplicate"),
    ]


def test_half_a_body_stores_nothing(installation: Installation) -> None:
    """The sender dies while it writes. The same delivery is taken whole afterwards."""
    booking = make_booking()
    request = write_request(booking)
    with socket.create_connection(("127.0.0.1", installation.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(request[:-10])
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(CHUNK):
            pass
    [answer] = send(installation, request)
    assert outcome(answer) == (200, "accepted")


def test_slow_sender_holds_nobody_up(installation: Installation) -> None:
    """Half a request on many connections; another sender is answered meanwhile."""
    half = write_request(make_booking())[:-10]
    senders = [socket.create_connection(("127.0.0.1", installation.port), timeout=TIMEOUT_S) for _ in range(8)]
    try:
        for sender in senders:
            sender.sendall(half)
        body = encode(booking := make_booking())
        answer = exchange(installation.port, "POST", PATH, body=body, headers=webhook_headers(body, booking["id"]))
        assert json.loads(answer.body) == {"status": "accepted"}
    finally:
        for sender in senders:
            sender.close()
