"""A pytest plugin, loaded with -p before Django's settings are: starts the embedded PostgreSQL where none is named."""

import os
import re

import psycopg
from psycopg import sql

from config import database

TEST_DATABASE = re.compile(r"test_keepsync_(\d+)")


def drop_leftovers() -> None:
    """The databases of test runs that were killed."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall():
            found = TEST_DATABASE.match(name)
            if found and not is_alive(int(found[1])):
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


database.ensure_running()
drop_leftovers()
