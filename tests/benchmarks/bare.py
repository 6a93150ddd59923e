"""The yardstick: a bare WSGI function that checks the HMAC and inserts one row over a connection that stays open."""

import hashlib
import hmac
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import psycopg

SECRET = os.environ["BENCH_SECRET"].encode()
ANSWER = b'{"status":"accepted"}'
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER)))]
local = threading.local()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    if not hmac.compare_digest(environ["HTTP_X_CL_SIGNATURE"], hmac.new(SECRET, body, hashlib.sha256).hexdigest()):
        start_response("401 Unauthorized", HEADERS)
        return [ANSWER]
    if not hasattr(local, "connection"):
        local.connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    local.connection.execute(
        "INSERT INTO bare_delivery (delivery_id, body) VALUES (%s, %s)", [environ["HTTP_X_CL_DELIVERY_ID"], body]
    )
    start_response("200 OK", HEADERS)
    return [ANSWER]
