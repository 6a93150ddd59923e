"""All addresses: webhooks and health, the REST API, and the admin."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView, TemplateView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from bookings.api import AvailabilityView, MeetingViewSet
from contacts.api import CandidatePairViewSet, ContactViewSet
from integrations.api import DeliveryViewSet, EffectViewSet, UnknownAddressView
from integrations.oauth_views import finish_authorisation, start_authorisation
from integrations.views import metrics

router = SimpleRouter()
router.register("contacts", ContactViewSet, basename="contact")
router.register("candidate-pairs", CandidatePairViewSet, basename="candidate-pair")
router.register("meetings", MeetingViewSet, basename="meeting")
router.register("deliveries", DeliveryViewSet, basename="delivery")
router.register("effects", EffectViewSet, basename="effect")

api = [
    path("availability/", AvailabilityView.as_view(), name="availability"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    *router.urls,
    path("<path:rest>/", UnknownAddressView.as_view()),
]

urlpatterns = [
    path("metrics", metrics, name="metrics"),
    path("payments/paid/", TemplateView.as_view(template_name="payments/paid.html")),
    path("payments/open/", TemplateView.as_view(template_name="payments/open.html")),
    path("favicon.ico", RedirectView.as_view(url=static("keepsync/favicon.ico"))),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("", include("integrations.urls")),
    path("oauth/callback/", finish_authorisation, name="oauth_callback"),
    path("oauth/<str:slug>/start/", start_authorisation, name="oauth_start"),
    path("api/", include(api)),
    path("admin/account/", include("integrations.admin.account")),
    path("admin/", admin.site.urls),
]
