"""No token, secret or code stands in a log, on a page, in a message, or in clear in the database, whatever goes wrong.

The other sides are as careless as can be: what they answer holds everything that they were sent.
"""

import base64
import io
import json
import logging
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import unquote, unquote_plus, urljoin, urlsplit

import pytest
import requests
import responses
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from prometheus_client import generate_latest

from integrations import authorisations, effect_kinds
from integrations.drains import drain
from integrations.effect_kinds import Kind, Result, Task
from integrations.effects import plan
from integrations.exceptions import KeepsyncError
from integrations.jobs import process_delivery, refresh_token
from integrations.models import Authorisation, Connection, Delivery, Drain, Effect, Token, WebhookSecret
from integrations.providers import PROVIDERS
from integrations.providers.base import Rate
from tests.factories import make_payload, post_webhook, read_sample
from tests.integrations.admin.support import press
from tests.integrations.oauth_answers import ADDRESSES, TOKENS, connect, query_of
from tests.leaks import find_in, fold, read_database, read_packed, reading_log

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

CALLBACK = "/oauth/callback/"
# Three ways in which a client says who it is, and tokens with and without rotation.
AUTHORISED = ("calendar_live", "pipedrive", "slack")
ANYTHING = re.compile("https://.*")
# What a page shows once, on purpose, in the answer to the press of a button.
PAGES = ("/admin/", "/api/contacts/", "/api/meetings/", "/api/deliveries/", "/api/effects/")
# By its number each made one is known; some thousand searches over all pages would take a minute.
MADE = re.compile(rb"leak\d{4}")
LINK = re.compile(r'(?:href|action)="([^"#]+)"')
ID = re.compile(r"/(?:\d+|[0-9a-f-]{36}|(?<=/checklistitem/)\w+|(?<=/runbooktask/)\w+)/")
OF_EACH_SHAPE = 6
NOT_CRAWLED = ("/admin/logout/", "/admin/jsi18n/")
Status = Connection.Status


# --- What must not be found -------------------------------------------------------------------------------------------


@dataclass
class Vault:
    """Every secret of the run, by its value. `make` gives ones that no pattern of the log's scrubbing would know."""

    kinds: dict[str, str] = field(default_factory=dict)

    def make(self, kind: str) -> str:
        value = f"leak{len(self.kinds):04}{kind}"
        self.kinds[value] = kind
        return value

    def keep(self, kind: str, value: str) -> str:
        self.kinds[value] = kind
        return value

    def find(self, text: str | bytes) -> list[str]:
        """The kinds that stand in the text, with their values."""
        data = fold(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
        decoded = fold(unescape(unquote_plus(data.decode("utf-8", "replace"))).encode())
        given = [value for value in self.kinds if not value.startswith("leak")]
        numbers = set(MADE.findall(data)) | set(MADE.findall(decoded))
        found = {value for value in self.kinds if value[:8].encode() in numbers}
        found |= find_in(data, given) | find_in(decoded, given)
        return sorted(f"{self.kinds[value]}: {value}" for value in found)


@pytest.fixture
def vault() -> Vault:
    made = Vault()
    keys = {*django_settings.FIELD_ENCRYPTION_KEYS.values(), django_settings.BLIND_INDEX_KEY}
    for key in keys:
        for spelling in (base64.b64encode(key), base64.urlsafe_b64encode(key), key.hex().encode()):
            made.keep("key", spelling.decode().rstrip("="))
    made.keep("key", django_settings.SECRET_KEY)
    return made


# --- The other sides --------------------------------------------------------------------------------------------------

type Answer = tuple[int, dict[str, str], str]
type Act = Callable[[str], Answer]


def answer(status: int, body: Any, **headers: str) -> Act:
    """`…` in the body stands for all that was sent."""

    def act(sent: str) -> Answer:
        text = body if isinstance(body, str) else json.dumps(body)
        return status, headers, text.replace("…", json.dumps(sent)[1:-1]).replace("\\u2026", json.dumps(sent)[1:-1])

    return act


def break_off(sent: str) -> Answer:
    raise requests.ConnectionError(sent)


def be_slow(sent: str) -> Answer:
    raise requests.ReadTimeout(sent)


def name_the_code(sent: str) -> Answer:
    """As the error's own code, which is shown."""
    values = re.findall(r"leak\d{4}\w+", sent)
    return 400, {}, json.dumps({"error": values[-1], "status": values[0]})


def be_vague(sent: str) -> Answer:
    """Slack's way of refusing."""
    return 200, {}, json.dumps({"ok": False, "error": re.findall(r"leak\d{4}\w+", sent)[-1]})


TOKEN_FAULTS: tuple[Act, ...] = (
    answer(400, {"error": "invalid_grant", "error_description": "…", "error_uri": "https://x.example/?…"}),
    answer(400, {"error": "…"}),
    name_the_code,
    be_vague,
    answer(400, "…"),
    answer(401, {"error": "invalid_client", "error_description": "…"}),
    answer(403, {"message": "…"}),
    answer(429, {"error": "…"}, **{"Retry-After": "…"}),
    answer(500, "…"),
    answer(503, {"error": "temporarily_unavailable", "error_description": "…"}),
    answer(302, "…", Location="https://elsewhere.example/?code=…"),
    answer(200, "…"),
    answer(200, ["…"]),
    answer(200, {"access_token": ["…"]}),
    answer(200, {"access_token": "…\n…"}),
    answer(200, {"access_token": "", "refresh_token": "…"}),
    break_off,
    be_slow,
)
API_FAULTS: tuple[Act, ...] = (
    *(answer(status, {"error": "…", "message": "…", "errors": ["…"]}) for status in (400, 401, 403, 404, 409, 500)),
    answer(429, {"error": "…"}),
    answer(200, "…"),
    answer(200, {"items": "…", "ok": False, "error": "…", "data": "…"}),
    name_the_code,
    be_vague,
    break_off,
)


@dataclass
class World:
    """`tokens` and `api` are what the next calls of a token endpoint, and of all else, are answered with."""

    vault: Vault
    provider: str = "calendar_live"
    tokens: Act | None = None
    api: Act | None = None
    api_url: str = ""

    def play(self, request: requests.PreparedRequest) -> Answer:
        sent = f"{request.method} {request.url} {dict(request.headers)} {read_text(request.body)}"
        sent += self.unpack_login(request)
        address = str(request.url).partition("?")[0]
        if address == ADDRESSES[self.provider][1]:
            return self.tokens(sent) if self.tokens else self.give()
        if address == ADDRESSES[self.provider][2]:
            return self.tokens(sent) if self.tokens else (200, {}, '{"ok": true}')
        return (self.api or answer(200, GOOD[self.provider]))(sent)

    def give(self) -> Answer:
        given = {name: self.vault.make(name.partition("_")[0]) for name in ("access_token", "refresh_token")}
        return 200, {}, json.dumps({**TOKENS[self.provider], **given, "expires_in": 3600})

    def unpack_login(self, request: requests.PreparedRequest) -> str:
        scheme, _, login = str(request.headers.get("Authorization", "")).partition(" ")
        if scheme != "Basic":
            return ""
        self.vault.keep("login", login)
        return f" {base64.b64decode(login).decode()}"


GOOD: dict[str, Any] = {
    "calendar_live": {
        "items": [{"id": "cal_1", "name": "Sales demos", "timezone": "UTC", "owner_email": "o@x.example"}]
    },
    "pipedrive": {"success": True, "data": {"company_id": 7, "company_name": "Acme"}},
    "slack": {"ok": True, "team_id": "T9", "team": "Acme", "user": "keepsync", "bot_id": "B1"},
}


def read_text(body: Any) -> str:
    return unquote(body.decode("utf-8", "replace") if isinstance(body, bytes) else body or "")


@pytest.fixture
def world(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(vault)
    monkeypatch.setattr("integrations.http.REPEAT_PAUSE_S", 0)
    for provider in PROVIDERS.values():
        monkeypatch.setattr(type(provider), "rate", Rate(per_s=1000, burst=1000))
    with responses.RequestsMock(assert_all_requests_are_fired=False) as stubs:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            stubs.add_callback(method, ANYTHING, callback=made.play)
        yield made


# --- What is seen -----------------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """Everything that comes out of Keepsync: where, and what."""

    texts: list[tuple[str, str]] = field(default_factory=list)

    def add(self, where: str, what: object) -> None:
        self.texts.append((where, str(what)))

    def page(self, where: str, response: Any) -> None:
        """With the pages that led there, their headers and their cookies."""
        pages = [(address, status) for address, status in getattr(response, "redirect_chain", [])]
        self.add(where, f"{pages}\n{dict(response.headers)}\n{response.cookies.output()}")
        if not response.streaming:
            self.add(where, response.content.decode("utf-8", "surrogateescape"))

    def call(self, where: str, act: Callable[[], object]) -> None:
        """What the function returns or, where it fails on purpose, says."""
        try:
            self.add(where, act())
        except (KeepsyncError, CommandError) as error:
            self.add(where, f"{error} {error!r}")

    def command(self, *arguments: str) -> None:
        out = io.StringIO()
        self.call(" ".join(arguments[:2]), lambda: call_command(*arguments, stdout=out, stderr=out))
        self.add(" ".join(arguments[:2]), out.getvalue())


@dataclass
class Play:
    """Who plays: an administrator's client, the careless other sides, and what was seen of it."""

    client: Client
    world: World
    vault: Vault
    seen: Seen = field(default_factory=Seen)

    def leaks(self) -> dict[str, set[str]]:
        """What was seen and should not have been, by where."""
        found: dict[str, set[str]] = {}
        for where, text in self.seen.texts:
            if leaked := self.vault.find(text):
                found.setdefault(where, set()).update(leaked)
        return found

    def connect(self, provider: str) -> Connection:
        self.world.provider = provider
        secrets = {"client_secret": self.vault.make("client")}
        connection = connect(provider, **secrets)
        WebhookSecret.objects.filter(connection=connection).update(secret=self.vault.make("webhook"))
        return connection

    def begin(self, connection: Connection) -> str:
        """The state. The way there leads to the provider with it; nobody else sees it."""
        response = self.client.get(f"/oauth/{connection.slug}/start/")
        state = self.vault.keep("state", query_of(response["Location"])["state"])
        self.vault.keep("verifier", Authorisation.objects.filter(connection=connection).latest("pk").verifier)
        self.seen.add("start", f"{response.content.decode()} {response.cookies.output()}")
        return state

    def walk(self, connection: Connection, **query: str) -> None:
        """There and back with a code, or with more beside it, in which `…` stands for all that nobody should see."""
        state = self.begin(connection)
        given = {"state": state, "code": self.vault.make("code")}
        hidden = " ".join([*given.values(), connection.credentials["client_secret"]])
        answer = {**given, **{name: text.replace("…", hidden) for name, text in query.items()}}
        self.seen.page("callback", self.client.get(CALLBACK, answer, follow=True))
        self.seen.page("callback again", self.client.get(CALLBACK, answer))
        self.seen.page("callback of nobody", Client().get(CALLBACK, answer))

    def prepare(self, connection: Connection) -> None:
        """Authorised, and due to be refreshed at the next use."""
        connection.refresh_from_db()
        self.world.tokens = self.world.api = None
        token = Token.objects.filter(connection=connection).first()
        if token is None or not token.access_token:
            self.walk(connection)
        Token.objects.filter(connection=connection).update(
            refresh_token=self.vault.make("refresh"),
            expires_at=timezone.now() - timedelta(hours=1),
            error="",
            retry_at=None,
            lease_owner=None,
            lease_expires_at=None,
        )
        Connection.objects.filter(pk=connection.pk).update(status=Status.ACTIVE)
        Drain.objects.update(held_until=None)


# --- What happens -----------------------------------------------------------------------------------------------------


def authorise(play: Play, connection: Connection) -> None:
    """Refused, failed in every way, for another account, and at last given."""
    for code in ("access_denied", "…", "own_reason"):
        play.walk(connection, error=code, error_description="it says: …", error_uri="https://x.example/?…")
    play.walk(connection, state="…", code="…")
    for fault in TOKEN_FAULTS:
        play.world.tokens = fault
        play.walk(connection)
    play.world.tokens = None
    for fault in API_FAULTS:
        play.world.api = fault
        play.walk(connection)
    play.world.api = None
    play.walk(connection)
    Token.objects.filter(connection=connection).update(account_id="another")
    play.walk(connection)
    Token.objects.filter(connection=connection).delete()
    play.walk(connection)


def refresh(play: Play, connection: Connection) -> None:
    """At use, ahead of time, and for an effect; all of it fails in every way, and succeeds."""
    for fault in (None, *TOKEN_FAULTS):
        play.prepare(connection)
        play.world.tokens = fault
        play.seen.command("connection", "test", connection.slug)
        play.prepare(connection)
        play.world.tokens = fault
        play.seen.call("refresh", lambda: refresh_token(connection.pk))
        play.prepare(connection)
        play.world.tokens = fault
        plan("leak.use", connection_id=connection.pk, subject=f"thing:{Effect.objects.count()}")
        drain(connection.pk)
    for fault in API_FAULTS:
        play.prepare(connection)
        play.world.api = fault
        play.seen.command("connection", "test", connection.slug)
        play.seen.page("button", press(play.client, connection, "test"))
        plan("leak.use", connection_id=connection.pk, subject=f"thing:{Effect.objects.count()}")
        drain(connection.pk)
    play.prepare(connection)


def end(play: Play, connection: Connection) -> None:
    """Revoked and forgotten, in vain first."""
    for fault in TOKEN_FAULTS:
        play.prepare(connection)
        play.world.tokens = fault
        play.seen.call("revoke", lambda: authorisations.revoke(connection))
    play.prepare(connection)
    play.seen.call("revoke", lambda: authorisations.revoke(connection))
    play.prepare(connection)
    play.world.tokens = TOKEN_FAULTS[0]
    play.seen.call("forget", lambda: authorisations.forget(connection))
    play.world.tokens = None


def rotate_secrets(play: Play, connection: Connection) -> None:
    """By hand and in the shell. Only what a person gives: what is made is shown once, on purpose."""
    old = WebhookSecret.objects.get(connection=connection).secret
    new, newest = play.vault.make("webhook"), play.vault.make("webhook")
    sample = read_sample("event_created")
    assert post_webhook(sample, secret=old).status_code == 200
    process_delivery(str(Delivery.objects.get(delivery_id=sample["id"]).pk))
    press(play.client, connection, "add_secret", webhook_secret=new)
    play.seen.page("button", press(play.client, connection, "add_secret", webhook_secret=new))
    for options in (
        ["--secret", newest],
        ["--secret", newest],
        ["--status"],
        ["--retire-old"],
        ["--retire-old", "--force"],
    ):
        play.seen.command("rotate_secret", connection.slug, *options)
    wrong = play.vault.make("webhook")
    for number, secret in enumerate((old, wrong)):
        refused = post_webhook({**sample, "id": f"dlv_wrong_{number}"}, secret=secret)
        assert refused.status_code == 401
        play.seen.page("webhook", refused)
    play.seen.page("button", press(play.client, connection, "verify_rejected"))


def give_keys(play: Play) -> None:
    """Providers that are called with a key, made in the shell and in the admin, where a mistake shows the form."""
    stripe_key, bot_token = play.vault.make("key"), play.vault.make("key")
    play.world.api = API_FAULTS[1]
    stripe = ["connection", "add", "stripe", "--slug"]
    play.seen.command(
        *stripe, "stripe", "--option", f"api_key={stripe_key}", "--webhook-secret", play.vault.make("webhook")
    )
    play.seen.command(*stripe, "stripe", "--option", f"api_key={stripe_key}")
    play.seen.command(*stripe, "stripe-2", "--option", play.vault.make("key"))
    play.seen.command(*stripe, "stripe-2", "--option", f"unheard_of={play.vault.make('key')}")
    play.seen.command("connection", "test", "stripe")
    form = {
        "provider": "slack",
        "slug": "not a slug",
        "bot_token": bot_token,
        "webhook_secret": play.vault.make("webhook"),
    }
    address = "/admin/integrations/connection/add/"
    play.seen.page("form", play.client.post(address, form, follow=True))
    play.seen.page("form", play.client.post(address, {**form, "slug": "slack-2", "webhook_secret": ""}, follow=True))
    connection = Connection.objects.get(slug="stripe")
    press(play.client, connection, "set_credentials", api_key=play.vault.make("key"))
    play.seen.page("button", press(play.client, connection, "set_credentials", api_key=play.vault.make("key")))
    play.world.api = None


def raise_bugs(play: Play, connection: Connection, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """What nobody has foreseen, in a web request, a delivery, an effect and a command, quoting what was at hand."""
    play.prepare(connection)
    token = Token.objects.get(connection=connection).refresh_token
    play.client.raise_request_exception = False
    for is_debug in (False, True):
        for place in ("integrations.tokens.store_grant", "integrations.oauth.post", "integrations.oauth_views.finish"):
            settings.DEBUG = is_debug
            with monkeypatch.context() as patched:
                patched.setattr(place, raise_with_everything)
                state, code = play.begin(connection), play.vault.make("code")
                response = play.client.get(CALLBACK, {"state": state, "code": code})
                assert response.status_code == 500
                play.seen.page(f"error page, DEBUG={is_debug}", response)
        with monkeypatch.context() as patched:
            patched.setattr("integrations.admin.connection_buttons.set_credentials", raise_with_everything)
            response = press(play.client, Connection.objects.get(slug="stripe"), "set_credentials", api_key=token)
            assert response.status_code == 500
            play.seen.page(f"error page, DEBUG={is_debug}", response)
    settings.DEBUG = False
    play.client.raise_request_exception = True
    plan("leak.bug", connection_id=connection.pk, subject="thing:bug")
    drain(connection.pk)
    assert Effect.objects.get(kind="leak.bug").cause == "bug"
    with monkeypatch.context() as patched:
        patched.setattr("bookings.upserts.upsert_contacts", lambda *arguments: raise_with_everything(token))
        secret = WebhookSecret.objects.filter(connection=connection, retired_at=None).latest("pk").secret
        assert post_webhook(make_payload("dlv_bug", version=9), secret=secret).status_code == 200
        process_delivery(str(Delivery.objects.get(delivery_id="dlv_bug").pk))
    assert Delivery.objects.get(delivery_id="dlv_bug").cause == "bug"


def raise_with_everything(*arguments: Any, **named: Any) -> None:
    try:
        raise ValueError(f"{arguments} {named}")
    except ValueError as error:
        raise RuntimeError(f"after {arguments} {named}") from error


def call_api(tasks: Sequence[Task]) -> Sequence[Result]:
    found = [PROVIDERS[task.connection.provider].identify(task.account) for task in tasks]
    raise ValueError(f"{found} with {[task.account.credentials for task in tasks]}")


def fail_with_a_token(tasks: Sequence[Task]) -> Sequence[Result]:
    raise ValueError(f"{[task.account.credentials for task in tasks]}")


def crawl(client: Client, seen: Seen) -> set[str]:
    """The pages that links lead to, a few of each shape; their paths. GET changes nothing: some buttons refuse it."""
    ahead, known, shapes = deque(PAGES), set(PAGES), Counter[str]()
    while ahead:
        path = ahead.popleft()
        response = client.get(path, follow=True)
        assert response.status_code in (200, 405), path
        seen.page(path, response)
        if "html" not in response.headers["Content-Type"]:
            continue
        for link in map(unescape, LINK.findall(response.content.decode())):
            found = urlsplit(urljoin(path, link)).path
            shape = ID.sub("/#/", found)
            is_new = found.startswith("/admin/") and found not in known and not found.startswith(NOT_CRAWLED)
            if is_new and shapes[shape] < OF_EACH_SHAPE:
                shapes[shape] += 1
                known.add(found)
                ahead.append(found)
    return known


# --- The run ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def play(admin_client: Client, world: World, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Play:
    for name, run in (("leak.use", call_api), ("leak.bug", fail_with_a_token)):
        kind = Kind(name, run, is_state=True, is_findable=True, is_batched=False, priority=0)
        monkeypatch.setitem(effect_kinds._kinds, name, kind)
    return Play(admin_client, world, vault)


def test_no_secret_comes_out_anywhere(
    play: Play, monkeypatch: pytest.MonkeyPatch, settings: Any, caplog: pytest.LogCaptureFixture, admin_user: User
) -> None:
    with ExitStack() as stack:
        log = stack.enter_context(reading_log())
        stack.enter_context(caplog.at_level("DEBUG"))
        for provider in AUTHORISED:
            connection = play.connect(provider)
            authorise(play, connection)
            refresh(play, connection)
        play.world.provider = "calendar_live"
        calendar = Connection.objects.get(slug="calendar-live")
        rotate_secrets(play, calendar)
        give_keys(play)
        raise_bugs(play, calendar, monkeypatch, settings)
        paths = crawl(play.client, play.seen)
        for provider in AUTHORISED:
            play.world.provider = provider
            end(play, Connection.objects.get(slug=provider.replace("_", "-")))

    play.seen.add("metrics", generate_latest().decode())
    assert_something_happened(play, paths, log.getvalue())
    assert play.leaks() == {}
    stored = {table: play.vault.find(content) for table, content in read_database().items()}
    assert {table: leaked for table, leaked in stored.items() if leaked} == {}
    assert play.vault.find(read_packed()) == []
    assert play.vault.find(log.getvalue()) == []
    assert play.vault.find("\n".join(map(describe_record, caplog.records))) == []


def describe_record(record: logging.LogRecord) -> str:
    """Of our own records everything but the exception, whose text is somebody else's; of others the message."""
    message = record.getMessage()
    if not record.name.startswith(("integrations", "contacts", "bookings")):
        return message if record.levelno >= logging.INFO else ""
    return f"{message} {[value for name, value in record.__dict__.items() if name not in ('exc_info', 'exc_text')]}"


def assert_something_happened(play: Play, paths: set[str], log: str) -> None:
    """Else nothing could be found."""
    assert set(play.vault.kinds.values()) >= {
        "access",
        "refresh",
        "client",
        "code",
        "state",
        "verifier",
        "webhook",
        "key",
    }
    assert set(Authorisation.objects.values_list("outcome", flat=True)) >= {"granted", "refused", "failed"}
    assert set(Effect.objects.values_list("cause", flat=True)) >= {"bug", "permanent"}
    assert Delivery.objects.filter(status="rejected").exists()
    for model in ("connection", "delivery", "effect"):
        assert any(re.fullmatch(rf"/admin/integrations/{model}/[^/]+/change/", path) for path in paths)
    assert {json.loads(line)["message"] for line in log.splitlines()} >= {
        "token refreshed",
        "token not refreshed",
        "connection needs reauthorisation",
        "request sent",
        "webhook rejected",
        "effect failed",
        "delivery failed",
    }
    texts = " ".join(text for _, text in play.seen.texts)
    for said in ("Nothing was authorised", "is authorised", "did not authorise it", "RuntimeError"):
        assert said in texts, said


def test_the_search_would_find_it(vault: Vault) -> None:
    secret = vault.make("access")
    for text in (secret, secret.upper(), f"a%20{secret}", json.dumps({"x": secret}), f"&#x27;{secret}&#x27;"):
        assert vault.find(text) == [f"access: {secret}"]
    assert vault.find("nothing") == []
