"""The demo that `make run` shows: an administrator, a connection to the sandbox, and a few bookings made there."""

import os
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from django.conf import settings

from integrations.connections import add_connection
from integrations.models import Connection, Delivery, WebhookSecret

SLUG = "calendar-live"
USERNAME, PASSWORD = "admin", "keepsync"
ACCESS_TOKEN = "sandbox-access-token"  # noqa: S105
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


def ensure_connection() -> Connection:
    """The demo's connection, pointing to where the sandbox is this time."""
    connection = Connection.objects.filter(slug=SLUG).first()
    if connection is None:
        options = {"access_token": ACCESS_TOKEN, "default_region": "FR"}
        connection, _ = add_connection(provider="calendar_live", slug=SLUG, base_url=sandbox_url(), options=options)
    Connection.objects.filter(pk=connection.pk).update(base_url=sandbox_url())
    return connection


def processes(python: str) -> list[tuple[str, str, dict[str, str]]]:
    """Name, command and environment of each process."""
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    gunicorn = f"{python} -m gunicorn --log-level warning"
    secret = WebhookSecret.objects.filter(connection__slug=SLUG, retired_at=None)[:1].get()
    sandbox = {
        **environ,
        "SANDBOX_WEBHOOK_URL": f"http://127.0.0.1:{settings.PORT}/webhooks/{SLUG}/",
        "SANDBOX_WEBHOOK_SECRET": secret.secret,
        "SANDBOX_ACCESS_TOKEN": ACCESS_TOKEN,
        "SANDBOX_STATE": os.environ.get("SANDBOX_STATE") or str(settings.BASE_DIR / ".data" / "sandbox.json"),
    }
    bind = f"-b 127.0.0.1:{settings.SANDBOX_PORT} --no-control-socket"
    return [
        ("web", f"{gunicorn} -c config/gunicorn.py config.wsgi", environ),
        ("worker", f"{python} manage.py qcluster", environ),
        ("sandbox", f"{gunicorn} --workers 1 --threads 8 {bind} integrations.sandbox.wsgi", sandbox),
    ]


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
  Sandbox   {sandbox_url()}/          book, reschedule and cancel as a customer does

Ctrl-C stops everything.
"""
