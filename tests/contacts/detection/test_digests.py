"""What a decision rests on: which change of a contact touches it, and which does not."""

import pytest

from contacts.detection.digests import digest_fields, list_changed
from contacts.models import Contact, Identifier

pytestmark = pytest.mark.django_db


def make(full_name="", company="", *, emails=(), phones=()):
    contact = Contact.objects.create(full_name=full_name, company=company)
    for kind, values in (("email", emails), ("phone", phones)):
        for value in values:
            Identifier.objects.create(contact=contact, kind=kind, value=value)
    return contact


@pytest.fixture
def zoe():
    return make("Zoë Okafor", "Acme Ltd", emails=["zoe@acme.example"], phones=["+33612345678"])


@pytest.fixture
def zed():
    return make("Zed Okafor", "Acme", emails=["zed@gmail.com"])


def test_same_whichever_contact_stands_first(zoe, zed):
    assert digest_fields(zoe, zed) == digest_fields(zed, zoe)


def test_what_is_not_known_of_both_has_no_digest(zoe, zed):
    digests = digest_fields(zoe, zed)
    assert [field for field, digest in digests.items() if not digest] == ["phone"]


def test_digest_shows_no_value(zoe, zed):
    assert all(not digest or int(digest, 16) for digest in digest_fields(zoe, zed).values())


@pytest.mark.parametrize(
    ("field", "value", "changed"),
    [
        ("full_name", "OKAFOR, Zoe", []),
        ("full_name", "Zoë Obi", ["name"]),
        ("company", "ACME", []),
        ("company", "Globex", ["company"]),
        ("notes", "Likes tea", []),
    ],
)
def test_another_value_is_a_change_and_another_spelling_is_none(zoe, zed, field, value, changed):
    before = digest_fields(zoe, zed)
    setattr(zoe, field, value)
    assert list_changed(before, digest_fields(zoe, zed)) == changed


def test_field_that_becomes_known_of_both_is_a_change(zoe, zed):
    before = digest_fields(zoe, zed)
    Identifier.objects.create(contact=zed, kind="phone", value="+33687654321")
    assert list_changed(before, digest_fields(zoe, zed)) == ["phone"]


def test_field_that_one_of_them_never_had_is_none(zoe, zed):
    before = digest_fields(zoe, zed)
    Identifier.objects.create(contact=zoe, kind="phone", value="+33687654321")
    assert list_changed(before, digest_fields(zoe, zed)) == []


def test_address_that_was_given_up_counts_no_more(zoe, zed):
    before = digest_fields(zoe, zed)
    zed.identifiers.update(is_current=False)
    assert list_changed(before, digest_fields(zoe, zed)) == ["email"]
