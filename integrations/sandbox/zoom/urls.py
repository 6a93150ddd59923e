"""Zoom's addresses: the API as Zoom has it, and the page for people."""

from django.urls import path, re_path

from integrations.sandbox.consent import consent_view
from integrations.sandbox.control import control_urls
from integrations.sandbox.grants import get_grants
from integrations.sandbox.zoom import api, pages, tokens
from integrations.sandbox.zoom.answers import frame
from integrations.sandbox.zoom.records import get_store, show_records

urlpatterns = [
    path("", pages.panel.show, name="zoom"),
    *pages.panel.urls(),
    path("meetings/<str:meeting_id>/edit/", pages.edit),
    path("meetings/<str:meeting_id>/turn/", pages.turn),
    path("meetings/<str:meeting_id>/delete/", pages.delete),
    *control_urls("zoom", show=show_records, reset=lambda: get_store().reset()),
    path("oauth/authorize", consent_view("Zoom", get_grants("zoom"))),
    path("oauth/token", frame.token(POST=tokens.give_token)),
    path("oauth/revoke", frame.token(POST=tokens.revoke_token)),
    path("v2/users/<str:user_id>", frame.api(GET=tokens.show_user)),
    path("v2/users/<str:user_id>/meetings", frame.api(GET=api.list_meetings, POST=api.add_meeting)),
    path(
        "v2/meetings/<str:meeting_id>",
        frame.api(GET=api.show_one, PATCH=api.change_meeting, DELETE=api.remove_meeting),
    ),
    path("v2/meetings/<str:meeting_id>/registrants", frame.api(GET=api.list_registrants, POST=api.register)),
    path("v2/meetings/<str:meeting_id>/registrants/status", frame.api(PUT=api.change_status)),
    path(
        "v2/meetings/<str:meeting_id>/registrants/<str:registrant_id>",
        frame.api(GET=api.show_registration, DELETE=api.remove_registrant),
    ),
    re_path(".*", frame.unknown),
]
