"""Addresses of the sandbox: the home page, then each provider's own."""

from django.urls import include, path

from integrations.sandbox.home import show_home

urlpatterns = [
    path("", show_home, name="home"),
    path("hubspot/", include("integrations.sandbox.hubspot.urls")),
    path("stripe/", include("integrations.sandbox.stripe.urls")),
    path("zoom/", include("integrations.sandbox.zoom.urls")),
    path("slack/", include("integrations.sandbox.slack.urls")),
    path("mail/", include("integrations.sandbox.mail.urls")),
    path("salesforce/", include("integrations.sandbox.salesforce.urls")),
    path("pipedrive/", include("integrations.sandbox.pipedrive.urls")),
    path("", include("integrations.sandbox.calendar_live.urls")),
]
