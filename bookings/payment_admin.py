"""What event types cost, and what was paid for them."""

import re
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.widgets import UnfoldAdminBigIntegerFieldWidget

from bookings.models import Meeting, Payment, Price
from bookings.payments import payments_of
from integrations.admin.base import Admin, DetailAdmin, HistoryAdmin, LongListMixin, ReadOnlyMixin
from integrations.admin.formats import NOTHING, link_to, read_uuid, show_choice, show_instant
from integrations.admin.panels import Panel, panel_on

Status = Payment.Status
STATUS_VARIANTS = {
    Status.PAID: "success",
    Status.UNPAID: "info",
    Status.FAILED: "danger",
    Status.DISPUTED: "danger",
    Status.REFUNDED: "warning",
}
CURRENCY = re.compile(r"[a-z]{3}")
SHOWN = 50


def show_amount(amount: int | None, currency: str) -> str:
    """In the currency's minor unit, as it is stored: how many make a whole one differs."""
    return NOTHING if amount is None else f"{amount:,} {currency.upper()}".strip()


@panel_on(Meeting, rank=1)
def show_payments(request: HttpRequest, meeting: Meeting) -> Panel | None:
    rows = [
        [
            link_to(payment),
            show_choice(payment, "status", STATUS_VARIANTS),
            show_amount(payment.amount, payment.currency),
            payment.connection or "Made by calendar.live",
            ", ".join(payment.told_by) or NOTHING,
            show_instant(payment.paid_at),
        ]
        for payment in payments_of(meeting).select_related("connection").defer("connection__credentials")[:SHOWN]
    ]
    headers = ["Session", "Status", "Amount (minor unit)", "Sold through", "Told by", "Paid"]
    return Panel("Payments", headers=headers, rows=rows) if rows else None


@admin.register(Payment)
class PaymentAdmin(ReadOnlyMixin, LongListMixin, HistoryAdmin, DetailAdmin):
    when_empty = "A booking of something that has a price makes a payment. Prices are set under Rules."
    list_display = ("created", "meeting", "state", "amount_shown", "connection", "paid")
    list_filter = (("status", ChoicesDropdownFilter), ("connection", RelatedDropdownFilter))
    ordering = ("-id",)
    search_fields = ("id",)
    search_help_text = "Id, Checkout Session's id (cs_…), or payment intent (pi_…)"
    fieldsets = (
        (
            None,
            {"fields": ("meeting_link", "state", "amount_shown", "connection", "told_by_shown", "pay_link")},
        ),
        ("When", {"fields": ("created", "paid", "updated")}),
        ("Record", {"fields": ("id", "session_id", "payment_intent")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payment]:
        found: QuerySet[Payment] = super().get_queryset(request)
        return found.select_related("meeting", "connection").defer("connection__credentials")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Payment], search_term: str
    ) -> tuple[QuerySet[Payment], bool]:
        """Exact look-ups only, each with its index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if key := read_uuid(term):
            return queryset.filter(pk=key), False
        return queryset.filter(Q(session_id=term) | Q(payment_intent=term)), False

    @admin.display(description="created")
    def created(self, payment: Payment) -> str:
        return show_instant(payment.created_at)

    @admin.display(description="updated")
    def updated(self, payment: Payment) -> str:
        return show_instant(payment.updated_at)

    @admin.display(description="paid")
    def paid(self, payment: Payment) -> str:
        return show_instant(payment.paid_at)

    @admin.display(description="meeting")
    def meeting_link(self, payment: Payment) -> str:
        return link_to(payment.meeting) if payment.meeting else "Its booking has not come yet"

    @admin.display(description="status")
    def state(self, payment: Payment) -> str:
        return show_choice(payment, "status", STATUS_VARIANTS)

    @admin.display(description="amount (minor unit)")
    def amount_shown(self, payment: Payment) -> str:
        return show_amount(payment.amount, payment.currency)

    @admin.display(description="told by")
    def told_by_shown(self, payment: Payment) -> str:
        return ", ".join(payment.told_by) or NOTHING

    @admin.display(description="link to pay")
    def pay_link(self, payment: Payment) -> str:
        return "Is set" if payment.url else "Is not set"


class MinorUnitField(forms.IntegerField):
    """Django reads 49.00 as 49: here that would be 49 cents where 49 euros are meant."""

    re_decimal = re.compile(r"(?!)")


class PriceForm(forms.ModelForm):
    amount = MinorUnitField(
        min_value=1,
        # Stripe takes eight digits: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts.
        max_value=99_999_999,
        widget=UnfoldAdminBigIntegerFieldWidget,
        help_text="In the currency's minor unit, without a point: 4900 is 49.00.",
    )

    class Meta:
        model = Price
        fields: ClassVar = ["event_type", "amount", "currency", "is_refunded"]

    def clean_currency(self) -> str:
        currency = str(self.cleaned_data["currency"]).strip().lower()
        if not CURRENCY.fullmatch(currency):
            raise forms.ValidationError("Give three letters, such as eur.")
        return currency


@admin.register(Price)
class PriceAdmin(HistoryAdmin, Admin):
    form = PriceForm
    when_empty = "Add a price for an event type that calendar.live itself takes no payment for."
    list_display = ("event_type", "amount_shown", "is_refunded")
    search_fields = ("event_type",)
    fields = ("event_type", "amount", "currency", "is_refunded")

    @admin.display(description="amount (minor unit)", ordering="amount")
    def amount_shown(self, price: Price) -> str:
        return show_amount(price.amount, price.currency)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Another event type is another price."""
        return ("event_type",) if obj else ()
