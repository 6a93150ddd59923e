"""One POST of a webhook: what came back, and how long it took."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import requests


@dataclass(frozen=True)
class Attempt:
    """One try; `http_status` is None where no answer came, and `error` then names the kind of failure."""

    at: datetime
    http_status: int | None
    error: str | None
    duration_ms: int


def post(url: str, body: bytes, *, headers: Mapping[str, str], at: datetime, timeout_s: float) -> Attempt:
    """POST the bytes as JSON; redirects are not followed. Nothing is raised: a failure is an attempt too."""
    started = time.monotonic()
    status, error = None, None
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy and no .netrc on the way to an endpoint on this machine
            sent = {"Content-Type": "application/json", **headers}
            status = session.post(url, data=body, headers=sent, timeout=timeout_s, allow_redirects=False).status_code
    except requests.RequestException as failure:
        error = type(failure).__name__
    return Attempt(at, status, error, round((time.monotonic() - started) * 1000))
