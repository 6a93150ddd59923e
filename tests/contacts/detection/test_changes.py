"""What notes a contact as changed, what does not, and the jobs that compare who was noted."""

import pytest
from django.urls import reverse
from django_q.models import OrmQ, Schedule
from django_q.signing import SignedPackage

from contacts import jobs
from contacts.detection.changes import note_changes
from contacts.merging import merge
from contacts.models import CandidatePair, Contact, ContactChange, Identifier, Merge
from contacts.undoing import undo
from tests.contacts.detection.crowds import add, add_crowd, compare_all, find_pair, merge_by_itself
from tests.contacts.families import meet

pytestmark = pytest.mark.django_db

ZEB = ("Zebulon Quackenbush", "Marmalade & Sons", "zeb@quackenbush.example", "+12125550101", "US")


def take_noted():
    noted = list(ContactChange.objects.values_list("contact", flat=True))
    ContactChange.objects.all().delete()
    return noted


def list_queued():
    return [SignedPackage.loads(row.payload)["func"] for row in OrmQ.objects.all()]


# --- Who is noted -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "is_noted"),
    [
        ({}, False),
        ({"timezone": "Europe/Paris", "lead_score": 40}, False),
        ({"full_name": "Zoë Obi"}, True),
        ({"company": "Acme"}, True),
        ({"country": "FR"}, True),
        ({"phone": "+33612345678"}, True),
        ({"email": "zoe@other.example"}, True),
    ],
)
def test_who_is_met_is_noted_when_something_is_new_that_is_compared(calendar_live, told, is_noted):
    contact = meet(calendar_live, "att_1", "zoe@x.example", full_name="Zoë Okafor")
    assert take_noted() == [contact.pk]
    meet(calendar_live, "att_1", **{"email": "zoe@x.example", "full_name": "Zoë Okafor", **told}, minute=1)
    assert take_noted() == [contact.pk] * is_noted


def test_noting_takes_one_statement(calendar_live, django_assert_num_queries):
    ids = [Contact.objects.create(full_name=f"Ann {number}").pk for number in range(3)]
    with django_assert_num_queries(1):
        note_changes(ids)


@pytest.mark.parametrize(("field", "value", "is_noted"), [("company", "Acme", True), ("notes", "Likes tea", False)])
def test_edit_by_hand_is_noted_when_it_is_of_what_is_compared(admin_client, field, value, is_noted):
    contact = Contact.objects.create(full_name="Zoë Okafor")
    form = {"full_name": "Zoë Okafor", "company": "", "notes": "", "lead_status": "new", field: value}
    page = reverse("admin:contacts_contact_change", args=[contact.pk])
    assert admin_client.post(page, form).status_code == 302
    assert take_noted() == [contact.pk] * is_noted


def test_both_are_noted_when_they_are_merged_and_taken_apart():
    one, other = Contact.objects.create(full_name="Zoë"), Contact.objects.create(full_name="Zoe")
    made = merge(one, other)
    assert set(take_noted()) == {one.pk, other.pk}
    undo(made)
    assert set(take_noted()) == {one.pk, other.pk}


# --- Jobs -------------------------------------------------------------------------------------------------------------


def test_first_contact_makes_all_be_compared_and_then_each_by_itself():
    one = add(*ZEB)
    jobs.compare_changes()
    assert list_queued() == [jobs.COMPARE_ALL]
    OrmQ.objects.all().delete()
    jobs.compare_all()
    other = add(*ZEB)
    ContactChange.objects.create(contact=other)
    jobs.compare_changes()
    assert find_pair(one, other).status == "open"
    assert not ContactChange.objects.exists()
    assert list_queued() == []


def test_what_is_left_when_the_time_is_over_gets_the_next_job(monkeypatch):
    add(*ZEB)
    compare_all()
    monkeypatch.setattr(jobs, "COMPARING_S", 0)
    note_changes([Contact.objects.get().pk] * 150)
    jobs.compare_changes()
    assert ContactChange.objects.count() == 50
    assert jobs.COMPARE_CHANGES in list_queued()


def test_a_second_job_for_all_leaves_it_to_the_first(monkeypatch):
    add(*ZEB)
    monkeypatch.setattr("contacts.detection.full.try_lock_run", lambda: False)
    jobs.compare_all()
    assert not CandidatePair.objects.exists()


def test_certain_pairs_are_merged_where_the_policy_says_so():
    merge_by_itself()
    add_crowd(150)
    one, other = add(*ZEB), add(*ZEB)
    jobs.compare_all()
    assert Merge.objects.get(loser=other).winner == one
    assert Identifier.objects.filter(contact=other).count() == 0


def test_changes_are_looked_for_each_minute():
    schedule = Schedule.objects.get(func=jobs.COMPARE_CHANGES)
    assert (schedule.schedule_type, schedule.minutes, schedule.repeats) == ("I", 1, -1)
