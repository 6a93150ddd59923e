"""Stripe's addresses, under /stripe/: the API under v1, the page to pay at, and the page behind the scenes."""

from django.urls import path, re_path

from integrations.sandbox.control import control_urls
from integrations.sandbox.store import show_state
from integrations.sandbox.stripe import api, pages, pay_page
from integrations.sandbox.stripe.runtime import get_account

frame = api.frame

urlpatterns = [
    path("v1/account", frame.api(GET=api.show_account)),
    path("v1/checkout/sessions", frame.api(GET=api.list_sessions, POST=api.create_checkout_session)),
    path("v1/checkout/sessions/<str:session_id>", frame.api(GET=api.show_session)),
    path("v1/checkout/sessions/<str:session_id>/expire", frame.api(POST=api.expire_checkout_session)),
    path("v1/refunds", frame.api(GET=api.list_refunds, POST=api.create_refund)),
    path("v1/refunds/<str:refund_id>", frame.api(GET=api.show_refund)),
    path("v1/payment_intents/<str:intent_id>", frame.api(GET=api.show_payment_intent)),
    path("v1/events", frame.api(GET=api.list_events)),
    path("v1/events/<str:event_id>", frame.api(GET=api.show_event)),
    path("checkout/<str:session_id>/", pay_page.pay, name="checkout"),
    path("", pages.panel.show, name="stripe"),
    *pages.panel.urls(),
    path("sessions/<str:session_id>/expire/", pages.expire),
    re_path(r"^sessions/(?P<session_id>\w+)/(?P<outcome>arrived|failed)/$", pages.settle),
    path("payments/<str:intent_id>/refund/", pages.refund),
    *control_urls(
        "stripe", show=lambda: show_state(get_account().store.read()), reset=lambda: get_account().store.reset()
    ),
    re_path("^v1/.*", frame.unknown),
]
