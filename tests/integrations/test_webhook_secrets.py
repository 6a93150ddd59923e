"""Webhook secrets: which one verified, what speaks against retiring one, and what a wrong one left refused."""

import json
import threading
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.utils import timezone
from uuid_utils.compat import uuid7

from integrations import intake
from integrations.endpoints import load_endpoint
from integrations.exceptions import StateError
from integrations.ids import first_id_at
from integrations.models import Connection, Delivery, WebhookSecret
from integrations.webhook_secrets import (
    QUIET,
    Use,
    add_secret,
    count_rejected,
    describe_reminder,
    explain_use,
    list_states,
    measure_use,
    retire_older,
    retire_secret,
    verify_rejected_again,
)
from tests.factories import SECRET, make_connection, make_delivery, make_payload, post_webhook

NEW = "whsec_new_77a1"
Status = Delivery.Status


@pytest.fixture
def old(calendar_live: Connection) -> WebhookSecret:
    return calendar_live.webhook_secrets.get()


@pytest.fixture
def new(calendar_live: Connection, old: WebhookSecret) -> WebhookSecret:
    add_secret(calendar_live, NEW)
    return calendar_live.webhook_secrets.latest("pk")


def deliver(delivery_id: str, secret: str = SECRET, **event: Any) -> Delivery:
    assert post_webhook(make_payload(delivery_id, **event), secret=secret).status_code == 200
    return Delivery.objects.get(delivery_id=delivery_id, is_accepted=True)


def make_used(secret: WebhookSecret, *, age: timedelta, delivery_id: str) -> Delivery:
    """A delivery that came so long ago, signed with the secret."""
    at = timezone.now() - age
    key = first_id_at(at).int + uuid7().int % (1 << 60)
    return make_delivery(
        secret.connection, make_payload(delivery_id), id=type(uuid7())(int=key), secret=secret, received_at=at
    )


# --- Which one verified -----------------------------------------------------------------------------------------------


def test_each_delivery_names_the_secret_that_had_signed_it(old: WebhookSecret, new: WebhookSecret) -> None:
    assert deliver("dlv_old").secret_id == old.pk
    assert deliver("dlv_new", NEW).secret_id == new.pk


def test_a_repeat_names_the_secret_that_the_sender_has_now(old: WebhookSecret, new: WebhookSecret) -> None:
    deliver("dlv_1")
    repeated = deliver("dlv_1", NEW)

    assert (repeated.secret_id, repeated.duplicates) == (new.pk, 1)


def test_another_body_under_the_same_id_leaves_the_firsts_secret(old: WebhookSecret, new: WebhookSecret) -> None:
    deliver("dlv_1", title="First")
    assert post_webhook(make_payload("dlv_1", title="Second"), secret=NEW).status_code == 409

    assert Delivery.objects.get(is_accepted=True).secret_id == old.pk
    assert Delivery.objects.get(is_accepted=False).secret_id is None


def test_a_request_that_is_taken_in_later_names_its_secret(calendar_live: Connection) -> None:
    post_webhook(make_payload(), secret=NEW)
    add_secret(calendar_live, NEW)
    intake.verify_again(Delivery.objects.get())

    assert Delivery.objects.get().secret_id == calendar_live.webhook_secrets.latest("pk").pk


def test_one_secret_costs_one_verification_and_the_newest_is_tried_first(
    old: WebhookSecret, new: WebhookSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver("dlv_1", NEW)
    adapter = type(load_endpoint("calendar-live").adapter)
    tried: list[Any] = []
    verify = adapter.verify

    def count_and_verify(self: Any, request: Any, given: Any) -> bool:
        tried.append(given)
        return verify(self, request, given)

    monkeypatch.setattr(adapter, "verify", count_and_verify)
    deliver("dlv_2", NEW)
    assert tried == [[NEW]]

    deliver("dlv_3")
    assert tried == [[NEW], [NEW], [SECRET]]


def test_retired_secrets_are_not_read_by_the_intake(old: WebhookSecret, new: WebhookSecret) -> None:
    """There is one more with each rotation, and the key of an old one may be gone."""
    retire_secret(old)
    with database.cursor() as cursor:
        cursor.execute("UPDATE integrations_webhooksecret SET secret = '\\x00' WHERE id = %s", [old.pk])

    assert [secret.id for secret in load_endpoint("calendar-live").secrets] == [new.pk]


# --- Their use --------------------------------------------------------------------------------------------------------


def test_use_counts_the_last_hour_and_day_by_secret(old: WebhookSecret, new: WebhookSecret) -> None:
    make_used(old, age=timedelta(days=2), delivery_id="dlv_0")
    make_used(old, age=timedelta(hours=23, minutes=59), delivery_id="dlv_1")
    last = make_used(old, age=timedelta(minutes=61), delivery_id="dlv_2")
    newest = make_used(new, age=timedelta(minutes=59), delivery_id="dlv_3")
    make_delivery(old.connection, make_payload("dlv_polled"))

    assert measure_use(old.connection, now=timezone.now()) == {
        old.pk: Use(0, 2, last.received_at),
        new.pk: Use(1, 1, newest.received_at),
    }


def test_use_is_measured_in_one_query_and_of_one_connection(
    old: WebhookSecret, new: WebhookSecret, django_assert_num_queries: Any
) -> None:
    make_used(make_connection("other").webhook_secrets.get(), age=timedelta(0), delivery_id="dlv_1")
    with django_assert_num_queries(1):
        assert measure_use(old.connection, now=timezone.now()) == {}


def test_states_are_the_active_secrets_newest_first(old: WebhookSecret, new: WebhookSecret) -> None:
    WebhookSecret.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=41))
    deliver("dlv_1")
    newest, oldest = list_states(old.connection)

    assert (newest.id, newest.age_days, newest.use, newest.in_use) == (new.pk, 0, Use(), "")
    assert (oldest.id, oldest.age_days, oldest.use.recent, oldest.use.last_day) == (old.pk, 41, 1, 1)
    assert oldest.in_use == "it verified 1 delivery in the last hour, the last one just now"


NOW = datetime.fromisoformat("2026-11-20T12:00:00Z")


def used(*, recent: int = 0, last_day: int = 0, minutes: int | None = None) -> Use:
    return Use(recent, last_day, None if minutes is None else NOW - timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("uses", "explained"),
    [
        ({}, ""),
        ({1: used(recent=12, last_day=40, minutes=3)},
         "it verified 12 deliveries in the last hour, the last one 3 minutes ago"),
        ({1: used(recent=1, last_day=1, minutes=3), 2: used(recent=9, last_day=9, minutes=0)},
         "it verified 1 delivery in the last hour, the last one 3 minutes ago"),
        ({1: used(last_day=7, minutes=301), 2: used(last_day=1, minutes=300)}, ""),
        ({1: used(last_day=7, minutes=301)},
         "it verified the last delivery that came, 5 hours ago, and no other secret has since"),
        ({1: used(last_day=7, minutes=61), 2: used(last_day=1, minutes=300)},
         "it verified the last delivery that came, 1 hour ago, and no other secret has since"),
        ({2: used(last_day=1, minutes=300)}, ""),
    ],
    ids=["nothing came", "lately", "both lately", "switched", "quiet, not switched", "switched back", "never used"],
)  # fmt: skip
def test_what_speaks_against_retiring_a_secret(uses: dict[int, Use], explained: str) -> None:
    assert explain_use(uses, 1, now=NOW) == explained


@pytest.mark.parametrize(
    ("days", "reminder"), [(0, ""), (29, ""), (30, "made 30 days ago: rotate it"), (41, "made 41 days ago: rotate it")]
)
def test_a_reminder_comes_after_thirty_days(days: int, reminder: str) -> None:
    assert describe_reminder(NOW - timedelta(days=days), NOW) == reminder


# --- Adding and retiring ----------------------------------------------------------------------------------------------


def test_a_secret_in_use_is_not_retired_and_the_numbers_are_named(old: WebhookSecret, new: WebhookSecret) -> None:
    for number in range(3):
        deliver(f"dlv_{number}")
    with pytest.raises(StateError, match=r"verified 3 deliveries in the last hour, the last one just now.*force"):
        retire_secret(old)
    assert old.connection.webhook_secrets.filter(retired_at=None).count() == 2

    retire_secret(old, force=True)
    assert post_webhook(make_payload("dlv_9")).status_code == 401
    deliver("dlv_10", NEW)


def test_a_secret_is_retired_when_it_was_quiet_for_an_hour(old: WebhookSecret, new: WebhookSecret) -> None:
    make_used(old, age=QUIET + timedelta(minutes=1), delivery_id="dlv_1")
    make_used(new, age=timedelta(0), delivery_id="dlv_2")
    retire_secret(old)

    assert list(old.connection.webhook_secrets.filter(retired_at=None)) == [new]


def test_a_shorter_quiet_time_may_be_given(old: WebhookSecret, new: WebhookSecret) -> None:
    make_used(old, age=timedelta(seconds=9), delivery_id="dlv_1")
    make_used(new, age=timedelta(seconds=1), delivery_id="dlv_2")
    with pytest.raises(StateError, match="in the last 10 seconds"):
        retire_secret(old, quiet=timedelta(seconds=10))
    retire_secret(old, quiet=timedelta(seconds=5))


def test_a_new_secret_that_was_a_mistake_is_retired_at_once(old: WebhookSecret, new: WebhookSecret) -> None:
    deliver("dlv_1")
    retire_secret(new)

    assert list(old.connection.webhook_secrets.filter(retired_at=None)) == [old]


def test_the_last_secret_stays_even_if_forced(old: WebhookSecret) -> None:
    with pytest.raises(StateError, match="only active secret"):
        retire_secret(old, force=True)


def test_a_retired_secret_is_not_retired_again(old: WebhookSecret, new: WebhookSecret) -> None:
    retire_secret(old)
    with pytest.raises(StateError, match="retired already"):
        retire_secret(old)


def test_all_older_secrets_are_retired_or_none(old: WebhookSecret, new: WebhookSecret) -> None:
    add_secret(old.connection, "whsec_newest")
    deliver("dlv_1")
    with pytest.raises(StateError):
        retire_older(old.connection)
    assert old.connection.webhook_secrets.filter(retired_at=None).count() == 3

    assert set(retire_older(old.connection, force=True)) == {old.pk, new.pk}
    assert retire_older(old.connection) == []


def test_an_active_secret_is_not_added_twice(old: WebhookSecret) -> None:
    with pytest.raises(StateError, match="active already"):
        add_secret(old.connection, SECRET)


def test_a_secret_whose_encryption_key_was_lost_is_replaced(old: WebhookSecret) -> None:
    with database.cursor() as cursor:
        cursor.execute("UPDATE integrations_webhooksecret SET secret = '\\x00' WHERE id = %s", [old.pk])
    add_secret(old.connection, NEW)
    deliver("dlv_1", NEW)
    retire_secret(old)

    assert [state.use.recent for state in list_states(old.connection)] == [1]


@pytest.mark.django_db(transaction=True)
def test_two_that_retire_each_others_secret_leave_one() -> None:
    connection = make_connection()
    add_secret(connection, NEW)
    barrier, errors = threading.Barrier(2, timeout=60), []

    def retire(secret: WebhookSecret) -> None:
        try:
            barrier.wait()
            retire_secret(secret)
        except StateError as error:
            errors.append(str(error))
        finally:
            database.close()

    threads = [threading.Thread(target=retire, args=[secret]) for secret in connection.webhook_secrets.all()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert connection.webhook_secrets.filter(retired_at=None).count() == 1
    assert errors == ["This is the only active secret: add the new one first."]


# --- Refused requests -------------------------------------------------------------------------------------------------


def test_a_window_with_a_wrong_secret_is_repaired_in_one_go(calendar_live: Connection) -> None:
    for number in range(3):
        post_webhook(make_payload(f"dlv_{number}"), secret=NEW)
    post_webhook(make_payload("dlv_noise"), secret="somebody else's")
    assert count_rejected(calendar_live) == 4
    assert verify_rejected_again(calendar_live).accepted == []

    add_secret(calendar_live, NEW)
    found = verify_rejected_again(calendar_live)

    assert (len(found.accepted), found.repeats, found.refused, found.has_more) == (3, 0, 1, False)
    taken = Delivery.objects.filter(pk__in=found.accepted)
    assert {delivery.delivery_id for delivery in taken} == {"dlv_0", "dlv_1", "dlv_2"}
    assert {delivery.status for delivery in taken} == {Status.RECEIVED}
    assert count_rejected(calendar_live) == 1


def test_of_refused_repeats_the_first_is_taken_in_and_the_others_are_closed(calendar_live: Connection) -> None:
    for _ in range(3):
        post_webhook(make_payload("dlv_1"), secret=NEW)
    add_secret(calendar_live, NEW)
    found = verify_rejected_again(calendar_live)

    assert (len(found.accepted), found.repeats, found.refused) == (1, 2, 0)
    first, *others = Delivery.objects.order_by("id")
    assert (first.pk, first.status) == (found.accepted[0], Status.RECEIVED)
    assert {(other.status, other.is_accepted) for other in others} == {(Status.DISCARDED, False)}
    assert "sent it again" in others[0].discard_reason


def test_what_the_sender_repeated_with_another_body_stays_for_a_person(calendar_live: Connection) -> None:
    post_webhook(make_payload("dlv_1", title="First"), secret=NEW)
    add_secret(calendar_live, NEW)
    deliver("dlv_1", NEW, title="Second")
    found = verify_rejected_again(calendar_live)

    assert (found.accepted, found.repeats, found.refused) == ([], 0, 1)
    assert Delivery.objects.filter(status=Status.REJECTED).count() == 1


def test_only_so_many_are_looked_at_in_one_go_and_the_newest_first(calendar_live: Connection) -> None:
    for number in range(3):
        post_webhook(make_payload(f"dlv_{number}"), secret=NEW)
    add_secret(calendar_live, NEW)
    first = verify_rejected_again(calendar_live, limit=2)
    second = verify_rejected_again(calendar_live, limit=2)

    assert (len(first.accepted), first.has_more) == (2, True)
    assert (len(second.accepted), second.has_more) == (1, False)
    assert Delivery.objects.get(pk=second.accepted[0]).delivery_id == "dlv_0"


def test_a_delivery_that_was_discarded_meanwhile_is_not_taken_in(calendar_live: Connection) -> None:
    post_webhook(make_payload(), secret=NEW)
    add_secret(calendar_live, NEW)
    seen = Delivery.objects.get()
    Delivery.objects.update(status=Status.DISCARDED)
    with pytest.raises(StateError):
        intake.verify_again(seen)


# --- The command ------------------------------------------------------------------------------------------------------


def run(*words: str) -> str:
    out = StringIO()
    call_command("rotate_secret", *words, stdout=out)
    return out.getvalue()


def run_json(*words: str) -> dict[str, Any]:
    return json.loads(run(*words, "--json"))


def test_the_command_rotates_without_a_gap(old: WebhookSecret) -> None:
    deliver("dlv_1")
    added = run_json("calendar-live")
    deliver("dlv_2", added["webhook_secret"])
    status = run_json("calendar-live", "--status")

    assert [(row["id"], row["last_hour"], row["in_use"]) for row in status["secrets"]] == [
        (added["added"], 1, True),
        (old.pk, 1, True),
    ]
    with pytest.raises(CommandError, match="verified 1 delivery in the last hour") as caught:
        run("calendar-live", "--retire-old")
    assert caught.value.returncode == 1

    retired = run_json("calendar-live", "--retire-old", "--force")
    assert (retired["retired"], [row["id"] for row in retired["secrets"]]) == ([old.pk], [added["added"]])
    assert run_json("calendar-live", "--retire-old")["retired"] == []


def test_the_command_prints_a_made_secret_once_and_a_given_one_never(old: WebhookSecret) -> None:
    printed = run("calendar-live")
    made = WebhookSecret.objects.latest("pk").secret
    assert printed.count(made) == 1
    assert "--retire-old" in printed

    assert "whsec_given" not in run("calendar-live", "--secret", "whsec_given")
    assert WebhookSecret.objects.latest("pk").secret == "whsec_given"
    assert "webhook_secret" not in run_json("calendar-live", "--secret", "whsec_other")
    shown = run("calendar-live", "--status") + run("calendar-live", "--status", "--json")
    for secret in (SECRET, made, "whsec_given", "whsec_other"):
        assert secret not in shown


def test_the_status_names_ages_and_reminds(old: WebhookSecret) -> None:
    WebhookSecret.objects.update(created_at=timezone.now() - timedelta(days=41))

    assert "made 41 days ago: rotate it" in run("calendar-live", "--status")
    assert "none in the last day" in run("calendar-live", "--status")


@pytest.mark.parametrize(
    ("words", "status", "named"),
    [
        (["nobody"], 1, "nobody"),
        (["mail"], 1, "sends no webhooks"),
        (["calendar-live", "--force"], 2, "--retire-old"),
        (["calendar-live", "--secret", ""], 2, "empty"),
        (["calendar-live", "--secret", SECRET], 1, "active already"),
        (["hubspot"], 2, "--secret"),
    ],
    ids=["unknown", "no webhooks", "force alone", "empty", "known", "made by its sender"],
)
def test_what_is_wrong_has_an_exit_status(words: list[str], status: int, named: str, old: WebhookSecret) -> None:
    make_connection("mail", provider="slack")
    make_connection("hubspot", provider="hubspot")
    with pytest.raises(CommandError, match=named) as caught:
        run(*words)
    assert caught.value.returncode == status
    assert SECRET not in str(caught.value)
