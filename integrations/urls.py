from django.urls import path

from integrations.views import WebhookView, healthz, readyz

# What INTAKE_ONLY=1 serves.
urlpatterns = [
    path("webhooks/<str:slug>/", WebhookView.as_view(), name="webhook"),
    # A sender that was given the address without its last slash is not redirected, because a POST would be lost.
    path("webhooks/<str:slug>", WebhookView.as_view()),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
]
