"""Who waits for whom while contacts are compared. Each lock is PostgreSQL's, over all processes.

They are taken in this order; `aliases.lock_forest` and the contacts' locks come before PAIRS.

1. COMPARING: whoever reads contacts to write their scores. One at a time, so that no older reading is written last.
2. PAIRS: whoever changes pairs that are there, and clusters: comparisons, merges, and people who decide. For moments
   only, and before any of the pairs is locked.
"""

from django.db import connection as database

COMPARING = (14, 0)
PAIRS = (14, 1)
# The comparison of all contacts, from its start to its end.
RUN = (14, 2)


def lock_pairs() -> None:
    """Until the transaction ends."""
    lock(PAIRS)


def lock_comparing() -> None:
    """Until the transaction ends."""
    lock(COMPARING)


def try_lock_comparing() -> bool:
    """Until the transaction ends. False where somebody else compares."""
    return ask("SELECT pg_try_advisory_xact_lock(%s, %s)", COMPARING)


def try_lock_run() -> bool:
    """Until `unlock_run`, or the process dies. False where another process has it."""
    return ask("SELECT pg_try_advisory_lock(%s, %s)", RUN)


def unlock_run() -> None:
    ask("SELECT pg_advisory_unlock(%s, %s)", RUN)


def is_running() -> bool:
    """Whether all contacts are being compared."""
    return ask(
        """
        SELECT EXISTS (
            SELECT FROM pg_locks AS lock JOIN pg_database AS here ON here.oid = lock.database
            WHERE locktype = 'advisory' AND (classid, objid) = (%s, %s) AND datname = current_database()
        )
        """,
        RUN,
    )


def lock(key: tuple[int, int]) -> None:
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", key)


def ask(query: str, key: tuple[int, int]) -> bool:
    with database.cursor() as cursor:
        cursor.execute(query, key)
        return bool(cursor.fetchone()[0])
