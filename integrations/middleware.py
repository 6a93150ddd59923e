"""Middleware. The webhook intake has the first one only; the others are the pages'."""

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import reverse

from integrations import correlation
from integrations.privacy.encryption import show_unreadable


class CorrelationMiddleware:
    """The outermost: each request has a correlation id, its caller's own where that is well-formed, and is told it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        correlation_id = correlation.accept(request.META.get("HTTP_X_REQUEST_ID", ""))
        with correlation.carrying(correlation_id):
            response = self.get_response(request)
        response.headers[correlation.HEADER] = correlation_id
        return response


class PagePolicyMiddleware:
    """What Django has no setting for; it stands within Django's middleware of the Content-Security-Policy."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
        if leads_to_provider(request):
            response._csp_config = {**settings.SECURE_CSP, "form-action": None}  # type: ignore[attr-defined]
        return response


def leads_to_provider(request: HttpRequest) -> bool:
    """Whether the page's form ends at a provider's consent page: `form-action` is held against redirects too."""
    name = request.resolver_match.view_name if request.resolver_match else ""
    if name in ("admin:login", "second_factor_code"):
        return request.GET.get("next", "").startswith(reverse("oauth_callback").removesuffix("callback/"))
    return name == "admin:integrations_connection_authorise"


BROWSER_COOKIE = "keepsync_browser"
BROWSER_KNOWN_FOR = timedelta(days=180)


class RememberBrowserMiddleware:
    """After somebody has signed in, the browser keeps a mark by which it is known the next time.

    The form of signing in leaves the mark on the request.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if mark := getattr(request, "browser_mark", ""):
            response.set_signed_cookie(
                BROWSER_COOKIE,
                mark,
                salt=BROWSER_COOKIE,
                max_age=BROWSER_KNOWN_FOR,
                path=reverse("admin:login"),
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response


def read_browser_mark(request: HttpRequest) -> str:
    """Empty for a browser that is not known."""
    age = int(BROWSER_KNOWN_FOR.total_seconds())
    return request.get_signed_cookie(BROWSER_COOKIE, default="", salt=BROWSER_COOKIE, max_age=age) or ""


class ShowUnreadableMiddleware:
    """While a page is rendered, which writes nothing, a text whose key is missing reads as the reason."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_template_response(
        self, request: HttpRequest, response: SimpleTemplateResponse
    ) -> SimpleTemplateResponse:
        response.render = show_unreadable()(response.render)  # type: ignore[method-assign]
        return response
