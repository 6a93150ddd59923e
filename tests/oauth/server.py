"""oidc-provider as a process of its own, and a gate that lets into the sandbox whoever it has given a token."""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.ports import free_port
from tests.processes.exchanges import Answer, exchange
from tests.processes.holding_proxy import Holds, HttpExchange, HttpProxy
from tests.processes.waiting import wait_for

FOLDER = Path(__file__).parent
FORM = "application/x-www-form-urlencoded"
# As the server's script has them.
SCOPES = ("base", "contacts:full", "activities:full")
STOP_S = 10


@dataclass
class AuthorisationServer:
    """`redirect_uri` is the only one that it leads back to. Its access tokens work for `access_ttl_s`."""

    redirect_uri: str
    log: Path
    access_ttl_s: int
    client_id: str = "keepsync-7d1e"
    client_secret: str = "client-secret-b1a4"
    port: int = field(default_factory=free_port)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def options(self) -> dict[str, str]:
        """Those of a connection that is authorised here."""
        return {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "authorize_url": f"{self.issuer}/auth",
            "token_url": f"{self.issuer}/token",
            "revoke_url": f"{self.issuer}/token/revocation",
        }

    @property
    def command(self) -> list[str]:
        arguments = {
            "port": self.port,
            "redirect-uri": self.redirect_uri,
            "client-id": self.client_id,
            "client-secret": self.client_secret,
            "scopes": " ".join(SCOPES),
            "access-ttl": self.access_ttl_s,
        }
        given = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
        return [find_node(), str(FOLDER / "oidc_server.mjs"), *given]

    @contextmanager
    def running(self) -> Iterator[None]:
        with self.log.open("wb") as output:
            process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        try:
            wait_for(lambda: self.is_ready() or process.poll() is not None, what="the authorisation server answers")
            assert process.poll() is None, self.log.read_text()[-2000:]
            yield
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
            process.kill()
            process.wait(STOP_S)

    def is_ready(self) -> bool:
        return f"READY {self.issuer}" in self.log.read_text()

    # --- What a client may ask it -------------------------------------------------------------------------------------

    def post(self, path: str, form: dict[str, str]) -> Answer:
        """As the client, by its id and secret (RFC 6749 2.3.1)."""
        login = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": FORM}
        return exchange(self.port, "POST", path, body=urlencode(form).encode(), headers=headers)

    def describe(self, token: str) -> dict[str, Any]:
        """RFC 7662; a token that does not work now is {"active": false}."""
        found: dict[str, Any] = json.loads(self.post("/token/introspection", {"token": token}).body)
        return found

    def revoke(self, token: str) -> None:
        """RFC 7009. With a refresh token goes the whole grant."""
        assert self.post("/token/revocation", {"token": token}).status == 200


def find_node() -> str:
    """Skips the test where there is no Node.js; fails where the server's packages were not installed."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("No Node.js is installed, for the authorisation server of the tests: apt-get install nodejs npm.")
    if not (FOLDER / "node_modules" / "oidc-provider").is_dir():
        pytest.fail("The authorisation server's packages are missing. Run: make node-packages")
    return node


# --- The API behind it ------------------------------------------------------------------------------------------------


class Gate(HttpProxy):
    """In front of a sandbox whose one token is `key`: the authorisation server says which others open it.

    `used` are the tokens that were let in, each once, in order; one that is not goes on as it is, and is refused there.
    """

    def __init__(self, target: int, server: AuthorisationServer, key: str) -> None:
        super().__init__(target, Holds())
        self.RequestHandlerClass = GateExchange
        self.server, self.key = server, key
        self.used: list[str] = []

    def exchange_token(self, header: str) -> str:
        scheme, _, token = header.partition(" ")
        if not self.server.describe(token).get("active"):
            return header
        if token not in self.used:
            self.used.append(token)
        return f"{scheme} {self.key}"


class GateExchange(HttpExchange):
    def do(self) -> None:
        gate = self.server
        assert isinstance(gate, Gate)
        if header := self.headers.get("Authorization"):
            self.headers.replace_header("Authorization", gate.exchange_token(header))
        super().do()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do  # noqa: N815  http.server calls them so
