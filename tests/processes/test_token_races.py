"""Many real processes use one token at once: one of them refreshes it, and all of them go on with the new one."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.connections import set_status
from integrations.models import Attempt, Connection, Effect, Token
from integrations.providers.oauth import Grant
from integrations.tokens import store_grant
from tests.factories import make_connection
from tests.processes.authorisation_server import BREAK_OFF, CLIENT, INVALID_GRANT, Answer, AuthorisationServer
from tests.processes.nursery import Nursery

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PROCESSES = 16
ROUNDS = 200
# In every so many rounds nobody knows that the token has run out before it is refused.
REFUSED_EVERY = 4
FAILING_ROUNDS = 10
SLOW_S = 20
# At 20 a second after the first 20: long enough for a third token.
THINGS = 90
ALL_WELL = ["ok"] * PROCESSES
UNAVAILABLE = Answer(503)
# Short rests, so that a test sees what comes after them.
SHORT = {
    "integrations.tokens.FIRST_PAUSE_S": 0.3,
    "integrations.drains.FIRST_HOLD_S": 0.3,
    "integrations.refreshes.LEASE_S": 1,
}


@pytest.fixture
def connection(transactional_db: None, authority: AuthorisationServer) -> Connection:
    """Its token is good for an hour."""
    return make_connection("cl", base_url=authority.origin, options={**authority.authorise(), **CLIENT})


@pytest.fixture
def crowd(nursery: Nursery, connection: Connection) -> Callable[[], list[str]]:
    """Lets all processes use the connection at once. Returns what came of it for each."""
    nursery.order("gather", connection_id=connection.pk, size=PROCESSES)
    return lambda: list(nursery.order("release"))


def expire(**fields: Any) -> None:
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1), **fields)


def read_token() -> Token:
    return Token.objects.select_related("connection").get()


# --- Sixteen at once --------------------------------------------------------------------------------------------------


def test_of_sixteen_processes_one_refreshes_and_all_succeed(
    crowd: Callable[[], list[str]], authority: AuthorisationServer
) -> None:
    for number in range(1, ROUNDS + 1):
        authority.expire()
        if number % REFUSED_EVERY:
            expire()
        assert (number, crowd()) == (number, ALL_WELL)
        assert (number, authority.refreshes, len(authority.asked_at)) == (number, number, number)
    token = read_token()
    assert (token.generation, token.refresh_token) == (ROUNDS + 1, authority.refresh_token)
    assert (authority.reuses, authority.is_revoked, token.connection.status) == (0, False, "active")


def test_of_sixteen_who_wait_for_one_that_has_died_one_takes_over(
    crowd: Callable[[], list[str]], nursery: Nursery, connection: Connection, authority: AuthorisationServer
) -> None:
    authority.expire()
    expire()
    assert "place" in nursery.order("use_until_death", connection_id=connection.pk, at=1, since="refresh_grant")
    assert read_token().lease_owner
    Token.objects.update(lease_expires_at=timezone.now() + timedelta(seconds=1))
    assert crowd() == ALL_WELL
    assert (len(authority.asked_at), authority.refreshes, authority.reuses) == (1, 1, 0)


def test_an_answer_that_takes_20_seconds_is_waited_for_by_all(
    crowd: Callable[[], list[str]], authority: AuthorisationServer
) -> None:
    authority.delay_s = SLOW_S
    authority.expire()
    expire()
    started = time.monotonic()
    assert crowd() == ALL_WELL
    assert time.monotonic() - started >= SLOW_S
    assert (len(authority.asked_at), authority.refreshes, authority.reuses) == (1, 1, 0)
    assert (read_token().refresh_token, read_token().connection.status) == (authority.refresh_token, "active")


@pytest.mark.parametrize(
    ("answer", "error", "status"),
    [(UNAVAILABLE, "TokenOutageError", "active"), (INVALID_GRANT, "GrantError", "needs_reauthorisation")],
    ids=["outage", "refusal"],
)
def test_what_one_is_refused_nobody_else_asks_for(
    answer: Answer,
    error: str,
    status: str,
    crowd: Callable[[], list[str]],
    authority: AuthorisationServer,
    connection: Connection,
) -> None:
    for number in range(1, FAILING_ROUNDS + 1):
        given = authority.authorise()
        authority.expire()
        store_grant(connection, Grant(given["access_token"], given["refresh_token"], expires_in_s=0))
        set_status(connection, Connection.Status.ACTIVE)
        authority.faults.extend([answer] * PROCESSES)
        outcomes = Counter(outcome.partition(":")[0] for outcome in crowd())
        assert (number, outcomes, len(authority.asked_at)) == (number, {error: PROCESSES}, 1)
        assert read_token().connection.status == status


# --- Effects ----------------------------------------------------------------------------------------------------------


def assert_each_was_carried_out_once(authority: AuthorisationServer, number: int) -> None:
    """And none of them has burnt a try before."""
    assert authority.things == {f"thing:{each}": 1 for each in range(number)}
    rows = Effect.objects.values_list("status", "attempts", "free_attempts")
    assert {(status, attempts - free) for status, attempts, free in rows} == {("succeeded", 1)}


def test_effects_are_carried_out_once_while_their_token_expires_every_second(
    nursery: Nursery, connection: Connection, authority: AuthorisationServer
) -> None:
    """Every second token is said to live for an hour, and is refused; the others run out before they are used."""
    authority.lifetime_s = 1.0
    authority.told_lifetimes_s.extend([31])
    authority.expire()
    nursery.order("plan_things", connection_id=connection.pk, number=THINGS)
    outcomes = nursery.order("work", connection_id=connection.pk, drains=2, checks=2, constants={})
    assert outcomes == ["ok"]
    assert_each_was_carried_out_once(authority, THINGS)
    token = read_token()
    assert (authority.reuses, authority.is_revoked, token.connection.status) == (0, False, "active")
    assert len(authority.asked_at) == authority.refreshes == token.generation - 1 >= 3
    assert authority.rejections


@pytest.mark.parametrize(
    "faults",
    [
        [UNAVAILABLE, UNAVAILABLE, Answer(429, headers={"Retry-After": "2"})],
        [BREAK_OFF],
    ],
    ids=["outage", "lost"],
)
def test_effects_wait_while_no_token_can_be_had_and_go_on_by_themselves(
    faults: list[Answer], nursery: Nursery, connection: Connection, authority: AuthorisationServer
) -> None:
    """After a lost answer they wait as long as a lease. Here the server had not taken the request."""
    authority.faults.extend(faults)
    authority.expire()
    expire()
    before = read_token().connection.status_changed_at
    nursery.order("plan_things", connection_id=connection.pk, number=10)
    nursery.order("work", connection_id=connection.pk, drains=1, checks=0, constants=SHORT)
    assert_each_was_carried_out_once(authority, 10)
    assert set(Attempt.objects.values_list("outcome", "cause")) == {("failed", "transient"), ("succeeded", "")}
    token = read_token()
    assert (token.connection.status, token.connection.status_changed_at) == ("active", before)
    assert (len(authority.asked_at), authority.refreshes) == (len(faults) + 1, 1)
    rests_s = [later - sooner for sooner, later in zip(authority.asked_at, authority.asked_at[1:], strict=False)]
    assert min(rests_s) >= 0.3
    assert rests_s[-1] >= (2 if len(faults) > 1 else 1)
