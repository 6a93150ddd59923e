"""Tokens that are kept alive: one refresh at a time, one repeat after a 401, and outages that cost nothing."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
import responses
from django.db import OperationalError, connections, transaction
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from django_q.signing import SignedPackage
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from integrations import effect_kinds, http, refreshes, tokens
from integrations.calls import use_account
from integrations.connections import set_status
from integrations.drains import drain
from integrations.effect_kinds import Done, Kind, Result, Task
from integrations.effects import plan
from integrations.exceptions import GrantError, OutageError, ReauthoriseError, StateError, TokenOutageError
from integrations.jobs import CALLING_TIMEOUT_S, change_status, refresh_token, refresh_tokens, wake
from integrations.models import Attempt, Connection, Drain, Effect, Pair, Poll, Token
from integrations.pairs import make_pair
from integrations.polling import poll
from integrations.providers.base import Account
from integrations.providers.crm import Changes
from integrations.providers.oauth import Grant, Identity
from integrations.providers.salesforce.provider import Salesforce
from integrations.refreshes import find_due, refresh, refresh_ahead
from integrations.tokens import (
    LEASE_S,
    claim_lease,
    pause_after,
    store_grant,
    store_outage,
    store_refreshed,
)
from tests.factories import make_connection

pytestmark = pytest.mark.django_db
ORIGIN = "https://crm.example"
TOKEN_URL = f"{ORIGIN}/oauth/token"
SECRETS = ("a-old", "a-new", "r-old", "r-new", "s-client")
CLIENT = {"client_id": "c-1", "client_secret": "s-client"}
GIVEN = {"access_token": "a-old", "refresh_token": "r-old", "expires_in": "3600", **CLIENT}
ANSWER = {"access_token": "a-new", "refresh_token": "r-new", "expires_in": 3600, "token_type": "Bearer"}
Status = Effect.Status
type Answer = tuple[int, dict[str, str], str]


@pytest.fixture
def connection(db: None) -> Connection:
    """Its token is good for an hour."""
    return make_connection("cl", base_url=ORIGIN, options=GIVEN)


@pytest.fixture
def endpoint() -> Iterator[responses.RequestsMock]:
    """A provider of which only the token endpoint is there."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def give(endpoint: responses.RequestsMock, **changes: Any) -> None:
    endpoint.post(TOKEN_URL, json={name: value for name, value in {**ANSWER, **changes}.items() if value is not None})


def refuse(endpoint: responses.RequestsMock, code: str = "invalid_grant", status: int = 400) -> None:
    endpoint.post(TOKEN_URL, status=status, json={"error": code, "error_description": "r-old of lea@acme.example"})


def change(**fields: Any) -> None:
    Token.objects.update(**fields)


def expire() -> None:
    change(expires_at=timezone.now() - timedelta(seconds=1))


def only() -> Token:
    return Token.objects.get()


def status() -> str:
    return Connection.objects.get(slug="cl").status


def sent_form(endpoint: responses.RequestsMock, call: int = 0) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(str(endpoint.calls[call].request.body)).items()}


def call_with(*refused: str) -> tuple[Callable[[Account], str], list[str]]:
    """A call that is refused with these tokens, and the tokens that it was made with."""
    used: list[str] = []

    def call(account: Account) -> str:
        used.append(account.credentials.get("access_token", ""))
        if used[-1] in refused:
            raise ReauthoriseError("401")
        return used[-1]

    return call, used


# --- Before use -------------------------------------------------------------------------------------------------------


def test_a_good_token_is_used_as_it_is(connection: Connection, endpoint: responses.RequestsMock) -> None:
    call, used = call_with()
    assert use_account(connection, call) == "a-old"
    assert (used, len(endpoint.calls)) == (["a-old"], 0)


@pytest.mark.parametrize("seconds", [-1, 20])
def test_one_that_runs_out_is_refreshed_first(
    seconds: int, connection: Connection, endpoint: responses.RequestsMock
) -> None:
    give(endpoint)
    change(expires_at=timezone.now() + timedelta(seconds=seconds))
    call, used = call_with()
    use_account(connection, call)
    token = only()
    assert used == ["a-new"]
    assert (token.access_token, token.refresh_token, token.generation) == ("a-new", "r-new", 2)
    assert (token.lease_owner, token.lease_expires_at) == (None, None)
    assert token.expires_at is not None
    assert timedelta(minutes=59) < token.expires_at - timezone.now() <= timedelta(hours=1)
    assert sent_form(endpoint) == {"grant_type": "refresh_token", "refresh_token": "r-old", **CLIENT}


def test_what_the_answer_leaves_out_is_kept(connection: Connection, endpoint: responses.RequestsMock) -> None:
    change(scope="a b", api_url="https://eu.crm.example", account_id="acc_1", account_name="Acme")
    give(endpoint, refresh_token=None, expires_in=None)
    refresh(connection.pk, seen_generation=1)
    token = only()
    assert (token.access_token, token.refresh_token, token.expires_at) == ("a-new", "r-old", None)
    assert (token.scope, token.api_url) == ("a b", "https://eu.crm.example")
    assert (token.account_id, token.account_name) == ("acc_1", "Acme")


def test_a_connection_without_a_token_is_just_called(db: None) -> None:
    stripe = make_connection("stripe", provider="stripe", options={"api_key": "k"})
    assert use_account(stripe, lambda account: account.credentials["api_key"]) == "k"
    assert not Token.objects.exists()


def test_an_application_that_nobody_has_authorised_yet_waits_for_a_person(db: None) -> None:
    connection = make_connection("cl", base_url=ORIGIN, options=CLIENT)
    call, used = call_with()
    with pytest.raises(ReauthoriseError, match="authorise it"):
        use_account(connection, call)
    assert (used, status()) == ([], "needs_reauthorisation")


def test_an_application_that_is_called_with_a_key_needs_no_token(db: None) -> None:
    connection = make_connection("cl", provider="pipedrive", base_url=ORIGIN, options={**CLIENT, "api_key": "k"})
    call, used = call_with()
    use_account(connection, call)
    assert (used, status()) == ([""], "active")


def test_a_token_that_cannot_be_refreshed_counts_until_it_is_refused(db: None) -> None:
    connection = make_connection("cl", base_url=ORIGIN, options={"access_token": "a-old", "expires_in": "0"})
    call, used = call_with()
    use_account(connection, call)
    refused, used_again = call_with("a-old")
    with pytest.raises(ReauthoriseError):
        use_account(connection, refused)
    assert (used, used_again) == (["a-old"], ["a-old"])
    assert status() == "needs_reauthorisation"


def test_an_application_of_an_account_gets_its_first_token_by_itself(endpoint: responses.RequestsMock) -> None:
    zoom = make_connection("zoom", provider="zoom", base_url=ORIGIN, options={"account_id": "acc", **CLIENT})
    give(endpoint, refresh_token=None)
    call, used = call_with()
    use_account(zoom, call)
    use_account(zoom, call)
    assert (used, only().generation, len(endpoint.calls)) == (["a-new", "a-new"], 1, 1)
    assert sent_form(endpoint)["grant_type"] == "account_credentials"


# --- 401 at use -------------------------------------------------------------------------------------------------------


def test_a_refused_token_is_refreshed_once_and_the_call_repeated_once(
    connection: Connection, endpoint: responses.RequestsMock
) -> None:
    give(endpoint)
    call, used = call_with("a-old")
    before = sample("keepsync_refused_credentials_total", provider="calendar.live")
    assert use_account(connection, call) == "a-new"
    assert (used, len(endpoint.calls), status()) == (["a-old", "a-new"], 1, "active")
    assert sample("keepsync_refused_credentials_total", provider="calendar.live") == before + 1


def test_one_that_is_refused_again_waits_for_a_person(connection: Connection, endpoint: responses.RequestsMock) -> None:
    give(endpoint)
    call, used = call_with("a-old", "a-new")
    with pytest.raises(ReauthoriseError):
        use_account(connection, call)
    assert (used, len(endpoint.calls), status()) == (["a-old", "a-new"], 1, "needs_reauthorisation")


def test_a_token_that_another_process_has_written_meanwhile_is_the_refresh(
    connection: Connection, endpoint: responses.RequestsMock
) -> None:
    used: list[str] = []

    def call(account: Account) -> str:
        used.append(account.credentials["access_token"])
        if len(used) == 1:
            store_grant(connection, Grant("a-theirs"))
            raise ReauthoriseError("401")
        return used[-1]

    before = sample("keepsync_token_refreshes_total", provider="calendar.live", outcome="adopted")
    assert use_account(connection, call) == "a-theirs"
    assert len(endpoint.calls) == 0
    assert sample("keepsync_token_refreshes_total", provider="calendar.live", outcome="adopted") == before + 1


def test_a_polled_connection_is_refreshed_and_asked_again(
    calendar_live: Connection, endpoint: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    org = make_connection("cl", provider="salesforce", base_url=ORIGIN, options=GIVEN)
    make_pair(calendar_live, org, Pair.Pattern.IN)
    endpoint.post(f"{ORIGIN}/services/oauth2/token", json={**ANSWER, "instance_url": ORIGIN})
    call, used = call_with("a-old")

    def list_changes(self: Salesforce, account: Account, since: datetime) -> Changes:
        call(account)
        return Changes()

    monkeypatch.setattr(Salesforce, "list_changes", list_changes)
    Poll.objects.create(connection=org, asked_until=timezone.now())
    poll(org.pk)
    assert used == ["a-old", "a-new"]


# --- Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("invalid_grant", "authorise the connection again"),
        ("invalid_client", "correct client_id and client_secret"),
        ("unauthorized_client", "correct client_id and client_secret"),
    ],
)
def test_a_refused_refresh_waits_for_a_person_and_says_what_to_do(
    code: str, told: str, connection: Connection, endpoint: responses.RequestsMock
) -> None:
    refuse(endpoint, code)
    expire()
    call, used = call_with()
    with pytest.raises(GrantError, match=told) as caught:
        use_account(connection, call)
    token = only()
    assert (caught.value.code, token.error, token.failures, token.retry_at) == (code, code, 1, None)
    assert (token.lease_owner, token.refresh_token) == (None, "r-old")
    assert (used, status()) == ([], "needs_reauthorisation")


def test_a_refused_grant_is_not_tried_again_before_somebody_resumes_it(
    connection: Connection, endpoint: responses.RequestsMock
) -> None:
    refuse(endpoint)
    expire()
    for _ in range(3):
        with pytest.raises(GrantError):
            use_account(connection, call_with()[0])
    assert len(endpoint.calls) == 1
    assert find_due() == []
    change_status(connection, Connection.Status.ACTIVE)
    endpoint.reset()
    give(endpoint)
    assert use_account(connection, call_with()[0]) == "a-new"


def test_a_refusal_that_comes_after_a_newer_token_counts_for_nothing(
    connection: Connection, endpoint: responses.RequestsMock
) -> None:
    def answer(request: requests.PreparedRequest) -> Answer:
        store_grant(connection, Grant("a-theirs", "r-theirs"))
        return 400, {}, '{"error": "invalid_grant"}'

    endpoint.add_callback(responses.POST, TOKEN_URL, answer)
    refresh(connection.pk, seen_generation=1)
    token = only()
    assert (token.access_token, token.error, token.failures, status()) == ("a-theirs", "", 0, "active")


def test_a_paused_connection_stays_paused(connection: Connection, endpoint: responses.RequestsMock) -> None:
    set_status(connection, Connection.Status.PAUSED)
    refuse(endpoint)
    with pytest.raises(GrantError):
        refresh(connection.pk, seen_generation=1)
    assert status() == "paused"
    assert find_due() == []


# --- Outages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [500, 502, 503, 504, 408, 429])
def test_an_outage_rests_and_changes_nothing_else(
    code: int, connection: Connection, endpoint: responses.RequestsMock
) -> None:
    endpoint.post(TOKEN_URL, status=code)
    expire()
    with pytest.raises(TokenOutageError) as caught:
        use_account(connection, call_with()[0])
    token = only()
    assert (token.failures, token.generation, token.refresh_token, status()) == (1, 1, "r-old", "active")
    assert token.lease_owner is None
    assert token.retry_at is not None
    assert 4 < caught.value.retry_after_s <= LEASE_S * 1.5
    with pytest.raises(TokenOutageError):
        use_account(connection, call_with()[0])
    assert len(endpoint.calls) == 1


def test_retry_after_is_honoured(connection: Connection, endpoint: responses.RequestsMock) -> None:
    endpoint.post(TOKEN_URL, status=429, headers={"Retry-After": "600"})
    with pytest.raises(TokenOutageError) as caught:
        refresh(connection.pk, seen_generation=1)
    assert 590 < caught.value.retry_after_s <= 600


def test_a_token_that_still_lives_is_used_through_an_outage(
    connection: Connection, endpoint: responses.RequestsMock
) -> None:
    endpoint.post(TOKEN_URL, body=requests.ConnectTimeout())
    change(expires_at=timezone.now() + timedelta(seconds=20))
    call, used = call_with()
    use_account(connection, call)
    use_account(connection, call)
    assert (used, len(endpoint.calls), only().failures) == (["a-old", "a-old"], 1, 1)


def test_after_an_outage_the_next_try_heals(connection: Connection, endpoint: responses.RequestsMock) -> None:
    change(failures=4, error="outage", failed_at=timezone.now(), retry_at=timezone.now() - timedelta(seconds=1))
    expire()
    give(endpoint)
    assert use_account(connection, call_with()[0]) == "a-new"
    token = only()
    assert (token.failures, token.error, token.failed_at, token.retry_at) == (0, "", None, None)


def test_a_lost_answer_is_asked_for_after_the_lease_and_a_refusal_then_says_what_happened(
    connection: Connection, endpoint: responses.RequestsMock
) -> None:
    endpoint.post(TOKEN_URL, body=requests.ReadTimeout())
    with pytest.raises(TokenOutageError) as caught:
        refresh(connection.pk, seen_generation=1)
    assert caught.value.retry_after_s > LEASE_S - 1
    assert (only().error, status(), len(endpoint.calls)) == ("lost_answer", "active", 1)
    change(retry_at=timezone.now() - timedelta(seconds=1))
    endpoint.reset()
    refuse(endpoint)
    with pytest.raises(GrantError, match="answer to a refresh was lost"):
        refresh(connection.pk, seen_generation=1)
    assert sent_form(endpoint)["refresh_token"] == "r-old"
    assert (only().error, status()) == ("invalid_grant_after_lost_answer", "needs_reauthorisation")


def test_an_unforeseen_error_counts_as_a_lost_answer(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Grant:
        raise RuntimeError("a bug")

    monkeypatch.setattr("integrations.oauth.refresh_grant", fail)
    with pytest.raises(RuntimeError):
        refresh(connection.pk, seen_generation=1)
    assert (only().error, only().lease_owner, status()) == ("lost_answer", None, "active")


@given(failures=st.integers(1, 10_000), share=st.floats(0, 1))
def test_pauses_grow_from_5_seconds_to_5_minutes(failures: int, share: float) -> None:
    pause_s = pause_after(failures, uniform=lambda low, high: low + share * (high - low))
    assert 5 <= pause_s <= 300
    assert pause_s <= pause_after(failures + 1, uniform=lambda low, high: high)


# --- One at a time ----------------------------------------------------------------------------------------------------


def in_threads(count: int, work: Callable[[], Any]) -> list[Any]:
    """What came of the work, done by so many threads at once; an exception where one was raised."""
    barrier, results = threading.Barrier(count), []

    def run() -> None:
        try:
            barrier.wait()
            results.append(work())
        except Exception as error:
            results.append(error)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=run) for _ in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return results


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Waits until the lease was wanted so many times."""
    wanted = threading.Semaphore(0)

    def claim(token: Token) -> tokens.Lease | None:
        try:
            return claim_lease(token)
        finally:
            wanted.release()

    def wait_for(count: int) -> None:
        for _ in range(count):
            assert wanted.acquire(timeout=20)

    monkeypatch.setattr(tokens, "claim_lease", claim)
    return wait_for


@pytest.mark.django_db(transaction=True)
def test_of_eight_threads_one_refreshes_and_the_others_adopt(
    connection: Connection, endpoint: responses.RequestsMock, claims: Callable[[int], None]
) -> None:
    def answer(request: requests.PreparedRequest) -> Answer:
        claims(8)
        return 200, {}, '{"access_token": "a-new", "refresh_token": "r-new", "expires_in": 3600}'

    endpoint.add_callback(responses.POST, TOKEN_URL, answer)
    expire()
    results = in_threads(8, lambda: use_account(Connection.objects.get(), call_with()[0]))
    assert results == ["a-new"] * 8
    assert (len(endpoint.calls), only().generation) == (1, 2)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("code", "body"), [(400, '{"error": "invalid_grant"}'), (503, "")])
def test_those_who_wait_learn_that_the_refresh_failed(
    code: int, body: str, connection: Connection, endpoint: responses.RequestsMock, claims: Callable[[int], None]
) -> None:
    def answer(request: requests.PreparedRequest) -> Answer:
        claims(8)
        return code, {}, body

    endpoint.add_callback(responses.POST, TOKEN_URL, answer)
    expire()
    results = in_threads(8, lambda: use_account(Connection.objects.get(), call_with()[0]))
    assert {type(result) for result in results} == {GrantError if code == 400 else TokenOutageError}
    assert (len(endpoint.calls), only().failures) == (1, 1)


def test_the_lease_of_a_process_that_died_is_taken_over(
    connection: Connection, endpoint: responses.RequestsMock
) -> None:
    give(endpoint)
    change(lease_owner=uuid.uuid4(), lease_expires_at=timezone.now() + timedelta(seconds=0.3))
    refresh(connection.pk, seen_generation=1)
    assert (only().access_token, len(endpoint.calls)) == ("a-new", 1)


def test_a_refusal_after_a_process_died_says_that_an_answer_was_lost(
    connection: Connection, endpoint: responses.RequestsMock
) -> None:
    refuse(endpoint)
    change(lease_owner=uuid.uuid4(), lease_expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(GrantError, match="answer to a refresh was lost"):
        refresh(connection.pk, seen_generation=1)


def test_a_lease_that_runs_is_waited_for_no_longer_than_was_asked(
    connection: Connection, endpoint: responses.RequestsMock
) -> None:
    change(lease_owner=uuid.uuid4(), lease_expires_at=timezone.now() + timedelta(seconds=40))
    expire()
    with pytest.raises(TokenOutageError, match="still running") as caught:
        use_account(connection, call_with()[0], wait_s=0.1)
    assert 30 < caught.value.retry_after_s <= 40
    assert len(endpoint.calls) == 0


def test_an_answer_that_comes_after_the_lease_was_lost_is_not_written(
    connection: Connection, endpoint: responses.RequestsMock
) -> None:
    def answer(request: requests.PreparedRequest) -> Answer:
        change(access_token="a-theirs", generation=2, lease_owner=uuid.uuid4())
        return 200, {}, '{"access_token": "a-late", "refresh_token": "r-late"}'

    endpoint.add_callback(responses.POST, TOKEN_URL, answer)
    refresh(connection.pk, seen_generation=1)
    assert (only().access_token, only().refresh_token) == ("a-theirs", "r-old")


def test_a_lease_is_for_one_generation_and_one_owner(connection: Connection) -> None:
    token = only()
    lease = claim_lease(token)
    assert lease is not None
    assert claim_lease(token) is None
    change(lease_owner=uuid.uuid4())
    assert not store_refreshed(lease, Grant("a-late"))
    change(lease_owner=None, generation=2)
    assert claim_lease(token) is None
    assert only().access_token == "a-old"


def test_a_lease_is_not_for_who_has_not_seen_the_last_failure(connection: Connection) -> None:
    """It would be asked for a second time at once: the refresh token may be used up by now."""
    token = only()
    lease = claim_lease(token)
    assert lease is not None
    assert store_outage(lease, "lost_answer")
    assert claim_lease(token) is None
    assert claim_lease(only()) is not None


def test_a_newer_token_is_adopted_without_asking(connection: Connection, endpoint: responses.RequestsMock) -> None:
    change(generation=5)
    refresh(connection.pk, seen_generation=4)
    assert len(endpoint.calls) == 0


@pytest.mark.django_db(transaction=True)
def test_the_new_refresh_token_is_committed_before_the_access_token_is_used(
    connection: Connection, endpoint: responses.RequestsMock
) -> None:
    give(endpoint)
    expire()

    def call(account: Account) -> list[Any]:
        return in_threads(1, lambda: Token.objects.get().refresh_token)

    assert use_account(connection, call) == ["r-new"]


@pytest.mark.django_db(transaction=True)
def test_no_refresh_begins_inside_a_transaction(connection: Connection, endpoint: responses.RequestsMock) -> None:
    give(endpoint)
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        refresh(connection.pk, seen_generation=1)
    assert len(endpoint.calls) == 0


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_costs_no_grant(
    connection: Connection, endpoint: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OperationalError("gone"), OperationalError("gone")]

    def store(*arguments: Any) -> bool:
        if failures:
            raise failures.pop()
        return store_refreshed(*arguments)

    give(endpoint)
    monkeypatch.setattr(tokens, "store_refreshed", store)
    monkeypatch.setattr(refreshes, "STORE_AGAIN_S", 0.01)
    refresh(connection.pk, seen_generation=1)
    assert (only().refresh_token, len(endpoint.calls)) == ("r-new", 1)


def test_a_process_that_was_stopped_after_its_claim_asks_for_nothing(
    connection: Connection, endpoint: responses.RequestsMock
) -> None:
    lease = tokens.claim_lease(only())
    assert lease
    refreshes.renew(replace(lease, ends_at=time.monotonic() + refreshes.ANSWER_S - 1))
    assert len(endpoint.calls) == 0
    assert (only().generation, only().lease_owner) == (1, lease.owner)


def test_a_refresh_takes_no_time_from_the_calls_around_it(
    connection: Connection, endpoint: responses.RequestsMock
) -> None:
    def answer(request: requests.PreparedRequest) -> Answer:
        assert http.seconds_left() > http.READ_TIMEOUT_S
        deadlines.append(scope.deadline)
        return 200, {}, '{"access_token": "a-new"}'

    deadlines: list[float] = []
    endpoint.add_callback(responses.POST, TOKEN_URL, answer)
    with http.limit_time(0.4) as scope:
        refresh(connection.pk, seen_generation=1)
    assert scope.deadline > deadlines[0]
    assert scope.calls == []


# --- New grants -------------------------------------------------------------------------------------------------------


def test_a_new_grant_takes_the_place_of_all_that_was_known(connection: Connection) -> None:
    change(
        scope="old", api_url="https://old.example", account_id="old", account_name="Old", failures=2, error="outage",
        failed_at=timezone.now(), retry_at=timezone.now(), lease_owner=uuid.uuid4(), lease_expires_at=timezone.now(),
    )  # fmt: skip
    store_grant(connection, Grant("a-2", expires_in_s=60, scope="a"), identity=Identity("acc_2", "Acme"))
    token = only()
    assert (token.access_token, token.refresh_token, token.scope, token.api_url) == ("a-2", "", "a", "")
    assert (token.account_id, token.account_name, token.generation) == ("acc_2", "Acme", 2)
    assert (token.failures, token.error, token.failed_at, token.retry_at) == (0, "", None, None)
    assert (token.lease_owner, token.lease_expires_at) == (None, None)


def test_a_grant_for_a_token_that_has_changed_is_not_stored(connection: Connection) -> None:
    store_grant(connection, Grant("a-2"), expected_generation=1)
    with pytest.raises(StateError):
        store_grant(connection, Grant("a-3"), expected_generation=1)
    assert only().access_token == "a-2"


# --- Ahead of time ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lifetime", "age", "is_due"),
    [
        (timedelta(hours=6), timedelta(hours=5, minutes=44), False),
        (timedelta(hours=6), timedelta(hours=5, minutes=46), True),
        (timedelta(minutes=15), timedelta(minutes=9), False),
        (timedelta(minutes=15), timedelta(minutes=11), True),
        (timedelta(days=60), timedelta(hours=23), False),
        (timedelta(days=60), timedelta(hours=25), True),
        (None, timedelta(hours=23), False),
        (None, timedelta(hours=25), True),
    ],
)
def test_tokens_are_due_ahead_of_their_end_and_daily(
    lifetime: timedelta | None, age: timedelta, is_due: bool, connection: Connection
) -> None:
    obtained_at = timezone.now() - age
    change(obtained_at=obtained_at, expires_at=lifetime and obtained_at + lifetime)
    assert find_due() == ([connection.pk] if is_due else [])


@pytest.mark.parametrize(
    ("fields", "connection_status", "is_due"),
    [
        ({}, "active", True),
        ({}, "paused", True),
        ({}, "needs_reauthorisation", False),
        ({}, "disabled", False),
        ({"refresh_token": ""}, "active", False),
        ({"error": "outage", "retry_at": datetime(2100, 1, 1, tzinfo=UTC)}, "active", False),
        ({"error": "outage", "retry_at": datetime(2000, 1, 1, tzinfo=UTC)}, "active", True),
        ({"error": "invalid_grant"}, "active", False),
        ({"lease_owner": uuid.uuid4(), "lease_expires_at": datetime(2100, 1, 1, tzinfo=UTC)}, "active", False),
    ],
)
def test_only_what_can_be_refreshed_now_is_due(
    fields: dict[str, Any], connection_status: str, is_due: bool, connection: Connection
) -> None:
    expire()
    change(**fields)
    Connection.objects.update(status=connection_status)
    assert find_due() == ([connection.pk] if is_due else [])


def test_what_is_due_is_refreshed_by_jobs_that_may_take_their_time(
    connection: Connection, endpoint: responses.RequestsMock
) -> None:
    give(endpoint)
    expire()
    refresh_tokens()
    task = SignedPackage.loads(OrmQ.objects.get().payload)
    assert (task["func"], task["args"]) == ("integrations.jobs.refresh_token", (connection.pk,))
    assert task["timeout"] == CALLING_TIMEOUT_S > refreshes.LONGEST_S
    refresh_token(connection.pk)
    refresh_token(connection.pk)
    assert (only().access_token, len(endpoint.calls), find_due()) == ("a-new", 1, [])
    assert Schedule.objects.get(name="refresh_tokens").func == "integrations.jobs.refresh_tokens"


def test_a_drains_job_may_wait_for_a_token(connection: Connection) -> None:
    wake(connection.pk)
    assert SignedPackage.loads(OrmQ.objects.get().payload)["timeout"] == CALLING_TIMEOUT_S


def test_a_job_does_not_wait_for_another_process(connection: Connection, endpoint: responses.RequestsMock) -> None:
    expire()
    change(lease_owner=uuid.uuid4(), lease_expires_at=timezone.now() + timedelta(minutes=1))
    refresh_ahead(connection.pk)
    assert len(endpoint.calls) == 0


@pytest.mark.parametrize("code", [400, 503])
def test_a_job_that_gets_no_token_is_no_failed_job(
    code: int, connection: Connection, endpoint: responses.RequestsMock
) -> None:
    endpoint.post(TOKEN_URL, status=code, json={"error": "invalid_grant"})
    expire()
    refresh_token(connection.pk)
    assert status() == ("needs_reauthorisation" if code == 400 else "active")


# --- Effects ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, bool]]:
    """Subject, token and is_repeat of each effect that was tried. `a-old` is refused, for thing:3 only it is not."""
    told: list[tuple[str, str, bool]] = []

    def carry_out(task: Task) -> Result:
        token = task.account.credentials["access_token"]
        http.record("POST", f"{ORIGIN}/v1/things", "calendar.live", 401 if token in refused else 200, 0.01)
        told.append((task.subject, token, task.is_repeat))
        if token in refused and task.subject != "thing:3":
            return ReauthoriseError("401")
        return Done("id_1")

    def raise_errors(tasks: Sequence[Task]) -> list[Result]:
        results = [carry_out(task) for task in tasks]
        if isinstance(results[0], Exception):
            raise results[0]
        return results

    refused = {"a-old"}
    kinds = (("thing.bring", raise_errors, False), ("thing.pack", lambda tasks: [*map(carry_out, tasks)], True))
    for name, run, is_batched in kinds:
        kind = Kind(name, run, is_state=True, is_findable=True, is_batched=is_batched, priority=0)
        monkeypatch.setitem(effect_kinds._kinds, name, kind)
    return told


def bring(connection: Connection, *subjects: str, kind: str = "thing.bring") -> None:
    for subject in subjects:
        plan(kind, connection_id=connection.pk, subject=subject)


def test_an_effect_that_is_refused_is_repeated_with_a_new_token(
    connection: Connection, endpoint: responses.RequestsMock, carried: list[tuple[str, str, bool]]
) -> None:
    give(endpoint)
    bring(connection, "thing:1")
    drain(connection.pk)
    effect = Effect.objects.get()
    assert carried == [("thing:1", "a-old", False), ("thing:1", "a-new", True)]
    assert (effect.status, effect.attempts) == (Status.SUCCEEDED, 1)
    assert [call["status"] for call in effect.tries.get().calls] == [401, 200]
    assert status() == "active"


def test_of_a_batch_only_what_was_refused_is_repeated(
    endpoint: responses.RequestsMock, carried: list[tuple[str, str, bool]]
) -> None:
    crm = make_connection("cl", provider="salesforce", base_url=ORIGIN, options=GIVEN)
    endpoint.post(f"{ORIGIN}/services/oauth2/token", json={**ANSWER, "instance_url": ORIGIN})
    bring(crm, "thing:1", "thing:3", "thing:2", kind="thing.pack")
    drain(crm.pk)
    assert carried == [
        ("thing:1", "a-old", False),
        ("thing:3", "a-old", False),
        ("thing:2", "a-old", False),
        ("thing:1", "a-new", True),
        ("thing:2", "a-new", True),
    ]
    assert set(Effect.objects.values_list("status", "attempts")) == {("succeeded", 1)}
    assert {len(attempt.calls) for attempt in Attempt.objects.all()} == {5}


def test_effects_wait_out_an_outage_of_the_token_endpoint_and_go_on_by_themselves(
    connection: Connection, endpoint: responses.RequestsMock, carried: list[tuple[str, str, bool]]
) -> None:
    endpoint.post(TOKEN_URL, status=503)
    expire()
    bring(connection, "thing:1", "thing:2")
    for _ in range(20):
        assert (drain(connection.pk) or 0) > 0
        change(retry_at=timezone.now() - timedelta(seconds=1))
        Drain.objects.update(held_until=timezone.now() - timedelta(seconds=1))
    assert carried == []
    assert set(Effect.objects.values_list("status", "cause")) == {("waiting", "transient")}
    for effect in Effect.objects.all():
        assert effect.attempts == effect.free_attempts
    endpoint.reset()
    give(endpoint)
    while drain(connection.pk) is not None:
        pass
    assert set(Effect.objects.values_list("status", flat=True)) == {"succeeded"}
    assert status() == "active"


def test_effects_wait_for_a_person_and_go_on_after_the_reauthorisation(
    connection: Connection, endpoint: responses.RequestsMock, carried: list[tuple[str, str, bool]]
) -> None:
    refuse(endpoint)
    expire()
    bring(connection, "thing:1", "thing:2")
    assert drain(connection.pk) is None
    assert (status(), carried) == ("needs_reauthorisation", [])
    assert set(Effect.objects.values_list("status", "cause")) == {("waiting", "reauthorise")}
    connection.refresh_from_db()
    store_grant(connection, Grant("a-2"))
    change_status(connection, Connection.Status.ACTIVE)
    drain(connection.pk)
    assert [token for _, token, _ in carried] == ["a-2", "a-2"]
    assert all(effect.attempts - effect.free_attempts <= 1 for effect in Effect.objects.all())


def test_an_effect_that_is_refused_with_the_new_token_too_waits_for_a_person(
    connection: Connection, endpoint: responses.RequestsMock, carried: list[tuple[str, str, bool]]
) -> None:
    give(endpoint, access_token="a-old")
    bring(connection, "thing:1")
    assert drain(connection.pk) is None
    effect = Effect.objects.get()
    assert len(carried) == 2
    assert (effect.status, effect.cause, effect.free_attempts) == (Status.WAITING, "reauthorise", 1)
    assert (status(), len(endpoint.calls)) == ("needs_reauthorisation", 1)


def test_an_effect_that_was_taken_over_while_it_waited_for_a_token_is_left_to_the_other(
    connection: Connection, endpoint: responses.RequestsMock, carried: list[tuple[str, str, bool]]
) -> None:
    theirs = uuid.uuid4()

    def answer(request: requests.PreparedRequest) -> Answer:
        Effect.objects.update(lease_token=theirs)
        return 200, {}, '{"access_token": "a-new"}'

    endpoint.add_callback(responses.POST, TOKEN_URL, answer)
    bring(connection, "thing:1")
    drain(connection.pk)
    effect = Effect.objects.get()
    assert [token for _, token, _ in carried] == ["a-old"]
    assert (effect.status, effect.lease_token) == (Status.RUNNING, theirs)


def test_an_effect_that_waits_long_for_a_token_keeps_its_claim(
    connection: Connection,
    endpoint: responses.RequestsMock,
    carried: list[tuple[str, str, bool]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(request: requests.PreparedRequest) -> Answer:
        Effect.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        return 200, {}, '{"access_token": "a-new"}'

    def carry_out(tasks: Sequence[Task]) -> list[Result]:
        assert Effect.objects.filter(lease_expires_at__gt=timezone.now() + timedelta(seconds=20)).exists()
        return [Done("id_1")]

    monkeypatch.setattr("integrations.tries.KEEP_AFTER_S", 0)
    monkeypatch.setitem(effect_kinds._kinds, "thing.bring", replace(effect_kinds._kinds["thing.bring"], run=carry_out))
    endpoint.add_callback(responses.POST, TOKEN_URL, answer)
    expire()
    bring(connection, "thing:1")
    drain(connection.pk)
    assert Effect.objects.get().status == Status.SUCCEEDED


# --- Nothing is told --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [200, 400, 401, 500])
def test_no_token_or_secret_stands_in_a_log_or_an_error(
    code: int, connection: Connection, endpoint: responses.RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    body = ANSWER if code == 200 else {"error": "invalid_grant", "error_description": " ".join(SECRETS)}
    endpoint.post(TOKEN_URL, status=code, json=body)
    expire()
    errors: list[Exception] = []
    with caplog.at_level(logging.DEBUG):
        try:
            use_account(connection, call_with()[0])
        except (ReauthoriseError, OutageError) as error:
            errors.append(error)
    assert bool(errors) == (code != 200)
    told = caplog.text + "".join(f"{record.__dict__}" for record in caplog.records) + repr(errors)
    told += repr([(token, token.error) for token in Token.objects.all()])
    assert "request sent" in told
    assert [secret for secret in SECRETS if secret in told] == []


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_refreshes_are_counted(connection: Connection, endpoint: responses.RequestsMock) -> None:
    labels = {"provider": "calendar.live", "outcome": "refreshed"}
    before = sample("keepsync_token_refreshes_total", **labels)
    give(endpoint)
    refresh(connection.pk, seen_generation=1)
    assert sample("keepsync_token_refreshes_total", **labels) == before + 1
