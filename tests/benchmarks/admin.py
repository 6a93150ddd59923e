"""`make bench-admin`: query counts and times of every page of the admin, over a database that has grown large.

A database of its own gets 1,000,000 deliveries, 3,000,000 effects with an attempt at each, 200,000 contacts and as many
meetings. Then admin_pages.py opens each kind of page. It is kept, to be looked at, until the next run.
"""

import os
import sys

from config import database
from tests.benchmarks.intake import make_database
from tests.processes.processes import run

LIMIT_S = 3600


def main() -> int:
    database.ensure_running()
    environ = {**os.environ, "DATABASE_URL": make_database(os.environ["DATABASE_URL"])}
    for arguments in (
        ["manage.py", "migrate", "--verbosity", "0"],
        ["-m", "tests.benchmarks.admin_pages", *sys.argv[1:]],
    ):
        done = run(arguments, {**environ, "DJANGO_SETTINGS_MODULE": "config.settings", "DEBUG": "1"}, LIMIT_S)
        print(done.stdout, done.stderr[-2000:] if done.returncode else "", sep="", flush=True)
        if done.returncode:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
