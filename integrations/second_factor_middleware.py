"""A session that has given a password, and still lacks the second factor, is nobody's."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from integrations.second_factors import Lack, find_lack

# Where it leads to.
PAGES = {Lack.CODE: "second_factor_code", Lack.SETUP: "second_factor_setup"}


@dataclass(frozen=True, slots=True)
class Entering:
    """Who is about to sign in, and what is lacking."""

    user: User
    lack: Lack


class SecondFactorMiddleware:
    """Every page and the API see nobody signed in; those of the admin lead to the page where the rest is done.

    Who that is stands in `request.entering`, for that page only.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        entering = find_entering(request)
        if entering is None or request.path == reverse("admin:logout"):
            return self.get_response(request)
        request.entering = entering  # type: ignore[attr-defined]
        request.user = AnonymousUser()
        page = reverse(PAGES[entering.lack])
        if request.path == page or not request.path.startswith(reverse("admin:index")):
            return self.get_response(request)
        return HttpResponseRedirect(f"{page}?{urlencode({'next': find_next(request)})}")


def find_entering(request: HttpRequest) -> Entering | None:
    """Without a look at the session where no cookie names one: what has none is answered alike for everybody."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES or not isinstance(request.user, User):
        return None
    lack = find_lack(request.user, request.session)
    return Entering(request.user, lack) if lack else None


def find_next(request: HttpRequest) -> str:
    """Where the person wanted to go."""
    if request.path == reverse("admin:login"):
        return request.GET.get("next", "")
    return request.get_full_path() if request.method == "GET" else ""
