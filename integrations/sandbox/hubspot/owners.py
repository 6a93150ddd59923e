"""/crm/owners/2026-03: who can own a record. Webhooks name people by their users' ids, which are not the owners'."""

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.hubspot.answers import HubSpotError, format_instant, missing
from integrations.sandbox.staff import COLLEAGUES, Colleague

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def user_id(number: int) -> int:
    return 6 + number


def owner_id(number: int) -> str:
    return str(70 + number)


OWNERS = {owner_id(colleague.number): colleague for colleague in COLLEAGUES}


def show_owner(colleague: Colleague) -> dict[str, Any]:
    return {
        "id": owner_id(colleague.number),
        "userId": user_id(colleague.number),
        "type": "PERSON",
        "email": colleague.email,
        "firstName": colleague.first_name,
        "lastName": colleague.last_name,
        "createdAt": format_instant(SINCE),
        "updatedAt": format_instant(SINCE),
        "archived": False,
    }


def show_one(request: HttpRequest, record_id: str) -> HttpResponse:
    if request.GET.get("idProperty", "id") != "id":
        raise HubSpotError(400, "idProperty: only id is played here")
    if record_id not in OWNERS:
        raise missing(record_id)
    return JsonResponse(show_owner(OWNERS[record_id]))
