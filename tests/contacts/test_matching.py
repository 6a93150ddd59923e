"""Whether two spellings can be one person's name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts.matching import has_clearly_different_given_name, is_compatible_name

law = settings(derandomize=True, deadline=None, max_examples=200)
names = st.text() | st.lists(
    st.sampled_from(["Zoe", "Zoë", "Z.", "Okafor", "Sam", "Samuel", "O'Neil", "田中", "芽衣", "Li", "Ana"]), max_size=4
).map(" ".join)

SAME = [
    ("Zoë Okafor", "zoe okafor"),
    ("Zoë Okafor", "Okafor Zoë"),
    ("Zoë Okafor", "OKAFOR, Zoe"),
    ("Zoë Okafor", "Z. Okafor"),
    ("Zoë Okafor", "Zoe A. Okafor"),
    ("Samuel O'Neil", "Sam O'Neil"),
    ("Katharina Müller", "Katarina Muller"),
    ("Robert Smith", "Bob Smith"),
    ("Smith, Bill", "William Smith"),
    ("Jörg Müller", "Joerg Mueller"),
    ("Bob O'Neil", "O'Neil, Robert"),
    ("Dr. Anna van der Berg", "van der Berg, Anna"),
    ("Yuliya Sergeeva", "Julia Sergejewa"),
    ("Zoë", "Zoë Okafor"),
    ("Okafor", "Zoë Okafor"),
    ("田中 芽衣", "芽衣 田中"),
]
DIFFERENT = [
    ("Zoë Okafor", "Marc Dubois"),
    ("Zoë Okafor", "Marc Okafor"),
    ("Zoë Okafor", "Marc"),
    ("Zoë", "Marc"),
    ("Z. Okafor", "M. Okafor"),
    ("Li Wei", "Wang Fang"),
    ("田中 芽衣", "田中 太郎"),
]
UNDECIDED = [("", "Zoë Okafor"), ("", ""), ("  ", "Zoë"), ("🙂", "Zoë"), ("田中 芽衣", "Mei Tanaka")]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_spellings_of_one_name_are_compatible_and_not_clearly_different(left, right):
    assert is_compatible_name(left, right)
    assert not has_clearly_different_given_name(left, right)


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_other_people_are_clearly_different_and_not_compatible(left, right):
    assert has_clearly_different_given_name(left, right)
    assert not is_compatible_name(left, right)


@pytest.mark.parametrize(("left", "right"), UNDECIDED)
def test_what_cannot_be_compared_is_neither_compatible_nor_clearly_different(left, right):
    assert not is_compatible_name(left, right)
    assert not has_clearly_different_given_name(left, right)


def test_the_initial_of_a_familiar_form_is_neither_proof_of_another_person_nor_of_the_same():
    assert not has_clearly_different_given_name("Robert Smith", "B. Smith")
    assert not is_compatible_name("Robert Smith", "B. Smith")


def test_new_family_name_is_neither_proof_of_another_person_nor_of_the_same():
    assert not has_clearly_different_given_name("Zoë Okafor", "Zoë Martin")
    assert not is_compatible_name("Zoë Okafor", "Zoë Martin")


@law
@given(names, names)
def test_comparison_is_symmetric_and_never_says_both(left, right):
    compatible, different = is_compatible_name(left, right), has_clearly_different_given_name(left, right)
    assert compatible == is_compatible_name(right, left)
    assert different == has_clearly_different_given_name(right, left)
    assert not (compatible and different)


@law
@given(names)
def test_name_is_never_clearly_different_from_itself(name):
    assert not has_clearly_different_given_name(name, name)
