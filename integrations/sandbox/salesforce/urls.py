"""Salesforce's addresses: REST and SOAP as Salesforce has them, and the page for people."""

from django.urls import include, path, re_path

from integrations.sandbox.consent import consent_view
from integrations.sandbox.control import control_urls
from integrations.sandbox.grants import get_grants
from integrations.sandbox.salesforce import api, pages, soap, tokens
from integrations.sandbox.salesforce.answers import api as rest
from integrations.sandbox.salesforce.answers import frame
from integrations.sandbox.salesforce.records import get_store, show_records

data = [
    path("/query", rest(GET=api.query)),
    path("/queryAll", rest(GET=api.query_all)),
    path("/query/<str:locator>", rest(GET=api.query_more)),
    path("/sobjects/<str:sobject>", rest(POST=api.create_row)),
    path(
        "/sobjects/<str:sobject>/<str:record_id>", rest(GET=api.show_row, PATCH=api.update_row, DELETE=api.delete_row)
    ),
    path("/sobjects/<str:sobject>/<str:name>/<path:value>", rest(GET=api.show_by_external_id, PATCH=api.upsert_row)),
    path("/composite/sobjects/<str:sobject>/<str:name>", rest(PATCH=api.upsert_rows)),
]
urlpatterns = [
    path("", pages.panel.show, name="salesforce"),
    *pages.panel.urls(),
    path("rows/<str:sobject>/<str:record_id>/edit/", pages.edit),
    path("rows/<str:sobject>/<str:record_id>/delete/", pages.delete),
    path("rows/<str:sobject>/<str:record_id>/merge/", pages.merge),
    path("rows/<str:sobject>/<str:record_id>/move/", pages.move),
    path("rows/<str:sobject>/<str:record_id>/cancel/", pages.cancel),
    path("events/add/", pages.add_event),
    path("people/add/", pages.add_person),
    path("people/make/", pages.make_people),
    path("fields/<str:name>/turn/", pages.turn_field),
    *control_urls("salesforce", show=show_records, reset=lambda: get_store().reset()),
    path("services/oauth2/authorize", consent_view("Salesforce", get_grants("salesforce"))),
    path("services/oauth2/token", frame.token(POST=tokens.give_token)),
    path("services/oauth2/revoke", frame.token(GET=tokens.revoke_token, POST=tokens.revoke_token)),
    path("services/oauth2/userinfo", rest(GET=tokens.show_user)),
    path("services/data/v59.0", include(data)),
    path("services/Soap/u/59.0", soap.frame.api(POST=soap.call, is_open=True)),
    re_path(".*", frame.unknown),
]
