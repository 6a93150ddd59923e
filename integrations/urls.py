from django.urls import path

from integrations.views import WebhookView, healthz, readyz

# What INTAKE_ONLY=1 serves.
urlpatterns = [
    path("webhooks/<str:slug>/", WebhookView.as_view(), name="webhook"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
]
