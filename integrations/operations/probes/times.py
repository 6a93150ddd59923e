"""Whether times are kept in UTC."""

from django.conf import settings
from django.db import connection as database

from integrations.operations.checklist import DAY, Evidence, Section, failed, passed, proves

# Columns that hold a time without saying of which zone.
NAIVE = """
SELECT table_name || '.' || column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND data_type = 'timestamp without time zone' ORDER BY 1
"""


@proves(
    "times_in_utc",
    Section.INTEGRATION,
    "Times are kept in UTC",
    why="A time without a zone is another instant on each machine that reads it.",
    holds=DAY,
)
def probe_utc(now: object) -> Evidence:
    with database.cursor() as cursor:
        cursor.execute("SHOW TimeZone")
        [zone] = cursor.fetchone() or [""]
        cursor.execute(NAIVE)
        naive = [name for (name,) in cursor.fetchall()]
    if not settings.USE_TZ:
        return failed("USE_TZ is off.", advice="Set USE_TZ in config/settings.py.")
    if zone != "UTC":
        return failed(f"The database counts in {zone}.", advice="Take TIME_ZONE out of the database's settings.")
    if naive:
        told = f"{len(naive)} columns hold times without a zone, such as {naive[0]}."
        return failed(told, advice="Make them timestamp with time zone, in a migration.")
    return passed("The database counts in UTC, and each of its columns of times knows the instant.")
