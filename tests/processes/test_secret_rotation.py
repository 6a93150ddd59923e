"""A webhook secret is rotated under load: the sender's processes switch at different times, and nothing is refused."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from tests.factories import SECRET
from tests.processes.exchanges import Answer
from tests.processes.installation import Installation
from tests.processes.samples import make_booking
from tests.processes.waiting import wait_for

pytestmark = pytest.mark.slow

NEW_SECRET = "whsec_switched_under_load"
# In all, over all of the sender's processes.
RATE_PER_S = 20
SENDERS = 4
SENT_BEFORE_SWITCH = 20
SENT_AFTER_SWITCH = 10
QUIET_S = 1
RETIRE = """
from datetime import timedelta
from integrations.exceptions import StateError
from integrations.models import Connection
from integrations.webhook_secrets import retire_older
try:
    print("retired", retire_older(Connection.objects.get(slug="{slug}"), quiet=timedelta(seconds={quiet_s})))
except StateError as error:
    print("refused", error)
"""


@dataclass
class Sender:
    """One of the sender's processes: it posts at its pace, with the secret that it knows at the moment."""

    installation: Installation
    slug: str
    secret: str = SECRET
    # What was posted: its id, the secret, and the answer.
    sent: list[tuple[str, str, Answer]] = field(default_factory=list)
    errors: list[OSError] = field(default_factory=list)

    def run(self, stopped: threading.Event) -> None:
        while not stopped.wait(SENDERS / RATE_PER_S):
            booking, secret = make_booking(), self.secret
            try:
                answer = self.installation.post(booking, slug=self.slug, secret=secret)
            except OSError as error:
                self.errors.append(error)
                continue
            self.sent.append((booking["id"], secret, answer))

    def count(self, secret: str) -> int:
        return sum(secret == used for _, used, _ in list(self.sent))


@contextmanager
def sending(senders: Sequence[Sender]) -> Iterator[None]:
    stopped = threading.Event()
    threads = [threading.Thread(target=sender.run, args=[stopped]) for sender in senders]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def wait_for_count(senders: Sequence[Sender], secret: str, count: int) -> None:
    """Until as many more deliveries as this were sent with the secret."""
    goal = sum(sender.count(secret) for sender in senders) + count
    wait_for(lambda: sum(sender.count(secret) for sender in senders) >= goal, what=f"{count} deliveries are sent")


def retire_old(installation: Installation, slug: str, *, quiet_s: int) -> str:
    """As `--retire-old` does it, with another time of quiet than its hour."""
    return installation.manage("shell", "-v", "0", "-c", RETIRE.format(slug=slug, quiet_s=quiet_s)).strip()


def test_rotation_under_load_refuses_and_loses_nothing(installation: Installation) -> None:
    """1. All send with the old secret. 2. Another process adds the new one. 3. Half of the senders switch.
    4. The old one cannot be retired. 5. The late half switches. 6. It is quiet, and is retired. 7. All go on."""
    slug = f"c-{uuid4().hex[:8]}"
    installation.manage("connection", "add", "calendar_live", "--slug", slug, "--webhook-secret", SECRET)
    # What is measured is the intake: the worker has nothing to do with it.
    installation.manage("connection", "pause", slug)
    senders = [Sender(installation, slug) for _ in range(SENDERS)]
    early, late = senders[: SENDERS // 2], senders[SENDERS // 2 :]
    with sending(senders):
        wait_for_count(senders, SECRET, SENT_BEFORE_SWITCH)
        installation.manage("rotate_secret", slug, "--secret", NEW_SECRET, "--json")
        for sender in early:
            sender.secret = NEW_SECRET
        wait_for_count(early, NEW_SECRET, SENT_AFTER_SWITCH)

        refused = retire_old(installation, slug, quiet_s=3600)
        assert refused.startswith("refused Secret"), refused
        assert "in the last hour, the last one just now" in refused

        for sender in late:
            sender.secret = NEW_SECRET
        wait_for(lambda: is_quiet(installation, slug), what="the old secret is quiet")
        assert retire_old(installation, slug, quiet_s=QUIET_S).startswith("retired [")
        wait_for_count(senders, NEW_SECRET, SENT_AFTER_SWITCH)

    assert_nothing_was_refused_or_lost(installation, slug, senders)
    assert installation.post(make_booking(), slug=slug, secret=SECRET).status == 401


def is_quiet(installation: Installation, slug: str) -> bool:
    query = """
        SELECT max(received_at) < now() - make_interval(secs => %s) FROM integrations_delivery AS delivery
        WHERE secret_id = (
            SELECT min(secret.id) FROM integrations_webhooksecret AS secret
            JOIN integrations_connection AS endpoint ON endpoint.id = secret.connection_id WHERE endpoint.slug = %s
        )
    """
    return bool(installation.fetch(query, QUIET_S, slug)[0][0])


def assert_nothing_was_refused_or_lost(installation: Installation, slug: str, senders: Sequence[Sender]) -> None:
    """Each delivery was accepted at its first try, and is stored once, under the secret that it was signed with."""
    sent = [each for sender in senders for each in sender.sent]
    assert [error for sender in senders for error in sender.errors] == []
    assert {(answer.status, answer.json().get("status")) for _, _, answer in sent} == {(200, "accepted")}
    assert all(sender.count(SECRET) and sender.count(NEW_SECRET) for sender in senders)
    query = """
        SELECT delivery.delivery_id, secret_id FROM integrations_delivery AS delivery
        JOIN integrations_connection AS endpoint ON endpoint.id = delivery.connection_id
        WHERE endpoint.slug = %s AND is_accepted
    """
    stored = installation.fetch(query, slug)
    old_id, new_id = sorted({secret_id for _, secret_id in stored})
    expected = [(delivery_id, new_id if secret == NEW_SECRET else old_id) for delivery_id, secret, _ in sent]
    assert sorted(stored) == sorted(expected)
