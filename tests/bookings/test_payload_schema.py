"""Every field that calendar.live's contract requires, and everything else that a payload may hold by mistake."""

import copy
import json

import pytest
import yaml
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookings.models import Calendar, Meeting
from contacts.models import Contact
from integrations.models import Delivery
from tests.factories import CONTRACT, read_sample, receive

pytestmark = pytest.mark.django_db

SCHEMAS = yaml.safe_load((CONTRACT / "openapi.yaml").read_text())["components"]["schemas"]
MISSING = object()
# Where each of the contract's objects stands in the sample that is used here.
PLACES = {
    "Event": "data.event",
    "Calendar": "data.event.calendar",
    "Attendee": "data.event.attendees[0]",
    "Payment": "data.event.payment",
    "Recurrence": "data.event.recurrence",
}
WRONG = {"string": 7, "integer": "seven", "array": {"0": 1}, "object": ["x"]}


def type_of(schema):
    if "$ref" in schema:
        return "object"
    return schema.get("type", "string")


def broken_fields():
    for name, place in PLACES.items():
        schema = SCHEMAS[name]
        for field in schema["required"]:
            wrong = WRONG[type_of(schema["properties"][field])]
            for kind, value in (("missing", MISSING), ("null", None), ("wrong type", wrong), ("flag", True)):
                yield pytest.param(place, field, value, id=f"{name}.{field} {kind}")


def make_full_payload():
    payload = read_sample("paid_event_created")
    payload["data"]["event"]["recurrence"] = {"rrule": "FREQ=WEEKLY;COUNT=6", "exdates": []}
    return payload


def find(payload, place):
    for step in place.replace("[0]", ".0").split("."):
        payload = payload[int(step) if step.isdigit() else step]
    return payload


def test_full_payload_is_processed(calendar_live):
    assert receive(make_full_payload()).status == "processed"


@pytest.mark.parametrize(("place", "field", "value"), list(broken_fields()))
def test_required_field_that_cannot_be_read_makes_a_dead_letter_that_names_it(calendar_live, place, field, value):
    payload = make_full_payload()
    holder = find(payload, place)
    del holder[field]
    if value is not MISSING:
        holder[field] = value
    delivery = receive(payload)
    assert (delivery.status, delivery.cause) == ("dead", "payload")
    assert delivery.error.startswith(f"{place}.{field} ")
    assert (Meeting.objects.count(), Contact.objects.count(), Calendar.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize("value", [None, MISSING])
@pytest.mark.parametrize(
    ("place", "field"),
    [
        (place, field)
        for name, place in PLACES.items()
        for field in SCHEMAS[name]["properties"]
        if field not in SCHEMAS[name]["required"]
    ],
)
def test_optional_field_may_be_null_or_missing(calendar_live, place, field, value):
    payload = make_full_payload()
    holder = find(payload, place)
    holder.pop(field, None)
    if value is None:
        holder[field] = None
    assert receive(payload).status == "processed"


# --- Anything at all -------------------------------------------------------------------------------------------------

texts = st.text(max_size=30) | st.sampled_from(
    ["", " ", "\0", "\ud800", "ß" * 3, "İİİ", "x" * 11_000, "2026-11-24T13:00:00Z", "0001-01-01T00:00:00Z", "UTC",
     "9999-12-31T23:59:59Z", "FREQ=DAILY", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "cancelled", "zoe@x.example"]
)  # fmt: skip
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([2**63, -(2**63), 10**500])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
EVENTS = ["event_created", "paid_event_created", "group_event_created", "recurring_over_dst", "attendee_updated"]


def list_places(value, path=()):
    """The path of everything below a value."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in steps:
        yield (*path, step)
        yield from list_places(child, (*path, step))


@st.composite
def mutated_payloads(draw):
    """A sample with a few values, anywhere inside its data, deleted or replaced."""
    payload = copy.deepcopy(read_sample(draw(st.sampled_from(EVENTS))))
    for _ in range(draw(st.integers(1, 4))):
        places = list(list_places(payload["data"]))
        if not places:
            break
        *parents, last = draw(st.sampled_from(places))
        holder = payload["data"]
        for step in parents:
            holder = holder[step]
        if draw(st.booleans()):
            holder[last] = draw(values)
        else:
            del holder[last]
    return payload


@pytest.mark.slow
@given(payload=mutated_payloads())
@settings(
    derandomize=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_no_payload_inside_a_good_envelope_is_a_bug(calendar_live, payload):
    with transaction.atomic():
        delivery = receive(payload)
        outcome = delivery.status, delivery.cause
        trace = [attempt.trace for attempt in delivery.tries.all()]
        readable = json.dumps(delivery.notes) + delivery.error
        transaction.set_rollback(True)
    assert outcome in {("processed", ""), ("stale", ""), ("dead", "payload")}, trace
    assert "\0" not in readable
    assert not Delivery.objects.exists()
