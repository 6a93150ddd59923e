"""The page on which a person allows an application to act for them (RFC 6749 4.1, RFC 7636 with S256).

path("oauth/authorize", consent_view("Zoom", get_grants("zoom")))

The person chooses as whom to sign in and can leave scopes out, so that the wrong account and a smaller grant than was
asked for can be tried.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from integrations.sandbox.grant_records import ACCOUNTS, ACME
from integrations.sandbox.grants import Grants

# RFC 6749 has spaces; Slack has commas.
BETWEEN_SCOPES = re.compile("[ ,]+")


@dataclass(frozen=True)
class Demands:
    """What a provider asks of the request beyond RFC 6749."""

    needs_pkce: bool = False
    needed: tuple[str, ...] = ()
    # Those that it knows; empty for any.
    scopes: Collection[str] = ()


def consent_view(name: str, grants: Grants, demands: Demands | None = None) -> Callable[..., HttpResponse]:
    """GET asks; POST with `choice` allow or refuse leads back to the application with a code, or with the refusal.

    Besides, a POST may have `account`, a key of ACCOUNTS, and with `chooses` the `scope`s that are allowed, else all.
    """
    asks = demands or Demands()

    @require_http_methods(["GET", "POST"])
    def view(request: HttpRequest) -> HttpResponse:
        asked = request.GET.dict()
        if problem := find_problem(asked):
            return render(request, "sandbox/consent.html", {"name": name, "problem": problem}, status=400)
        if error := find_error(asked, asks):
            return lead_back(asked, error)
        scopes = list_scopes(asked, grants)
        if request.method == "GET":
            context = {"name": name, "client_id": asked["client_id"], "scopes": scopes}
            return render(request, "sandbox/consent.html", context | {"accounts": ACCOUNTS.values()})
        chosen = request.POST.getlist("scope") if "chooses" in request.POST else scopes
        allowed = [scope for scope in scopes if scope in chosen]
        if request.POST.get("choice") != "allow" or (scopes and not allowed):
            refusal = {"error": "access_denied", "error_description": "The resource owner denied the request."}
            return lead_back(asked, refusal)
        return lead_back(asked, {"code": add_code(request, asked, grants=grants, allowed=allowed)})

    return view


def add_code(request: HttpRequest, asked: dict[str, str], *, grants: Grants, allowed: Sequence[str]) -> str:
    account = request.POST.get("account", "")
    return grants.add_code(
        asked["client_id"],
        asked["redirect_uri"],
        challenge=asked.get("code_challenge", ""),
        scope=" ".join(allowed),
        account=account if account in ACCOUNTS else ACME.key,
    )


def read_scopes(asked: dict[str, str]) -> list[str]:
    return [scope for scope in BETWEEN_SCOPES.split(asked.get("scope", "")) if scope]


def list_scopes(asked: dict[str, str], grants: Grants) -> list[str]:
    """Those asked for, else those that the application was registered with."""
    return read_scopes(asked) or grants.policy.default_scope.split()


def find_problem(asked: dict[str, str]) -> str:
    """What is to be told to the person, because there is nowhere safe to lead back to (RFC 6749 4.1.2.1)."""
    address = urlsplit(asked.get("redirect_uri", ""))
    if address.scheme not in ("http", "https") or not address.netloc or address.fragment:
        return "redirect_uri must be an http(s) address without a fragment."
    if not asked.get("client_id"):
        return "client_id is missing."
    return ""


def find_error(asked: dict[str, str], demands: Demands) -> dict[str, str]:
    """What the application is told is wrong; empty where nothing is (RFC 6749 4.1.2.1, RFC 7636 4.4.1)."""
    if asked.get("response_type") != "code":
        return {"error": "unsupported_response_type", "error_description": "response_type must be code."}
    if missing := [name for name in demands.needed if not asked.get(name)]:
        return {"error": "invalid_request", "error_description": f"{missing[0]} is required."}
    if demands.needs_pkce and not asked.get("code_challenge"):
        return {"error": "invalid_request", "error_description": "Code challenge required."}
    if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
        return {"error": "invalid_request", "error_description": "code_challenge_method must be S256."}
    if demands.scopes and any(scope not in demands.scopes for scope in read_scopes(asked)):
        return {"error": "invalid_scope", "error_description": "One of the scopes is unknown."}
    return {}


def lead_back(asked: dict[str, str], answer: dict[str, str]) -> HttpResponse:
    address = asked["redirect_uri"]
    separator = "&" if urlsplit(address).query else "?"
    state = {"state": asked["state"]} if "state" in asked else {}
    return HttpResponseRedirect(f"{address}{separator}{urlencode(answer | state)}")
