"""kill -9 of a process that refreshes a token, at every line: the next one goes on, or says what was lost."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count

import pytest
from django.utils import timezone

from integrations.calls import check_connection
from integrations.connections import set_status
from integrations.exceptions import GrantError, TokenOutageError
from integrations.models import Connection, Token
from integrations.providers.oauth import Grant
from integrations.refreshes import refresh
from integrations.tokens import REFUSED_AFTER_LOSS, store_grant
from tests.factories import make_connection
from tests.processes.authorisation_server import CLIENT, Answer, AuthorisationServer
from tests.processes.nursery import Nursery

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

UNAVAILABLE = Answer(503)


@pytest.fixture
def connection(transactional_db: None, authority: AuthorisationServer) -> Connection:
    return make_connection("cl", base_url=authority.origin, options=CLIENT)


def authorise(connection: Connection, authority: AuthorisationServer) -> None:
    """A new grant, whose access token has just run out, on both sides."""
    given = authority.authorise()
    authority.expire()
    store_grant(connection, Grant(given["access_token"], given["refresh_token"], expires_in_s=0))
    set_status(connection, Connection.Status.ACTIVE)


def die_everywhere(
    nursery: Nursery,
    connection: Connection,
    authority: AuthorisationServer,
    *,
    prepare: Callable[[], None] = lambda: None,
    since: str = "",
) -> Iterator[None]:
    """A process that uses the connection has just died, a line later each time, until one has lived to its end.

    Each begins with a new grant and what `prepare` makes of it.
    """
    for line in count(1):
        authorise(connection, authority)
        prepare()
        end = nursery.order("use_until_death", connection_id=connection.pk, at=line, since=since)
        if "place" not in end:
            return
        print("killed at", end["place"])
        yield


def read_token() -> Token:
    return Token.objects.select_related("connection").get()


def let_time_pass() -> None:
    """So much that a dead process's lease and the rest after an outage are over."""
    past = timezone.now() - timedelta(seconds=1)
    Token.objects.exclude(lease_owner=None).update(lease_expires_at=past)
    Token.objects.exclude(retry_at=None).update(retry_at=past)


def assert_is_good(token: Token, authority: AuthorisationServer) -> None:
    """Its access token is taken, and it is the newest pair of the server's that the row holds."""
    assert check_connection(token.connection).startswith("calendar.live answers")
    after = read_token()
    assert (after.refresh_token, after.error, after.lease_owner) == (authority.refresh_token, "", None)
    assert (after.connection.status, authority.is_revoked, authority.reuses) == ("active", False, 0)


def assert_nobody_asks(token: Token, authority: AuthorisationServer, error: type[Exception]) -> None:
    asked = len(authority.asked_at)
    for _ in range(2):
        with pytest.raises(error):
            refresh(token.pk, seen_generation=token.generation, wait_s=0)
    assert len(authority.asked_at) == asked


def assert_is_lost(token: Token, authority: AuthorisationServer) -> None:
    """The provider is asked once more, with the only refresh token there is: nobody can know the new one."""
    with pytest.raises(GrantError, match="answer to a refresh was lost"):
        check_connection(token.connection)
    after = read_token()
    assert (after.error, after.connection.status) == (REFUSED_AFTER_LOSS, "needs_reauthorisation")
    assert (after.generation, after.refresh_token) == (token.generation, token.refresh_token)
    assert_nobody_asks(after, authority, GrantError)
    assert len(authority.asked_at) == 2


def test_the_next_one_refreshes_or_adopts_or_says_that_the_answer_was_lost(
    nursery: Nursery, connection: Connection, authority: AuthorisationServer
) -> None:
    ends: Counter[str] = Counter()
    for _ in die_everywhere(nursery, connection, authority):
        token = read_token()
        is_stored = token.refresh_token == authority.refresh_token and bool(authority.refreshes)
        end = "adopted" if is_stored else "lost" if authority.refreshes else "refreshed"
        ends[end] += 1
        assert (token.connection.status, token.error) == ("active", "")
        if token.lease_owner:
            assert_nobody_asks(token, authority, TokenOutageError)
        let_time_pass()
        if end == "lost":
            assert_is_lost(token, authority)
        else:
            assert_is_good(token, authority)
            assert len(authority.asked_at) == authority.refreshes == 1
    assert_is_good(read_token(), authority)
    assert min(ends["refreshed"], ends["lost"], ends["adopted"]) > 5, ends


def test_a_refusal_is_written_down_whole_or_found_out_again(
    nursery: Nursery, connection: Connection, authority: AuthorisationServer
) -> None:
    """The connection needs a person when its token says so, and not before."""
    ends: Counter[str] = Counter()
    for _ in die_everywhere(nursery, connection, authority, prepare=authority.revoke, since="fail"):
        token = read_token()
        ends[token.connection.status] += 1
        assert (token.error, token.connection.status) in (("", "active"), ("invalid_grant", "needs_reauthorisation"))
        let_time_pass()
        with pytest.raises(GrantError, match="authorise the connection again"):
            check_connection(token.connection)
        after = read_token()
        assert after.connection.status == "needs_reauthorisation"
        assert_nobody_asks(after, authority, GrantError)
        assert len(authority.asked_at) == (1 if token.error else 2)
    assert min(ends["active"], ends["needs_reauthorisation"]) > 5, ends


def test_an_outage_is_written_down_or_forgotten_and_the_next_one_goes_on(
    nursery: Nursery, connection: Connection, authority: AuthorisationServer
) -> None:
    ends: Counter[str] = Counter()

    def fall_over() -> None:
        authority.faults.append(UNAVAILABLE)

    for _ in die_everywhere(nursery, connection, authority, prepare=fall_over, since="fail"):
        token = read_token()
        ends[token.error] += 1
        assert (token.connection.status, authority.refreshes) == ("active", 0)
        assert_nobody_asks(token, authority, TokenOutageError)
        let_time_pass()
        assert_is_good(token, authority)
        assert (len(authority.asked_at), authority.refreshes) == (2, 1)
    assert min(ends[""], ends["outage"]) > 5, ends
