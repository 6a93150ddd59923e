"""The yardstick of `make bench-sync`: a bare WSGI function that calls the CRM while the sender waits.

It checks the HMAC, upserts the contact and creates the meeting: two calls of one record each over a pool of open
connections. It stores nothing, tries nothing twice, keeps to no rate limit, and loses whatever the CRM refuses.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterable
from typing import Any

import requests
from requests.adapters import HTTPAdapter

SECRET = os.environ["BENCH_SECRET"].encode()
OBJECTS = f"{os.environ['BENCH_CRM']}/crm/objects/2026-03"
HEADERS = {"Authorization": "Bearer bench"}
SESSION = requests.Session()
SESSION.trust_env = False
SESSION.mount("http://", HTTPAdapter(pool_maxsize=32))


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    if not hmac.compare_digest(environ["HTTP_X_CL_SIGNATURE"], hmac.new(SECRET, body, hashlib.sha256).hexdigest()):
        status = "401 Unauthorized"
    else:
        status = "200 OK" if sync(json.loads(body)["data"]["event"]) else "502 Bad Gateway"
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [status[:2].encode()]


def sync(event: dict[str, Any]) -> bool:
    """Whether the CRM took both."""
    attendee = event["attendees"][0]
    email = attendee["email"]
    contact = {"id": email, "idProperty": "email", "properties": {"email": email, "lastname": attendee["full_name"]}}
    found = SESSION.post(f"{OBJECTS}/contacts/batch/upsert", json={"inputs": [contact]}, headers=HEADERS, timeout=10)
    if not found.ok:
        return False
    to = [{"to": {"id": found.json()["results"][0]["id"]}, "types": []}]
    meeting = {"properties": {"keepsync_id": event["id"], "hs_meeting_title": event["title"]}, "associations": to}
    made = SESSION.post(f"{OBJECTS}/meetings/batch/create", json={"inputs": [meeting]}, headers=HEADERS, timeout=10)
    return made.ok
