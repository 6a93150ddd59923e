"""Transactions that may meet another one on the same rows."""

from collections.abc import Callable

from django.db import IntegrityError, OperationalError, transaction

RACE_TRIES = 3
# SQLSTATE of a deadlock, and of a row that another transaction has made first.
LOST_RACES = {"40P01", "23505"}


def run_race(work: Callable[[], None]) -> None:
    """Run `work` in a transaction of its own. One that lost a race is run again at once, a few times."""
    for tries_left in reversed(range(RACE_TRIES)):
        try:
            with transaction.atomic():
                work()
            return
        except (OperationalError, IntegrityError) as error:
            if not tries_left or getattr(error.__cause__, "sqlstate", None) not in LOST_RACES:
                raise
