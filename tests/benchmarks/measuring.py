"""What `manage.py reconcile` takes, measured in the process that it runs in."""

import json
import resource
import sys
import time
from collections.abc import Callable
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.db import connection

from bookings.reconciliation import walks


class Counter:
    """Of the queries that a database connection is asked."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute: Callable[..., Any], *call: Any) -> Any:
        self.count += 1
        return execute(*call)


def measure(arguments: list[str]) -> None:
    """Run the command, and print what it said and took as one JSON object."""
    # What is measured is Keepsync, not the distance that its calls keep from each other.
    walks.SHARE = 1e9
    queries, out, begun = Counter(), StringIO(), time.perf_counter()
    with connection.execute_wrapper(queries):
        call_command("reconcile", "--json", *arguments, stdout=out)
    took = {"seconds": time.perf_counter() - begun, "queries": queries.count}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({**json.loads(out.getvalue()), **took, "peak_mib": peak}))
