"""/oauth: OAuth 2.1 as in the contract. PKCE always; refresh tokens rotate, and a second use ends the grant."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.calendar_live.api.access import frame
from integrations.sandbox.clients import read_client
from integrations.sandbox.consent import Demands, consent_view
from integrations.sandbox.grant_records import GrantError
from integrations.sandbox.grants import POLICIES, get_grants

SCOPES = POLICIES["calendar_live"].default_scope.split()

authorize = consent_view(
    "calendar.live",
    get_grants("calendar_live"),
    Demands(needs_pkce=True, needed=("scope", "state"), scopes=SCOPES),
)


def give_token(request: HttpRequest) -> HttpResponse:
    client_id = read_client(request)
    if not client_id:
        return refuse(GrantError("invalid_request", "client_id is required."))
    if request.POST.get("grant_type") not in ("authorization_code", "refresh_token"):
        return refuse(GrantError("unsupported_grant_type", "grant_type must be authorization_code or refresh_token."))
    try:
        issued = get_grants("calendar_live").give(request.POST.dict(), client_id)
    except GrantError as error:
        return refuse(error)
    return JsonResponse(issued.fields() | {"scope": issued.grant.scope})


def refuse(error: GrantError) -> HttpResponse:
    return JsonResponse({"error": error.code, "error_description": str(error)}, status=400)


def revoke_token(request: HttpRequest) -> HttpResponse:
    """RFC 7009: 200, also for a token that is unknown."""
    try:
        get_grants("calendar_live").revoke(request.POST.get("token", ""), read_client(request))
    except GrantError as error:
        return refuse(error)
    return HttpResponse(status=200)


token = frame.token(POST=give_token)
revoke = frame.token(POST=revoke_token)
