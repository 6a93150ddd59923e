"""Several workers meet the same new people at once: real threads, real transactions."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone

from contacts.claims import Person, Source
from contacts.models import CandidatePair, Contact, Identifier
from contacts.upserts import upsert_contact
from integrations import deliveries
from integrations.models import Attempt, Delivery
from tests.factories import make_connection, make_delivery, make_payload

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

THREADS = 8
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def run_at_once(work):
    """`work(number)` in as many threads, all starting together; their results, or the first error."""
    barrier = Barrier(THREADS)

    def run(number):
        try:
            connection.ensure_connection()
            barrier.wait(timeout=60)
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def test_one_new_person_met_by_eight_threads_is_one_contact_with_each_identifier_once():
    source_connection = make_connection()

    def meet(number):
        source = Source(source_connection.pk, "calendar.live", "FR", datetime(2026, 11, 20, tzinfo=UTC), f"{number}")
        with transaction.atomic():
            return upsert_contact(Person("att_1", "zoe@x.example", "06 12 34 56 78", "Zoë Okafor"), source).pk

    assert len(set(run_at_once(meet))) == 1
    assert Contact.objects.count() == 1
    assert sorted(Identifier.objects.values_list("kind", flat=True)) == ["attendee_id", "email", "phone"]


def test_one_new_person_known_by_his_email_only_is_one_contact():
    source_connection = make_connection()

    def meet(number):
        source = Source(source_connection.pk, "calendar.live", "FR", datetime(2026, 11, 20, tzinfo=UTC), f"{number}")
        with transaction.atomic():
            return upsert_contact(Person(f"att_{number}", "zoe@x.example", full_name="Zoë Okafor"), source).pk

    assert len(set(run_at_once(meet))) == 1
    assert Identifier.objects.filter(kind="email").count() == 1
    assert Identifier.objects.filter(kind="attendee_id").count() == THREADS


# Given names with the forms that are in use; family names with another way to write them.
GIVEN = [("Robert", "Bob"), ("Elizabeth", "Liz"), ("Zoë", "Zoe"), ("Jörg", "Joerg"), ("William", "Bill")]
FAMILY = [("Müller", "Mueller"), ("O'Neil", "ONeil"), ("Garcia", "García"), ("Smith", "SMITH")]
PEOPLE, MEETINGS = 200, 1000


def spell(number: int, random: Random) -> Person:
    """Person `number` as he might write himself: always with his address, often with his phone."""
    given, family = random.choice(GIVEN[number % 5]), random.choice(FAMILY[number // 5 % 4])
    name = random.choice(["{0} {1}", "{1}, {0}", "{1} {0}", "{2}. {1}", "{0} A. {1}", " {0}  {1} "])
    email = f"person.{number}@example.com"
    tail = f"{number:03d}"
    return Person(
        attendee_id=f"att_{number}_{random.randrange(3)}",
        email=random.choice([email, email.upper(), f" {email} ", email.title()]),
        phone=random.choice(["", f"+33 6 12 34 5{tail[0]} {tail[1:]}", f"06.12.34.5{tail[0]}.{tail[1:]}"]),
        full_name=name.format(given, family, GIVEN[number % 5][0][0]),
        company=random.choice(["", f"Acme {number}", f"ACME {number} Ltd"]),
    )


def test_two_hundred_people_in_random_spellings_met_by_eight_threads_at_once_are_two_hundred_contacts():
    source_connection = make_connection()

    def meet(thread):
        random = Random(thread)
        for step in range(MEETINGS):
            source = Source(source_connection.pk, "calendar.live", "FR", NOON + timedelta(seconds=step), f"{thread}")
            with transaction.atomic():
                upsert_contact(spell(random.randrange(PEOPLE), random), source)

    run_at_once(meet)
    assert Contact.objects.count() == PEOPLE
    held = Identifier.objects.filter(is_current=True)
    assert sorted(row.value for row in held.filter(kind="email")) == sorted(
        f"person.{number}@example.com" for number in range(PEOPLE)
    )
    assert held.filter(kind="phone").count() == PEOPLE
    assert held.filter(kind="attendee_id").count() == PEOPLE * 3
    assert not held.filter(is_shared=True).exists()
    assert not CandidatePair.objects.exists()


def make_crowded_payload(number):
    """The same four people under other attendee ids, which put them in another order in every second delivery."""
    people = range(4) if number % 2 else reversed(range(4))
    attendees = [
        {
            "id": f"att_{number}_{place}",
            "email": f"person{who}@x.example",
            "full_name": f"{['Ada', 'Ben', 'Cleo', 'Dov'][who]} Smith",
            "phone": f"+33 6 12 34 56 7{who}",
        }
        for place, who in enumerate(people)
    ]
    return make_payload(f"dlv_{number}", id=f"ev_{number}", uid=f"uid_{number}", attendees=attendees)


def process_until_done(delivery_id):
    """As the queue would, without its waiting."""
    while deliveries.process(delivery_id) is not None:
        Delivery.objects.filter(pk=delivery_id).update(next_attempt_at=timezone.now())


def test_deliveries_with_the_same_people_in_other_orders_all_succeed_and_every_identifier_is_held_once():
    source_connection = make_connection(options={"default_region": "FR"})
    ids = [make_delivery(source_connection, make_crowded_payload(number)).pk for number in range(THREADS)]
    run_at_once(lambda number: process_until_done(ids[number]))
    assert set(Delivery.objects.values_list("status", flat=True)) == {"processed"}
    assert not Attempt.objects.exclude(cause__in=["", "transient"]).exists()
    assert Contact.objects.count() == 4
    held = Identifier.objects.filter(is_current=True).exclude(kind="attendee_id").values("kind", "index")
    assert {row["holders"] for row in held.annotate(holders=Count("id"))} == {1}
    assert not Identifier.objects.filter(is_shared=True).exists()


def test_states_of_one_event_that_are_worked_on_at_once_end_at_the_newest():
    source_connection = make_connection(options={"default_region": "FR"})
    payloads = [
        make_payload(f"dlv_{n}", version=n + 1, title=f"Version {n + 1}", updated_at=f"2026-11-20T09:00:0{n}Z")
        for n in range(THREADS)
    ]
    ids = [make_delivery(source_connection, payload).pk for payload in payloads]
    run_at_once(lambda number: process_until_done(ids[number]))
    assert set(Delivery.objects.values_list("status", flat=True)) <= {"processed", "stale"}
    assert Contact.objects.get().attendances.get().meeting.title == f"Version {THREADS}"
