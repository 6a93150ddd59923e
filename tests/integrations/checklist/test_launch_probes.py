"""The probes of "Going live" in the plumbing: each passes where all is well, and fails where that thing is broken."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection as database
from django.utils import timezone
from rest_framework.authtoken.models import Token

from integrations import demo
from integrations.connections import add_connection
from integrations.models import Connection, RetentionTime, WebhookSecret
from integrations.operations.checklist import Standing, get_item, look, sign
from integrations.privacy.keys import generate_key, parse_keys
from integrations.privacy.residency import set_rules
from integrations.retention import running
from integrations.roles import VIEWER
from tests.integrations.checklist.support import prove, refute


def stands(name: str) -> Standing:
    return look(timezone.now(), [get_item(name)])[0].standing


# --- Secrets ----------------------------------------------------------------------------------------------------------


def test_the_keys_open_what_is_stored(calendar_live: Connection) -> None:
    assert "encrypted values of the 50 oldest and newest rows" in prove("encryption")


def test_a_lost_key_is_found_and_named(calendar_live: Connection, settings: Any) -> None:
    lost = next(iter(settings.FIELD_ENCRYPTION_KEYS))
    settings.FIELD_ENCRYPTION_KEYS = parse_keys(f"another:{generate_key().rpartition(':')[2]}")
    told = refute("encryption")
    assert f"key {lost} is missing" in told
    assert "integrations_connection" in told


def test_a_damaged_value_is_found(calendar_live: Connection) -> None:
    with database.cursor() as cursor:
        cursor.execute("UPDATE integrations_webhooksecret SET secret = secret || '\\x00'")
    assert "integrations_webhooksecret" in refute("encryption")


def test_young_webhook_secrets_are_proved(calendar_live: Connection) -> None:
    assert "Each of the 1 connections" in prove("webhook_secrets")


def test_an_old_webhook_secret_is_found(calendar_live: Connection) -> None:
    WebhookSecret.objects.update(created_at=timezone.now() - timedelta(days=30))
    assert "calendar-live: its newest secret is older than 30 days" in refute("webhook_secrets")


def test_metrics_need_a_token_that_nobody_guesses(settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    assert refute("metrics_token") == "METRICS_TOKEN is not set."
    settings.METRICS_TOKEN = "short"
    assert refute("metrics_token") == "METRICS_TOKEN is too short."
    settings.METRICS_TOKEN = "x" * 20
    assert prove("metrics_token") == "METRICS_TOKEN is set."


def test_the_demos_password_is_found(db: None) -> None:
    assert "There is no active user" in prove("demo_password")
    demo.ensure_admin(User)
    assert "has the demo's password" in refute("demo_password")
    user = User.objects.get(username=demo.USERNAME)
    user.set_password("another-Long-one-77")
    user.save()
    assert "has another password" in prove("demo_password")


# --- Access -----------------------------------------------------------------------------------------------------------


def test_who_has_access_is_counted(admin_user: User) -> None:
    Token.objects.create(user=admin_user)
    User.objects.create_user("nora", is_staff=True).groups.add(Group.objects.get(name=VIEWER))
    assert "1 superusers; 1 viewers, 0 operators, 0 integration admins; 1 API tokens" in prove("access")


def test_a_token_of_somebody_who_left_is_found(admin_user: User) -> None:
    Token.objects.create(user=User.objects.create_user("nora", is_active=False))
    assert "1 API token of users who may not sign in" in refute("access")


@pytest.mark.parametrize("count", [0, 6])
def test_no_superuser_and_too_many_are_found(count: int, db: None) -> None:
    for number in range(count):
        User.objects.create_superuser(f"admin{number}", password="x")
    assert refute("access").startswith(f"{count} active superusers")


def test_a_signature_for_the_access_is_void_once_somebody_gets_a_role_or_a_token(admin_user: User) -> None:
    nora = User.objects.create_user("nora", is_staff=True)
    sign(get_item("access"), admin_user, "Went through the list with HR.")
    assert stands("access") == Standing.PASSED
    nora.groups.add(Group.objects.get(name=VIEWER))
    assert stands("access") == Standing.VOID
    nora.groups.clear()
    assert stands("access") == Standing.PASSED
    Token.objects.create(user=nora)
    assert stands("access") == Standing.VOID


# --- Policies ---------------------------------------------------------------------------------------------------------


def test_a_signature_for_the_regions_is_void_once_data_go_to_another_account(
    calendar_live: Connection, admin_user: User
) -> None:
    sign(get_item("region_policy"), admin_user, "All of it stays in the EU.")
    assert stands("region_policy") == Standing.PASSED
    add_connection(slug="hubspot", provider="hubspot")
    assert stands("region_policy") == Standing.VOID


def test_a_policy_that_cannot_work_fails(calendar_live: Connection) -> None:
    set_rules({("eu", "us"): False})
    assert "1 connections have no region" in refute("region_policy")
    Connection.objects.update(region="eu")
    assert "Every connection has a region" in prove("region_policy")


def test_retention_is_proved_by_a_purge_and_signed(admin_user: User) -> None:
    assert "No purge has run yet" in refute("retention")
    purge = running.start()
    while running.take_slice(purge):
        pass
    sign(get_item("retention"), admin_user, "Payloads go after 90 days.")
    assert stands("retention") == Standing.PASSED
    RetentionTime.objects.update_or_create(name="payloads", defaults={"days": 30})
    assert stands("retention") == Standing.VOID
