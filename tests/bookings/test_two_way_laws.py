"""Both sides edit the same meeting at random, webhooks come late, doubled or never: in the end all sides agree.

A run ends when nobody edits any more, everything is told and done, and people have settled what they were asked. Then
calendar.live's event, our meeting and the CRM's record hold the same, and what they hold is what the owner of each
field has said. TWO_WAY_STEPS says how many steps a run has, TWO_WAY_RUNS how many runs there are for each pattern:
`make two-way` takes 5,000 steps altogether.
"""

import os
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from bookings.field_conflicts import keep_ours, take_theirs
from bookings.models import Conflict, Meeting, MeetingLink
from integrations.models import Connection, Effect, Pair
from integrations.pairs import make_pair
from tests.bookings.calendar_world import TOKEN, calendar_world, change_there, iso, workday
from tests.bookings.flows.playing import connect, drain_now, let_time_pass, run_effects
from tests.bookings.reps import Rep
from tests.factories import make_connection

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
STEPS, RUNS = int(os.environ.get("TWO_WAY_STEPS", "15")), int(os.environ.get("TWO_WAY_RUNS", "3"))
HALF = timedelta(minutes=30)
STARTS = [workday(0, 9) + number * HALF for number in range(8)]
TITLES = [f"Title {letter}" for letter in "abcde"]
MOST_ROUNDS = 25


class Sides(RuleBasedStateMachine):
    """`said` is what each side has said last: (side, field) → value."""

    pattern = "two_way"

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.patches = self.stack.enter_context(pytest.MonkeyPatch.context())
        self.calendar = make_connection(options={"default_region": "FR", "access_token": TOKEN})
        self.crm = connect("hubspot")
        make_pair(self.calendar, self.crm, self.pattern)
        self.user = User.objects.create(username="operator")
        self.live = self.stack.enter_context(calendar_world())
        self.rep = Rep(self.live, self.crm, {})
        self.rep.stub(self.patches)

    @initialize()
    def begin(self) -> None:
        """A customer has booked, and it has come to the CRM."""
        self.live.tell(self.live.book("trial", STARTS[0]), "event.created")
        self.rep.settle()
        [self.key] = self.live.hubspot.meetings
        title, start, _ = self.read_all()[0]
        self.said = {
            (side, field): value
            for side in ("calendar", "crm")
            for field, value in (("title", title), ("start", start))
        }

    # --- At calendar.live ---------------------------------------------------------------------------------------------

    @rule(start=st.sampled_from(STARTS), is_told=st.booleans())
    def move_at_calendar_live(self, start: datetime, is_told: bool) -> None:
        change_there(self.live, start=start, end=start + HALF)
        self.said["calendar", "start"] = iso(start)
        if is_told:
            self.live.tell_all()

    @rule(title=st.sampled_from(TITLES), is_told=st.booleans())
    def rename_at_calendar_live(self, title: str, is_told: bool) -> None:
        change_there(self.live, title=title)
        self.said["calendar", "title"] = title
        if is_told:
            self.live.tell_all()

    @rule()
    def tell_what_was_not_told(self) -> None:
        """Again, what was told before."""
        self.live.tell_all()

    # --- In the CRM ---------------------------------------------------------------------------------------------------

    @rule(start=st.sampled_from(STARTS), is_told=st.booleans())
    def move_in_the_crm(self, start: datetime, is_told: bool) -> None:
        record = self.rep.read(self.key)
        record |= {"hs_meeting_start_time": iso(start), "hs_meeting_end_time": iso(start + HALF)}
        self.said["crm", "start"] = iso(start)
        if is_told:
            self.rep.tell(self.key)

    @rule(title=st.sampled_from(TITLES), is_told=st.booleans())
    def rename_in_the_crm(self, title: str, is_told: bool) -> None:
        self.rep.read(self.key)["hs_meeting_title"] = title
        self.said["crm", "title"] = title
        if is_told:
            self.rep.tell(self.key)

    @rule()
    def tell_of_the_record(self) -> None:
        self.rep.tell(self.key)

    # --- Here ---------------------------------------------------------------------------------------------------------

    @rule(is_crm=st.booleans())
    def carry_out(self, is_crm: bool) -> None:
        """One connection does what it has to do; the other one waits."""
        drain_now(self.crm if is_crm else self.calendar)

    @precondition(lambda self: Conflict.objects.filter(status="open").exists())
    @rule(is_ours=st.booleans())
    def settle_a_conflict(self, is_ours: bool) -> None:
        settle_one(self.user, is_ours=is_ours)

    @rule()
    def wait(self) -> None:
        let_time_pass(minutes=5)

    # --- The end ------------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            if hasattr(self, "key"):
                self.come_to_rest()
                self.check()
        finally:
            self.transaction.__exit__(ValueError, ValueError("rolled back"), None)
            self.stack.close()

    def come_to_rest(self) -> None:
        """Everything is told and done, and every question answered, until nothing changes any more."""
        for _ in range(MOST_ROUNDS):
            before = self.read_all()
            self.live.tell_all()
            let_time_pass(hours=2)
            run_effects()
            self.rep.settle()
            if Conflict.objects.filter(status="open").exists():
                settle_one(self.user, is_ours=True)
            elif before == self.read_all() and not Effect.objects.filter(status__in=("pending", "retrying")).exists():
                return
        raise AssertionError(f"It does not come to rest: {self.read_all()}")

    def read_all(self) -> tuple[Any, ...]:
        [event], meeting, record = self.live.standing, Meeting.objects.get(), self.rep.read(self.key)
        return (
            (event["title"], event["start"], event["end"]),
            (meeting.title, iso(meeting.start), iso(meeting.end)),
            (record["hs_meeting_title"], record["hs_meeting_start_time"], record["hs_meeting_end_time"]),
        )

    def check(self) -> None:
        there, here, record = self.read_all()
        assert there == here == record
        assert MeetingLink.objects.get().disputed == []
        dead = Effect.objects.filter(status="dead").values_list("kind", "error")
        assert list(dead) == []


def settle_one(user: User, *, is_ours: bool) -> None:
    conflict = Conflict.objects.select_related("meeting__calendar__connection", "connection").filter(status="open")[0]
    if is_ours:
        keep_ours(conflict, user)
    else:
        take_theirs(conflict, user)


class CalendarLeads(Sides):
    """What is said in the CRM never comes to calendar.live."""

    pattern = "in"

    def check(self) -> None:
        super().check()
        title, start, _ = self.read_all()[0]
        assert (title, start) == (self.said["calendar", "title"], self.said["calendar", "start"])
        assert not Meeting.objects.get().requests.exists()


class CrmLeads(Sides):
    """What calendar.live says of the title is put right there."""

    pattern = "out"

    def check(self) -> None:
        super().check()
        assert self.read_all()[0][0] == self.said["crm", "title"]


@pytest.mark.parametrize("machine", [Sides, CalendarLeads, CrmLeads])
def test_all_sides_agree_once_it_is_quiet(machine: type[Sides]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert not Connection.objects.exists()
    assert not Pair.objects.exists()
