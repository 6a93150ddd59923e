"""The yardstick: a bare WSGI function that checks the HMAC and inserts one row over a pooled connection."""

import atexit
import hashlib
import hmac
import os
from collections.abc import Callable, Iterable
from typing import Any

from psycopg_pool import ConnectionPool

SECRET = os.environ["BENCH_SECRET"].encode()
ANSWER = b'{"status":"accepted"}'
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER)))]


POOL = ConnectionPool(os.environ["DATABASE_URL"], min_size=8, max_size=8, kwargs={"autocommit": True}, open=False)
atexit.register(POOL.close)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    if not hmac.compare_digest(environ["HTTP_X_CL_SIGNATURE"], hmac.new(SECRET, body, hashlib.sha256).hexdigest()):
        start_response("401 Unauthorized", HEADERS)
        return [ANSWER]
    # By the first request: gunicorn imports this before it forks.
    POOL.open()
    with POOL.connection() as connection:
        connection.execute(
            "INSERT INTO bare_delivery (delivery_id, body) VALUES (%s, %s)", [environ["HTTP_X_CL_DELIVERY_ID"], body]
        )
    start_response("200 OK", HEADERS)
    return [ANSWER]
