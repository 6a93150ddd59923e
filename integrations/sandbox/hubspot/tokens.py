"""/oauth/2026-03: tokens for an installed application, what they are, and giving them up."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.clients import read_client
from integrations.sandbox.clock import utc_now
from integrations.sandbox.grant_records import ACCOUNTS, Account, GrantError
from integrations.sandbox.grants import get_grants
from integrations.sandbox.hubspot.answers import HubSpotError, frame
from integrations.sandbox.hubspot.changes import APP_ID, PORTAL_ID

CATEGORIES = {"refresh_token": "BAD_REFRESH_TOKEN", "authorization_code": "BAD_AUTH_CODE"}


def give_token(request: HttpRequest) -> HttpResponse:
    """The refresh token stays the same, and is in every answer."""
    try:
        issued = get_grants("hubspot").give(request.POST.dict(), read_client(request))
    except GrantError as error:
        raise refuse(request, error) from error
    shown: dict[str, Any] = {
        "refresh_token": "",
        **issued.fields(),
        "token_type": "bearer",
        "token_use": "access_token",
    }
    shown["scopes"] = issued.grant.scope.split()
    return JsonResponse(shown | describe_owner(ACCOUNTS[issued.grant.account]))


def refuse(request: HttpRequest, error: GrantError) -> HubSpotError:
    """Its own categories, also as the status, and no RFC 6749 code."""
    if error.code == "invalid_client":
        return HubSpotError(400, str(error), category="BAD_CLIENT_ID")
    category = CATEGORIES.get(request.POST.get("grant_type", ""), "BAD_GRANT_TYPE")
    refusal = HubSpotError(400, str(error), category=category)
    body = json.loads(refusal.response.content) | {"status": category}
    refusal.response = JsonResponse(body, status=400)
    return refusal


def describe_owner(account: Account) -> dict[str, Any]:
    return {"hub_id": find_portal(account), "user_id": 100 + account.number}


def find_portal(account: Account) -> int:
    return PORTAL_ID + account.number


def introspect_token(request: HttpRequest) -> HttpResponse:
    """RFC 7662: what an access token is; of one that does not work only that."""
    token = request.POST.get("token", "")
    if not frame.is_token(token):
        return JsonResponse({"active": False})
    grant, account = frame.grants.find(token), frame.grants.find_account(token)
    shown: dict[str, Any] = {
        "active": True,
        "token_use": "access_token",
        "token_type": "bearer",
        "client_id": grant.client_id if grant else request.POST.get("client_id", ""),
        "app_id": APP_ID,
        "hub_domain": account.email.partition("@")[2],
        "user": account.email,
        "scopes": grant.scope.split() if grant else [],
    }
    if grant and grant.expires_at:
        shown["expires_in"] = max(round((grant.expires_at - utc_now()).total_seconds()), 0)
    return JsonResponse(shown | describe_owner(account))


def show_account(request: HttpRequest) -> HttpResponse:
    """/account-info: the account that the token opens. https://developers.hubspot.com/docs/api-reference/account-info"""
    return JsonResponse(
        {
            "portalId": find_portal(frame.find_account(request)),
            "accountType": "STANDARD",
            "timeZone": "Europe/Paris",
            "companyCurrency": "EUR",
            "additionalCurrencies": [],
            "utcOffset": "+01:00",
            "utcOffsetMilliseconds": 3_600_000,
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "eu1",
        }
    )


def revoke_token(request: HttpRequest) -> HttpResponse:
    """RFC 7009: 200, also for a token that is unknown."""
    try:
        get_grants("hubspot").revoke(request.POST.get("token", ""), read_client(request))
    except GrantError as error:
        raise HubSpotError(400, str(error), category="BAD_CLIENT_ID") from error
    return JsonResponse({})
