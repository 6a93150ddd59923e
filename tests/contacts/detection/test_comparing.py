"""Contacts that have changed are compared: which pairs are opened, scored anew, opened again, and gone."""

from random import Random

import pytest
from django.utils import timezone

from contacts.detection.changes import note_changes
from contacts.detection.comparing import compare_batch
from contacts.detection.digests import digest_fields
from contacts.models import BlockingKeys, CandidatePair, Contact, ContactChange, Identifier
from tests.contacts.detection.crowds import add, add_crowd, compare_all, find_clusters, find_pair, read_pairs

pytestmark = pytest.mark.django_db

Status, Reason = CandidatePair.Status, CandidatePair.Reason
ZEB = ("Zebulon Quackenbush", "Marmalade & Sons", "zeb@quackenbush.example", "+12125550101", "US")


@pytest.fixture
def crowd():
    """Enough people for values to be as frequent as they are in life, all of them compared."""
    contacts = add_crowd(100)
    compare_all()
    CandidatePair.objects.all().delete()
    return contacts


def compare(*contacts):
    note_changes([contact.pk for contact in contacts])
    while compare_batch():
        pass


def add_twins():
    return add(*ZEB), add("Zeb Quackenbush", *ZEB[1:])


def edit(contact, **values):
    for field, value in values.items():
        setattr(contact, field, value)
    contact.save()


def decide(one, other, *, admin_user=None):
    pair = find_pair(one, other)
    pair.status, pair.decided_at, pair.decided_on = Status.DISTINCT, timezone.now(), digest_fields(one, other)
    pair.decided_by = admin_user
    pair.save()


# --- Pairs ------------------------------------------------------------------------------------------------------------


def test_who_seems_to_be_one_person_has_an_open_pair_with_its_evidence(crowd):
    one, other = add(*ZEB), add(*ZEB)
    compare(other)
    assert not CandidatePair.objects.exists()
    compare(one)
    pair = find_pair(one, other)
    assert (pair.status, pair.reason, pair.verdict) == ("open", "similar", "certain")
    assert pair.probability > 0.99
    assert pair.compared_at
    assert {field: bits > 0 for field, bits in pair.evidence.items()} == {
        "name": True, "email": True, "phone": True, "company": False,
    }  # fmt: skip


def test_two_that_come_at_once_find_one_another(crowd):
    one, other = add_twins()
    compare(one, other)
    assert CandidatePair.objects.get() == find_pair(one, other)


def test_exactly_what_was_worked_on_leaves_the_log(crowd):
    one, other = add_twins()
    note_changes([one.pk, one.pk, other.pk])
    compare_batch(2)
    assert ContactChange.objects.get().contact == other
    assert compare_batch(2)
    assert compare_batch(2) is None


def test_pair_goes_when_a_change_makes_its_score_low(crowd):
    one, other = add_twins()
    compare(one, other)
    other.identifiers.all().delete()
    edit(other, full_name="Mehitabel Crabtree", company="")
    compare(other)
    assert not CandidatePair.objects.exists()


@pytest.mark.parametrize("taken_up", ["assigned_to", "claimed_by", "postponed_until"])
def test_pair_that_somebody_has_taken_up_stays(crowd, admin_user, taken_up):
    one, other = add_twins()
    compare(one, other)
    later = timezone.now() + timezone.timedelta(hours=1)
    values = {
        "assigned_to": {"assigned_to": admin_user},
        "claimed_by": {"claimed_by": admin_user, "claimed_until": later},
        "postponed_until": {"postponed_until": later},
    }[taken_up]
    CandidatePair.objects.update(**values)
    other.identifiers.all().delete()
    edit(other, full_name="Mehitabel Crabtree", company="")
    compare(other)
    pair = CandidatePair.objects.get()
    assert (pair.status, pair.verdict) == ("open", "distinct")


@pytest.mark.parametrize("reason", ["email_held", "phone_held", "name_and_company"])
def test_pair_that_an_upsert_made_gets_a_score_and_stays_whatever_it_is(crowd, reason):
    one, other = sorted([add("Ann Lee"), add("Zed Zip", "Acme")], key=lambda contact: contact.pk)
    CandidatePair.objects.create(first=one, second=other, reason=reason)
    assert compare_batch()
    pair = CandidatePair.objects.get()
    assert (pair.status, pair.reason, pair.verdict) == ("open", reason, "distinct")
    assert pair.evidence["name"] < 0
    assert pair.evidence["company"] is None
    assert compare_batch() is None


def test_address_that_a_contact_has_beside_others_counts(crowd):
    one = add(ZEB[0], emails=["zq@gmail.com", ZEB[2], "office@hartwell.example"])
    other = add("Z. Quackenbush", emails=["quack@web.example", ZEB[2]])
    compare(one, other)
    assert find_pair(one, other).evidence["email"] > 5
    assert CandidatePair.objects.count() == 1


def test_household_and_colleagues_are_no_pair(crowd):
    family = [add(f"{given} Langford", "", "langfords@gmail.com", "+12125550123", "US") for given in ("John", "Mary")]
    desk = [
        add(name, "Fjelldal AS", f"{name.split()[0].lower()}@fjelldal.no", "+4722334455", "NO")
        for name in ("Ole Hansen", "Mette Berg", "Ingrid Dahl")
    ]
    compare(*family, *desk)
    assert not CandidatePair.objects.exists()


# --- Who is compared --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", ["merged", "erased"])
def test_who_was_merged_or_erased_is_compared_no_more(crowd, gone):
    one, other = add_twins()
    compare(other)
    if gone == "merged":
        Contact.objects.filter(pk=other.pk).update(merged_into=crowd[0])
    else:
        Contact.objects.filter(pk=other.pk).update(erased_at=timezone.now())
    compare(one, other)
    assert not CandidatePair.objects.exists()
    assert BlockingKeys.objects.filter(contact=one).exists()
    assert not BlockingKeys.objects.filter(contact=other).exists()


def test_contact_that_cannot_be_read_is_left_as_it_is(crowd, settings):
    one, other = add_twins()
    compare(one, other)
    keys = BlockingKeys.objects.get(contact=other).keys
    before = read_pairs()
    Contact.objects.filter(pk=other.pk).update(full_name="Somebody Else")
    settings.FIELD_ENCRYPTION_KEYS = {"k2": b"2" * 32, **settings.FIELD_ENCRYPTION_KEYS}
    Contact.objects.filter(pk=other.pk).update(full_name="Mehitabel Crabtree")
    del settings.FIELD_ENCRYPTION_KEYS["k2"]
    compare(one, other)
    assert read_pairs() == before
    assert BlockingKeys.objects.get(contact=other).keys == keys


def test_before_all_were_compared_once_nobody_is():
    note_changes([contact.pk for contact in add_twins()])
    assert compare_batch() is None
    assert ContactChange.objects.count() == 2


# --- Decisions --------------------------------------------------------------------------------------------------------


def test_not_a_duplicate_holds_while_nothing_changes(crowd, admin_user):
    one, other = add_twins()
    compare(one, other)
    decide(one, other, admin_user=admin_user)
    edit(other, notes="Likes tea", full_name="QUACKENBUSH, Zeb", timezone="Europe/Paris")
    compare(one, other)
    pair = find_pair(one, other)
    assert (pair.status, pair.decided_by) == ("distinct", admin_user)


def test_not_a_duplicate_is_open_again_once_a_field_has_changed_and_they_are_still_alike(crowd, admin_user):
    one, other = add_twins()
    compare(one, other)
    decide(one, other, admin_user=admin_user)
    edit(other, full_name="Zebulon Quackenbush")
    compare(other)
    pair = find_pair(one, other)
    assert (pair.status, pair.decided_by, pair.decided_at, pair.decided_on) == ("open", None, None, {})


def test_not_a_duplicate_holds_where_they_are_less_alike_than_before(crowd):
    one, other = add_twins()
    compare(one, other)
    decide(one, other)
    other.identifiers.all().delete()
    edit(other, full_name="Mehitabel Crabtree", company="")
    compare(other)
    assert find_pair(one, other).status == "distinct"


def test_decision_that_a_merge_took_over_rests_on_what_there_is_then(crowd):
    one, other = add_twins()
    compare(one, other)
    CandidatePair.objects.update(status=Status.DISTINCT)
    compare(one)
    assert find_pair(one, other).decided_on == digest_fields(one, other)
    assert find_pair(one, other).status == "distinct"


def test_merged_pair_stays_merged(crowd):
    one, other = add_twins()
    compare(one, other)
    CandidatePair.objects.update(status=Status.MERGED)
    before = read_pairs()
    compare(one, other)
    assert read_pairs().keys() == before.keys()
    assert find_pair(one, other).status == "merged"


# --- All of it --------------------------------------------------------------------------------------------------------


def test_pairs_of_one_group_have_one_cluster(crowd):
    twins = [*add_twins(), add("Zebulon Quackenbush", emails=ZEB[2], phones=ZEB[3])]
    compare(*twins[:2])
    compare(twins[2])
    assert {pair.cluster for pair in CandidatePair.objects.all()} == {min(contact.pk for contact in twins)}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_compared_one_after_another_in_any_order_gives_what_comparing_all_gives(seed):
    contacts = add_crowd(250, seed=seed)
    compare_all()
    expected = read_pairs()
    for model in (CandidatePair, BlockingKeys):
        model.objects.all().delete()
    chance, ids = Random(seed), [contact.pk for contact in contacts]
    chance.shuffle(ids)
    while ids:
        size = chance.randint(1, 90)
        note_changes(ids[:size])
        ids = ids[size:]
        while compare_batch(chance.randint(20, 60)):
            pass
    assert len(expected) > 40
    assert read_pairs() == expected
    clusters = {first: cluster for (first, _), (*_, cluster) in expected.items()}
    assert all(clusters[first] == min(group) for group in find_clusters(expected) for first in group & clusters.keys())


def test_number_of_queries_does_not_depend_on_the_batch(crowd, django_assert_max_num_queries):
    for size in (1, 60):
        note_changes([contact.pk for contact in crowd[:size]])
        with django_assert_max_num_queries(50):
            compare_batch()


def test_identifier_that_is_given_up_counts_no_more(crowd):
    one, other = add_twins()
    Identifier.objects.filter(contact=other, kind="email").update(is_current=False)
    compare(one, other)
    assert find_pair(one, other).evidence["email"] is None
