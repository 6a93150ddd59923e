"""Slack's addresses: the Web API, incoming webhooks, and the page for people."""

from django.urls import path, re_path

from integrations.sandbox.control import control_urls
from integrations.sandbox.slack import api, pages
from integrations.sandbox.slack.api import frame, hooks
from integrations.sandbox.slack.records import get_store, show_records

urlpatterns = [
    path("", pages.panel.show, name="slack"),
    *pages.panel.urls(),
    *control_urls("slack", show=show_records, reset=lambda: get_store().reset()),
    path("api/auth.test", frame.api(GET=api.check_auth, POST=api.check_auth)),
    path("api/chat.postMessage", frame.api(POST=api.post_message)),
    path("api/chat.update", frame.api(POST=api.update_message)),
    path("services/<str:team>/<str:bot>/<str:secret>", hooks.api(POST=api.receive, is_open=True)),
    re_path(".*", frame.unknown),
]
