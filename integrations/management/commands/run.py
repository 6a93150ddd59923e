"""`make run`: everything at once on this machine, for a look round: web, worker and the sandbox, with demo data."""

import socket
import sys
import threading
import time
from typing import Any

import requests
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connections
from honcho.manager import Manager

from integrations import demo

HOST = "127.0.0.1"
START_TIMEOUT_S, ANSWER_S = 150, 10


class Command(BaseCommand):
    help = "Start web, worker and sandbox on this machine, with demo data. Ctrl-C stops all of it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--empty",
            action="store_true",
            help="without connections and bookings, on a database that has none: for the first steps in the admin",
        )

    def handle(self, *args: Any, empty: bool = False, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("this is for development (DEBUG=1); the README says how to run Keepsync for real.")
        for name, port in (("PORT", settings.PORT), ("SANDBOX_PORT", settings.SANDBOX_PORT)):
            check_port(name, port)
        self.prepare_database(is_empty=empty)
        manager = Manager()
        for name, command, environ in demo.processes(sys.executable, is_empty=empty):
            manager.add_process(name, command, env=environ)
        threading.Thread(target=self.welcome, args=(empty,), daemon=True).start()
        manager.loop()
        # Stopped on request (SIGINT, SIGTERM) is no failure.
        sys.exit(0 if manager.returncode in (130, 143) else manager.returncode)

    def prepare_database(self, *, is_empty: bool) -> None:
        try:
            connections["default"].ensure_connection()
        except OperationalError as error:
            raise CommandError("the database of DATABASE_URL cannot be reached: is it running?") from error
        self.stdout.write("Preparing the database …")
        call_command("migrate", verbosity=0, interactive=False)
        demo.ensure_admin(get_user_model())
        if not is_empty:
            demo.ensure_connections()
            demo.ensure_prices(apps.get_model("bookings", "Price"))
        connections.close_all()

    def welcome(self, is_empty: bool) -> None:
        """Once all three answer: the demo's bookings, made at the sandbox like a customer's, and where to look."""
        if not wait_until_ready():
            self.stderr.write(f"Keepsync did not become ready within {START_TIMEOUT_S} s: see the lines above.")
            return
        booked = 0 if is_empty else demo.book_examples()
        self.stdout.write(demo.welcome_text(booked) + (demo.first_steps_text() if is_empty else ""))
        self.stdout.flush()


def check_port(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise CommandError(f"port {port} is in use: stop what listens there, or run make run {name}=…") from None


def wait_until_ready() -> bool:
    addresses = (f"http://{HOST}:{settings.PORT}/readyz", f"http://{HOST}:{settings.SANDBOX_PORT}/")
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if all(answers(address) for address in addresses):
            return True
        time.sleep(0.3)
    return False


def answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=ANSWER_S).ok
    except requests.RequestException:
        return False
