"""The demo of `make run`: an administrator, connections to all that the sandbox plays, and a few bookings."""

import os
import secrets
import shutil
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from django.conf import settings

from integrations.connections import add_connection
from integrations.models import Connection, Delivery, Pair, WebhookSecret
from integrations.operations import shared_counts
from integrations.pairs import make_pair

SLUG = "calendar-live"
USERNAME, PASSWORD = "admin", "keepsync"
ACCESS_TOKEN = "sandbox-access-token"  # noqa: S105
# What the sandbox signs with where a person sets the connections up.
WEBHOOK_SECRET = "sandbox-webhook-secret"  # noqa: S105
PIPEDRIVE_LOGIN = "keepsync:sandbox"


@dataclass(frozen=True)
class Played:
    """One provider that the sandbox plays: where, and with which options its connection is made."""

    provider: str
    prefix: str
    options: dict[str, str] = field(default_factory=lambda: {"access_token": ACCESS_TOKEN})
    webhook_secret: str | None = None
    # The sandbox's variables for its webhooks begin so; empty where it sends none.
    variables: str = ""

    @property
    def slug(self) -> str:
        return self.provider.replace("_", "-")


PLAYED = (
    Played("calendar_live", "", {"access_token": ACCESS_TOKEN, "default_region": "FR"}, variables="SANDBOX"),
    Played("hubspot", "/hubspot", variables="SANDBOX_HUBSPOT"),
    Played("salesforce", "/salesforce"),
    Played("pipedrive", "/pipedrive", webhook_secret=PIPEDRIVE_LOGIN, variables="SANDBOX_PIPEDRIVE"),
    Played("zoom", "/zoom", variables="SANDBOX_ZOOM"),
    Played("stripe", "/stripe", {"api_key": ACCESS_TOKEN}, variables="SANDBOX_STRIPE"),
    Played("slack", "/slack", {"bot_token": ACCESS_TOKEN, "channel": "#leads"}),
)
CRMS = ("hubspot", "salesforce", "pipedrive")
# What Keepsync sells itself, because calendar.live takes no payment for it.
PRICES = {"deep-dive-workshop": (19900, "usd")}
PEOPLE = (
    {"full_name": "Zoë Okafor", "email": "zoe.okafor@example.com", "phone": "06 12 34 56 78", "company": "Okafor SARL"},
    {"full_name": "João Conceição", "email": "joao@exemplo.com.br", "phone": "+55 11 91234-5678", "company": "Exemplo"},
    {"full_name": "Mei Tanaka", "email": "mei.tanaka@example.jp", "phone": "+81 3-1234-5678", "company": "Tanaka KK"},
)


def sandbox_url() -> str:
    return f"http://127.0.0.1:{settings.SANDBOX_PORT}"


def ensure_admin(users: Any) -> None:
    if not users.objects.filter(username=USERNAME).exists():
        users.objects.create_superuser(USERNAME, "admin@example.com", PASSWORD)


def ensure_connections() -> None:
    """The demo's connections, pointing to where the sandbox is this time, and its pairs."""
    for played in PLAYED:
        base_url = f"{sandbox_url()}{played.prefix}"
        if not Connection.objects.filter(slug=played.slug).exists():
            add_connection(
                provider=played.provider,
                slug=played.slug,
                base_url=base_url,
                webhook_secret=played.webhook_secret,
                options=played.options,
            )
        Connection.objects.filter(slug=played.slug).update(base_url=base_url)
    calendar = Connection.objects.get(slug=SLUG)
    for crm in Connection.objects.filter(slug__in=CRMS, calendar_pairs=None):
        make_pair(calendar, crm, Pair.Pattern.TWO_WAY)


def ensure_prices(prices: Any) -> None:
    for event_type, (amount, currency) in PRICES.items():
        prices.objects.get_or_create(event_type=event_type, defaults={"amount": amount, "currency": currency})


def processes(python: str, *, is_empty: bool = False) -> list[tuple[str, str, dict[str, str]]]:
    """Name, command and environment of each process."""
    smtp_port = str(free_port())
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    ours = {"EMAIL_URL": f"smtp://127.0.0.1:{smtp_port}", shared_counts.VARIABLE: make_counts_folder(), **environ}
    gunicorn = f"{python} -m gunicorn --log-level warning"
    sandbox = {
        **environ,
        **webhook_variables(is_empty=is_empty),
        "SANDBOX_ACCESS_TOKEN": ACCESS_TOKEN,
        "SANDBOX_SMTP_PORT": smtp_port,
        "SANDBOX_STATE": os.environ.get("SANDBOX_STATE") or str(settings.BASE_DIR / ".data" / "sandbox.json"),
    }
    bind = f"-b 127.0.0.1:{settings.SANDBOX_PORT} --no-control-socket"
    return [
        ("web", f"{gunicorn} -c config/gunicorn.py config.wsgi", ours),
        ("worker", f"{python} manage.py qcluster", ours),
        ("sandbox", f"{gunicorn} --workers 1 --threads 32 {bind} integrations.sandbox.wsgi", sandbox),
    ]


def make_counts_folder() -> str:
    """Where web and worker count together for /metrics: empty at first, because the counts of the last run are over."""
    folder = settings.BASE_DIR / ".data" / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return str(folder)


def webhook_variables(*, is_empty: bool = False) -> dict[str, str]:
    """Where the sandbox posts each provider's webhooks, and what it signs them with."""
    variables: dict[str, str] = {}
    for played in PLAYED:
        if not played.variables:
            continue
        variables[f"{played.variables}_WEBHOOK_URL"] = f"http://127.0.0.1:{settings.PORT}/webhooks/{played.slug}/"
        variables[f"{played.variables}_WEBHOOK_SECRET"] = given_secret(played) if is_empty else read_secret(played)
    return variables


def given_secret(played: Played) -> str:
    """What a person enters here."""
    return played.webhook_secret or WEBHOOK_SECRET


def read_secret(played: Played) -> str:
    return str(WebhookSecret.objects.filter(connection__slug=played.slug, retired_at=None)[:1].get().secret)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def book_examples() -> int:
    """Book at the sandbox's API where nothing has come from it yet. Returns how many."""
    if Delivery.objects.filter(connection__slug=SLUG).exists():
        return 0
    calendars = {calendar["id"]: calendar for calendar in call("GET", "/v1/calendars")["items"]}
    calendar = calendars["cal_emea_sales"]
    start = datetime.now(UTC)
    window = {"calendar_id": calendar["id"], "start": iso(start), "end": iso(start + timedelta(days=14))}
    opening = call("GET", "/v1/free_busy", params=window)["availability"][1:]
    for person, hours in zip(PEOPLE, opening, strict=False):
        begin = datetime.fromisoformat(hours["start"]) + timedelta(hours=1)
        event = {
            "calendar_id": calendar["id"],
            "title": "Trial call",
            "start": iso(begin),
            "end": iso(begin + timedelta(minutes=30)),
            "timezone": calendar["timezone"],
            "attendees": [person],
        }
        call("POST", "/v1/events", json=event, headers={"Idempotency-Key": secrets.token_hex(16)})
    return len(PEOPLE)


def iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def call(method: str, path: str, **arguments: Any) -> Any:
    headers = {"Authorization": f"Bearer {ACCESS_TOKEN}", **arguments.pop("headers", {})}
    response = requests.request(method, f"{sandbox_url()}{path}", headers=headers, timeout=10, **arguments)
    response.raise_for_status()
    return response.json()


def welcome_text(booked: int) -> str:
    web = f"http://127.0.0.1:{settings.PORT}"
    made = f"\n  {booked} bookings were made at the sandbox; they are in the admin by now." if booked else ""
    return f"""
Keepsync is running.{made}

  Admin     {web}/admin/    log in as {USERNAME} with the password {PASSWORD}
  API       {web}/api/docs/
  Sandbox   {sandbox_url()}/          book and pay as a customer does, and look what the CRMs, Zoom, Stripe,
                                   Slack and the mailbox received

Ctrl-C stops everything.
"""


def first_steps_text() -> str:
    """What a person needs to connect the sandbox by hand."""
    return f"""
  It has no connections: open First steps in the admin. Everything outside is played by the sandbox:

  calendar.live   slug {SLUG}, base URL {sandbox_url()}, access token {ACCESS_TOKEN}
  HubSpot         slug hubspot, base URL {sandbox_url()}/hubspot, access token {ACCESS_TOKEN}
  both            webhook secret {WEBHOOK_SECRET}
"""
