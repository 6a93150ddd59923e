"""The deliveries' list and page in the admin."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from integrations.models import Connection, Delivery
from tests.factories import make_connection, make_delivery, make_payload, read_sample, receive
from tests.integrations.admin.support import get_page, list_address, page_address, sign_in

ADDRESS = "/admin/integrations/delivery/"
LIST_QUERIES = 8
PAGE_QUERIES = 14


def make_deliveries(connection: Connection, count: int, **fields: Any) -> None:
    for _ in range(count):
        number = Delivery.objects.count()
        make_delivery(connection, make_payload(f"dlv_{number}", uid=f"uid_{number}"), **fields)


def listed(client: Client, **parameters: Any) -> list[str]:
    response = client.get(ADDRESS, parameters)
    assert response.status_code == 200
    return [row.delivery_id for row in response.context["cl"].result_list]


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_needs_as_many_queries_for_thirty_rows_as_for_two(
    count: int, calendar_live: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    make_deliveries(calendar_live, count)
    with django_assert_max_num_queries(LIST_QUERIES) as queries:
        get_page(admin_client, ADDRESS)

    statements = [query["sql"] for query in queries.captured_queries]
    assert not any("COUNT(" in sql for sql in statements)
    assert not any('"integrations_delivery"."body"' in sql for sql in statements)


@pytest.mark.parametrize("count", [2, 30])
def test_the_page_needs_as_many_queries_for_thirty_attempts_as_for_two(
    count: int, calendar_live: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    delivery = receive(read_sample("event_created"))
    for number in range(count):
        delivery.tries.create(number=number, started_at=timezone.now())
    with django_assert_max_num_queries(PAGE_QUERIES):
        get_page(admin_client, page_address(delivery))


def test_the_newest_delivery_stands_first_and_no_column_changes_that(
    calendar_live: Connection, admin_client: Client
) -> None:
    for attempts in (1, 0, 2):
        make_deliveries(calendar_live, 1, attempts=attempts)

    for column in range(10):
        assert listed(admin_client, o=column) == ["dlv_2", "dlv_1", "dlv_0"]


def test_the_list_is_filtered_by_connection_type_status_and_cause(
    calendar_live: Connection, admin_client: Client
) -> None:
    other = make_connection("other")
    make_delivery(calendar_live, make_payload("dlv_a"), status="dead", cause="payload")
    make_delivery(calendar_live, make_payload("dlv_b", "event.updated"), status="processed")
    make_delivery(other, make_payload("dlv_c"), status="dead", cause="bug")

    assert listed(admin_client, connection__id__exact=other.pk) == ["dlv_c"]
    assert listed(admin_client, event_type="event.updated") == ["dlv_b"]
    assert listed(admin_client, status__exact="dead") == ["dlv_c", "dlv_a"]
    assert listed(admin_client, cause__exact="payload") == ["dlv_a"]
    assert listed(admin_client, status__exact="dead", connection__id__exact=calendar_live.pk) == ["dlv_a"]


def test_the_list_is_filtered_by_the_time_of_receipt(calendar_live: Connection, admin_client: Client) -> None:
    for day in (1, 2, 3):
        moment = datetime(2026, 11, day, 12, tzinfo=UTC)
        make_delivery(calendar_live, make_payload(f"dlv_{day}"), received_at=moment)

    assert listed(admin_client, received_at_from_0="2026-11-02", received_at_from_1="13:00:00") == ["dlv_3"]
    assert listed(admin_client, received_at_from_0="2026-11-02") == ["dlv_3", "dlv_2"]
    assert listed(admin_client, received_at_to_0="2026-11-02") == ["dlv_2", "dlv_1"]
    assert len(listed(admin_client, received_at_from_0="yesterday", received_at_from_1="noon")) == 3


@pytest.mark.parametrize("field", ["delivery_id", "subject", "pk"])
def test_a_delivery_is_found_by_its_exact_delivery_id_uid_and_id(
    field: str, calendar_live: Connection, admin_client: Client
) -> None:
    make_deliveries(calendar_live, 12)
    wanted = Delivery.objects.get(delivery_id="dlv_1")

    assert listed(admin_client, q=f" {getattr(wanted, field)} ") == ["dlv_1"]
    assert listed(admin_client, q="nothing") == []


def test_the_types_offered_are_those_that_came(calendar_live: Connection, admin_client: Client) -> None:
    make_delivery(calendar_live, make_payload("dlv_a", "calendar.archived"))

    assert "calendar.archived" in get_page(admin_client, ADDRESS)


def test_a_delivery_cannot_be_added_changed_or_deleted(calendar_live: Connection, admin_client: Client) -> None:
    make_deliveries(calendar_live, 1)
    delivery = Delivery.objects.get()

    assert admin_client.get(f"{ADDRESS}add/").status_code == 403
    assert admin_client.post(page_address(delivery), {"status": "processed"}).status_code == 403
    assert admin_client.post(page_address(delivery, "delete"), {"post": "yes"}).status_code == 403


def test_the_page_shows_nobody(calendar_live: Connection, admin_client: Client) -> None:
    page = get_page(admin_client, page_address(receive(read_sample("event_created"))))

    for private in ("kafor", "Zo", "06 12", "+336", "Trial call", "lea.martin", "Keep me posted"):
        assert private not in page
    for shown in ("9f27c1f4@calendar.live", "confirmed", "•••", "x-cl-signature", "dlv_0001"):
        assert shown in page


def test_the_page_links_to_the_meetings_of_the_event(calendar_live: Connection, admin_client: Client) -> None:
    page = get_page(admin_client, page_address(receive(read_sample("event_created"))))

    assert ">ev_9f27c1</a>" in page


def test_the_page_shows_every_attempt_with_its_trace(calendar_live: Connection, admin_client: Client) -> None:
    delivery = make_delivery(calendar_live, make_payload(), status="retrying", cause="bug", error="Unexpected KeyError")
    started = timezone.now() - timedelta(minutes=5)
    delivery.tries.create(number=1, outcome="abandoned", worker="host:7", started_at=started)
    delivery.tries.create(
        number=2, outcome="failed", cause="bug", error="Unexpected KeyError", trace={"type": "KeyError"},
        started_at=started, finished_at=started + timedelta(seconds=2.5),
    )  # fmt: skip
    page = get_page(admin_client, page_address(delivery))

    for shown in ("Its process died", "host:7", "2.5 s", "&quot;KeyError&quot;", "Bug in Keepsync"):
        assert shown in page


@pytest.mark.parametrize("body", [b"not json zoe@example.com", b'{"a": NaN}', b"\xff\xfe"])
def test_a_body_that_is_no_json_is_not_shown(body: bytes, calendar_live: Connection, admin_client: Client) -> None:
    page = get_page(admin_client, page_address(make_delivery(calendar_live, body)))

    assert "It is not JSON" in page
    assert "zoe@example.com" not in page


def test_a_payload_whose_key_is_missing_does_not_break_the_page(
    calendar_live: Connection, admin_client: Client, settings: Any
) -> None:
    delivery = make_delivery(calendar_live, make_payload())
    settings.FIELD_ENCRYPTION_KEYS = {"other": b"x" * 32}
    page = get_page(admin_client, page_address(delivery))

    assert "is missing from FIELD_ENCRYPTION_KEYS" in page


def test_deliveries_need_their_permission(calendar_live: Connection) -> None:
    delivery = make_delivery(calendar_live, make_payload())

    assert sign_in().get(page_address(delivery)).status_code == 403


def test_the_buttons_offered_fit_the_state_and_the_permissions(calendar_live: Connection, admin_client: Client) -> None:
    dead = make_delivery(calendar_live, make_payload(), status="dead", attempts=1)
    rejected = make_delivery(calendar_live, make_payload(), is_accepted=False, status="rejected")
    viewer = sign_in("integrations.view_delivery")

    def offered(client: Client, delivery: Delivery) -> list[str]:
        return [action["title"] for action in client.get(page_address(delivery)).context["actions_detail"]]

    assert offered(admin_client, dead) == ["Replay", "Discard", "Reveal payload", "Trace"]
    assert offered(admin_client, rejected) == ["Verify again", "Discard", "Reveal payload", "Trace"]
    assert offered(viewer, dead) == []


def test_the_history_of_a_delivery_is_paged_by_what_there_is(calendar_live: Connection, admin_client: Client) -> None:
    delivery = make_delivery(calendar_live, make_payload(), status="dead")
    admin_client.post(page_address(delivery, "replay"))
    page = get_page(admin_client, page_address(delivery, "history"))

    assert "1 entry" in " ".join(page.split())


@pytest.mark.slow
def test_lists_read_a_bounded_part_of_a_hundred_thousand_rows(calendar_live: Connection, admin_client: Client) -> None:
    make_delivery(calendar_live, make_payload("dlv_x"))
    changed = {
        "id": "uuidv7()",
        "delivery_id": "'dlv_' || n",
        "status": "CASE n % 100 WHEN 0 THEN 'dead' ELSE 'processed' END",
    }
    columns = [field.attname for field in Delivery._meta.concrete_fields]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO integrations_delivery ({', '.join(columns)}) "
            f"SELECT {', '.join(changed.get(column, column) for column in columns)} "
            "FROM integrations_delivery, generate_series(1, 100000) AS n"
        )
        cursor.execute("ANALYZE integrations_delivery")

    for parameters in ({}, {"status__exact": "dead"}, {"q": "dlv_500"}, {"p": "1000"}):
        response = admin_client.get(list_address(Delivery), parameters)
        assert 0 < len(response.context["cl"].result_list) <= 50
