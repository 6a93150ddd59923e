"""Pipedrive's addresses: API v2 and v1 as Pipedrive has them, and the page for people."""

from django.urls import include, path, re_path

from integrations.sandbox.consent import consent_view
from integrations.sandbox.control import control_urls
from integrations.sandbox.grants import get_grants
from integrations.sandbox.pipedrive import api, fields, pages, tokens
from integrations.sandbox.pipedrive.answers import frame
from integrations.sandbox.pipedrive.records import get_store, show_records

ENTITIES = {"persons": "person", "activities": "activity"}

records = [
    entry
    for name, entity in ENTITIES.items()
    for entry in (
        path(name, frame.api(GET=api.lists(entity), POST=api.creates(entity))),
        path(
            f"{name}/<int:record_id>",
            frame.api(GET=api.shows(entity), PATCH=api.updates(entity), DELETE=api.deletes(entity)),
        ),
    )
]
buttons = [
    entry
    for entity in ENTITIES.values()
    for entry in (
        path(f"{entity}/<int:record_id>/edit/", pages.edit, {"entity": entity}),
        path(f"{entity}/<int:record_id>/delete/", pages.delete, {"entity": entity}),
    )
]
version_1 = [
    path("persons/<int:record_id>/merge", frame.api(PUT=api.merge_persons)),
    path("users/me", frame.api(GET=tokens.show_me)),
    path("users/<int:user_id>", frame.api(GET=tokens.show_user)),
]
urlpatterns = [
    path("", pages.panel.show, name="pipedrive"),
    *pages.panel.urls(),
    path("people/add/", pages.add_person),
    path("people/make/", pages.make_people),
    path("activities/add/", pages.add_activity),
    path("marketing/turn/", pages.turn_marketing),
    *buttons,
    path("person/<int:record_id>/merge/", pages.merge, {"entity": "person"}),
    path("activity/<int:record_id>/move/", pages.move, {"entity": "activity"}),
    path("activity/<int:record_id>/cancel/", pages.cancel, {"entity": "activity"}),
    *control_urls("pipedrive", show=show_records, reset=lambda: get_store().reset()),
    path("oauth/authorize", consent_view("Pipedrive", get_grants("pipedrive"))),
    path("oauth/token", frame.token(POST=tokens.give_token)),
    path("oauth/token/", frame.token(POST=tokens.give_token)),
    path("oauth/revoke", frame.token(POST=tokens.revoke_token)),
    path("api/v2/persons/search", frame.api(GET=api.search_persons)),
    path("api/v2/personFields", frame.api(GET=fields.list_fields, POST=fields.create_field)),
    path("api/v2/", include(records)),
    path("api/v1/", include(version_1)),
    path("v1/", include(version_1)),
    re_path(".*", frame.unknown),
]
