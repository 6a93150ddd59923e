"""A real installation: its own database, gunicorn and qcluster, and what a test may ask them and the database."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import urlencode
from uuid import uuid4

import psycopg
from psycopg import sql

from integrations.privacy.keys import generate_key
from tests.factories import SECRET, encode, webhook_headers
from tests.ports import free_port
from tests.processes.exchanges import Answer, exchange
from tests.processes.processes import Group, run
from tests.processes.waiting import wait_for
from tests.template_database import database_url, make_template

SLUG = "calendar-live"
PREPARE = """
import json
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token
from bookings.models import Price
from integrations.connections import add_connection
from integrations.pairs import make_pair

plan = json.loads({plan!r})
made = {{each["slug"]: add_connection(**each)[0] for each in plan["connections"]}}
for one, other in plan["pairs"].items():
    make_pair(made[one], made[other], "two_way")
for event_type, amount in plan["prices"].items():
    Price.objects.create(event_type=event_type, amount=amount, currency="eur")
admin = User.objects.create_superuser("admin", "admin@keepsync.example", "{password}")
print(Token.objects.create(user=admin).key)
"""
UNSETTLED = ("received", "processing", "retrying")


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """The URL of a new, migrated database on the server, dropped at the end.

    Its commits do not wait for the disk: only what kills the server itself would see that, and brings its own one.
    """
    name = f"processes_{uuid4().hex}"
    copied = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, make_template(server))))
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(copied)
        connection.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(sql.Identifier(name)))
    try:
        yield database_url(server, name)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@dataclass
class Installation:
    """One database, its secrets, and the processes that run on it."""

    url: str
    folder: Path
    token: str = ""
    secrets: Mapping[str, str] = field(
        default_factory=lambda: {
            "SECRET_KEY": "of the tests " * 5,
            "FIELD_ENCRYPTION_KEYS": generate_key(),
            "BLIND_INDEX_KEY": generate_key(),
        }
    )
    groups: list[Group] = field(default_factory=list)
    webs: dict[int, Group] = field(default_factory=dict)
    worker: Group | None = None
    port: int = 0
    # What its environment has besides.
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def access_log(self) -> Path:
        """A line for each answer of a web process, which begins with `<its process id>`."""
        return self.folder / "access.log"

    # --- Processes ----------------------------------------------------------------------------------------------------

    def environment(self, **changes: str) -> dict[str, str]:
        own = {"DATABASE_URL": self.url, "DEBUG": "1", "DJANGO_SETTINGS_MODULE": "tests.processes.settings"}
        own["PROMETHEUS_MULTIPROC_DIR"] = str(self.folder / "counts")
        return {**os.environ, **own, **self.secrets, **self.variables, **changes}

    def start_group(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> Group:
        group = Group(arguments, environment, self.folder / f"{name}.log")
        self.groups.append(group)
        return group

    def start_web(self, *, url: str | None = None, port: int | None = None, **variables: str) -> int:
        """gunicorn on a free port, which is returned; the first one is where `post` and `get` go."""
        port = port or free_port()
        settings = {"HOST": "127.0.0.1", "PORT": str(port), "WEB_WORKERS": "2", "DATABASE_URL": url or self.url}
        arguments = ["-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
        access_log = ["--access-logfile", str(self.access_log), "--access-logformat", "%(p)s %(m)s %(U)s %(s)s"]
        group = self.start_group(f"web-{port}", [*arguments, *access_log], self.environment(**settings, **variables))
        self.webs[port] = group
        self.port = self.port or port
        wait_for(lambda: answers(port) or not group.is_running(), what="web answers")
        assert group.is_running(), group.read_log()
        return port

    def start_worker(self) -> None:
        before = self.fetch("SELECT now()")[0]
        self.worker = self.start_group("worker", ["manage.py", "qcluster"], self.environment())
        beat = "SELECT count(*) FROM integrations_heartbeat WHERE beat_at >= %s"
        worker = self.worker
        wait_for(lambda: self.fetch(beat, *before)[0][0] or not worker.is_running(), what="the worker's heartbeat")
        assert worker.is_running(), worker.read_log()

    def start(self) -> Self:
        self.start_web()
        self.start_worker()
        return self

    def repair(self) -> None:
        """For the next test: what the last one left killed is started, what it left to do is done."""
        if not self.webs[self.port].is_running():
            self.start_web(port=self.port)
        if self.worker is None or not self.worker.is_running():
            self.start_worker()
        query = """
            SELECT count(*) FROM integrations_delivery AS delivery
            JOIN integrations_connection AS endpoint ON endpoint.id = delivery.connection_id
            WHERE delivery.status = ANY(%s) AND endpoint.status = 'active'
        """
        wait_for(lambda: not self.fetch(query, list(UNSETTLED))[0][0], what="the last test's deliveries are settled")

    def stop(self) -> None:
        for group in self.groups:
            group.stop()

    def manage(self, *arguments: str, **variables: str) -> str:
        """The standard output of a `manage.py` command, which must succeed."""
        done = run(["manage.py", *arguments], self.environment(**variables))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # --- Requests -----------------------------------------------------------------------------------------------------

    def post(self, payload: Any, *, slug: str = SLUG, secret: str = SECRET, port: int | None = None) -> Answer:
        """A signed webhook over a connection of its own."""
        body = encode(payload)
        headers = webhook_headers(body, payload["id"], secret)
        return exchange(port or self.port, "POST", f"/webhooks/{slug}/", body=body, headers=headers)

    def get(self, path: str) -> Answer:
        return exchange(self.port, "GET", path, headers={"Authorization": f"Token {self.token}"})

    def list_all(self, name: str, **filters: str) -> list[dict[str, Any]]:
        """All pages of a list of the REST API, oldest first."""
        rows: list[dict[str, Any]] = []
        path: str | None = f"/api/{name}/?{urlencode({'page_size': '200', **filters})}"
        while path:
            answer = self.get(path)
            assert answer.status == 200, answer
            page = answer.json()
            rows += page["results"]
            path = page["next"] and page["next"].partition(f":{self.port}")[2]
        return rows[::-1]

    # --- The database -------------------------------------------------------------------------------------------------

    def fetch(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def execute(self, statement: str, *values: Any) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement, values)

    def delivery(self, delivery_id: str) -> dict[str, Any]:
        [delivery] = self.list_all("deliveries", delivery_id=delivery_id)
        return delivery

    def attempts(self, delivery_id: str) -> list[tuple[str, str]]:
        """Outcome and worker of each attempt, the first one first."""
        query = """
            SELECT outcome, worker FROM integrations_attempt AS attempt
            JOIN integrations_delivery AS delivery ON delivery.id = attempt.delivery_id
            WHERE delivery.delivery_id = %s ORDER BY number
        """
        return [(outcome, worker) for outcome, worker in self.fetch(query, delivery_id)]

    def wait_until_settled(self, *ids: str) -> None:
        """Until every one of these deliveries is stored and nothing is left to do for it."""
        query = "SELECT count(*) FROM integrations_delivery WHERE delivery_id = ANY(%s) AND NOT status = ANY(%s)"
        settled = [list(ids), list(UNSETTLED)]
        wait_for(
            lambda: self.fetch(query, *settled)[0][0] == len(ids),
            what=f"{len(ids)} deliveries are settled",
        )

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Nobody can write to the table meanwhile: who tries stands still, in the middle of a transaction."""
        with psycopg.connect(self.url) as connection:
            connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(sql.Identifier(table)))
            yield

    def wait_until_blocked(self, table: str) -> None:
        query = """
            SELECT count(*) FROM pg_locks AS lock JOIN pg_database AS here ON here.oid = lock.database
            WHERE NOT granted AND relation = %s::regclass AND datname = current_database()
        """
        wait_for(lambda: self.fetch(query, table)[0][0], what=f"somebody waits for {table}")


@contextmanager
def running(url: str, folder: Path) -> Iterator[Installation]:
    """Web and worker on a migrated database."""
    installation = Installation(url, folder)
    try:
        yield prepare(installation).start()
    finally:
        installation.stop()


def answers(port: int) -> bool:
    try:
        return exchange(port, "GET", "/healthz").status == 200
    except OSError:
        return False


def prepare(
    installation: Installation,
    connections: Iterable[Mapping[str, Any]] = (),
    *,
    pairs: Mapping[str, str] = MappingProxyType({}),
    prices: Mapping[str, int] = MappingProxyType({}),
) -> Installation:
    """An administrator with a token, and a connection to calendar.live beside those that are named.

    `pairs` are of their slugs, `prices` in cents by event type. All in one process: starting one takes seconds.
    """
    calendar = {
        "provider": "calendar_live",
        "slug": SLUG,
        "webhook_secret": SECRET,
        "options": {"default_region": "FR"},
    }
    plan = json.dumps({"connections": [calendar, *connections], "pairs": dict(pairs), "prices": dict(prices)})
    script = PREPARE.format(plan=plan, password=uuid4().hex)
    installation.token = installation.manage("shell", "-v", "0", "-c", script).strip()
    return installation
