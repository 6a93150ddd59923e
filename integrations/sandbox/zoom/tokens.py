"""/oauth: tokens and giving them up, for a client that HTTP Basic names; and /users/me, whose they are."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.clients import read_basic
from integrations.sandbox.grant_records import ACME, GrantError
from integrations.sandbox.grants import get_grants
from integrations.sandbox.zoom.answers import NO_USER, ZoomError, frame
from integrations.sandbox.zoom.records import ACCOUNT_ID, HOST_EMAIL, HOST_ID


def give_token(request: HttpRequest) -> HttpResponse:
    """Server-to-server and user grants; a refresh token dies when it is used, and its grant goes on."""
    try:
        issued = get_grants("zoom").give(request.POST.dict(), read_basic(request))
    except GrantError as error:
        return refuse(error)
    return JsonResponse(issued.fields() | {"scope": issued.grant.scope, "api_url": "https://api.zoom.us"})


def refuse(error: GrantError) -> HttpResponse:
    reason = "Invalid client_id or client_secret" if error.code == "invalid_client" else str(error)
    return JsonResponse({"reason": reason, "error": error.code}, status=400)


def revoke_token(request: HttpRequest) -> HttpResponse:
    client_id = read_basic(request)
    if not client_id:
        return refuse(GrantError("invalid_client", "The client does not say who it is."))
    try:
        get_grants("zoom").revoke(request.POST.get("token") or request.GET.get("token", ""), client_id)
    except GrantError as error:
        return refuse(error)
    return JsonResponse({"status": "success"})


def show_user(request: HttpRequest, user_id: str) -> HttpResponse:
    """The user `me`, or the one whom the token opens by id or address."""
    shown = describe_user(request)
    if user_id not in ("me", shown["id"], shown["email"]):
        raise ZoomError(404, NO_USER, f"User does not exist: {user_id}.")
    return JsonResponse(shown)


def describe_user(request: HttpRequest) -> dict[str, Any]:
    account = frame.find_account(request)
    is_host = account == ACME
    first_name, _, last_name = account.person.partition(" ")
    return {
        "id": HOST_ID if is_host else f"{HOST_ID[:-1]}{account.number}",
        "first_name": first_name,
        "last_name": last_name,
        "display_name": account.person,
        "email": HOST_EMAIL if is_host else account.email,
        "type": 2,
        "role_name": "Owner",
        "timezone": "Europe/Paris",
        "verified": 1,
        "account_id": ACCOUNT_ID if is_host else f"{ACCOUNT_ID}-{account.number}",
        "company": account.company,
        "status": "active",
    }
