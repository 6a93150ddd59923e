"""Calls that many threads make at the same time, run as one.

While a thread waits for the database, others queue up behind it; the first of them then works for all. A call that
comes alone is run at once, so nothing is ever waited for. Under load the cost of a round trip and a commit is shared.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class Call[Item, Result]:
    item: Item
    woken: threading.Event = field(default_factory=threading.Event)
    results: list[Result] = field(default_factory=list)
    error: BaseException | None = None


class Combiner[Item, Result]:
    """`run` takes 1 to `limit` items and returns as many results; an error of it is raised in every call it was for."""

    def __init__(self, run: Callable[[Sequence[Item]], Sequence[Result]], *, limit: int) -> None:
        self.run = run
        self.limit = limit
        self.lock = threading.Lock()
        self.waiting: list[Call[Item, Result]] = []
        self.has_leader = False

    def call(self, item: Item) -> Result:
        mine: Call[Item, Result] = Call(item)
        with self.lock:
            self.waiting.append(mine)
            leads, self.has_leader = not self.has_leader, True
        if not leads:
            mine.woken.wait()
        if not mine.results and mine.error is None:
            self.lead()
        if mine.error is not None:
            raise mine.error
        return mine.results[0]

    def lead(self) -> None:
        """Run what waits now, which begins with the leader's own call, and hand the lead on."""
        with self.lock:
            calls, self.waiting = self.waiting[: self.limit], self.waiting[self.limit :]
        try:
            for call, result in zip(calls, self.run([call.item for call in calls]), strict=True):
                call.results.append(result)
        except BaseException as error:
            # Whatever it is: a call that is never woken would stand still for ever.
            for call in calls:
                call.error = error
        with self.lock:
            self.has_leader = bool(self.waiting)
            following = self.waiting[:1]
        for call in following + calls:
            call.woken.set()
