"""The outside: the sandbox as a process of its own, and an installation that is connected to all that it plays."""

import json
import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from tests.factories import SECRET
from tests.ports import free_port
from tests.processes.exchanges import Answer, exchange
from tests.processes.holding_proxy import Holds, HttpProxy, SmtpProxy, serving
from tests.processes.installation import Installation, prepare
from tests.processes.processes import Group
from tests.processes.waiting import wait_for

ACCESS_TOKEN = "sandbox-access-token"
STRIPE_SECRET = "whsec_stripe_7c1e"
PLAYED = ("hubspot", "salesforce", "pipedrive", "zoom", "stripe", "slack", "mail")
# calendar.live connections, and the CRM that each one's bookings go to. Only the last one's people get letters.
CALENDARS = {
    "to-hubspot": "hubspot",
    "to-salesforce": "salesforce",
    "to-pipedrive": "pipedrive",
    "quiet": "",
    "mailing": "",
}
CRMS = ("hubspot", "salesforce", "pipedrive")
PAID_TYPE = "paid-workshop"
TEST_CARD = "4242424242424242"


@dataclass
class Outside:
    """Keepsync reaches it through proxies, which can keep an exchange back; the test itself goes past them.

    `web_port` is where Stripe's webhooks are posted to: the installation's web process is to listen there.
    """

    folder: Path
    web_port: int = field(default_factory=free_port)
    port: int = field(default_factory=free_port)
    smtp_port: int = field(default_factory=free_port)
    holds: Holds = field(default_factory=Holds)
    stack: ExitStack = field(default_factory=ExitStack)

    # --- The process --------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        self.group = Group(self.command(), self.environment(), self.folder / "outside.log")
        self.stack.callback(self.group.stop)
        self.http = self.stack.enter_context(serving(HttpProxy(self.port, self.holds)))
        self.smtp = self.stack.enter_context(serving(SmtpProxy(self.smtp_port, self.holds)))
        wait_for(lambda: self.is_up() or not self.group.is_running(), what="the outside answers")
        assert self.group.is_running(), self.group.read_log()
        return self

    def stop(self) -> None:
        self.stack.close()

    def command(self) -> list[str]:
        bind = ["--bind", f"127.0.0.1:{self.port}", "--no-control-socket"]
        return ["-m", "gunicorn", "integrations.sandbox.wsgi", *bind, "--workers", "1", "--threads", "16"]

    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
        return inherited | {
            "SANDBOX_ACCESS_TOKEN": ACCESS_TOKEN,
            "SANDBOX_SMTP_PORT": str(self.smtp_port),
            "SANDBOX_STRIPE_WEBHOOK_URL": f"http://127.0.0.1:{self.web_port}/webhooks/stripe/",
            "SANDBOX_STRIPE_WEBHOOK_SECRET": STRIPE_SECRET,
        }

    def is_up(self) -> bool:
        try:
            return exchange(self.port, "GET", "/").status == 200
        except (OSError, HTTPException):
            return False

    # --- What it holds, and what steers it ----------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        answer = exchange(self.port, method, path, body=None if body is None else json.dumps(body).encode())
        assert answer.status < 300, answer
        return answer

    def turn(self, provider: str, **knobs: Any) -> None:
        """Set the faults of one provider; those that are not named are off."""
        self.call("PUT", f"/{provider}/_sandbox/knobs", knobs)

    def calm(self) -> None:
        """No faults anywhere."""
        for provider in PLAYED:
            self.turn(provider)

    def read(self, provider: str) -> dict[str, Any]:
        """Everything that a provider has: `records` by kind, and `requests`, the newest first."""
        state: dict[str, Any] = self.call("GET", f"/{provider}/_sandbox/state").json()
        return state

    def find(self, provider: str, kind: str, needle: str) -> list[dict[str, Any]]:
        """A provider's records of a kind in which the needle stands somewhere, deleted ones too."""
        return [record for record in self.read(provider)["records"][kind] if needle in json.dumps(record)]

    def pay(self, session_id: str) -> None:
        """As a customer does, on the session's page."""
        form = urlencode({"action": "pay", "number": TEST_CARD}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = exchange(self.port, "POST", f"/stripe/checkout/{session_id}/", body=form, headers=headers)
        assert answer.status == 302, answer


def connect(installation: Installation, outside: Outside) -> Installation:
    """Connect it to everything that the outside plays; the web process is not started."""
    arguments: dict[str, dict[str, Any]] = {
        **{name: {"options": {"access_token": ACCESS_TOKEN}} for name in (*CRMS, "zoom")},
        "stripe": {"options": {"api_key": ACCESS_TOKEN}, "webhook_secret": STRIPE_SECRET},
        "slack": {"options": {"bot_token": ACCESS_TOKEN, "channel": "#leads"}},
    }
    origin = f"http://127.0.0.1:{outside.http.port}"
    connections = [
        {"provider": name, "slug": name, "base_url": f"{origin}/{name}", **each} for name, each in arguments.items()
    ]
    for slug in CALENDARS:
        options = {"default_region": "FR", "send_emails": "1" if slug == "mailing" else "0"}
        connections.append({"provider": "calendar_live", "slug": slug, "webhook_secret": SECRET, "options": options})
    pairs = {calendar: crm for calendar, crm in CALENDARS.items() if crm}
    return prepare(installation, connections, pairs=pairs, prices={PAID_TYPE: 14900})
