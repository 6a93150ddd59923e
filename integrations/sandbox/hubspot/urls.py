"""HubSpot's addresses: the API as HubSpot has it, and the page for people."""

from django.urls import include, path, re_path

from integrations.sandbox.consent import consent_view
from integrations.sandbox.control import control_urls
from integrations.sandbox.grants import get_grants
from integrations.sandbox.hubspot import api, batches, owners, pages, properties, tokens
from integrations.sandbox.hubspot.answers import frame
from integrations.sandbox.hubspot.records import get_store, show_records

objects = [
    path("", frame.api(GET=api.list_records, POST=api.create_record)),
    path("/search", frame.api(POST=api.search)),
    path("/merge", frame.api(POST=api.merge)),
    path("/gdpr-delete", frame.api(POST=api.erase_record)),
    path("/batch/create", frame.api(POST=batches.create_batch)),
    path("/batch/read", frame.api(POST=batches.read_batch)),
    path("/batch/update", frame.api(POST=batches.update_batch)),
    path("/batch/upsert", frame.api(POST=batches.upsert_batch)),
    path("/batch/archive", frame.api(POST=batches.archive_batch)),
    path("/<str:record_id>", frame.api(GET=api.show_one, PATCH=api.update_record, DELETE=api.archive_record)),
    path("/<str:record_id>/associations/<str:to_kind>", frame.api(GET=api.list_associations)),
    path("/<str:record_id>/associations/default/<str:to_kind>/<str:to_id>", frame.api(PUT=api.associate_default)),
    path("/<str:record_id>/associations/<str:to_kind>/<str:to_id>", frame.api(DELETE=api.dissociate)),
]
urlpatterns = [
    path("", pages.panel.show, name="hubspot"),
    *pages.panel.urls(),
    path("people/add/", pages.add_person),
    path("people/make/", pages.make_people),
    path("meetings/add/", pages.add_meeting),
    path("records/<str:record_id>/edit/", pages.edit),
    path("records/<str:record_id>/delete/", pages.delete),
    path("records/<str:record_id>/merge/", pages.merge),
    path("records/<str:record_id>/move/", pages.move),
    path("records/<str:record_id>/cancel/", pages.cancel),
    *control_urls("hubspot", show=show_records, reset=lambda: get_store().reset()),
    path("oauth/authorize", consent_view("HubSpot", get_grants("hubspot"))),
    path("oauth/2026-03/token", frame.token(POST=tokens.give_token)),
    path("oauth/2026-03/token/introspect", frame.token(POST=tokens.introspect_token)),
    path("oauth/2026-03/token/revoke", frame.token(POST=tokens.revoke_token)),
    path("account-info/2026-03/details", frame.api(GET=tokens.show_account)),
    path("crm/objects/2026-03/<str:kind>", include(objects)),
    path("crm/associations/2026-03/<str:kind>/<str:to_kind>/batch/read", frame.api(POST=api.read_associations)),
    path("crm/owners/2026-03/<str:record_id>", frame.api(GET=owners.show_one)),
    path(
        "crm/properties/2026-03/<str:kind>", frame.api(GET=properties.list_properties, POST=properties.create_property)
    ),
    path(
        "crm/properties/2026-03/<str:kind>/<str:name>",
        frame.api(GET=properties.show_one, PATCH=properties.update_property, DELETE=properties.archive_property),
    ),
    re_path(".*", frame.unknown),
]
