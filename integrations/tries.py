"""One try at effects that were claimed together: calling the provider, once more where it refuses the credentials."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from integrations import effect_kinds, http
from integrations.calls import Loan, lend, lend_anew
from integrations.claims import Claim, keep
from integrations.correlation import carrying
from integrations.effect_kinds import Result, Task
from integrations.exceptions import ReauthoriseError
from integrations.models import Connection, Effect
from integrations.outcomes import NOT_NOW, settle_all
from integrations.providers.base import Account

# Claims whose token took longer to come are claimed for a full try again.
KEEP_AFTER_S = 1.0
# One for each of the claims that were carried out together, in their order.
type Outcomes = Sequence[Result | Exception]


@dataclass(frozen=True, slots=True)
class Report:
    """What carrying out one or several effects together came to. `failures` are still to be recorded."""

    calls: int
    rest_s: float
    failures: Sequence[tuple[Claim, Exception]]
    # Whether the other side answered, whatever it thinks of these effects.
    is_up: bool


def carry_out(connection: Connection, claims: Sequence[Claim], *, limit_s: float) -> Report:
    """Carry effects of one kind out, and record those that succeeded. Runs on any thread; never raises."""
    with carrying(*(claim.effect.correlation_id for claim in claims)):
        return carry_out_together(connection, claims, limit_s)


def carry_out_together(connection: Connection, claims: Sequence[Claim], limit_s: float) -> Report:
    """Those whose credentials are refused are carried out once more, with another token and as much time."""
    with http.limit_time(limit_s) as scope:
        loan, results = run_first(connection, claims)
    scopes = [scope]
    if loan and any(isinstance(result, ReauthoriseError) for result in results):
        with http.limit_time(limit_s) as scope:
            results = repeat_refused(connection, claims, results, loan)
        scopes.append(scope)
    calls = [call for scope in scopes for call in scope.calls]
    for claim in claims:
        claim.attempt.calls = calls
    failures = settle_all(connection, list(zip(claims, results, strict=True)))
    is_up = bool(calls) and not all(isinstance(result, NOT_NOW) for result in results)
    return Report(len(calls), max(scope.rest_s for scope in scopes), failures, is_up)


def run_first(connection: Connection, claims: Sequence[Claim]) -> tuple[Loan | None, Outcomes]:
    """Without a loan, no token could be had, and nothing was called."""
    started = time.monotonic()
    try:
        loan = lend(connection)
        if time.monotonic() - started > KEEP_AFTER_S:
            keep(claims)
    except Exception as error:
        return None, [error] * len(claims)
    return loan, run(connection, claims, loan.account, is_repeat=False)


def repeat_refused(connection: Connection, claims: Sequence[Claim], results: Outcomes, refused: Loan) -> Outcomes:
    """The results, those that were refused replaced by what another token brings, if there is another to be had."""
    again = [claim for claim, result in zip(claims, results, strict=True) if isinstance(result, ReauthoriseError)]
    try:
        loan = lend_anew(connection, refused)
        keep(again)
    except Exception as error:
        repeated: Outcomes = [error] * len(again)
    else:
        if loan is None:
            return results
        repeated = run(connection, again, loan.account, is_repeat=True)
    newer = iter(repeated)
    return [next(newer) if isinstance(result, ReauthoriseError) else result for result in results]


def run(connection: Connection, claims: Sequence[Claim], account: Account, *, is_repeat: bool) -> Outcomes:
    """One result for each claim, in order; an error of the whole call is the result of each."""
    try:
        kind = effect_kinds.find_kind(claims[0].effect.kind)
        tasks = [make_task(connection, account, claim.effect, is_repeat=is_repeat) for claim in claims]
        results = kind.run(tasks)
        if len(results) != len(claims):
            raise ValueError(f"{kind.name} gave {len(results)} results for {len(claims)} effects")
        return results
    except Exception as error:
        return [error] * len(claims)


def make_task(connection: Connection, account: Account, effect: Effect, *, is_repeat: bool) -> Task:
    """`is_repeat`: also where no earlier try is known, part of it may have been done."""
    return Task(
        effect_id=effect.pk,
        key=effect.idempotency_key,
        subject=effect.subject,
        parameters=effect.parameters,
        connection=connection,
        account=account,
        is_repeat=is_repeat or effect.attempts > 1,
        delivery_id=effect.delivery_id,
    )
