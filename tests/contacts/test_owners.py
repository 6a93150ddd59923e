"""Owners by round robin: in turn, without those who are away, and never the same for two leads at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from contacts.models import Absence, Contact, PoolMember
from contacts.owners import take_turn
from tests.factories import make_connection, make_payload, receive

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def add_members(*names: str) -> list[PoolMember]:
    return [PoolMember.objects.create(user=User.objects.create(username=name)) for name in names]


def take_turns(count: int, now: datetime = NOW) -> list[str]:
    """Whose turns they are, a minute apart; empty for nobody's."""
    owners = [take_turn(now + timedelta(minutes=number)) for number in range(count)]
    return [owner.username if owner else "" for owner in owners]


@pytest.mark.django_db
def test_members_take_turns_in_order() -> None:
    add_members("ann", "bob", "cleo")
    assert take_turns(7) == ["ann", "bob", "cleo", "ann", "bob", "cleo", "ann"]


@pytest.mark.django_db
def test_a_new_member_is_next_and_then_in_turn() -> None:
    add_members("ann", "bob")
    take_turns(3)
    add_members("cleo")
    assert take_turns(3, NOW + timedelta(hours=1)) == ["cleo", "bob", "ann"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("day", "is_away"), [(date(2026, 11, 17), False), (date(2026, 11, 18), True), (date(2026, 11, 19), True),
                         (date(2026, 11, 20), True), (date(2026, 11, 21), False)],
)  # fmt: skip
def test_an_absence_includes_its_first_and_its_last_day(day: date, is_away: bool) -> None:
    ann, _ = add_members("ann", "bob")
    Absence.objects.create(member=ann, first_day=date(2026, 11, 18), last_day=date(2026, 11, 20))
    for hour, minute in ((0, 0), (23, 59)):
        PoolMember.objects.update(last_assigned_at=None)
        moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
        assert take_turns(1, moment) == ["bob" if is_away else "ann"]


@pytest.mark.django_db
def test_a_day_is_one_in_utc() -> None:
    (ann,) = add_members("ann")
    Absence.objects.create(member=ann, first_day=date(2026, 11, 20), last_day=date(2026, 11, 20))
    assert take_turn(datetime.fromisoformat("2026-11-20T23:30:00-05:00")) == ann.user
    assert take_turn(datetime.fromisoformat("2026-11-21T00:30:00+01:00")) is None


@pytest.mark.django_db
def test_one_of_several_absences_is_enough_and_another_members_does_not_count() -> None:
    ann, bob = add_members("ann", "bob")
    for member, first, last in ((ann, 1, 5), (ann, 20, 22), (bob, 1, 5)):
        Absence.objects.create(member=member, first_day=date(2026, 11, first), last_day=date(2026, 11, last))
    assert take_turns(2) == ["bob", "bob"]


@pytest.mark.django_db
def test_who_comes_back_is_next() -> None:
    ann, _ = add_members("ann", "bob")
    away = Absence.objects.create(member=ann, first_day=NOW.date(), last_day=NOW.date())
    assert take_turns(3) == ["bob"] * 3
    away.delete()
    assert take_turns(2, NOW + timedelta(hours=1)) == ["ann", "bob"]


@pytest.mark.django_db
def test_inactive_members_and_users_take_no_turn() -> None:
    ann, bob, _ = add_members("ann", "bob", "cleo")
    PoolMember.objects.filter(pk=ann.pk).update(is_active=False)
    User.objects.filter(pk=bob.user_id).update(is_active=False)
    assert take_turns(2) == ["cleo", "cleo"]


@pytest.mark.django_db
def test_an_empty_pool_and_one_in_which_all_are_away_give_nobody() -> None:
    assert take_turns(1) == [""]
    (ann,) = add_members("ann")
    Absence.objects.create(member=ann, first_day=NOW.date(), last_day=NOW.date())
    assert take_turns(1) == [""]


# --- By bookings ------------------------------------------------------------------------------------------------------


def book(number: int, **event: Any) -> None:
    attendee = {"id": f"att_{number}", "email": f"p{number}@acme.example", "full_name": f"Person {number}",
                "phone": None}  # fmt: skip
    receive(make_payload(f"dlv_{number}", id=f"ev_{number}", uid=f"uid_{number}", attendee=attendee, **event))


@pytest.mark.django_db
def test_new_leads_get_the_members_in_turn_and_a_known_one_keeps_its_owner() -> None:
    make_connection()
    add_members("ann", "bob")
    for number in (1, 2, 3):
        book(number)
    receive(make_payload("dlv_9", id="ev_9", uid="uid_9", attendee={"id": "att_1", "email": "p1@acme.example",
                                                                    "phone": None}))  # fmt: skip
    owners = [contact.owner.username for contact in Contact.objects.order_by("id") if contact.owner]
    assert owners == ["ann", "bob", "ann"]


@pytest.mark.django_db
def test_a_lead_that_nobody_was_there_for_gets_an_owner_with_the_next_booking() -> None:
    make_connection()
    book(1)
    assert Contact.objects.get().owner is None
    (ann,) = add_members("ann")
    receive(make_payload("dlv_2", id="ev_1", uid="uid_1", version=2, attendee={"id": "att_1", "phone": None}))
    assert Contact.objects.get().owner == ann.user


@pytest.mark.django_db
def test_a_booking_that_fails_uses_no_turn_up() -> None:
    (ann,) = add_members("ann")
    with transaction.atomic():
        assert take_turn(timezone.now()) == ann.user
        transaction.set_rollback(True)
    ann.refresh_from_db()
    assert ann.last_assigned_at is None


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_leads_that_come_at_once_get_different_members() -> None:
    add_members("ann", "bob", "cleo", "dov")
    barrier = Barrier(4)

    def take(_: int) -> str:
        try:
            database.ensure_connection()
            barrier.wait(timeout=60)
            with transaction.atomic():
                owner = take_turn(timezone.now())
            return owner.username if owner else ""
        finally:
            database.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(take, range(4))) == ["ann", "bob", "cleo", "dov"]
