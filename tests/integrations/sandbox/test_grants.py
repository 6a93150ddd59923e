"""Grants and their tokens by themselves, at a clock of the test's own."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from integrations.sandbox.grant_records import GrantError, Issued, Policy
from integrations.sandbox.granting import challenge_of
from integrations.sandbox.grants import Grants
from integrations.sandbox.persistence import StateFile
from tests.integrations.sandbox.support import Clock

KEEPING = Policy(1800)
ROTATING = Policy(3600, rotates=True)
STRICT = Policy(900, rotates=True, revokes_on_reuse=True)
ADDRESS, VERIFIER = "https://a.example/", "v" * 43


def make_grants(policy: Policy, clock: Clock, path: Path | None = None) -> Grants:
    return Grants("test", policy, StateFile(path), clock=clock)


def exchange(grants: Grants, code: str, client_id: str = "app", **changes: str) -> Issued:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": ADDRESS, "code_verifier": VERIFIER}
    return grants.give(form | changes, client_id)


def authorise(grants: Grants) -> Issued:
    return exchange(grants, grants.add_code("app", ADDRESS, challenge=challenge_of(VERIFIER)))


def refresh(grants: Grants, token: str, client_id: str = "app") -> Issued:
    return grants.give({"grant_type": "refresh_token", "refresh_token": token}, client_id)


def refuse(call: Any, *arguments: Any, **options: Any) -> str:
    """The error's code."""
    with pytest.raises(GrantError) as caught:
        call(*arguments, **options)
    return caught.value.code


def test_an_access_token_works_until_its_time_is_over(clock: Clock) -> None:
    grants = make_grants(KEEPING, clock)
    issued = authorise(grants)
    assert issued.expires_in_s == 1800
    clock.advance(seconds=1799)
    assert grants.find(issued.access_token)
    clock.advance(seconds=1)
    assert grants.find(issued.access_token) is None
    again = refresh(grants, issued.refresh_token)
    assert again.access_token != issued.access_token
    assert again.grant.id == issued.grant.id
    assert grants.find(again.access_token)
    assert grants.find("") is None


def test_two_grants_have_tokens_of_their_own(clock: Clock) -> None:
    grants = make_grants(ROTATING, clock)
    one, two = authorise(grants), authorise(grants)
    assert len({one.access_token, two.access_token, one.refresh_token, two.refresh_token}) == 4
    grants.revoke(one.refresh_token)
    assert (grants.find(one.access_token), bool(grants.find(two.access_token))) == (None, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "unknown"},
        {"redirect_uri": f"{ADDRESS}?"},
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"client_id": "another"},
    ],
)
def test_a_code_needs_its_client_address_and_verifier_and_allows_one_guess(
    clock: Clock, changes: dict[str, str]
) -> None:
    grants = make_grants(KEEPING, clock)
    code = grants.add_code("app", ADDRESS, challenge=challenge_of(VERIFIER))
    assert refuse(exchange, grants, **({"code": code} | changes)) == "invalid_grant"
    assert "code" in changes or refuse(exchange, grants, code) == "invalid_grant"


def test_a_code_lives_for_a_minute(clock: Clock) -> None:
    grants = make_grants(KEEPING, clock)
    codes = [grants.add_code("app", ADDRESS) for _ in range(2)]
    clock.advance(seconds=60)
    assert exchange(grants, codes[0], code_verifier="")
    clock.advance(seconds=1)
    assert refuse(exchange, grants, codes[1], code_verifier="") == "invalid_grant"


def test_a_code_that_is_used_twice_takes_what_it_gave_along(clock: Clock) -> None:
    grants = make_grants(KEEPING, clock)
    code = grants.add_code("app", ADDRESS, challenge=challenge_of(VERIFIER))
    issued = exchange(grants, code)
    assert refuse(exchange, grants, code) == "invalid_grant"
    assert grants.find(issued.access_token) is None
    assert refuse(refresh, grants, issued.refresh_token) == "invalid_grant"
    assert grants.newest()[0].cause == "its code was used twice"


def test_a_refresh_token_is_kept_where_nothing_rotates(clock: Clock) -> None:
    grants = make_grants(KEEPING, clock)
    issued = authorise(grants)
    assert {refresh(grants, issued.refresh_token).refresh_token for _ in range(3)} == {issued.refresh_token}
    assert grants.newest()[0].refreshes == 3


def test_a_used_refresh_token_is_dead_and_its_grant_goes_on(clock: Clock) -> None:
    grants = make_grants(ROTATING, clock)
    first = authorise(grants)
    second = refresh(grants, first.refresh_token)
    assert second.refresh_token != first.refresh_token
    assert refuse(refresh, grants, first.refresh_token) == "invalid_grant"
    assert grants.find(second.access_token)
    assert refresh(grants, second.refresh_token)


def test_a_refresh_token_that_comes_twice_ends_the_whole_grant_where_that_is_the_rule(clock: Clock) -> None:
    grants = make_grants(STRICT, clock)
    first = authorise(grants)
    second = refresh(grants, first.refresh_token)
    assert grants.find(first.access_token)
    assert refuse(refresh, grants, first.refresh_token) == "invalid_grant"
    assert [grants.find(issued.access_token) for issued in (first, second)] == [None, None]
    assert refuse(refresh, grants, second.refresh_token) == "invalid_grant"
    ended = grants.newest()[0]
    assert (ended.ended_at, ended.cause) == (clock.now, "a refresh token was used twice")


def test_an_unused_refresh_token_dies_and_each_use_begins_its_time_anew(clock: Clock) -> None:
    grants = make_grants(Policy(3599, idle_days=60), clock)
    issued = authorise(grants)
    for _ in range(2):
        clock.advance(days=59)
        assert refresh(grants, issued.refresh_token)
    clock.advance(days=61)
    assert refuse(refresh, grants, issued.refresh_token) == "invalid_grant"


def test_tokens_belong_to_the_client_that_asked(clock: Clock) -> None:
    grants = make_grants(STRICT, clock)
    issued = authorise(grants)
    assert refuse(refresh, grants, issued.refresh_token, "another") == "invalid_grant"
    assert refuse(grants.revoke, issued.refresh_token, "another") == "invalid_grant"
    assert refuse(refresh, grants, issued.refresh_token, "") == "invalid_client"
    assert refuse(refresh, grants, "made-up") == "invalid_grant"
    assert refresh(grants, issued.refresh_token)


def test_a_revoked_access_token_goes_alone_and_a_refresh_token_takes_all_along(clock: Clock) -> None:
    grants = make_grants(KEEPING, clock)
    issued = authorise(grants)
    assert grants.revoke(issued.access_token, "app")
    assert grants.find(issued.access_token) is None
    again = refresh(grants, issued.refresh_token)
    assert grants.revoke(again.refresh_token, "app")
    assert grants.find(again.access_token) is None
    assert refuse(refresh, grants, again.refresh_token) == "invalid_grant"
    assert not grants.revoke("made-up", "app")


def test_a_token_without_an_end_stays_and_cannot_be_refreshed(clock: Clock) -> None:
    grants = make_grants(Policy(None, has_refresh_tokens=False), clock)
    issued = authorise(grants)
    assert (issued.refresh_token, issued.expires_in_s) == ("", None)
    assert refuse(refresh, grants, "") == "unsupported_grant_type"
    clock.advance(days=1000)
    assert grants.find(issued.access_token)
    grants.revoke(issued.access_token)
    assert grants.newest()[0].ended_at == clock.now


def test_a_client_by_itself_has_one_grant_and_no_refresh_token(clock: Clock) -> None:
    grants = make_grants(ROTATING, clock)
    asked = ({"grant_type": "client_credentials"}, {"grant_type": "account_credentials", "account_id": "a"})
    issued = [grants.give(form, "app") for form in asked]
    assert [item.refresh_token for item in issued] == ["", ""]
    assert all(grants.find(item.access_token) for item in issued)
    assert len(grants.newest()) == 1
    assert refuse(grants.give, {"grant_type": "account_credentials"}, "app") == "invalid_request"
    assert refuse(grants.give, {"grant_type": "password"}, "app") == "unsupported_grant_type"
    assert refuse(grants.give, {}, "app") == "unsupported_grant_type"


def test_all_can_be_revoked_or_expired_at_once(clock: Clock) -> None:
    grants = make_grants(KEEPING, clock)
    one, two = authorise(grants), authorise(grants)
    grants.expire_all()
    assert [grants.find(item.access_token) for item in (one, two)] == [None, None]
    again = refresh(grants, one.refresh_token)
    grants.revoke_all()
    grants.revoke_all()
    assert grants.find(again.access_token) is None
    assert refuse(refresh, grants, two.refresh_token) == "invalid_grant"
    assert {grant.ended_at for grant in grants.newest()} == {clock.now}


def test_what_exists_survives_a_restart_and_what_is_over_is_forgotten(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    grants = make_grants(STRICT, clock, path)
    first, code = authorise(grants), grants.add_code("app", ADDRESS, challenge=challenge_of(VERIFIER))
    second = refresh(grants, first.refresh_token)
    restarted = make_grants(STRICT, clock, path)
    assert restarted.newest() == grants.newest()
    assert restarted.find(second.access_token)
    third = exchange(restarted, code)
    assert refuse(refresh, restarted, first.refresh_token) == "invalid_grant"
    assert make_grants(STRICT, clock, path).find(second.access_token) is None
    clock.advance(hours=2)
    refresh(restarted, third.refresh_token)
    assert f'"{third.access_token}": {{' not in path.read_text()
    assert code not in path.read_text()


def test_of_tokens_only_the_end_is_shown(clock: Clock) -> None:
    grants = make_grants(KEEPING, clock)
    issued = authorise(grants)
    shown = str(grants.describe())
    assert issued.access_token[-4:] in shown
    assert issued.refresh_token[-4:] in shown
    assert issued.access_token not in shown
    assert issued.refresh_token not in shown


@pytest.mark.parametrize(("policy", "is_alive"), [(ROTATING, True), (STRICT, False)])
def test_of_many_at_once_one_gets_the_next_token(clock: Clock, policy: Policy, is_alive: bool) -> None:
    grants, start = make_grants(policy, clock), threading.Barrier(16)
    token = authorise(grants).refresh_token
    won: list[Issued] = []

    def compete() -> None:
        start.wait()
        with suppress(GrantError):
            won.append(refresh(grants, token))

    threads = [threading.Thread(target=compete) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert bool(grants.find(won[0].access_token)) is is_alive
