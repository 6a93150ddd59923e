"""Whether the database has the unique indexes that decide races."""

from collections.abc import Sequence

from django.db import connection as database

PRESENT = """
SELECT relname FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid
WHERE relname = ANY(%s) AND indisunique AND indisvalid AND pg_table_is_visible(indrelid)
"""


def find_missing(names: Sequence[str]) -> list[str]:
    """Those that are not there, or are there and hold nothing back."""
    with database.cursor() as cursor:
        cursor.execute(PRESENT, [list(names)])
        present = {name for (name,) in cursor.fetchall()}
    return [name for name in names if name not in present]
