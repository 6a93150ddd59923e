"""An authorisation server that rotates refresh tokens and takes the grant away when one is used twice, and its API.

It plays calendar.live (see tests/contracts/calendar_live/openapi.yaml), for one grant at a time.
"""

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs

CLIENT = {"client_id": "c-1", "client_secret": "s-client"}
CALENDAR = {"id": "cal_1", "name": "Sales", "timezone": "Europe/Paris", "owner_email": "sales@acme.example"}


@dataclass(frozen=True)
class Answer:
    """`status` 0: none, the connection breaks off."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


INVALID_GRANT = Answer(400, {"error": "invalid_grant"})
UNAUTHORISED = Answer(401, {"error": {"code": "unauthorized", "message": "unknown or expired token"}})
BREAK_OFF = Answer(0)


class AuthorisationServer(ThreadingHTTPServer):
    """On a free loopback port.

    `faults` are what the token endpoint answers next, without doing anything. Its answers take `delay_s`, after the
    refresh token was rotated. `told_lifetimes_s` are the values of `expires_in` in turn, whatever is true;
    `lifetime_s` is how long an access token lives from its first use on, None until `expire`.
    """

    daemon_threads = True
    # The first one of several connections that come at once must not be refused.
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.lock = threading.Lock()
        self.numbers = count(1)
        self.authorise()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed reads no answer."""

    # --- For the test -------------------------------------------------------------------------------------------------

    def authorise(self) -> dict[str, str]:
        """A new grant, as after a consent: nothing is left of the one before, of its faults and of what was counted."""
        with self.lock:
            self.faults: deque[Answer] = deque()
            self.told_lifetimes_s: deque[int] = deque([3600])
            self.delay_s = 0.0
            self.lifetime_s: float | None = None
            self.asked_at: list[float] = []
            self.refreshes, self.reuses, self.is_revoked = 0, 0, False
            self.used: set[str] = set()
            # Access token → until when it lives.
            self.alive: dict[str, float | None] = {}
            # What was made, and how often each.
            self.things: Counter[str] = Counter()
            self.rejections = 0
            return self.issue()

    def expire(self) -> None:
        """None of the access tokens that are out is worth anything."""
        with self.lock:
            self.alive.clear()

    def revoke(self) -> None:
        with self.lock:
            self.is_revoked = True
            self.alive.clear()

    # --- Tokens -------------------------------------------------------------------------------------------------------

    def issue(self) -> dict[str, str]:
        number = next(self.numbers)
        self.refresh_token, access_token = f"r-{number}", f"a-{number}"
        self.alive[access_token] = None
        return {"access_token": access_token, "refresh_token": self.refresh_token}

    def refresh(self, form: Mapping[str, str]) -> Answer:
        """RFC 6749 6, and RFC 9700 4.14.2 for a refresh token that comes twice."""
        with self.lock:
            self.asked_at.append(time.monotonic())
            if self.faults:
                return self.faults.popleft()
            given = form.get("refresh_token", "")
            if {name: form.get(name) for name in CLIENT} != CLIENT:
                return Answer(401, {"error": "invalid_client"})
            if given in self.used:
                self.reuses += 1
                self.is_revoked = True
                self.alive.clear()
            if self.is_revoked or given != self.refresh_token:
                return INVALID_GRANT
            self.used.add(given)
            self.refreshes += 1
            self.told_lifetimes_s.rotate(-1)
            told = {"expires_in": self.told_lifetimes_s[-1], "token_type": "Bearer"}
            answer = Answer(200, {**self.issue(), **told})
        time.sleep(self.delay_s)
        return answer

    def accept(self, header: str) -> bool:
        """Whether the access token lives. Its time begins with its first use."""
        token, now = header.removeprefix("Bearer "), time.monotonic()
        with self.lock:
            ends_at = self.alive.get(token, 0)
            if ends_at is None and self.lifetime_s is not None:
                ends_at = self.alive[token] = now + self.lifetime_s
            is_alive = ends_at is None or ends_at > now
            self.rejections += not is_alive
            return is_alive

    def make_thing(self, subject: str) -> Answer:
        with self.lock:
            self.things[subject] += 1
        return Answer(201, {"id": subject})


class Exchange(BaseHTTPRequestHandler):
    server: AuthorisationServer
    protocol_version = "HTTP/1.1"
    # The whole answer at once.
    wbufsize = -1

    def do_GET(self) -> None:
        self.answer(self.ask_api(lambda: Answer(200, {"items": [CALENDAR]})))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/oauth/token":
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            self.answer(self.server.refresh(form))
        else:
            self.answer(self.ask_api(lambda: self.server.make_thing(json.loads(body)["subject"])))

    def ask_api(self, act: Callable[[], Answer]) -> Answer:
        return act() if self.server.accept(self.headers.get("Authorization", "")) else UNAUTHORISED

    def answer(self, answer: Answer) -> None:
        if not answer.status:
            self.close_connection = True
            return
        body = json.dumps(answer.body).encode()
        self.send_response_only(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[AuthorisationServer]:
    server = AuthorisationServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
