"""Slack's addresses: the Web API, incoming webhooks, and the page for people."""

from django.urls import path, re_path

from integrations.sandbox.consent import consent_view
from integrations.sandbox.control import control_urls
from integrations.sandbox.grants import get_grants
from integrations.sandbox.slack import api, pages, tokens
from integrations.sandbox.slack.api import frame, hooks
from integrations.sandbox.slack.records import get_store, show_records

urlpatterns = [
    path("", pages.panel.show, name="slack"),
    *pages.panel.urls(),
    *control_urls("slack", show=show_records, reset=lambda: get_store().reset()),
    path("oauth/v2/authorize", consent_view("Slack", get_grants("slack"))),
    path("api/oauth.v2.access", frame.token(GET=tokens.give_token, POST=tokens.give_token)),
    path("api/auth.test", frame.api(GET=tokens.check_auth, POST=tokens.check_auth)),
    path("api/auth.revoke", frame.token(GET=tokens.revoke_token, POST=tokens.revoke_token)),
    path("api/chat.postMessage", frame.api(POST=api.post_message)),
    path("api/chat.update", frame.api(POST=api.update_message)),
    path("services/<str:team>/<str:bot>/<str:secret>", hooks.api(POST=api.receive, is_open=True)),
    re_path(".*", frame.unknown),
]
