"""Whoever is erased among many, however their lives are mixed: what is the others' stays as it is, to the byte."""

from random import Random
from typing import Any

import pytest
from django.db import connection as database

from bookings.models import Attendance, Invitation
from contacts.aliases import find_living, list_family
from contacts.erasure import erase
from contacts.merging import merge
from contacts.models import CandidatePair, Consent, Contact, ContactLink, Identifier, Merge
from contacts.undoing import undo
from integrations.models import Connection
from tests.contacts.families import agree, attend, edit, link, meet
from tests.factories import make_connection
from tests.integrations.admin.support import make_effect

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

PEOPLE = 12
HELD = (Identifier, Consent, ContactLink, Attendance)


def make_people(calendar: Connection, random: Random) -> list[Contact]:
    """People who attend meetings together, share mailboxes, are at a CRM, have been merged, paired, and taken apart."""
    crm = make_connection("hubspot", provider="hubspot", options={"access_token": "t"})
    people = []
    for number in range(PEOPLE):
        email = random.choice([f"p{number}@acme.example", "info@acme.example"])
        contact = meet(calendar, f"att_{number}", email, minute=number, full_name=f"Given{number} Family{number}")
        edit(contact, notes=f"Note {number}", company=random.choice(["", "Acme", "Other"]))
        for meeting in random.sample(range(8), 2):
            attendance = attend(calendar, contact, f"att_{number}", f"ev_{meeting}")
            Attendance.objects.filter(pk=attendance.pk).update(full_name=f"Given{number} Family{number}")
            Invitation.objects.create(meeting=attendance.meeting, attendee_id=f"att_{number}", full_name="x")
        if random.random() < 0.7:
            link(crm, contact, f"rec_{number}")
        agree(calendar, contact, f"att_{number}", is_given=random.random() < 0.5)
        make_effect(calendar, subject=f"contact:{contact.pk}")
        people.append(contact)
    mix(people, random)
    return people


def mix(people: list[Contact], random: Random) -> None:
    for first, second in (random.sample(people, 2) for _ in range(10)):
        one, other = sorted((first, second), key=lambda each: each.pk)
        CandidatePair.objects.get_or_create(first=one, second=other, defaults={"reason": "phone_held"})
    for first, second in (random.sample(people, 2) for _ in range(4)):
        winner, loser = find_living(first.pk), find_living(second.pk)
        if winner != loser:
            made = merge(Contact.objects.get(pk=winner), Contact.objects.get(pk=loser))
            if random.random() < 0.3:
                undo(made)


def read_rows(table: str, condition: str, keys: Any) -> list[tuple[Any, ...]]:
    """All columns but a pair's cluster, which follows the pairs that are left."""
    with database.cursor() as cursor:
        cursor.execute(
            f"SELECT (to_jsonb(t) - 'cluster')::text FROM \"{table}\" t WHERE {condition} ORDER BY 1", [keys]
        )
        return cursor.fetchall()


def photograph(others: list[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """Each table's rows that are the others', as they are stored."""
    rows = {"contacts": read_rows("contacts_contact", "id = ANY(%s)", others)}
    # Of whom the person was a part for a time, the states of then are theirs in part.
    mixed = set(Merge.objects.exclude(loser__in=others).values_list("winner", flat=True))
    rows["history"] = read_rows(
        "contacts_historicalcontact", "id = ANY(%s)", [key for key in others if key not in mixed]
    )
    for model in HELD:
        held = list(model.objects.filter(contact__in=others).values_list("pk", flat=True))
        for table in (model._meta.db_table, model.history.model._meta.db_table):
            rows[table] = read_rows(table, "id = ANY(%s)", held)
    attendees = Attendance.objects.filter(contact__in=others).values_list("attendee_id", flat=True)
    rows["invitations"] = read_rows("bookings_invitation", "attendee_id = ANY(%s)", list(attendees))
    pairs = CandidatePair.objects.filter(first__in=others, second__in=others).values_list("pk", flat=True)
    rows["pairs"] = read_rows("contacts_candidatepair", "id = ANY(%s)", list(pairs))
    merges = Merge.objects.filter(winner__in=others, loser__in=others).values_list("pk", flat=True)
    rows["merges"] = read_rows("contacts_merge", "id = ANY(%s)", list(merges))
    subjects = [f"contact:{key}" for key in others]
    rows["effects"] = read_rows("integrations_effect", "subject = ANY(%s)", subjects)
    return rows


@pytest.mark.parametrize("seed", range(4))
def test_erasing_one_of_many_leaves_every_other_contact_s_rows_as_they_are(
    seed: int, calendar_live: Connection
) -> None:
    random = Random(seed)
    people = make_people(calendar_live, random)
    chosen = random.choice(people)
    family = list_family(find_living(chosen.pk))
    others = [each.pk for each in people if each.pk not in family]
    before = photograph(others)
    erase(chosen)
    after = photograph(others)
    assert {table for table, rows in before.items() if rows != after[table]} == set()
    assert Contact.objects.filter(erased_at__isnull=False).count() == len(family)
    assert not Attendance.objects.filter(contact__in=family).exclude(lead_score=0).exists()
