"""Groups of open pairs: what joins them, what divides them, and that all of a group know it."""

import pytest

from contacts.detection.clusters import find_least, regroup
from contacts.merging import merge
from contacts.models import CandidatePair, Contact
from contacts.undoing import undo

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    """Five contacts, the least id first."""
    return sorted((Contact.objects.create(full_name=f"Ann {n}") for n in range(5)), key=lambda contact: contact.pk)


def join(people, *pairs):
    made = [
        CandidatePair.objects.create(first=people[one], second=people[other], reason="similar") for one, other in pairs
    ]
    regroup([people[one].pk for one, _ in pairs])
    return made


def read(people):
    """Which of the people each pair has as its cluster."""
    places = {contact.pk: place for place, contact in enumerate(people)}
    return {
        (places[first], places[second]): None if cluster is None else places[cluster]
        for first, second, cluster in CandidatePair.objects.values_list("first_id", "second_id", "cluster")
    }


def test_group_has_the_least_id_that_pairs_lead_to(people):
    join(people, (1, 2), (2, 3))
    assert read(people) == {(1, 2): 1, (2, 3): 1}
    join(people, (0, 3))
    assert read(people) == {(1, 2): 0, (2, 3): 0, (0, 3): 0}


def test_group_is_divided_where_a_pair_is_decided(people):
    pairs = join(people, (0, 1), (1, 2), (2, 3))
    CandidatePair.objects.filter(pk=pairs[1].pk).update(status="distinct")
    regroup([people[1].pk, people[2].pk])
    assert read(people) == {(0, 1): 0, (1, 2): None, (2, 3): 2}


def test_merge_and_undo_keep_the_groups_in_step(people):
    join(people, (0, 1), (1, 2), (2, 3))
    made = merge(people[0], people[1])
    assert read(people) == {(0, 1): None, (1, 2): None, (2, 3): 0, (0, 2): 0}
    undo(made)
    assert read(people) == {(0, 1): 0, (1, 2): 0, (2, 3): 0}


def test_group_is_followed_by_a_bounded_number_of_queries(people, django_assert_max_num_queries):
    join(people, (0, 1), (1, 2), (2, 3), (3, 4))
    CandidatePair.objects.update(cluster=None)
    with django_assert_max_num_queries(9):
        regroup([people[0].pk])
    assert set(read(people).values()) == {0}


def test_least_of_each_group():
    assert find_least([(3, 4), (1, 2), (2, 4), (7, 9)]) == {1: 1, 2: 1, 3: 1, 4: 1, 7: 7, 9: 7}
