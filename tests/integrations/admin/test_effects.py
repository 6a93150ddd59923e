"""The effects' list and page in the admin."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from integrations.models import Attempt, Connection, Drain, Effect
from integrations.retries import Cause
from tests.factories import make_connection, make_delivery, make_payload
from tests.integrations.admin.support import get_page, list_address, make_effect, page_address, sign_in

ADDRESS = "/admin/integrations/effect/"
LIST_QUERIES = 6
PAGE_QUERIES = 7
UNKNOWN = {"status": "waiting", "cause": "unknown_outcome"}


@pytest.fixture
def slack(db: None) -> Connection:
    return make_connection("slack", provider="slack")


def listed(client: Client, **parameters: Any) -> list[str]:
    response = client.get(ADDRESS, parameters)
    assert response.status_code == 200
    return [row.idempotency_key for row in response.context["cl"].result_list]


def next_step(client: Client, effect: Effect) -> str:
    """What the page says that happens next."""
    return " ".join(get_page(client, page_address(effect)).split())


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_needs_as_many_queries_for_thirty_rows_as_for_two(
    count: int, slack: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        make_effect(slack, subject=f"{'contact' if number % 2 else 'invitation'}:{number}")
    with django_assert_max_num_queries(LIST_QUERIES) as queries:
        page = get_page(admin_client, ADDRESS)

    assert "contact:1" in page
    statements = [query["sql"] for query in queries.captured_queries]
    assert not any("COUNT(" in sql for sql in statements)
    assert not any("credentials" in sql for sql in statements if 'FROM "integrations_effect"' in sql)


@pytest.mark.parametrize("count", [2, 30])
def test_the_page_needs_as_many_queries_for_thirty_attempts_as_for_two(
    count: int, slack: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    effect = make_effect(slack)
    for number in range(count):
        effect.tries.create(number=number, started_at=timezone.now())
    with django_assert_max_num_queries(PAGE_QUERIES):
        get_page(admin_client, page_address(effect))


def test_the_newest_effect_stands_first_and_no_column_changes_that(slack: Connection, admin_client: Client) -> None:
    for attempts in (1, 0, 2):
        make_effect(slack, idempotency_key=f"key_{Effect.objects.count()}", attempts=attempts)

    for column in range(11):
        assert listed(admin_client, o=column) == ["key_2", "key_1", "key_0"]


def test_the_list_is_filtered_by_connection_kind_status_and_cause(slack: Connection, admin_client: Client) -> None:
    other = make_connection("other")
    make_effect(slack, idempotency_key="a", kind="slack.message", status="dead", cause="permanent")
    make_effect(slack, idempotency_key="b", kind="slack.message", status="succeeded")
    make_effect(other, idempotency_key="c", kind="contact.upsert", status="dead", cause="bug")

    assert listed(admin_client, connection__id__exact=other.pk) == ["c"]
    assert listed(admin_client, kind="slack.message") == ["b", "a"]
    assert listed(admin_client, status__exact="dead") == ["c", "a"]
    assert listed(admin_client, cause__exact="permanent") == ["a"]


def test_the_list_is_filtered_by_when_it_was_planned(slack: Connection, admin_client: Client) -> None:
    for day in (1, 2, 3):
        effect = make_effect(slack, idempotency_key=f"day_{day}")
        Effect.objects.filter(pk=effect.pk).update(created_at=datetime(2026, 11, day, 12, tzinfo=UTC))

    assert listed(admin_client, created_at_from_0="2026-11-02") == ["day_3", "day_2"]
    assert listed(admin_client, created_at_to_0="2026-11-02") == ["day_2", "day_1"]


@pytest.mark.parametrize("field", ["pk", "subject", "external_id", "idempotency_key"])
def test_an_effect_is_found_by_its_exact_id_subject_external_id_and_key(
    field: str, slack: Connection, admin_client: Client
) -> None:
    for number in range(12):
        make_effect(slack, idempotency_key=f"key_{number}", external_id=f"ts_{number}", subject=f"meeting:{number}")
    wanted = Effect.objects.get(idempotency_key="key_1")

    assert listed(admin_client, q=f" {getattr(wanted, field)} ") == ["key_1"]
    assert listed(admin_client, q="nothing") == []


def test_an_effect_cannot_be_added_changed_or_deleted(slack: Connection, admin_client: Client) -> None:
    effect = make_effect(slack)

    assert admin_client.get(f"{ADDRESS}add/").status_code == 403
    assert admin_client.post(page_address(effect), {"status": "succeeded"}).status_code == 403
    assert admin_client.post(page_address(effect, "delete"), {"post": "yes"}).status_code == 403


def test_effects_need_their_permission(slack: Connection) -> None:
    assert sign_in().get(page_address(make_effect(slack))).status_code == 403


def test_the_page_says_what_it_is_about_and_what_came_back(calendar_live: Connection, admin_client: Client) -> None:
    made_by = make_delivery(calendar_live, make_payload())
    effect = make_effect(
        calendar_live, subject="contact:c-42", delivery_id=made_by.pk, status="succeeded", external_id="hs_501",
        idempotency_key="contact.upsert:c-42", parameters={"merged": "c-41"},
    )  # fmt: skip
    page = get_page(admin_client, page_address(effect))

    for shown in ("/admin/contacts/contact/c-42/change/", page_address(made_by), "hs_501", "contact.upsert:c-42"):
        assert shown in page
    assert "&quot;merged&quot;: &quot;c-41&quot;" in page


def test_the_list_shows_the_end_of_a_long_subject(slack: Connection, admin_client: Client) -> None:
    key = "01a2062b-f90f-756b-bb54-6e20c8bc1c24"
    make_effect(slack, subject=f"contact:{key}")
    page = get_page(admin_client, ADDRESS)

    assert f'href="/admin/contacts/contact/{key}/change/"' in page
    assert "contact:…c8bc1c24<" in page


def test_a_subject_that_nobody_shows_is_plain_text(slack: Connection, admin_client: Client) -> None:
    page = get_page(admin_client, page_address(make_effect(slack, subject="other:<7>")))

    assert "other:&lt;7&gt;" in page


def test_the_page_shows_every_attempt_with_its_calls(slack: Connection, admin_client: Client) -> None:
    effect = make_effect(slack)
    call = {"method": "POST", "path": "/api/chat.postMessage", "status": 429, "duration_ms": 120}
    lost = {**call, "status": 0, "duration_ms": 9500}
    now = timezone.now()
    effect.tries.create(number=1, outcome="failed", cause="rate_limited", calls=[call, lost], started_at=now)
    effect.tries.create(number=2, outcome="failed", cause="transient", calls=[call] * 4, started_at=now)
    page = get_page(admin_client, page_address(effect))

    for shown in ("POST /api/chat.postMessage → 429, 120 ms", "POST /api/chat.postMessage → no answer, 9.5 s"):
        assert shown in page
    assert ">4 calls</summary>" in page
    assert ">2 calls</summary>" not in page


def test_an_attempt_without_calls_is_shown(slack: Connection, admin_client: Client) -> None:
    effect = make_effect(slack)
    effect.tries.create(
        number=1, outcome="failed", cause="bug", error="Unexpected KeyError", trace={"type": "KeyError"},
        started_at=timezone.now(), worker="host:7",
    )  # fmt: skip
    page = get_page(admin_client, page_address(effect))

    for shown in ("host:7", "&quot;KeyError&quot;", "Bug in Keepsync"):
        assert shown in page


# --- What happens next ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"status": "succeeded"}, "Nothing: it is done."),
        ({"status": "succeeded", "is_state": True}, "Nothing: it is done. It can be replayed."),
        ({"status": "suppressed"}, "Nothing: there is nothing to do for it."),
        ({"status": "discarded"}, "Nothing: a person has closed it. It can be replayed."),
        ({"status": "running"}, "It is being carried out at this moment."),
        ({"status": "pending"}, "It is due: it goes out as soon as it is its turn at slack."),
        (UNKNOWN, "Nobody knows whether it arrived: look in Slack, then say “It arrived” or “Send again”."),
        ({"status": "waiting", "cause": "rate_limited"}, "What it waited for is over"),
        ({"status": "dead", "cause": "configuration"}, "Set what the error names, then replay it."),
        ({"status": "dead", "cause": "permanent"}, "Slack never accepts it like this."),
        ({"status": "dead", "cause": "transient"}, "Replay it once Slack works again."),
        ({"status": "dead", "cause": ""}, "Mend what the error names and replay it, or discard it."),
    ],
)
def test_the_page_says_what_happens_next(
    fields: dict[str, Any], text: str, slack: Connection, admin_client: Client
) -> None:
    assert text in next_step(admin_client, make_effect(slack, **fields))


def test_every_cause_of_a_dead_letter_has_its_remedy(slack: Connection, admin_client: Client) -> None:
    for cause in Cause.values:
        effect = make_effect(slack, status="dead", cause=cause)
        assert "eplay it" in next_step(admin_client, effect)


def test_the_next_try_is_told_in_words_and_in_utc(slack: Connection, admin_client: Client) -> None:
    due_at = timezone.now() + timedelta(minutes=10, seconds=30)
    effect = make_effect(slack, status="retrying", due_at=due_at)

    assert f"Next try in 10 minutes ({due_at:%Y-%m-%d %H:%M:%S} UTC)." in next_step(admin_client, effect)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("needs_reauthorisation", "It waits for reauthorisation: set new credentials of slack"),
        ("paused", "It waits until slack, which is paused, is resumed."),
        ("disabled", "slack is disabled"),
    ],
)
def test_an_effect_waits_for_its_connection(status: str, text: str, slack: Connection, admin_client: Client) -> None:
    Connection.objects.update(status=status)

    for waiting in ({"status": "pending"}, {"status": "waiting", "cause": "reauthorise"}):
        assert text in next_step(admin_client, make_effect(slack, **waiting))


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        ("rate_limited", "It waits until Slack&#x27;s rate limit is over, in 1 minute ("),
        ("transient", "Slack is away. One effect tries it again in 1 minute ("),
        ("reauthorise", "It waits for reauthorisation"),
    ],
)
def test_an_effect_waits_until_its_connection_has_rested(
    cause: str, text: str, slack: Connection, admin_client: Client
) -> None:
    Drain.objects.create(connection=slack, held_until=timezone.now() + timedelta(seconds=90), hold_cause=cause)

    assert text in next_step(admin_client, make_effect(slack, status="waiting", cause=cause))


def test_an_effect_waits_for_an_earlier_one_of_its_subject(slack: Connection, admin_client: Client) -> None:
    first = make_effect(slack, kind="meeting.upsert", subject="meeting:1")
    second = make_effect(slack, subject="meeting:1")
    page = next_step(admin_client, second)

    assert f'earlier effect of the same subject: <a href="{page_address(first)}"' in page
    assert "It is due" in next_step(admin_client, first)


def test_an_effect_whose_process_died_is_said_to_be_taken_up_again(slack: Connection, admin_client: Client) -> None:
    effect = make_effect(slack, status="running", lease_expires_at=timezone.now() - timedelta(seconds=1))

    assert "is taken up again within a minute" in next_step(admin_client, effect)


# --- Elsewhere --------------------------------------------------------------------------------------------------------


def test_a_deliverys_page_lists_what_it_led_to(calendar_live: Connection, admin_client: Client) -> None:
    delivery = make_delivery(calendar_live, make_payload())
    assert "It has led to nothing outside." in get_page(admin_client, page_address(delivery))

    mine = make_effect(calendar_live, kind="slack.message", delivery_id=delivery.pk, status="retrying")
    other = make_effect(calendar_live)
    page = get_page(admin_client, page_address(delivery))

    for shown in (page_address(mine), "slack.message", mine.subject[-8:], "Retrying"):
        assert shown in page
    assert page_address(other) not in page


def test_attempts_are_at_one_thing_and_each_page_shows_its_own(calendar_live: Connection, admin_client: Client) -> None:
    delivery, effect = make_delivery(calendar_live, make_payload()), make_effect(calendar_live)
    Attempt.objects.create(delivery=delivery, number=1, error="of the delivery", started_at=timezone.now())
    Attempt.objects.create(effect=effect, number=1, error="of the effect", started_at=timezone.now())

    for mine, other in ((delivery, "of the effect"), (effect, "of the delivery")):
        page = get_page(admin_client, page_address(mine))
        assert escape(other) not in page
    assert "of the effect" in page


@pytest.mark.slow
def test_lists_read_a_bounded_part_of_a_hundred_thousand_rows(slack: Connection, admin_client: Client) -> None:
    make_effect(slack, kind="slack.message", subject="meeting:x", external_id="ts_x")
    changed = {
        "id": "uuidv7()",
        "idempotency_key": "'key_' || n",
        "subject": "'meeting:' || n",
        "status": "CASE n % 100 WHEN 0 THEN 'dead' ELSE 'succeeded' END",
    }
    columns = [field.attname for field in Effect._meta.concrete_fields]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO integrations_effect ({', '.join(columns)}) "
            f"SELECT {', '.join(changed.get(column, column) for column in columns)} "
            "FROM integrations_effect, generate_series(1, 100000) AS n"
        )
        cursor.execute("ANALYZE integrations_effect")

    for parameters in ({}, {"status__exact": "dead"}, {"q": "meeting:500"}, {"q": "key_7"}, {"p": "1000"}):
        response = admin_client.get(list_address(Effect), parameters)
        assert 0 < len(response.context["cl"].result_list) <= 50
