"""The webhook address, the health pages, and the metrics."""

import hmac
import ipaddress
import time
from collections.abc import Mapping
from typing import Any

import psycopg
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integrations import intake
from integrations.endpoints import Verified, load_endpoint, recall_endpoint
from integrations.exceptions import UnstoredError
from integrations.operations.exposition import choose_format, write_metrics
from integrations.operations.heartbeats import find_silences
from integrations.operations.metrics import ANSWER_SECONDS, DELIVERIES, OTHER, keep_known
from integrations.providers import label_provider
from integrations.providers.base import IncomingRequest

# A proxy on this machine asks from loopback on behalf of others, and says so in one of these.
PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")
# What a webhook is answered, as the metrics tell it: intake.Answer, or the code of an error.
OUTCOMES = {
    *intake.Answer, "handshake", "malformed", "invalid_signature", "delivery_id_reused", "unknown_connection",
    "too_large", "unsupported_encoding", "method_not_allowed", "unavailable", "error",
}  # fmt: skip


class RawBodyParser(BaseParser):
    """Hands over the raw bytes, which is what signatures are made of."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        body = bytes(stream.read(intake.BODY_LIMIT + 1))
        if len(body) > intake.BODY_LIMIT:
            raise UnstoredError(413, "too_large", f"The body is larger than {intake.BODY_LIMIT} bytes.")
        return body


class RawNegotiation(BaseContentNegotiation):
    """Any Content-Type, and none, is taken; the answer is always JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class SignatureAuthentication(BaseAuthentication):
    """The provider's signature over the raw body; `request.auth` is the request with the secret that made it."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Verified]:
        slug = request.parser_context["kwargs"]["slug"]
        if request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("", "identity"):
            load_endpoint(slug)
            raise UnstoredError(415, "unsupported_encoding", "Send the body without Content-Encoding.")
        data: Any = request.data
        body = data if isinstance(data, bytes) else b""
        path = request.get_full_path()
        uris = (f"{settings.BASE_URL}{path}", request.build_absolute_uri(path))
        incoming = IncomingRequest(read_headers(request.META), body, uris=uris)
        return AnonymousUser(), intake.authenticate(slug, incoming)

    def authenticate_header(self, request: Request) -> str:
        return "Signature"


def read_headers(meta: Mapping[str, Any]) -> dict[str, str]:
    """Header names in lower case → values."""
    headers = {name[5:].replace("_", "-").lower(): value for name, value in meta.items() if name.startswith("HTTP_")}
    headers["content-type"] = meta.get("CONTENT_TYPE", "")
    return headers


class WebhookView(APIView):
    """`POST /webhooks/<connection slug>/`: verify, store, answer. Everything else happens in the background."""

    authentication_classes = [SignatureAuthentication]
    permission_classes = [AllowAny]
    parser_classes = [RawBodyParser]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = RawNegotiation
    http_method_names = ["post"]
    outcome = "error"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            count_answer(kwargs["slug"], self.outcome, time.perf_counter() - started)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Another method is no webhook: it is refused before its signature is looked at, and is not kept."""
        if request.method != "POST":
            self.http_method_not_allowed(request, *args, **kwargs)
        super().initial(request, *args, **kwargs)

    @extend_schema(exclude=True)
    def post(self, request: Request, slug: str) -> HttpResponse:
        verified: Any = request.auth
        handshake = verified.answer_handshake()
        if handshake is not None:
            self.outcome = "handshake"
            return JsonResponse(handshake)
        answer = intake.record(verified)
        self.outcome = answer
        return answer_receipt(answer)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, OperationalError | InterfaceError | psycopg.OperationalError | psycopg.InterfaceError):
            connections["default"].close()
            away = "The database is away; send the delivery again."
            exc = UnstoredError(503, "unavailable", away, retry_after_s=intake.RETRY_AFTER_S)
        response = super().handle_exception(exc)
        self.outcome = response.data["code"]
        return response


def count_answer(slug: str, outcome: str, seconds: float) -> None:
    endpoint = recall_endpoint(slug)
    provider = label_provider(endpoint.provider) if endpoint else OTHER
    DELIVERIES.labels(provider=provider, outcome=keep_known(outcome, OUTCOMES)).inc()
    ANSWER_SECONDS.labels(provider=provider).observe(seconds)


def answer_receipt(answer: intake.Answer) -> HttpResponse:
    """`{"status": …}`, with its length, so that the server has no need to send it in chunks."""
    body = b'{"status":"%s"}' % answer.encode()
    return HttpResponse(body, content_type="application/json", headers={"Content-Length": str(len(body))})


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """The database answers, its migrations are applied, a worker lives and the schedule runs. 503 with the reasons."""
    try:
        problems = find_problems()
    except (DatabaseError, psycopg.Error):
        connections["default"].close()
        problems = ["The database is away."]
    if problems:
        return JsonResponse({"status": "unavailable", "problems": problems}, status=503)
    return JsonResponse({"status": "ok"})


def find_problems() -> list[str]:
    executor = MigrationExecutor(connections["default"])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return ["Migrations are not applied: run manage.py migrate."]
    now = timezone.now()
    return [silence.describe(now) for silence in find_silences(now)]


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For whoever has METRICS_TOKEN; where none is set, for this machine."""
    if settings.METRICS_TOKEN:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            token.strip().encode(), settings.METRICS_TOKEN.encode()
        ):
            refused = {"code": "unauthorized", "message": "Send METRICS_TOKEN: Authorization: Bearer …"}
            return JsonResponse(refused, status=401, headers={"WWW-Authenticate": "Bearer"})
    elif not is_from_this_machine(request):
        refused = {"code": "forbidden", "message": "Only this machine may ask: set METRICS_TOKEN to let others."}
        return JsonResponse(refused, status=403)
    text_format = choose_format(request.headers.get("Accept", ""))
    return HttpResponse(write_metrics(text_format), content_type=text_format.content_type)


def is_from_this_machine(request: HttpRequest) -> bool:
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return address.is_loopback and not any(name in request.headers for name in PROXY_HEADERS)
