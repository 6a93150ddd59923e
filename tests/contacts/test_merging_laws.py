"""Whatever is merged, changed, met again and taken apart, in whatever order: nothing is lost, and all comes back."""

from random import Random
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bookings.models import Attendance
from contacts.crm_merges import note_done
from contacts.links import find_leading
from contacts.merging import merge
from contacts.models import CandidatePair, Consent, Contact, ContactLink, Identifier, Merge
from contacts.survivorship import FIELDS, Side
from contacts.sync import unlink
from contacts.undoing import undo
from integrations.models import Connection, Effect
from integrations.pairs import make_pair
from tests.contacts.families import agree, attend, edit, link, meet, take_picture
from tests.factories import make_connection

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

PEOPLE = 6
STEPS = 25
EXAMPLES = 10
SIDES = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from([Side.WINNER, Side.LOSER]), max_size=4)


def make_people(calendar: Connection, crms: list[Connection]) -> list[Contact]:
    """Six people; some share a mailbox, some are at one CRM, some at both, and some have been paired for review."""
    people = []
    for number in range(PEOPLE):
        contact = meet(
            calendar, f"att_{number}", f"p{number}@acme.example", minute=number, full_name=f"Person {number}",
            company=["", "Acme", "Acme Ltd"][number % 3], country=["FR", ""][number % 2], lead_score=number * 10,
        )  # fmt: skip
        contact.notes = f"Note {number}" if number % 2 else ""
        contact.save()
        if number % 2:
            meet(calendar, f"att_{number}b", "info@acme.example", minute=number, full_name=f"Person {number}")
            Identifier.objects.create(
                contact=contact, kind="email", value="info@acme.example", index=b"0" * 16, is_shared=True
            )
        for place, crm in enumerate(crms):
            if (number + place) % 3:
                link(crm, contact, f"{crm.slug}-{number}")
        attend(calendar, contact, f"att_{number}", f"ev_{number}")
        agree(calendar, contact, f"att_{number}", is_given=bool(number % 2))
        people.append(contact)
    for first, second, status in ((0, 1, "open"), (1, 2, "distinct"), (0, 3, "open"), (2, 3, "open")):
        one, other = sorted((people[first], people[second]), key=lambda each: each.pk)
        CandidatePair.objects.create(first=one, second=other, reason="phone_held", status=status)
    return people


def read_forest() -> dict[Any, Any]:
    """Each contact → the living one."""
    above: dict[Any, Any] = dict(Contact.objects.values_list("pk", "merged_into"))
    living: dict[Any, Any] = {}
    for key in above:
        living[key] = key
        while above[living[key]]:
            living[key] = above[living[key]]
    return living


class Merging(RuleBasedStateMachine):
    """Merges and undos. In the end all is undone, in an order of its own."""

    is_changed = False

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        self.world = transaction.atomic()
        self.world.__enter__()
        self.random = Random(seed)
        self.calendar = make_connection()
        self.crms = [
            make_connection(slug, provider="hubspot", options={"access_token": "t"}) for slug in ("one", "two")
        ]
        for crm in self.crms:
            make_pair(self.calendar, crm, "in")
        self.people = make_people(self.calendar, self.crms)
        attendees = Identifier.objects.filter(kind="attendee_id")
        self.homes: dict[str, Any] = {row.value: row.contact_id for row in attendees}
        self.first = take_picture()

    def find_living_ones(self) -> list[Contact]:
        return list(Contact.objects.filter(merged_into=None).order_by("pk"))

    @rule(pick=st.integers(0, 100), other=st.integers(0, 100), sides=SIDES)
    def merge(self, pick: int, other: int, sides: dict[str, Side]) -> None:
        living = self.find_living_ones()
        winner, loser = living[pick % len(living)], living[other % len(living)]
        if winner != loser:
            merge(winner, loser, choices=sides)

    @precondition(lambda self: Merge.objects.filter(undone_at=None).exists())
    @rule(pick=st.integers(0, 100))
    def undo(self, pick: int) -> None:
        active = list(Merge.objects.filter(undone_at=None))
        undo(active[pick % len(active)])

    # --- What is always so --------------------------------------------------------------------------------------------

    @invariant()
    def everything_is_held_by_one_living_contact_and_knows_whose_it_was(self) -> None:
        living = read_forest()
        for model in (Identifier, Attendance, Consent):
            for holder, home in model.objects.values_list("contact", "merged_from"):
                assert living[holder] == holder
                assert home is None or living[home] == holder != home

    @invariant()
    def every_meeting_is_attended_by_the_contact_that_its_attendee_is(self) -> None:
        holders = {row.value: row.contact_id for row in Identifier.objects.filter(kind="attendee_id")}
        for attendance in Attendance.objects.all():
            assert holders[attendance.attendee_id] == attendance.contact_id

    @invariant()
    def every_record_leads_to_one_living_contact_which_has_one_that_leads(self) -> None:
        living = read_forest()
        rows = list(ContactLink.objects.all())
        leading = {(row.connection_id, row.contact_id) for row in rows if row.merged_at is None}
        for row in rows:
            assert (row.connection_id, living[row.contact_id]) in leading
            assert living[row.merged_from_id or row.contact_id] == living[row.contact_id]

    @invariant()
    def an_address_that_is_not_shared_is_held_once(self) -> None:
        held = [(row.kind, row.value) for row in Identifier.objects.filter(is_current=True, is_shared=False)]
        assert len(held) == len(set(held))

    # --- The end ------------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            self.undo_all()
            self.check_end()
        finally:
            transaction.set_rollback(True)
            self.world.__exit__(None, None, None)

    def undo_all(self) -> None:
        active = list(Merge.objects.filter(undone_at=None))
        self.random.shuffle(active)
        for each in active:
            undo(each)
            self.everything_is_held_by_one_living_contact_and_knows_whose_it_was()
            self.every_record_leads_to_one_living_contact_which_has_one_that_leads()

    def check_end(self) -> None:
        """Without any change in between, all is as it was."""
        now = take_picture()
        for name, state in self.first.items():
            assert now[name] == state, name


class Living(Merging):
    """The same, while people are edited, met again, renamed, and their records merged and deleted at the CRMs."""

    minute = 100

    @rule(pick=st.integers(0, 100), field=st.sampled_from(["full_name", "company", "notes"]), value=st.integers(0, 3))
    def edit(self, pick: int, field: str, value: int) -> None:
        living = self.find_living_ones()
        edit(living[pick % len(living)], **{field: f"Edited {value}"})

    @rule(number=st.integers(0, PEOPLE - 1), email=st.integers(0, 8), is_given=st.booleans())
    def meet(self, number: int, email: int, is_given: bool) -> None:
        self.minute += 1
        attendee_id = f"att_{number}"
        contact = meet(
            self.calendar, attendee_id, f"p{email}@acme.example", minute=self.minute, full_name=f"Person {number}"
        )
        attend(self.calendar, contact, attendee_id, f"later_{self.minute}")
        agree(self.calendar, contact, attendee_id, minute=self.minute, is_given=is_given)

    @rule(pick=st.integers(0, 100), is_new=st.booleans())
    def merge_records(self, pick: int, is_new: bool) -> None:
        """The CRM has done what was planned."""
        for effect in Effect.objects.filter(kind="contact.merge", status__in=("pending", "waiting"))[pick % 3 :][:1]:
            row = ContactLink.objects.filter(pk=effect.parameters["link"], merged_at=None).first()
            leading = find_leading(row) if row else None
            if row and leading and leading != row:
                self.minute += 1
                note_done(leading.pk, row.pk, f"new-{self.minute}" if is_new else leading.external_id)
            Effect.objects.filter(pk=effect.pk).update(status="succeeded", attempts=1)

    @rule(pick=st.integers(0, 100))
    def delete_record(self, pick: int) -> None:
        rows = list(ContactLink.objects.all())
        if rows:
            row = rows[pick % len(rows)]
            unlink(row.connection_id, row.external_id)

    def check_end(self) -> None:
        """Everybody is there again, with his own attendees, and all that came with them."""
        assert not Contact.objects.exclude(merged_into=None).exists()
        for model in (Identifier, Attendance, Consent, ContactLink):
            assert not model.objects.exclude(merged_from=None).exists()
        for row in Identifier.objects.filter(kind="attendee_id", value__isnull=False):
            assert self.homes.get(row.value, row.contact_id) == row.contact_id
        for attendance in Attendance.objects.all():
            assert self.homes[attendance.attendee_id] == attendance.contact_id
        for consent in Consent.objects.all():
            assert self.homes[consent.introduced_by.partition(":")[2]] == consent.contact_id


@pytest.mark.parametrize("machine", [Merging, Living])
def test_merges_and_undos_in_any_order_lose_nothing(machine: Any) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
