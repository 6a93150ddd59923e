"""What a caller sent, as typed values. Raises InvalidRequestError with the parameter's name, as Stripe does."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from integrations.sandbox.stripe.exceptions import InvalidRequestError, MissingError
from integrations.sandbox.stripe.records import LineItem, Order

# https://docs.stripe.com/api/metadata
MAX_KEYS, MAX_KEY_LENGTH, MAX_VALUE_LENGTH = 50, 40, 500
MAX_REFERENCE_LENGTH = 200
SMALLEST_AMOUNT = 50
REASONS = ("duplicate", "fraudulent", "requested_by_customer")
# Parameters of POST /v1/checkout/sessions that are accepted here without changing anything.
IDLE = frozenset({"automatic_tax", "customer_creation", "expand", "locale", "payment_method_types", "submit_type"})

type Form = Mapping[str, Any]


def decode_form(body: str) -> dict[str, Any]:
    """`a[b][0][c]=1` as {"a": {"b": {"0": {"c": "1"}}}}; the numbers of a list stay texts."""
    decoded: dict[str, Any] = {}
    for name, value in parse_qsl(body, keep_blank_values=True):
        *parents, last = [part for part in re.split(r"\]\[|\[|\]", name) if part] or [""]
        place = decoded
        for parent in parents:
            below = place.setdefault(parent, {})
            if not isinstance(below, dict):
                raise InvalidRequestError("Invalid object", param=name)
            place = below
        place[str(len(place)) if name.endswith("[]") else last] = value
    return decoded


def parse_order(form: Form) -> Order:
    """The parameters of POST /v1/checkout/sessions, for a single payment on Stripe's own page."""
    _refuse_unknown(form, ORDER_FIELDS | IDLE)
    if form.get("mode", "payment") != "payment":
        raise InvalidRequestError("Invalid mode: must be payment here", param="mode")
    items, currency = _items(form.get("line_items"))
    intent = _object(form.get("payment_intent_data", {}), "payment_intent_data")
    order = Order(
        items=items,
        currency=currency,
        success_url=_url(_required(form, "success_url"), "success_url"),
        cancel_url=_optional(form, "cancel_url", _url),
        client_reference_id=_optional(form, "client_reference_id", _reference),
        customer_email=_optional(form, "customer_email", _email),
        metadata=read_metadata(form.get("metadata", {}), "metadata"),
        payment_metadata=read_metadata(intent.get("metadata", {}), "payment_intent_data[metadata]"),
        expires_at=_optional(form, "expires_at", _instant),
    )
    if order.amount < SMALLEST_AMOUNT:
        message = "The Checkout Session's total amount due must add up to at least 0.50."
        raise InvalidRequestError(message, code="amount_too_small")
    return order


def parse_refund(form: Form) -> dict[str, Any]:
    """payment_intent, charge, amount, reason (None where not sent) and metadata."""
    _refuse_unknown(form, frozenset({"payment_intent", "charge", "amount", "reason", "metadata", "expand"}))
    reason = form.get("reason")
    if reason is not None and reason not in REASONS:
        raise InvalidRequestError(f"Invalid reason: must be one of {', '.join(REASONS)}", param="reason")
    return {
        "payment_intent": _optional(form, "payment_intent", _text),
        "charge": _optional(form, "charge", _text),
        "amount": _optional(form, "amount", read_integer),
        "reason": reason,
        "metadata": read_metadata(form.get("metadata", {}), "metadata"),
    }


def read_integer(value: object, name: str) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,15}", value):
        raise InvalidRequestError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
    return int(value)


def read_metadata(value: object, name: str) -> dict[str, str]:
    metadata = {} if value == "" else _object(value, name)
    if len(metadata) > MAX_KEYS:
        raise InvalidRequestError(f"You can have at most {MAX_KEYS} metadata keys.", param=name)
    for key, item in metadata.items():
        if not isinstance(item, str) or len(key) > MAX_KEY_LENGTH or len(item) > MAX_VALUE_LENGTH:
            message = f"Metadata keys have at most {MAX_KEY_LENGTH} and values at most {MAX_VALUE_LENGTH} characters."
            raise InvalidRequestError(message, param=f"{name}[{key}]")
    return metadata


ORDER_FIELDS = frozenset({*Order.__dataclass_fields__, "line_items", "mode", "payment_intent_data"}) - {
    "items",
    "currency",
    "payment_metadata",
}


def _refuse_unknown(form: Form, known: frozenset[str]) -> None:
    for name in form:
        if name not in known:
            raise InvalidRequestError(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def _required(form: Form, name: str, label: str = "") -> object:
    label = label or name
    if name not in form:
        raise InvalidRequestError(f"Missing required param: {label}.", code="parameter_missing", param=label)
    return form[name]


def _optional[T](form: Form, name: str, read: Callable[[object, str], T]) -> T | None:
    return read(form[name], name) if name in form else None


def _items(value: object) -> tuple[tuple[LineItem, ...], str]:
    lines = _object(value or {}, "line_items")
    if not lines:
        raise InvalidRequestError("Missing required param: line_items.", code="parameter_missing", param="line_items")
    read = [_item(line, f"line_items[{number}]") for number, line in lines.items()]
    currencies = {currency for _, currency in read}
    if len(currencies) > 1:
        raise InvalidRequestError("All line items must have the same currency.", param="line_items")
    return tuple(item for item, _ in read), currencies.pop()


def _item(value: object, name: str) -> tuple[LineItem, str]:
    line = _object(value, name)
    if "price" in line:
        raise MissingError("price", str(line["price"]), param=f"{name}[price]")
    price = _object(_required(line, "price_data", f"{name}[price_data]"), f"{name}[price_data]")
    currency = _required(price, "currency", f"{name}[price_data][currency]")
    if not isinstance(currency, str) or not re.fullmatch("[a-z]{3}", currency):
        raise InvalidRequestError(f"Invalid currency: {currency}", param=f"{name}[price_data][currency]")
    product = _object(_required(price, "product_data", f"{name}[price_data][product_data]"), f"{name}[product_data]")
    return (
        LineItem(
            name=_text(_required(product, "name", f"{name}[price_data][product_data][name]"), f"{name}[name]"),
            unit_amount=_natural(price.get("unit_amount"), f"{name}[price_data][unit_amount]"),
            quantity=_natural(line.get("quantity", "1"), f"{name}[quantity]"),
        ),
        currency,
    )


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequestError("Invalid object", param=name)
    return value


def _natural(value: object, name: str) -> int:
    number = read_integer(value, name)
    if number < 0:
        raise InvalidRequestError("This value must be greater than or equal to 0.", param=name)
    return number


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        message = f"You passed an empty string for '{name}'."
        raise InvalidRequestError(message, code="parameter_invalid_empty", param=name)
    return value


def _url(value: object, name: str) -> str:
    text = _text(value, name)
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InvalidRequestError("Not a valid URL", code="url_invalid", param=name)
    return text


def _reference(value: object, name: str) -> str:
    text = _text(value, name)
    if len(text) > MAX_REFERENCE_LENGTH:
        raise InvalidRequestError(f"Invalid string: must be at most {MAX_REFERENCE_LENGTH} characters", param=name)
    return text


def _email(value: object, name: str) -> str:
    text = _text(value, name)
    if "@" not in text[1:-1] or " " in text:
        raise InvalidRequestError(f"Invalid email address: {text}", code="email_invalid", param=name)
    return text


def _instant(value: object, name: str) -> datetime:
    try:
        return datetime.fromtimestamp(read_integer(value, name), tz=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidRequestError(f"Invalid timestamp: {value}", param=name) from error
