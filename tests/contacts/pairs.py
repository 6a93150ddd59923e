"""Pairs and who reviews them, for the tests of the queue."""

from itertools import pairwise
from typing import Any

from django.contrib.auth.models import User

from contacts.detection import full
from contacts.models import CandidatePair, Contact
from integrations.exceptions import StateError
from tests.processes.waiting import wait_for

EVIDENCE = {"name": 8.2, "company": -1.4, "email": None, "phone": 0.1}


def make_user(name: str = "lea") -> User:
    return User.objects.get_or_create(username=name)[0]


def make_people(*names: str) -> list[Contact]:
    """Contacts with these names, the first one made first."""
    return [Contact.objects.create(full_name=name) for name in names]


def make_pair(first: Contact | None = None, second: Contact | None = None, **fields: Any) -> CandidatePair:
    """An open pair that was compared; of new contacts where none are given."""
    pair = sorted((first or Contact.objects.create(), second or Contact.objects.create()), key=lambda each: each.pk)
    values = {"reason": "similar", "probability": 0.8, "verdict": "review", "evidence": EVIDENCE, **fields}
    return CandidatePair.objects.create(first=pair[0], second=pair[1], **values)


def make_group(*contacts: Contact, **fields: Any) -> list[CandidatePair]:
    """Each of the contacts with the next."""
    cluster = min(contact.pk for contact in contacts)
    return [make_pair(first, second, cluster=cluster, **fields) for first, second in pairwise(contacts)]


def compare_now() -> None:
    """Give all pairs their scores, as soon as nobody else compares all contacts."""
    wait_for(try_to_compare, what="all contacts are compared")


def try_to_compare() -> bool:
    try:
        full.run(workers=0, report=lambda *_: None)
    except StateError:
        return False
    return True


def reload(pair: CandidatePair) -> CandidatePair:
    return CandidatePair.objects.get(pk=pair.pk)
