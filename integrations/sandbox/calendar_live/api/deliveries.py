"""/v1/webhook_deliveries."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.calendar_live.api.access import api_view, read_parameter, require_method
from integrations.sandbox.calendar_live.documents import delivery_document
from integrations.sandbox.calendar_live.inputs import parse_instant
from integrations.sandbox.calendar_live.listings import list_deliveries
from integrations.sandbox.calendar_live.outbox import redeliver
from integrations.sandbox.calendar_live.runtime import get_world


@api_view
def webhook_deliveries(request: HttpRequest) -> HttpResponse:
    if refused := require_method(request, "GET"):
        return refused
    page, next_page_token = list_deliveries(
        get_world().read(),
        since=read_parameter(request.GET, "since", parse_instant),
        status=read_parameter(request.GET, "status", _parse_status),
        page_token=request.GET.get("page_token"),
    )
    return JsonResponse({"items": [delivery_document(item) for item in page], "next_page_token": next_page_token})


@api_view
def redeliver_one(request: HttpRequest, delivery_id: str) -> HttpResponse:
    if refused := require_method(request, "POST"):
        return refused
    with get_world().change() as moment:
        return JsonResponse(delivery_document(redeliver(moment, delivery_id)), status=202)


def _parse_status(value: object) -> str:
    if value not in ("pending", "delivered", "failed"):
        raise ValueError("must be pending, delivered or failed")
    return str(value)
