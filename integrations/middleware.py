"""Middleware of the pages; the webhook intake has none of it."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse

from integrations.privacy.encryption import show_unreadable


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
