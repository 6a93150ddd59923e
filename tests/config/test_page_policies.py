"""What each page tells the browser to refuse."""

import json
import subprocess
import sys
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from integrations.models import Connection
from tests.template_database import ROOT

PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "k" * 60,
    "FIELD_ENCRYPTION_KEYS": "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "BLIND_INDEX_KEY": "b:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "DATABASE_URL": "postgresql:///keepsync",
    "BASE_URL": "https://keepsync.example",
    "ALLOWED_HOSTS": "keepsync.example",
    "EMAIL_URL": "smtp+tls://mail.example",
}
READ = """
import json, config.settings as found
names = ("SESSION_", "CSRF_COOKIE", "SECURE_HSTS", "SECURE_SSL", "TRUSTED_PROXIES")
print(json.dumps({name: getattr(found, name) for name in dir(found) if name.startswith(names)}))
"""


def read_policy(response: Any) -> dict[str, str]:
    parts = (each.strip().partition(" ") for each in response.headers["Content-Security-Policy"].split(";"))
    return {name: values for name, _, values in parts}


@pytest.mark.parametrize("address", ["/admin/login/", "/admin/", "/api/docs/", "/payments/paid/", "/healthz"])
def test_every_page_has_the_policies(address: str, admin_client: Client) -> None:
    response = admin_client.get(address)
    policy = read_policy(response)

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self' 'unsafe-eval'"
    assert (policy["form-action"], policy["frame-ancestors"], policy["base-uri"]) == ("'self'", "'none'", "'none'")
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in response.headers["Permissions-Policy"]


def test_a_page_that_is_refused_has_the_policies(db: None) -> None:
    assert read_policy(Client().get("/admin/no-such-page/"))["default-src"] == "'none'"
    assert read_policy(Client().get("/nowhere/"))["default-src"] == "'none'"


@pytest.mark.parametrize("address", ["/admin/", "/admin/login/?next=/admin/", "/api/docs/"])
def test_no_script_stands_in_a_page(address: str, admin_client: Client) -> None:
    client = Client() if "login" in address else admin_client
    page = client.get(address).content.decode()

    assert page.count("<script") == page.count("<script src=")


def test_the_forms_that_lead_to_a_provider_may(admin_client: Client, admin_user: User) -> None:
    connection = Connection.objects.create(slug="hubspot", provider="hubspot")
    address = reverse("admin:integrations_connection_authorise", args=[connection.pk])

    assert "form-action" not in read_policy(admin_client.get(address))
    assert "form-action" not in read_policy(Client().get("/admin/login/?next=/oauth/hubspot/start/"))
    assert "form-action" in read_policy(Client().get("/admin/login/?next=https://elsewhere.example/oauth/"))


@pytest.mark.slow
def test_in_production_cookies_stay_on_this_host_and_on_tls() -> None:
    done = subprocess.run([sys.executable, "-c", READ], cwd=ROOT, env=PRODUCTION, capture_output=True, check=True)
    found = json.loads(done.stdout)

    assert found["SESSION_COOKIE_NAME"] == "__Host-sessionid"
    assert found["SESSION_COOKIE_SECURE"]
    assert found["CSRF_COOKIE_SECURE"]
    assert found["SESSION_COOKIE_AGE"] == 12 * 60 * 60
    assert found["SECURE_SSL_REDIRECT"]
    assert found["SECURE_HSTS_SECONDS"] == 365 * 24 * 60 * 60
    assert found["TRUSTED_PROXIES"] == 1
