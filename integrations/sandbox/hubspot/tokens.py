"""/oauth/2026-03: tokens for an installed application, and giving them up."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.grants import GrantError, Grants
from integrations.sandbox.hubspot.answers import HubSpotError
from integrations.sandbox.hubspot.changes import PORTAL_ID

# HubSpot's access tokens live for half an hour.
EXPIRES_IN_S = 1800

grants = Grants("hubspot", rotates=False)


def give_token(request: HttpRequest) -> HttpResponse:
    """The refresh token stays the same, and is in every answer."""
    try:
        fields = grants.give(request.POST.dict())
    except GrantError as error:
        category = "BAD_REFRESH_TOKEN" if request.POST.get("grant_type") == "refresh_token" else "BAD_AUTH_CODE"
        raise HubSpotError(400, str(error), category=category) from error
    fields |= {"expires_in": EXPIRES_IN_S, "hub_id": PORTAL_ID, "scopes": ["oauth"], "token_use": "access_token"}
    return JsonResponse({"refresh_token": "", **fields})


def revoke_token(request: HttpRequest) -> HttpResponse:
    """RFC 7009: 200, whatever the token was."""
    return JsonResponse({})
