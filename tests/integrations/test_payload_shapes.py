"""Payload drift: which fields are known, what is new, what has vanished, and that no value is kept."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations import payload_shapes
from integrations.models import Alert, AlertRule, Connection, PayloadShape
from integrations.operations.alerts import check
from integrations.payload_paths import KEYS, find_paths
from integrations.payload_shapes import find_drift, look_at, take_in
from tests.factories import make_payload, receive
from tests.integrations.admin.support import get_page, page_address, press, read_log, sign_in

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
KIND = ("calendar_live", "event.created", "2026-01-01")


def read(payload: Any) -> set[str]:
    return {path for path in find_paths(payload) if not path.endswith("{}")}


# --- Paths ------------------------------------------------------------------------------------------------------------


def test_paths_name_fields_and_collapse_lists() -> None:
    payload = {"id": 1, "data": {"people": [{"email": "zoe@example.com"}, {"phone": None}], "tags": ["a", "b"]}}

    assert read(payload) == {"id", "data", "data.people", "data.people[].email", "data.people[].phone", "data.tags"}


def test_keys_that_are_somebodys_own_read_as_any() -> None:
    payload = {
        "metadata": {"Zoe": 1},
        "custom_fields": {"a": {"b": 1}},
        "zoe@example.com": 1,
        "How many?": 1,
        "8f14e45fceea167a5a36dedd4bea2543": 1,
        "item_48213": 1,
        "table": {f"k{chr(97 + number % 26)}{'x' * number}": {"name": 1} for number in range(KEYS + 1)},
        "address_2": 1,
    }

    assert read(payload) == {"metadata", "custom_fields", "*", "table", "table.*", "table.*.name", "address_2"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=30)
@given(JSON, JSON)
def test_the_items_of_a_list_have_together_what_each_has(one: Any, other: Any) -> None:
    assert find_paths([one, other]) - {"[]{}"} == (find_paths([one]) | find_paths([other])) - {"[]{}"}


def test_a_payload_of_any_depth_is_read() -> None:
    nested: Any = 1
    for _ in range(90):
        nested = {"a": nested}

    assert len(find_paths(nested)) < 30


# --- Learning ---------------------------------------------------------------------------------------------------------


def learn(shape: PayloadShape, payload: Any, *, count: int = 1, minutes: float = 0) -> PayloadShape:
    take_in(shape, find_paths(payload), count=count, now=NOW + timedelta(minutes=minutes))
    return shape


def drift(shape: PayloadShape, *, minutes: float = 60) -> tuple[list[str], list[str]]:
    found = find_drift(shape, learnt=100, lacking=20, now=NOW + timedelta(minutes=minutes))
    return found.unseen, found.vanished


def know(payload: Any) -> PayloadShape:
    return learn(PayloadShape(), payload, count=101)


def test_fields_of_the_first_payloads_are_learnt_and_later_ones_are_new() -> None:
    shape = learn(learn(PayloadShape(), {"id": 1}, count=50), {"id": 1, "note": 1}, count=60)
    assert drift(shape) == ([], [])
    assert drift(learn(shape, {"id": 1, "price": {"amount": 1}})) == (["price", "price.amount"], [])


def test_a_field_that_was_always_there_has_vanished_after_so_many_payloads_without_it() -> None:
    shape = learn(know({"id": 1, "title": 1}), {"id": 1}, count=19)
    assert drift(shape) == ([], [])
    assert drift(learn(shape, {"id": 1})) == ([], ["title"])
    assert drift(learn(shape, {"id": 1, "title": 1})) == ([], [])


def test_many_payloads_of_one_moment_make_nothing_vanish() -> None:
    """Another process may see the field meanwhile."""
    shape = learn(know({"id": 1, "title": 1}), {"id": 1}, count=500)

    assert drift(shape, minutes=4) == ([], [])
    assert drift(shape, minutes=5) == ([], ["title"])


def test_a_field_that_is_lacking_now_and_then_is_optional() -> None:
    shape = know({"id": 1, "title": 1})
    learn(learn(shape, {"id": 1}, count=3), {"id": 1, "title": 1})

    assert drift(learn(shape, {"id": 1}, count=500)) == ([], [])


def test_a_field_whose_object_or_list_is_empty_has_not_vanished() -> None:
    shape = know({"id": 1, "people": [{"name": 1}], "price": {"amount": 1}})
    learn(shape, {"id": 1, "people": [], "price": None}, count=50)

    assert drift(shape) == ([], [])
    assert drift(learn(shape, {"id": 1, "people": [{"x": 1}], "price": {}}, count=50))[1] == [
        "people[].name",
        "price.amount",
    ]


def test_the_fields_of_a_shape_are_bounded() -> None:
    shape = know({"id": 1})
    for letter in "abcdefghijklmnop":
        learn(shape, {f"{letter}{'x' * number}": 1 for number in range(50)})

    assert shape.is_full
    assert len(shape.fields) == payload_shapes.FIELDS


@pytest.mark.django_db
def test_the_same_form_within_a_minute_costs_no_query(django_assert_num_queries: Any, monkeypatch: Any) -> None:
    clock = [0.0]
    monkeypatch.setattr("integrations.payload_shapes.time.monotonic", lambda: clock[0])
    paths = find_paths({"id": 1})
    look_at(KIND, paths)
    with django_assert_num_queries(0):
        for _ in range(9):
            look_at(KIND, paths)
    clock[0] = 61.0
    look_at(KIND, paths)

    assert PayloadShape.objects.get().payloads == 11


@pytest.mark.django_db
def test_there_are_only_so_many_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload_shapes, "SHAPES", 2)
    for name in ("a", "b", "c"):
        look_at(("calendar_live", name, ""), find_paths({"id": 1}))

    assert list(PayloadShape.objects.values_list("event_type", flat=True)) == ["a", "b"]


# --- From deliveries --------------------------------------------------------------------------------------------------


def test_a_processed_delivery_is_learnt_by_provider_type_and_version_without_its_values(
    calendar_live: Connection,
) -> None:
    receive(make_payload(title="Zoë's call"))
    shape = PayloadShape.objects.get()

    assert (shape.provider, shape.event_type, shape.version) == KIND
    assert "data.event.attendees[].email" in shape.fields
    assert str(shape) == "calendar_live event.created 2026-01-01"
    stored = json.dumps([shape.fields, shape.constant, shape.absent])
    for value in ("Zo", "xample.com", "9f27c1", "Paris"):
        assert value not in stored


def test_a_delivery_that_failed_teaches_nothing(calendar_live: Connection) -> None:
    assert receive(make_payload(start="soon")).status == "dead"
    assert not PayloadShape.objects.exists()


def test_learning_that_fails_fails_no_delivery(calendar_live: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setattr(payload_shapes, "look_at", fail)

    assert receive(make_payload()).status == "processed"


# --- The alert --------------------------------------------------------------------------------------------------------


@pytest.fixture
def shape(db: None) -> PayloadShape:
    provider, event_type, version = KIND
    shape = PayloadShape(provider=provider, event_type=event_type, version=version)
    learn(shape, {"id": 1, "title": 1}, count=101)
    learn(shape, {"id": 1, "name": 1}, count=20)
    shape.save()
    return shape


@time_machine.travel(NOW + timedelta(hours=1), tick=False)
def test_drift_opens_one_alert_that_names_the_fields_until_a_person_accepts(shape: PayloadShape) -> None:
    check()
    check()
    alert = Alert.objects.get()
    assert (alert.kind, alert.level, alert.about) == ("payload_drift", "warning", str(shape.pk))
    assert alert.title == "calendar.live sends event.created in another form"
    assert "New: name.\nNot there any more: title.\nOf 121 payloads, version 2026-01-01." in alert.text
    assert alert.page == page_address(shape)

    client = sign_in("integrations.view_payloadshape", "integrations.accept_payloadshape")
    page = get_page(client, page_address(shape))
    assert "since payload 102" in page
    assert "lacking in the last 20" in page
    press(client, shape, "accept")
    alert.refresh_from_db()
    assert alert.closed_at is not None
    assert read_log(shape) == [("nora", "Accepted as it is")]
    check()
    assert Alert.objects.count() == 1
    shape.refresh_from_db()
    assert drift(shape) == ([], [])


@time_machine.travel(NOW + timedelta(hours=1), tick=False)
def test_a_field_that_comes_back_closes_the_alert(shape: PayloadShape) -> None:
    check()
    learn(shape, {"id": 1, "title": 1, "name": 1}).save()
    shape.accepted_payloads = 121
    shape.save()
    check()

    assert Alert.objects.get().closed_at is not None


@time_machine.travel(NOW + timedelta(hours=1), tick=False)
def test_from_how_many_payloads_on_is_the_rules_limit(shape: PayloadShape) -> None:
    AlertRule.objects.filter(kind="payload_drift").update(minimum=500)
    check()
    assert not Alert.objects.exists()


def test_accepting_is_closed_to_who_may_only_look(shape: PayloadShape) -> None:
    client = sign_in("integrations.view_payloadshape")

    assert client.post(page_address(shape, "accept")).status_code == 403
    assert "Accept as it is" not in get_page(client, page_address(shape))


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_needs_as_many_queries_for_thirty_shapes_as_for_two(
    count: int, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        PayloadShape.objects.create(provider="zoom", event_type=f"type-{number}", payloads=200)
    with django_assert_max_num_queries(8):
        page = get_page(admin_client, "/admin/integrations/payloadshape/")

    assert "type-1" in page
    assert "As known" in page
