"""Several workers compare at once, while people change: real threads, real transactions."""

from random import Random

import pytest
from django.db import transaction
from django.utils import timezone

from contacts.detection.changes import note_changes
from contacts.detection.comparing import compare_batch
from contacts.models import BlockingKeys, CandidatePair, Contact, ContactChange, DuplicateRun
from tests.contacts.detection.crowds import add_crowd, compare_all, read_pairs
from tests.contacts.test_races import THREADS, run_at_once

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def test_workers_and_writers_at_once_leave_what_comparing_all_gives():
    contacts = add_crowd(120)
    compare_all()
    for model in (CandidatePair, BlockingKeys, DuplicateRun):
        model.objects.all().delete()
    note_changes([contact.pk for contact in contacts])

    def work(number):
        chance = Random(number)
        for _ in range(12):
            if number % 2:
                compare_batch(15)
                continue
            with transaction.atomic():
                contact = chance.choice(contacts)
                values = {"company": chance.choice(["Acme", contact.company]), "updated_at": timezone.now()}
                Contact.objects.filter(pk=contact.pk).update(**values)
                note_changes([contact.pk])

    assert len(run_at_once(work)) == THREADS
    while compare_batch():
        pass
    assert not ContactChange.objects.exists()
    # Weighed once more by the same census, all of it.
    alone = read_pairs()
    note_changes([contact.pk for contact in contacts])
    while compare_batch():
        pass
    assert read_pairs() == alone
    assert len(alone) > 20
