"""/services/oauth2: tokens without a told end, giving them up, and whose they are."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.clients import read_client
from integrations.sandbox.clock import utc_now
from integrations.sandbox.grant_records import ACCOUNTS, Account, GrantError
from integrations.sandbox.grants import get_grants
from integrations.sandbox.salesforce.answers import frame
from integrations.sandbox.salesforce.records import ORGS, make_id


def give_token(request: HttpRequest) -> HttpResponse:
    """There is no expires_in, and the refresh token stays as it is: only the first answer has it."""
    try:
        issued = get_grants("salesforce").give(request.POST.dict(), read_client(request))
    except GrantError as error:
        return JsonResponse({"error": error.code, "error_description": str(error)}, status=400)
    fields = issued.fields()
    del fields["expires_in"]
    if request.POST.get("grant_type") == "refresh_token":
        del fields["refresh_token"]
    origin, account = request.build_absolute_uri("/salesforce"), ACCOUNTS[issued.grant.account]
    shown = {
        "instance_url": origin,
        "id": f"{origin}/id/{org_id(account)}/{user_id(account)}",
        "issued_at": str(int(utc_now().timestamp() * 1000)),
        "scope": issued.grant.scope,
    }
    return JsonResponse(fields | shown)


def revoke_token(request: HttpRequest) -> HttpResponse:
    """By GET or POST. Unlike RFC 7009 an unknown token is refused.

    https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_revoke_token.htm
    """
    token = request.POST.get("token") or request.GET.get("token", "")
    try:
        if get_grants("salesforce").revoke(token, read_client(request)):
            return HttpResponse(status=200)
    except GrantError:
        pass
    return JsonResponse({"error": "invalid_token", "error_description": "invalid token"}, status=400)


def show_user(request: HttpRequest) -> HttpResponse:
    """userinfo of OpenID Connect."""
    account, origin = frame.find_account(request), request.build_absolute_uri("/salesforce")
    return JsonResponse(
        {
            "sub": f"{origin}/id/{org_id(account)}/{user_id(account)}",
            "user_id": user_id(account),
            "organization_id": org_id(account),
            "preferred_username": account.email,
            "nickname": account.person,
            "name": account.person,
            "email": account.email,
            "email_verified": True,
            "zoneinfo": "Europe/Paris",
            "active": True,
            "user_type": "STANDARD",
            "language": "en_US",
            "locale": "en_GB",
            "urls": {"custom_domain": origin},
        }
    )


def org_id(account: Account) -> str:
    return ORGS[account.key].id


def user_id(account: Account) -> str:
    return make_id("User", account.number + 1)
