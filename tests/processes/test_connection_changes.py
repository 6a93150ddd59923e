"""What another process changes about a connection counts for the very next webhook in every web process."""

import re
from uuid import uuid4

import pytest

from tests.factories import SECRET
from tests.processes.installation import Installation
from tests.processes.samples import Payload, make_booking
from tests.processes.waiting import wait_for

pytestmark = pytest.mark.slow

WEB_PROCESSES = 2
NEW_SECRET = "whsec_another_process_made_it"
ADD_SECRET = """
from integrations.webhook_secrets import add_secret
from integrations.models import Connection
add_secret(Connection.objects.get(slug="{slug}"), "{secret}")
"""
RETIRE_SECRETS = """
from integrations.webhook_secrets import retire_secret
from integrations.models import WebhookSecret
for secret in WebhookSecret.objects.filter(connection__slug="{slug}"):
    if secret.secret != "{secret}":
        retire_secret(secret, force=True)
"""


@pytest.fixture
def slug(installation: Installation) -> str:
    """A connection of the test's own."""
    slug = f"c-{uuid4().hex[:8]}"
    installation.manage("connection", "add", "calendar_live", "--slug", slug, "--webhook-secret", SECRET)
    return slug


def assert_everywhere(
    installation: Installation, payload: Payload, status: int, *, slug: str, secret: str = SECRET
) -> None:
    """Post over new connections until each web process has answered: with this status, from the first post on."""
    seen = installation.access_log.stat().st_size

    def have_all_answered() -> bool:
        answer = installation.post(payload, slug=slug, secret=secret)
        assert answer.status == status, answer
        with installation.access_log.open() as log:
            log.seek(seen)
            lines = [line for line in log if slug in line]
        return len({re.match(r"<\d+>", line).group() for line in lines}) == WEB_PROCESSES  # type: ignore[union-attr]

    wait_for(have_all_answered, what=f"all web processes answer {status}")


def test_paused_connection_stores_and_waits(installation: Installation, slug: str) -> None:
    booking = make_booking()
    installation.manage("connection", "pause", slug)
    assert installation.post(booking, slug=slug).json() == {"status": "accepted"}
    # The worker has had the job in its hands and has put the delivery back.
    wait_for(lambda: not installation.fetch("SELECT id FROM django_q_ormq"), what="the queue is empty")
    assert installation.delivery(booking["id"])["status"] == "received"
    assert installation.delivery(booking["id"])["attempts"] == 0
    assert installation.post(booking, slug=slug).json() == {"status": "duplicate"}
    installation.manage("connection", "resume", slug)
    installation.wait_until_settled(booking["id"])
    delivery = installation.delivery(booking["id"])
    assert (delivery["status"], delivery["attempts"], delivery["duplicates"]) == ("processed", 1, 1)


def test_disabled_connection_is_unknown_in_every_process_at_once(installation: Installation, slug: str) -> None:
    booking = make_booking()
    assert_everywhere(installation, booking, 200, slug=slug)
    installation.manage("connection", "disable", slug)
    assert_everywhere(installation, booking, 404, slug=slug)
    installation.manage("connection", "resume", slug)
    assert_everywhere(installation, booking, 200, slug=slug)


def test_rotated_secret_counts_in_every_process_at_once(installation: Installation, slug: str) -> None:
    booking = make_booking()
    assert_everywhere(installation, booking, 200, slug=slug)
    assert_everywhere(installation, booking, 401, slug=slug, secret=NEW_SECRET)
    run_in_shell(installation, ADD_SECRET, slug)
    assert_everywhere(installation, booking, 200, slug=slug, secret=NEW_SECRET)
    assert_everywhere(installation, booking, 200, slug=slug)
    run_in_shell(installation, RETIRE_SECRETS, slug)
    assert_everywhere(installation, booking, 401, slug=slug)
    assert_everywhere(installation, booking, 200, slug=slug, secret=NEW_SECRET)


def run_in_shell(installation: Installation, script: str, slug: str) -> None:
    installation.manage("shell", "-v", "0", "-c", script.format(slug=slug, secret=NEW_SECRET))
