"""Addresses of the sandbox: the home page, then each provider's own."""

from django.urls import include, path

from integrations.sandbox.home import show_home

urlpatterns = [
    path("", show_home, name="home"),
    path("", include("integrations.sandbox.calendar_live.urls")),
]
