"""Whether secrets are set, young enough, and can be read; and whether those of the demo are gone."""

from collections import Counter
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection as database
from django.db.models import Max, Q
from django.urls import reverse

from integrations import demo
from integrations.models import Connection
from integrations.operations.checklist import DAY, Evidence, Section, failed, passed, proves
from integrations.operations.pages import page_of
from integrations.operations.probes.webhooks import list_receiving
from integrations.privacy.encryption import UnreadableValueError, decrypt
from integrations.privacy.key_rotation import Table, list_tables
from integrations.webhook_secrets import ROTATE_AFTER

# Of each table the oldest and the newest rows.
SAMPLED = 50
TOKEN_LENGTH = 20


# --- Encryption -------------------------------------------------------------------------------------------------------


@proves(
    "encryption",
    Section.LAUNCH,
    "The encryption keys open what is stored",
    why="Without its key a token, a secret or a name is lost for good: better to notice while the key can be found.",
    holds=DAY,
)
def probe_encryption(now: object) -> Evidence:
    tables, opened, closed = list_tables(), 0, Counter[str]()
    for table in tables:
        for stored in read_sample(table):
            if problem := find_problem(stored):
                closed[f"{table.name}: {problem}"] += 1
            else:
                opened += 1
    if closed:
        told = [f"{count} of the values looked at cannot be read in {where}." for where, count in closed.most_common(3)]
        return failed(
            *told, advice="Add the missing key to FIELD_ENCRYPTION_KEYS again, behind the first, and restart."
        )
    keys = len(settings.FIELD_ENCRYPTION_KEYS)
    sample = f"the {SAMPLED} oldest and newest rows of {len(tables)} tables"
    return passed(f"{opened:,} encrypted values of {sample} were decrypted, with {keys} key{'' if keys == 1 else 's'}.")


def read_sample(table: Table) -> list[bytes]:
    """The stored bytes of all encrypted columns of some rows, by the index of the key."""
    name, key, columns = table.quoted
    rows: list[tuple[Any, ...]] = []
    with database.cursor() as cursor:
        for order in ("ASC", "DESC"):
            chosen = f"SELECT {', '.join(columns)} FROM {name} ORDER BY {key} {order} LIMIT {SAMPLED}"  # noqa: S608
            cursor.execute(chosen)
            rows += cursor.fetchall()
    return [bytes(value) for row in rows for value in row if value is not None]


def find_problem(stored: bytes) -> str:
    try:
        decrypt(stored)
    except UnreadableValueError as error:
        return error.reason
    return ""


# --- Age --------------------------------------------------------------------------------------------------------------


@proves(
    "webhook_secrets",
    Section.LAUNCH,
    "Webhook secrets are young",
    why="A secret that is never changed is known to everybody who has ever worked with it.",
    holds=DAY,
)
def probe_webhook_secrets(now: datetime) -> Evidence:
    receiving = [connection.pk for connection in list_receiving()]
    newest = Max("webhook_secrets__created_at", filter=Q(webhook_secrets__retired_at=None))
    made = Connection.objects.filter(pk__in=receiving).defer("credentials").annotate(made_at=newest).order_by("slug")
    for connection in made:
        if connection.made_at is None or now - connection.made_at >= ROTATE_AFTER:
            told = f"{connection}: its newest secret is older than {ROTATE_AFTER.days} days, or there is none."
            address = page_of(connection, "secrets")
            return failed(told, advice="Rotate it: its page leads through that without a gap.", address=address)
    return passed(
        f"Each of the {len(made)} connections that receive webhooks has one of less than {ROTATE_AFTER.days} days."
    )


# --- What must be set, and what must not be left ----------------------------------------------------------------------


@proves(
    "metrics_token",
    Section.LAUNCH,
    "Metrics are read with a token",
    why="Without one only this machine may ask, so that nobody outside watches; with a short one anybody may.",
    holds=DAY,
)
def probe_metrics_token(now: object) -> Evidence:
    if len(settings.METRICS_TOKEN) < TOKEN_LENGTH:
        told = f"METRICS_TOKEN is {'too short' if settings.METRICS_TOKEN else 'not set'}."
        return failed(told, advice=f"Set METRICS_TOKEN to {TOKEN_LENGTH} or more random characters, and restart.")
    return passed("METRICS_TOKEN is set.")


@proves(
    "demo_password",
    Section.LAUNCH,
    "Nobody signs in with the demo's password",
    why="It stands in the README.",
    holds=DAY,
)
def probe_demo_password(now: object) -> Evidence:
    """Of the demo's own user: to try it for everybody would take a second each."""
    user = User.objects.filter(username=demo.USERNAME, is_active=True).first()
    if user is None:
        return passed(f"There is no active user {demo.USERNAME}.")
    if user.check_password(demo.PASSWORD):
        address = reverse("admin:auth_user_password_change", args=[user.pk])
        return failed(f"The user {demo.USERNAME} has the demo's password.", advice="Give another one.", address=address)
    return passed(f"The user {demo.USERNAME} has another password.")
