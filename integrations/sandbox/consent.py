"""The page on which a person allows an application to act for them (RFC 6749 4.1, RFC 7636 with S256).

path("oauth/authorize", consent_view("Zoom", grants))
"""

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from integrations.sandbox.grants import Grants


def consent_view(name: str, grants: Grants) -> Callable[..., HttpResponse]:
    """GET asks; POST with `choice` allow or refuse leads back to the application with a code, or with the refusal."""

    @require_http_methods(["GET", "POST"])
    def view(request: HttpRequest) -> HttpResponse:
        asked = request.GET
        if problem := find_problem(asked.dict()):
            return render(request, "sandbox/consent.html", {"name": name, "problem": problem}, status=400)
        if request.method == "GET":
            context = {"name": name, "client_id": asked["client_id"], "scopes": asked.get("scope", "").split()}
            return render(request, "sandbox/consent.html", context)
        if request.POST.get("choice") == "allow":
            answer = {"code": grants.add_code(asked["redirect_uri"], asked.get("code_challenge", ""))}
        else:
            answer = {"error": "access_denied"}
        return lead_back(asked["redirect_uri"], answer | ({"state": asked["state"]} if "state" in asked else {}))

    return view


def find_problem(asked: dict[str, str]) -> str:
    """What is wrong with the request, to be told to the person: there is nowhere safe to lead back to."""
    address = urlsplit(asked.get("redirect_uri", ""))
    if address.scheme not in ("http", "https") or not address.netloc:
        return "redirect_uri must be an http(s) address."
    if not asked.get("client_id"):
        return "client_id is missing."
    if asked.get("response_type") != "code":
        return "response_type must be code."
    if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
        return "code_challenge_method must be S256."
    return ""


def lead_back(redirect_uri: str, answer: dict[str, str]) -> HttpResponse:
    separator = "&" if urlsplit(redirect_uri).query else "?"
    return HttpResponseRedirect(f"{redirect_uri}{separator}{urlencode(answer)}")
