"""/v1: Checkout Sessions, refunds, payment intents and events."""

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.frame import Frame, Refusals
from integrations.sandbox.stripe.account import Moment
from integrations.sandbox.stripe.checkout import (
    create_session,
    expire_session,
    find_session,
    read_current,
    refund_payment,
)
from integrations.sandbox.stripe.documents import (
    Document,
    event_document,
    payment_document,
    refund_document,
    session_document,
)
from integrations.sandbox.stripe.exceptions import InvalidRequestError, MissingError, error_response
from integrations.sandbox.stripe.idempotency import answer_once
from integrations.sandbox.stripe.inputs import decode_form, parse_order, parse_refund
from integrations.sandbox.stripe.listings import list_page
from integrations.sandbox.stripe.records import Payment
from integrations.sandbox.stripe.runtime import get_account

FORM_TYPE = "application/x-www-form-urlencoded"


def refuse_token() -> HttpResponse:
    return error_response(401, "Invalid API Key provided.")


def refuse_rate(retry_after_s: int) -> HttpResponse:
    response = error_response(429, "Too many requests hit the API too quickly.", code="rate_limit")
    response["Retry-After"] = str(retry_after_s)
    response["Stripe-Rate-Limited-Reason"] = "global-rate"
    return response


def refuse(status: int, message: str) -> HttpResponse:
    return error_response(status, message, kind="api_error" if status >= 500 else "invalid_request_error")


frame = Frame("stripe", Refusals(refuse_token, refuse_rate, refuse))


def show_account(request: HttpRequest) -> HttpResponse:
    """Whose key it is. https://docs.stripe.com/api/accounts/retrieve"""
    return JsonResponse(
        {
            "id": "acct_1SandboxAcme",
            "object": "account",
            "business_profile": {"name": "Acme"},
            "charges_enabled": True,
            "country": "FR",
            "default_currency": "eur",
            "details_submitted": True,
            "email": "ops@acme.example",
            "livemode": False,
            "settings": {"dashboard": {"display_name": "Acme", "timezone": "Europe/Paris"}},
            "type": "standard",
        }
    )


def create_checkout_session(request: HttpRequest) -> HttpResponse:
    checkout_url = request.build_absolute_uri("/stripe/checkout/")

    def make(moment: Moment, form: Mapping[str, Any]) -> Document:
        return session_document(create_session(moment, parse_order(form), checkout_url=checkout_url))

    return _write(request, make)


def list_sessions(request: HttpRequest) -> HttpResponse:
    wanted = {"payment_intent": request.GET.get("payment_intent")}
    sessions = read_current(get_account()).sessions.values()
    return JsonResponse(list_page(request, [session_document(session) for session in sessions], wanted))


def show_session(request: HttpRequest, session_id: str) -> HttpResponse:
    session = read_current(get_account()).sessions.get(session_id)
    if session is None:
        raise MissingError("checkout.session", session_id, param="session")
    return JsonResponse(session_document(session))


def expire_checkout_session(request: HttpRequest, session_id: str) -> HttpResponse:
    return _write(
        request, lambda moment, form: session_document(expire_session(moment, find_session(moment, session_id)))
    )


def create_refund(request: HttpRequest) -> HttpResponse:
    def make(moment: Moment, form: Mapping[str, Any]) -> Document:
        values = parse_refund(form)
        payment = _find_payment(moment, values.pop("payment_intent"), values.pop("charge"))
        return refund_document(refund_payment(moment, payment, **values))

    return _write(request, make)


def list_refunds(request: HttpRequest) -> HttpResponse:
    wanted = {name: request.GET.get(name) for name in ("payment_intent", "charge")}
    refunds = get_account().store.read().refunds.values()
    return JsonResponse(list_page(request, [refund_document(refund) for refund in refunds], wanted))


def show_refund(request: HttpRequest, refund_id: str) -> HttpResponse:
    refund = get_account().store.read().refunds.get(refund_id)
    if refund is None:
        raise MissingError("refund", refund_id, param="refund")
    return JsonResponse(refund_document(refund))


def show_payment_intent(request: HttpRequest, intent_id: str) -> HttpResponse:
    payment = get_account().store.read().payments.get(intent_id)
    if payment is None:
        raise MissingError("payment_intent", intent_id, param="intent")
    return JsonResponse(payment_document(payment))


def list_events(request: HttpRequest) -> HttpResponse:
    events = read_current(get_account()).events.values()
    return JsonResponse(
        list_page(request, [event_document(event) for event in events], {"type": request.GET.get("type")})
    )


def show_event(request: HttpRequest, event_id: str) -> HttpResponse:
    event = get_account().store.read().events.get(event_id)
    if event is None:
        raise MissingError("event", event_id, param="id")
    return JsonResponse(event_document(event))


def _write(request: HttpRequest, make: Callable[[Moment, Mapping[str, Any]], Document]) -> HttpResponse:
    """Answer a POST once for each Idempotency-Key. Raises StripeError."""
    if request.body and request.content_type != FORM_TYPE:
        raise InvalidRequestError(f"Invalid request: the body must be {FORM_TYPE}, not {request.content_type}.")
    form = decode_form(request.body.decode(errors="replace"))
    read_current(get_account())
    same = request.path.encode() + b"\n" + request.body
    with get_account().change() as moment:
        document, is_replayed = answer_once(
            moment, request.headers.get("Idempotency-Key"), same, lambda draft: make(draft, form)
        )
    return JsonResponse(document, headers={"Idempotent-Replayed": "true"} if is_replayed else None)


def _find_payment(moment: Moment, intent_id: str | None, charge_id: str | None) -> Payment:
    if intent_id is None and charge_id is None:
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise InvalidRequestError(message, code="parameter_missing", param="payment_intent")
    for payment in moment.state.payments.values():
        if intent_id in (None, payment.id) and charge_id in (None, payment.charge_id):
            return payment
    if intent_id is not None:
        raise MissingError("payment_intent", intent_id, param="payment_intent")
    raise MissingError("charge", charge_id or "", param="charge")
