"""The JSON API by which a test or a rehearsal steers a played provider, under `<prefix>/_sandbox/`.

    *control_urls("zoom", show=..., reset=...)      # in the provider's urls.py

- `GET knobs` and `PUT knobs`: all faults at once; what is left out is off (see faults.py).
- `GET state`: `{"counts": {...}, "records": {...}, "requests": [...], "webhooks": [...],
  "grants": [...]}`, newest request and grant first; of tokens only the last characters.
- `POST reset`: no records, no log, no faults, no grants, 204.

It asks for no token: the sandbox listens on loopback, and nothing in it is real.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from integrations.sandbox.faults import Faults, KnobError, get_faults, parse_knobs
from integrations.sandbox.grants import get_grants
from integrations.sandbox.log import get_log
from integrations.sandbox.persistence import encode
from integrations.sandbox.runtime import get_sender
from integrations.sandbox.signing import SCHEMES


def control_urls(
    provider: str,
    *,
    show: Callable[[], Mapping[str, Any]],
    reset: Callable[[], None],
    faults: Faults[Any] | None = None,
) -> list[URLPattern]:
    """`show` gives the records as JSON values, each kind a list; `reset` forgets them; `faults` are those of an API
    unless others are given."""
    chosen = faults or get_faults(provider)
    kind = type(chosen.knobs)

    @csrf_exempt
    @require_http_methods(["GET", "PUT"])
    def knobs(request: HttpRequest) -> HttpResponse:
        if request.method == "PUT":
            try:
                chosen.set(parse_knobs(kind, json.loads(request.body)))
            except ValueError as error:
                return refuse_knobs(error)
        return JsonResponse(dataclasses.asdict(chosen.knobs))

    @require_http_methods(["GET"])
    def state(request: HttpRequest) -> HttpResponse:
        return JsonResponse(describe_state(provider, show()))

    @csrf_exempt
    @require_http_methods(["POST"])
    def start_afresh(request: HttpRequest) -> HttpResponse:
        reset()
        get_log(provider).clear()
        chosen.set(kind())
        get_grants(provider).reset()
        if provider in SCHEMES:
            get_sender(provider).clear()
        return HttpResponse(status=204)

    return [path("_sandbox/knobs", knobs), path("_sandbox/state", state), path("_sandbox/reset", start_afresh)]


def refuse_knobs(error: ValueError) -> HttpResponse:
    """400 for what parse_knobs() or json.loads() raised."""
    field = error.field if isinstance(error, KnobError) else None
    message = str(error) if isinstance(error, KnobError) else "The body is not JSON."
    return JsonResponse({"code": "invalid", "message": message, "field": field}, status=400)


def describe_state(provider: str, records: Mapping[str, Any]) -> dict[str, Any]:
    log = get_log(provider)
    webhooks = encode(get_sender(provider).deliveries()) if provider in SCHEMES else []
    counts = {name: len(items) for name, items in records.items() if isinstance(items, list)}
    return {
        "counts": {**counts, "requests": log.count, "webhooks": len(webhooks)},
        "records": records,
        "requests": encode(log.entries()),
        "webhooks": webhooks,
        "grants": get_grants(provider).describe(),
    }
