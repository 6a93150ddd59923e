"""One id from the webhook, the request or the job to the last effect: in rows, in jobs, in every line of the log."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import responses
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django_q.models import OrmQ
from django_q.signals import pre_execute
from django_q.signing import SignedPackage

from integrations import correlation, effect_kinds
from integrations.correlation import carrying
from integrations.deliveries import process
from integrations.drains import drain
from integrations.effect_kinds import Done, Kind, Result, Task
from integrations.effects import plan
from integrations.http import record
from integrations.jobs import drain_connection
from integrations.models import Connection, Delivery, Effect
from tests.bookings.flows.fakes import outside_world
from tests.bookings.flows.playing import connect, pair_with_hubspot, run_effects
from tests.factories import make_connection, make_payload, post_webhook
from tests.integrations.admin.support import get_page, make_effect, page_address
from tests.leaks import find_in, reading_log

pytestmark = pytest.mark.django_db

ID, OTHER_ID = "01a222c9-f1c5-4317-9019-f76e38e15c84", "c76f926ff3874d7ab62524cc58362a50"
PERSONAL = ("zoe.okafor@example.com", "Okafor", "33612345678", "+33 6 12 34 56 78", "06 12 34 56 78")


class Log:
    def __init__(self, text: Callable[[], str]) -> None:
        self.text = text

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]

    def find(self, message: str) -> list[Any]:
        """The correlation ids of the lines with this message."""
        return [line.get("correlation_id") for line in self.lines if line["message"] == message]


@pytest.fixture
def log() -> Iterator[Log]:
    with reading_log() as stream:
        yield Log(stream.getvalue)


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch) -> Connection:
    """Its things go out in batches, each of which leads to a letter that goes out alone."""

    def carry_out(tasks: Any) -> list[Result]:
        record("POST", "https://provider.example/v1/things", "Salesforce", 200, 0.01)
        return [Done("id_1", partial(lead_on, task)) for task in tasks]

    def lead_on(task: Task) -> None:
        if task.subject.startswith("thing:"):
            letter = f"letter:{task.subject}"
            plan("test.tell", connection_id=task.connection.pk, subject=letter, key=letter)

    for name in ("test.bring", "test.tell"):
        is_state = name == "test.bring"
        kind = Kind(name, carry_out, is_state=is_state, is_findable=True, is_batched=is_state, priority=0)
        monkeypatch.setitem(effect_kinds._kinds, name, kind)
    return make_connection("crm", provider="salesforce", base_url="https://acme.my.salesforce.com")


def bring(crm: Connection, subject: str) -> None:
    plan("test.bring", connection_id=crm.pk, subject=subject)


# --- The edge ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [ID, OTHER_ID, ID.upper()])
def test_a_well_formed_id_of_the_caller_is_kept(client: Client, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given", ["", "zoe.okafor@example.com", "33612345678", "Zoe-Okafor-Zoe-Okafor-Zoe-Okafor", ID + "0", f"{ID}\t"]
)
def test_anything_else_is_replaced(client: Client, given: str) -> None:
    told = client.get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"]
    assert told != given
    assert correlation.WELL_FORMED.fullmatch(told)


def test_each_request_has_an_id_of_its_own_and_leaves_none_behind(client: Client) -> None:
    first, second = (client.get("/healthz")["X-Request-ID"] for _ in range(2))
    assert first != second
    assert correlation.current_id() == ""


@pytest.mark.parametrize("path", ["/api/nowhere/", "/api/meetings/", "/webhooks/nobody/", "/nowhere"])
def test_errors_tell_it_too(client: Client, path: str) -> None:
    response = client.get(path, headers={"X-Request-ID": ID})
    assert response.status_code >= 400
    assert response["X-Request-ID"] == ID


# --- All the way ------------------------------------------------------------------------------------------------------


def take_up_job() -> str:
    """What a worker does with the only job in the queue before it runs it; the id that goes on."""
    package = SignedPackage.loads(OrmQ.objects.get().payload)
    pre_execute.send(sender="django_q", func=None, task=package)
    return correlation.current_id()


def test_a_webhook_its_effects_and_their_requests_have_one_id(
    calendar_live: Connection, log: Log, django_capture_on_commit_callbacks: Any
) -> None:
    pair_with_hubspot(calendar_live)
    connect("slack")
    post_webhook(make_payload("dlv_1"), headers={"X-Request-ID": ID})
    delivery = Delivery.objects.get()
    assert delivery.correlation_id == ID
    with carrying():
        assert take_up_job() == ID
        with django_capture_on_commit_callbacks(execute=True):
            process(delivery.pk)
    with outside_world(), carrying(str(uuid4())):
        run_effects()

    assert set(Effect.objects.values_list("correlation_id", flat=True)) == {ID}
    assert Effect.objects.filter(status="succeeded").count() == 3
    assert log.find("delivery stored") == [ID]
    assert log.find("delivery processed") == [ID]
    assert log.find("effect planned")[:3] == [ID] * 3
    assert set(log.find("request sent")) == {ID}
    assert set(log.find("effect carried out")) == {ID}
    stored = {line["delivery_id"] for line in log.lines if line["message"].startswith("delivery")}
    assert stored == {str(delivery.pk)}
    assert find_in(log.text().encode(), PERSONAL) == set()


def test_a_repeat_is_another_request_for_the_same_row(calendar_live: Connection, log: Log) -> None:
    post_webhook(make_payload("dlv_1"), headers={"X-Request-ID": ID})
    post_webhook(make_payload("dlv_1"), headers={"X-Request-ID": OTHER_ID})
    delivery = Delivery.objects.get()
    assert delivery.correlation_id == ID
    stored = [line for line in log.lines if line["message"] == "delivery stored"]
    assert [(line["correlation_id"], line["status"]) for line in stored] == [(ID, "accepted"), (OTHER_ID, "duplicate")]
    assert {line["delivery_id"] for line in stored} == {str(delivery.pk)}


def test_a_failed_delivery_and_each_later_try_keep_the_id(calendar_live: Connection, log: Log) -> None:
    broken = make_payload("dlv_1", start="never")
    post_webhook(broken, headers={"X-Request-ID": ID})
    with carrying(OTHER_ID):
        process(Delivery.objects.get().pk)
    assert log.find("delivery failed") == [ID]
    [line] = [line for line in log.lines if line["message"] == "delivery failed"]
    assert (line["status"], line["cause"], line["connection"]) == ("dead", "payload", "calendar-live")


def test_what_follows_from_an_effect_inherits_its_id(crm: Connection, log: Log) -> None:
    with carrying(ID):
        bring(crm, "thing:1")
    with carrying(OTHER_ID):
        drain(crm.pk)
    assert set(Effect.objects.values_list("kind", "correlation_id")) == {("test.bring", ID), ("test.tell", ID)}
    assert log.find("request sent") == [ID, ID]


def test_a_batch_carries_the_ids_of_all_its_effects(crm: Connection, log: Log) -> None:
    for number, each in enumerate((ID, OTHER_ID)):
        with carrying(each):
            bring(crm, f"thing:{number}")
    drain(crm.pk)
    assert log.find("request sent")[0] == [ID, OTHER_ID]
    assert log.find("effect carried out")[:2] == [ID, OTHER_ID]
    letters = Effect.objects.filter(kind="test.tell").order_by("subject")
    assert list(letters.values_list("correlation_id", flat=True)) == [ID, OTHER_ID]


def test_a_state_that_coalesces_is_found_by_both_ids(
    crm: Connection, log: Log, django_capture_on_commit_callbacks: Any
) -> None:
    for each in (ID, OTHER_ID):
        with django_capture_on_commit_callbacks(execute=True), carrying(each):
            bring(crm, "thing:1")
    assert Effect.objects.get().correlation_id == ID
    assert log.find("effect planned") == [ID, [ID, OTHER_ID]]
    assert [line["status"] for line in log.lines] == ["planned", "repeated"]


def test_what_is_rolled_back_is_not_said_to_be_planned(
    crm: Connection, log: Log, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        bring(crm, "thing:1")
        transaction.set_rollback(True)
    assert log.lines == []


def test_an_effect_that_nothing_known_led_to_has_an_id_all_the_same(crm: Connection) -> None:
    bring(crm, "thing:1")
    assert correlation.WELL_FORMED.fullmatch(Effect.objects.get().correlation_id)


# --- Jobs -------------------------------------------------------------------------------------------------------------


def test_a_job_of_the_schedule_is_a_piece_of_work_of_its_own() -> None:
    with carrying(ID):
        pre_execute.send(sender="django_q", func=None, task={"name": "sweep"})
        first = correlation.current_id()
        pre_execute.send(sender="django_q", func=None, task={"name": "sweep"})
        assert len({ID, first, correlation.current_id()}) == 3


def test_a_drain_does_not_go_on_with_the_work_of_who_woke_it(crm: Connection) -> None:
    with carrying(ID):
        drain_connection(crm.pk)
        assert correlation.current_id() not in ("", ID)


# --- Pages ------------------------------------------------------------------------------------------------------------


def test_the_pages_of_a_delivery_and_of_an_effect_show_it(
    calendar_live: Connection, client: Client, admin_user: User
) -> None:
    post_webhook(make_payload("dlv_1"), headers={"X-Request-ID": ID})
    effect = make_effect(calendar_live, correlation_id=OTHER_ID)
    client.force_login(admin_user)
    assert ID in get_page(client, page_address(Delivery.objects.get()))
    assert OTHER_ID in get_page(client, page_address(effect))


@responses.activate
def test_a_program_that_books_is_told_the_id_of_what_it_leads_to(
    calendar_live: Connection, admin_user: User, client: Client
) -> None:
    client.force_login(admin_user)
    answer = client.post(
        "/api/meetings/", {}, content_type="application/json", headers={"X-Request-ID": ID, "Idempotency-Key": "k"}
    )
    assert (answer.status_code, answer["X-Request-ID"]) == (400, ID)
