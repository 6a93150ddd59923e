"""Processes that use a connection's token, forked from one that has imported everything and opened nothing.

`python -m tests.processes.token_users` takes orders as lines of JSON, `{"do": name, ...}`, and answers each with
one. When its input ends, all of them end.
"""

import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import django

django.setup()

from django.db import connection as database  # noqa: E402

from integrations import calls, connections, http, oauth, refreshes, tokens  # noqa: E402
from integrations.calls import check_connection  # noqa: E402
from integrations.drains import drain  # noqa: E402
from integrations.effect_kinds import Done, Result, Task, carries_out  # noqa: E402
from integrations.effects import OPEN, plan  # noqa: E402
from integrations.models import Connection, Effect  # noqa: E402

# A child has no thread but its own when it begins.
FORK = multiprocessing.get_context("fork")
TRACED = {str(module.__file__) for module in (calls, connections, oauth, refreshes, tokens)}


@carries_out("thing.make")
def make_thing(task: Task) -> Result:
    headers = {"Authorization": f"Bearer {task.account.credentials['access_token']}"}
    sent = {"subject": task.subject}
    http.request("POST", f"{task.account.base_url}/v1/things", provider="calendar.live", headers=headers, json=sent)
    return Done(task.subject)


def set_constants(constants: Mapping[str, float]) -> None:
    """Dotted names, such as integrations.tokens.LEASE_S."""
    for name, value in constants.items():
        module, _, constant = name.rpartition(".")
        assert hasattr(sys.modules[module], constant), name
        setattr(sys.modules[module], constant, value)


def check(connection_id: int) -> str:
    """`ok`, or the error."""
    try:
        check_connection(Connection.objects.get(pk=connection_id))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "ok"


# --- Many at once -----------------------------------------------------------------------------------------------------


class Crowd:
    """Processes that wait for each other, and then check the connection all at once, again and again."""

    def __init__(self, connection_id: int, size: int) -> None:
        self.connection_id = connection_id
        self.barrier, self.told = FORK.Barrier(size + 1), FORK.SimpleQueue()
        self.members = [FORK.Process(target=self.live, daemon=True) for _ in range(size)]
        for member in self.members:
            member.start()

    def live(self) -> None:
        database.ensure_connection()
        while True:
            self.barrier.wait()
            self.told.put(check(self.connection_id))

    def release(self) -> list[str]:
        self.barrier.wait()
        return [self.told.get() for _ in self.members]

    def disperse(self) -> None:
        for member in self.members:
            member.kill()
            member.join()


_crowds: list[Crowd] = []


def gather(connection_id: int, size: int) -> None:
    _crowds.append(Crowd(connection_id, size))


def release() -> list[str]:
    return _crowds[-1].release()


def disperse() -> None:
    while _crowds:
        _crowds.pop().disperse()


# --- One that dies ----------------------------------------------------------------------------------------------------


class Death:
    """kill -9 of the own process before the n-th line that is executed in the traced modules.

    The count begins when the function named `since` is called, with the first line of all where it is empty.
    """

    def __init__(self, at: int, since: str, told: Any) -> None:
        self.left, self.since, self.told = at, since, told

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename not in TRACED:
            return None
        if frame.f_code.co_name == self.since:
            self.since = ""
        if event == "line" and not self.since:
            self.left -= 1
            if not self.left:
                self.told.put(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
                os.kill(os.getpid(), signal.SIGKILL)
        return self.trace


def use_until_death(connection_id: int, at: int, since: str) -> dict[str, str]:
    """`place` is where the process died; where it did not, `outcome` is what came of the use."""
    told = FORK.SimpleQueue()

    def use() -> None:
        sys.settrace(Death(at, since, told).trace)
        outcome = check(connection_id)
        sys.settrace(None)
        told.put(outcome)

    process = FORK.Process(target=use)
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return {"outcome" if process.exitcode == 0 else "place": told.get()}


# --- Workers ----------------------------------------------------------------------------------------------------------


def plan_things(connection_id: int, number: int) -> None:
    def work() -> None:
        for each in range(number):
            plan("thing.make", connection_id=connection_id, subject=f"thing:{each}", key=f"thing:{each}")

    run_all([FORK.Process(target=work)])


def drain_until_empty(connection_id: int, constants: Mapping[str, float]) -> None:
    """As the queue does: again when the drain says so, and never where it says that nothing is left."""
    set_constants(constants)
    while (delay_s := drain(connection_id)) is not None:
        time.sleep(delay_s)


def check_until_empty(connection_id: int, told: Any) -> None:
    """What came of the checks, each outcome once; the first error is the end."""
    outcomes = {check(connection_id)}
    while outcomes == {"ok"} and Effect.objects.filter(connection=connection_id, status__in=OPEN).exists():
        outcomes.add(check(connection_id))
    told.put(sorted(outcomes))


def work(connection_id: int, drains: int, checks: int, constants: Mapping[str, float]) -> list[str]:
    """Until nothing is left to do. What came of the checks meanwhile."""
    told = FORK.SimpleQueue()
    drainers = [FORK.Process(target=drain_until_empty, args=(connection_id, constants)) for _ in range(drains)]
    run_all(drainers + [FORK.Process(target=check_until_empty, args=(connection_id, told)) for _ in range(checks)])
    return sorted({outcome for _ in range(checks) for outcome in told.get()})


def run_all(processes: list[Any]) -> None:
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert {process.exitcode for process in processes} == {0}


ORDERS = {order.__name__: order for order in (gather, release, disperse, use_until_death, plan_things, work)}


def take_orders() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(ORDERS[order.pop("do")](**order)), flush=True)


def main() -> None:
    try:
        take_orders()
    except Exception:
        traceback.print_exc()
    finally:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
