"""oauth.v2.access, auth.test and auth.revoke: bot tokens, which never end by themselves."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.clients import read_client
from integrations.sandbox.frame import read_bearer
from integrations.sandbox.grant_records import ACCOUNTS, ACME, Account, GrantError
from integrations.sandbox.grants import get_grants
from integrations.sandbox.slack.api import SlackError, frame
from integrations.sandbox.slack.records import APP_ID, BOT_ID, TEAM, TEAM_ID, USER, USER_ID

ERRORS = {"invalid_client": "invalid_client_id", "unsupported_grant_type": "invalid_grant_type"}


def give_token(request: HttpRequest) -> HttpResponse:
    """https://docs.slack.dev/reference/methods/oauth.v2.access, by GET or POST."""
    form = request.GET.dict() | request.POST.dict() | {"grant_type": "authorization_code"}
    client_id = read_client(request) or form.get("client_id", "")
    try:
        issued = get_grants("slack").give(form, client_id)
    except GrantError as error:
        raise SlackError(ERRORS.get(error.code, "invalid_code")) from error
    account = ACCOUNTS[issued.grant.account]
    team = describe_team(account)
    return JsonResponse(
        {
            "ok": True,
            "access_token": issued.access_token,
            "token_type": "bot",
            "scope": issued.grant.scope.replace(" ", ","),
            "bot_user_id": team["user_id"],
            "app_id": APP_ID,
            "team": {"id": team["team_id"], "name": team["team"]},
            "enterprise": None,
            "authed_user": {"id": f"U0PERSON{account.number}"},
            "is_enterprise_install": False,
        }
    )


def check_auth(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"ok": True} | describe_team(frame.find_account(request)))


def describe_team(account: Account) -> dict[str, Any]:
    """As auth.test has it."""
    if account == ACME:
        team = {"team": TEAM, "team_id": TEAM_ID, "user_id": USER_ID, "bot_id": BOT_ID}
    else:
        ids = {"team_id": TEAM_ID, "user_id": USER_ID, "bot_id": BOT_ID}
        team = {"team": account.company} | {name: f"{value[:-1]}X" for name, value in ids.items()}
    return team | {"url": f"https://{account.company.lower()}.slack.example/", "user": USER}


def revoke_token(request: HttpRequest) -> HttpResponse:
    """https://docs.slack.dev/reference/methods/auth.revoke; `test` only tries it."""
    token = read_bearer(request) or request.POST.get("token", "")
    if not frame.is_token(token):
        raise SlackError("invalid_auth")
    is_test = (request.POST.get("test") or request.GET.get("test")) in ("1", "true")
    return JsonResponse({"ok": True, "revoked": not is_test and get_grants("slack").revoke(token)})
