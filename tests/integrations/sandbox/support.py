"""What the sandbox's tests share: a clock to turn, a webhook receiver on loopback, and the contract's schemas."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import requests
import yaml
from jsonschema import Draft202012Validator

from integrations.sandbox.calendar_live.world import World
from integrations.sandbox.persistence import StateFile
from integrations.sandbox.webhooks import Mishap
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
CONTRACT = ROOT / "tests" / "contracts" / "calendar_live"
# A Monday, 07:00 in New York and 13:00 in Paris.
START = datetime(2026, 11, 23, 12, tzinfo=UTC)
DEADLINE_S = 60.0
# Hours beyond what can be booked, each used once.
HOURS = count(1)


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **step: float) -> None:
        self.now += timedelta(**step)


def make_world(
    clock: Clock, *, has_endpoint: bool = True, path: Path | None = None, mishaps: Sequence[Mishap] = ()
) -> World:
    """`mishaps` befall the first webhooks, one each."""
    befalling = iter(mishaps)
    return World(StateFile(path), has_endpoint=has_endpoint, clock=clock, draw_mishap=lambda: next(befalling, Mishap()))


def bodies(world: World) -> list[dict[str, Any]]:
    """The envelopes in the delivery log, oldest first."""
    return [json.loads(delivery.body) for delivery in world.read().state.deliveries.values()]


@cache
def schema_validator(schema: str) -> Draft202012Validator:
    components = yaml.safe_load((CONTRACT / "openapi.yaml").read_text(encoding="utf-8"))["components"]
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": components})


def check_document(document: Any, schema: str) -> None:
    """Raise where the document breaks the contract's schema of that name."""
    schema_validator(schema).validate(document)


def check_envelope(envelope: Mapping[str, Any]) -> None:
    check_document(envelope, "Envelope")


def wait_until(condition: Callable[[], Any], *, what: str) -> Any:
    """The condition's first true value; fails after the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {DEADLINE_S} s: {what}")


@dataclass
class Receiver:
    """A webhook endpoint; it answers with the statuses in turn, then with the last one for ever."""

    statuses: list[int] = field(default_factory=lambda: [200])
    requests: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def ids(self) -> list[str]:
        return [headers["x-cl-delivery-id"] for headers, _ in list(self.requests)]

    def envelopes(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in list(self.requests)]

    def answer(self, headers: Mapping[str, str], body: bytes) -> int:
        self.requests.append((headers, body))
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver, lock = Receiver(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                status = receiver.answer({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", receiver.url + "elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox process."""

    url: str
    session: requests.Session

    def api(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": "Bearer sandbox-access-token"} | options.pop("headers", {})
        return self.session.request(method, f"{self.url}/v1/{path}", headers=headers, timeout=DEADLINE_S, **options)

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.url + path, timeout=DEADLINE_S)

    def post(self, path: str, **fields: Any) -> requests.Response:
        return self.session.post(self.url + path, data=fields, timeout=DEADLINE_S)


@contextmanager
def running_sandbox(directory: Path, **variables: str) -> Iterator[Sandbox]:
    """A sandbox under gunicorn on a free port, with its output in the directory."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "integrations.sandbox.wsgi", "--bind", f"127.0.0.1:{port}"]
    command += ["--workers", "1", "--threads", "8", "--graceful-timeout", "2", "--no-control-socket"]
    # The product's settings in the environment must not confuse the sandbox.
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"} | variables
    url = f"http://127.0.0.1:{port}"
    with (directory / "sandbox.log").open("ab") as log, requests.Session() as session:
        session.trust_env = False
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            wait_until(lambda: process.poll() is not None or _answers(session, url), what="the sandbox answers")
            assert process.poll() is None, (directory / "sandbox.log").read_text()
            yield Sandbox(url, session)
        finally:
            process.terminate()
            process.wait(DEADLINE_S)


def _answers(session: requests.Session, url: str) -> bool:
    try:
        return session.get(url, timeout=DEADLINE_S).ok
    except requests.ConnectionError:
        return False


def later(hours: int = 0) -> str:
    """A whole hour that no customer can book and no other test gets; for the API only."""
    now = datetime.now(tz=UTC).replace(minute=0, second=0, microsecond=0)
    return text(now + timedelta(days=70, hours=2 * next(HOURS) + hours))


def plus(start: str, **length: float) -> str:
    return text(datetime.fromisoformat(start) + timedelta(**length))


def text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def received(receiver: Receiver, wanted_id: str, number: int) -> list[dict[str, Any]]:
    """The first envelopes about an event, once so many have come."""

    def find() -> list[dict[str, Any]]:
        found = [item for item in receiver.envelopes() if item["data"].get("event", {}).get("id") == wanted_id]
        return found if len(found) >= number else []

    envelopes: list[dict[str, Any]] = wait_until(find, what=f"{number} deliveries of {wanted_id}")
    for envelope in envelopes:
        check_envelope(envelope)
    return envelopes


def create(sandbox: Sandbox, key: str, **changes: Any) -> dict[str, Any]:
    start = later()
    body = {"calendar_id": "cal_us_sales", "title": "T", "start": start, "end": plus(start, hours=1)} | changes
    response = sandbox.api("POST", "events", json=body, headers={"Idempotency-Key": key})
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    check_document(document, "Event")
    return document
