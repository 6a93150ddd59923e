"""Emptying the database after a test that commits. Django truncates all tables and makes all permissions anew: seconds.

Most tests fill a few tables. Only those are emptied, where the tables that Django fills again by itself are as they
were; else it is left to Django.
"""

from functools import cache
from typing import cast

from django.db import connection as database
from django.db.transaction import atomic
from django.db.utils import ProgrammingError
from django.test import TransactionTestCase

django_empties = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]
# Table → digest of its rows after Django has emptied the database, by the database's name.
_refilled: dict[str, dict[str, str]] = {}


def empty(case: TransactionTestCase) -> None:
    """In the place of `_fixture_teardown`."""
    name = str(database.settings_dict["NAME"])
    if name not in _refilled or case.available_apps is not None or not delete_rows(_refilled[name]):
        django_empties(case)
        _refilled[name] = {table: digest(table) for table in list_filled()}


def delete_rows(refilled: dict[str, str]) -> bool:
    """Whether that was enough. Needs a superuser, as whom foreign keys can be left unchecked for a moment."""
    filled = list_filled()
    if not refilled.keys() <= filled or any(digest(table) != before for table, before in refilled.items()):
        return False
    statements = [f'DELETE FROM "{table}"' for table in sorted(filled - refilled.keys())]
    try:
        with atomic(), database.cursor() as cursor:
            cursor.execute(";".join(["SET LOCAL session_replication_role = replica", *statements]))
    except ProgrammingError:
        return False
    return True


def list_filled() -> set[str]:
    """The tables in which there is something; that of the migrations is nobody's to empty."""
    probes = (f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM \"{table}\")" for table in list_tables())
    with database.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(probes))
        return {table for (table,) in cursor.fetchall()} - {"django_migrations"}


@cache
def list_tables() -> tuple[str, ...]:
    return tuple(database.introspection.table_names())


def digest(table: str) -> str:
    with database.cursor() as cursor:
        cursor.execute(f"SELECT md5(string_agg(row::text, '|' ORDER BY row::text)) FROM \"{table}\" AS row")
        return cast("str", cursor.fetchone()[0])
