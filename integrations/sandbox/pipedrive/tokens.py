"""/oauth: tokens and giving them up, for a client that HTTP Basic names; and /users, whose they are and who else is."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.clients import read_basic
from integrations.sandbox.grant_records import ACME, GrantError
from integrations.sandbox.grants import get_grants
from integrations.sandbox.pipedrive.answers import answer, frame, missing
from integrations.sandbox.pipedrive.records import COMPANY_ID, USER_ID
from integrations.sandbox.staff import COLLEAGUES


def give_token(request: HttpRequest) -> HttpResponse:
    """The refresh token stays, and lives for 60 days after each use."""
    try:
        issued = get_grants("pipedrive").give(request.POST.dict(), read_basic(request))
    except GrantError as error:
        return refuse(error)
    shown = {"scope": issued.grant.scope, "api_domain": request.build_absolute_uri("/pipedrive")}
    return JsonResponse(issued.fields() | shown)


def refuse(error: GrantError) -> HttpResponse:
    return JsonResponse({"success": False, "error": error.code, "message": str(error)}, status=400)


def revoke_token(request: HttpRequest) -> HttpResponse:
    """RFC 7009: 200, also for a token that is unknown."""
    client_id = read_basic(request)
    if not client_id:
        return refuse(GrantError("invalid_client", "The client does not say who it is."))
    try:
        get_grants("pipedrive").revoke(request.POST.get("token", ""), client_id)
    except GrantError as error:
        return refuse(error)
    return HttpResponse(status=200)


def show_user(request: HttpRequest, user_id: int) -> HttpResponse:
    """https://developers.pipedrive.com/docs/api/v1/Users#getUser"""
    users = {USER_ID: (ACME.person, ACME.email)}
    users |= {USER_ID + colleague.number: (colleague.name, colleague.email) for colleague in COLLEAGUES}
    if user_id not in users:
        raise missing("user")
    name, email = users[user_id]
    return answer({"id": user_id, "name": name, "email": email, "active_flag": True})


def show_me(request: HttpRequest) -> HttpResponse:
    """https://developers.pipedrive.com/docs/api/v1/Users#getCurrentUser"""
    account = frame.find_account(request)
    return answer(
        {
            "id": USER_ID + account.number,
            "name": account.person,
            "email": account.email,
            "active_flag": True,
            "activated": True,
            "is_admin": 1,
            "is_you": True,
            "default_currency": "EUR",
            "timezone_name": "Europe/Paris",
            "company_id": COMPANY_ID + account.number,
            "company_name": account.company,
            "company_domain": account.company.lower(),
            "company_country": "FR",
        }
    )
