"""A CRM's values in our words: the inverse of a mapping."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.countries import CODES
from integrations.mappings import OUR_FIELDS, map_values, read_values
from integrations.providers import get_provider
from integrations.providers.crm import Crm

NAMES = ("full_name", "first_name", "last_name")
PLAIN = sorted(set(OUR_FIELDS["contact"]) - {*NAMES, "country"})


def test_values_are_read_under_our_names() -> None:
    mapping = [("email", "Email"), ("phone", "Phone"), ("company", "Company"), ("lead_score", "Score__c")]
    theirs = {"Email": " zoe@x.example ", "Phone": "", "Company": None, "Score__c": 70, "LeadSource": "Web"}
    assert read_values(mapping, theirs) == {
        "email": "zoe@x.example",
        "phone": None,
        "company": None,
        "lead_score": "70",
    }


@pytest.mark.parametrize(
    ("theirs", "full_name"),
    [
        ({"First": "Zoe", "Last": "van den Berg"}, "Zoe van den Berg"),
        ({"First": None, "Last": "Okafor"}, "Okafor"),
        ({"First": "Zoe", "Last": " "}, "Zoe"),
        ({}, None),
    ],
)
def test_a_first_and_a_last_name_are_the_full_one(theirs: dict[str, Any], full_name: str | None) -> None:
    for mapping in ([("first_name", "First"), ("last_name", "Last")], [("last_name", "Last"), ("first_name", "First")]):
        assert read_values(mapping, theirs) == {"full_name": full_name}


def test_a_full_name_wins_over_its_parts() -> None:
    mapping = [("first_name", "First"), ("full_name", "Name")]
    assert read_values(mapping, {"First": "Z.", "Name": "Zoe Okafor"}) == {"full_name": "Zoe Okafor"}
    assert read_values(mapping, {"First": "Z.", "Name": ""}) == {"full_name": "Z."}


def test_of_several_fields_the_first_that_holds_something_counts() -> None:
    mapping = [("phone", "Phone"), ("phone", "MobilePhone"), ("phone", "Fax")]
    assert read_values(mapping, {"Phone": "", "MobilePhone": "2", "Fax": "3"}) == {"phone": "2"}


@pytest.mark.parametrize(("theirs", "code"), [("fr", "FR"), ("France", "FR"), ("Freedonia", None), ("", None)])
def test_a_country_is_its_code(theirs: str, code: str | None) -> None:
    assert read_values([("country", "country")], {"country": theirs}) == {"country": code}


@pytest.mark.parametrize("value", [True, [], ["a"], {"value": "a"}, None, "\t"])
def test_what_is_no_text_is_not_known(value: Any) -> None:
    assert read_values([("company", "c")], {"c": value}) == {"company": None}


# --- There and back ---------------------------------------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
texts = st.none() | st.lists(words, min_size=1, max_size=4).map(" ".join)
people = st.fixed_dictionaries(
    dict.fromkeys(("full_name", *PLAIN), texts) | {"country": st.none() | st.sampled_from(sorted(CODES.values()))}
)


def complete(person: dict[str, str | None]) -> dict[str, str | None]:
    """With the parts of the name, as they are sent."""
    first, _, last = (person["full_name"] or "").partition(" ")
    return {**person, "first_name": first or None, "last_name": last or None}


def expect(mapping: list[tuple[str, str]], person: dict[str, str | None]) -> dict[str, str | None]:
    """What the mapping carries there and back."""
    mapped = {ours for ours, _ in mapping}
    known = {name: person[name] for name in mapped - {*NAMES}}
    return known | ({"full_name": person["full_name"]} if mapped & {*NAMES} else {})


@pytest.mark.parametrize("provider", ["hubspot", "salesforce", "pipedrive"])
@given(person=people)
def test_what_a_default_mapping_writes_is_read_as_it_was(provider: str, person: dict[str, str | None]) -> None:
    crm = get_provider(provider)
    assert isinstance(crm, Crm)
    mapping = list(crm.default_mapping["contact"].items())
    assert read_values(mapping, map_values(mapping, complete(person))) == expect(mapping, person)


@given(person=people, ours=st.lists(st.sampled_from(["full_name", "country", *PLAIN]), max_size=20))
def test_what_any_mapping_writes_is_read_as_it_was(person: dict[str, str | None], ours: list[str]) -> None:
    mapping = [(name, f"field_{place}") for place, name in enumerate(ours)]
    assert read_values(mapping, map_values(mapping, complete(person))) == expect(mapping, person)
