"""An installation and the sandbox as `make run` connects them: every provider, its webhooks, and the outbox."""

import json
import os
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from integrations.demo import ACCESS_TOKEN
from tests.ports import free_port
from tests.processes.exchanges import exchange
from tests.processes.installation import Installation
from tests.processes.processes import Group
from tests.processes.waiting import wait_for

SETTINGS = "tests.processes.chaos_settings"
# The demo's connections, pairs and prices; an administrator with a token; and what the sandbox signs webhooks with.
PREPARE = """
import json
from django.apps import apps
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token
from integrations import demo
demo.ensure_connections()
demo.ensure_prices(apps.get_model("bookings", "Price"))
admin = User.objects.create_superuser("admin", "admin@keepsync.example", "{password}")
print(json.dumps({{"token": Token.objects.create(user=admin).key, "variables": demo.webhook_variables()}}))
"""


@dataclass
class Town:
    """`url` is that of a migrated database; `script` fills it, and prints the token and the sandbox's variables."""

    url: str
    folder: Path
    settings: str = SETTINGS
    script: str = PREPARE
    port: int = field(default_factory=free_port)
    smtp_port: int = field(default_factory=free_port)
    installation: Installation = field(init=False)
    sandbox: Group = field(init=False)

    def start(self) -> Self:
        web_port = free_port()
        variables = {
            "DJANGO_SETTINGS_MODULE": self.settings,
            "EMAIL_URL": f"smtp://127.0.0.1:{self.smtp_port}",
            "BASE_URL": f"http://127.0.0.1:{web_port}",
            "PORT": str(web_port),
            "SANDBOX_PORT": str(self.port),
        }
        self.installation = Installation(self.url, self.folder, variables=variables)
        self.start_sandbox(self.prepare())
        self.installation.start_web(port=web_port)
        self.installation.start_worker()
        return self

    def prepare(self) -> dict[str, str]:
        """Fill the database; the sandbox's variables for its webhooks."""
        printed = self.installation.manage("shell", "-v", "0", "-c", self.script.format(password=uuid4().hex))
        made = json.loads(printed)
        self.installation.token = made["token"]
        variables: dict[str, str] = made["variables"]
        return variables

    def start_sandbox(self, variables: dict[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
        own = {"SANDBOX_ACCESS_TOKEN": ACCESS_TOKEN, "SANDBOX_SMTP_PORT": str(self.smtp_port)}
        bind = ["-b", f"127.0.0.1:{self.port}", "--no-control-socket", "--log-level", "warning"]
        bind += ["--access-logfile", str(self.access_log), "--access-logformat", "%(m)s %(U)s %(s)s %(a)s"]
        command = ["-m", "gunicorn", "--workers", "1", "--threads", "32", *bind, "integrations.sandbox.wsgi"]
        self.sandbox = self.installation.start_group("sandbox", command, {**inherited, **own, **variables})
        wait_for(lambda: self.is_up() or not self.sandbox.is_running(), what="the sandbox answers")
        assert self.sandbox.is_running(), self.sandbox.read_log()

    @property
    def access_log(self) -> Path:
        """A line for each answer of the sandbox: method, path, status and who asked."""
        return self.folder / "sandbox-access.log"

    def stop(self) -> None:
        self.installation.stop()

    def is_up(self) -> bool:
        try:
            return exchange(self.port, "GET", "/").status == 200
        except (OSError, HTTPException):
            return False

    # --- What the sandbox holds, and what steers it -------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        sent = None if body is None else json.dumps(body).encode()
        answer = exchange(self.port, method, path, body=sent)
        assert answer.status < 300, answer
        return answer.json() if answer.body else None

    def read(self, provider: str) -> dict[str, Any]:
        """Its `records` by kind, `counts`, and the newest `requests` and `webhooks`."""
        state: dict[str, Any] = self.ask("GET", f"/{provider}/_sandbox/state")
        return state

    def turn(self, provider: str, **knobs: Any) -> None:
        """Set a provider's faults; those that are not named are off."""
        self.ask("PUT", f"/{provider}/_sandbox/knobs", knobs)
