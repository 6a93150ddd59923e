"""Pipedrive's addresses: API v2 and v1 as Pipedrive has them, and the page for people."""

from django.urls import include, path, re_path

from integrations.sandbox.consent import consent_view
from integrations.sandbox.control import control_urls
from integrations.sandbox.pipedrive import api, fields, pages
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
merging = path("persons/<int:record_id>/merge", frame.api(PUT=api.merge_persons))
urlpatterns = [
    path("", pages.panel.show, name="pipedrive"),
    *pages.panel.urls(),
    path("people/add/", pages.add_person),
    *buttons,
    path("person/<int:record_id>/merge/", pages.merge, {"entity": "person"}),
    *control_urls("pipedrive", show=show_records, reset=lambda: get_store().reset()),
    path("oauth/authorize", consent_view("Pipedrive", api.grants)),
    path("oauth/token", frame.api(POST=api.give_token, is_open=True)),
    path("oauth/token/", frame.api(POST=api.give_token, is_open=True)),
    path("api/v2/persons/search", frame.api(GET=api.search_persons)),
    path("api/v2/personFields", frame.api(GET=fields.list_fields, POST=fields.create_field)),
    path("api/v2/", include(records)),
    path("api/v1/", include([merging])),
    path("v1/", include([merging])),
    re_path(".*", frame.unknown),
]
