"""The page on which a customer pays a Checkout Session: /stripe/checkout/<session id>/."""

from urllib.parse import urlsplit

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from integrations.sandbox.stripe.account import Moment
from integrations.sandbox.stripe.checkout import (
    decline_session,
    expire_session,
    find_session,
    pay_session,
    promise_transfer,
    read_current,
)
from integrations.sandbox.stripe.exceptions import InvalidRequestError
from integrations.sandbox.stripe.money import format_money
from integrations.sandbox.stripe.records import Session
from integrations.sandbox.stripe.runtime import get_account

# https://docs.stripe.com/testing: card numbers that are declined, with the decline code.
ACCEPTED = "4242424242424242"
DECLINED = {"4000000000000002": "generic_decline", "4000000000009995": "insufficient_funds"}
REASONS = {"generic_decline": "Your card was declined.", "insufficient_funds": "Your card has insufficient funds."}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
ACTIONS = ("pay", "transfer", "expire")


class CardForm(forms.Form):
    """A test card. Field names are stable: tests in a browser fill them in by name."""

    number = forms.CharField(
        label="Card number",
        max_length=23,
        initial="4242 4242 4242 4242",
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    expiry = forms.CharField(label="Valid until", max_length=7, initial="12 / 34", required=False)
    cvc = forms.CharField(label="Security code", max_length=4, initial="123", required=False)

    def clean_number(self) -> str:
        number = "".join(character for character in self.cleaned_data["number"] if character.isdigit())
        if number != ACCEPTED and number not in DECLINED:
            raise forms.ValidationError("Only the test cards named below work here.")
        return number


@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, session_id: str) -> HttpResponse:
    """The payment form, or what became of the session. A declined card is shown with 402, as the form is again."""
    session = read_current(get_account()).sessions.get(session_id)
    if session is None:
        raise Http404("No such Checkout Session.")
    form = CardForm()
    if request.method == "POST" and session.status == "open":
        form = CardForm(request.POST) if request.POST.get("action", "pay") == "pay" else form
        if form.is_bound and not form.is_valid():
            return _render(request, session, form, status=422)
        return _act(request, session_id, form)
    return _render(request, session, form, status=409 if request.method == "POST" else 200)


def _act(request: HttpRequest, session_id: str, form: CardForm) -> HttpResponse:
    try:
        with get_account().change() as moment:
            session = find_session(moment, session_id)
            decline_code = _try(moment, session, form, request.POST.get("action", "pay"))
    except InvalidRequestError:
        # Somebody else was faster, perhaps the customer in another window: the page says what became of it.
        return redirect("checkout", session_id)
    if decline_code is not None:
        form.add_error("number", REASONS[decline_code])
        return _render(request, get_account().store.read().sessions[session_id], form, status=402)
    return redirect("checkout", session_id)


def _try(moment: Moment, session: Session, form: CardForm, action: str) -> str | None:
    """Do what the button says; the decline code where the card was declined."""
    if action == "transfer":
        promise_transfer(moment, session)
    elif action == "expire":
        expire_session(moment, session)
    elif decline_code := DECLINED.get(form.cleaned_data["number"]):
        decline_session(moment, session, decline_code)
        return decline_code
    else:
        pay_session(moment, session)
    return None


def _render(request: HttpRequest, session: Session, form: CardForm, *, status: int) -> HttpResponse:
    order = session.order
    context = {
        "session": session,
        "amount": format_money(order.amount, order.currency),
        "items": [(item, format_money(item.unit_amount * item.quantity, order.currency)) for item in order.items],
        "form": form,
        "success_url": _local(order.success_url, session),
        "cancel_url": _local(order.cancel_url, session),
    }
    return render(request, "stripe/checkout.html", context, status=status)


def _local(address: str | None, session: Session) -> str | None:
    """The shop's address where it is on this machine; the sandbox sends nobody elsewhere."""
    if address is None or urlsplit(address).hostname not in LOOPBACK:
        return None
    return address.replace("{CHECKOUT_SESSION_ID}", session.id)
