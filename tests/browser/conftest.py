"""A running installation, as `make run` starts it, and a browser."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from playwright.sync_api import Browser, Page, sync_playwright

from tests.ports import free_port
from tests.processes.installation import fresh_database
from tests.processes.processes import run

PICTURES = Path(__file__).parent / "pictures"


@dataclass(frozen=True)
class Installation:
    web: str
    sandbox: str
    environ: Mapping[str, str]

    def manage(self, *arguments: str) -> str:
        """The standard output of a `manage.py` command, which must succeed."""
        done = run(["manage.py", *arguments], self.environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fetch(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.environ["DATABASE_URL"], autocommit=True) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture(scope="session")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None and os.environ.get("CI"):
        pytest.fail("No Chromium: .ci/run installs it.")
    if found is None:
        pytest.skip("No Chromium is installed: apt-get install chromium.")
    return found


@pytest.fixture(scope="session")
def installation(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """What all tests share: each leaves it fit for the others."""
    yield from new_installation(tmp_path_factory.mktemp("installation"))


def new_installation(folder: Path, *options: str, **variables: str) -> Iterator[Installation]:
    """`manage.py run` on a database and ports of its own; its environment has the variables besides."""
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        yield from run_on({**variables, "DATABASE_URL": url}, [free_port(), free_port()], folder, *options)


def run_on(variables: Mapping[str, str], ports: list[int], folder: Path, *options: str) -> Iterator[Installation]:
    environ = {
        **os.environ,
        **variables,
        "PORT": str(ports[0]),
        "SANDBOX_PORT": str(ports[1]),
        "SANDBOX_STATE": str(folder / "sandbox.json"),
        "DEBUG": "1",
    }
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run", *options],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    made = Installation(f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}", environ)
    try:
        wait_until_ready(made, process, log)
        yield made
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, log.read_text()[-3000:]


def wait_until_ready(installation: Installation, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while "Keepsync is running" not in log.read_text():
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.2)
    assert requests.get(f"{installation.web}/readyz", timeout=30).ok


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 800}, locale="en-GB")
    context.set_default_timeout(30_000)
    page = context.new_page()
    yield page
    context.close()


def take_picture(page: Page, name: str) -> None:
    """A small picture for the README, where KEEP_PICTURES=1 asks for it."""
    if os.environ.get("KEEP_PICTURES") == "1":
        PICTURES.mkdir(exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png")
