"""Look-up of encrypted values."""

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.privacy import blind_index

law = settings(derandomize=True, deadline=None)
words = st.text(min_size=2, max_size=30)


def finds(names, typed):
    """Whether what was typed finds a row with these words."""
    return set(blind_index.search_words("name", typed)) <= set(blind_index.index_words("name", names))


def test_equal_values_have_one_digest_of_sixteen_bytes():
    assert blind_index.digest("email", "zoe@x.example") == blind_index.digest("email", "zoe@x.example")
    assert len(blind_index.digest("email", "zoe@x.example")) == 16


def test_purposes_cannot_be_joined():
    assert blind_index.digest("email", "x") != blind_index.digest("phone", "x")
    assert blind_index.digest("a", "b\0c") != blind_index.digest("a\0b", "d")


def test_another_key_makes_other_digests(settings):
    before = blind_index.digest("email", "x")
    settings.BLIND_INDEX_KEY = os.urandom(32)
    assert blind_index.digest("email", "x") != before


def test_numbers_fit_a_bigint_column():
    numbers = {blind_index.number("name", str(n)) for n in range(200)}
    assert len(numbers) == 200
    assert all(-(2**63) <= number < 2**63 for number in numbers)
    assert any(number < 0 for number in numbers)


def test_beginnings_of_words_find_and_other_parts_do_not():
    names = ["zoe", "okafor"]
    assert finds(names, ["ok"])
    assert finds(names, ["zoe", "oka"])
    assert finds(names, [])
    assert not finds(names, ["kafor"])
    assert not finds(names, ["okaforo"])
    assert not finds(names, ["zoe", "martin"])


def test_word_of_one_letter_is_found_whole_only():
    assert finds(["o", "neil"], ["o"])
    assert not finds(["okafor"], ["o"])


def test_word_of_more_than_twelve_letters_is_found_by_its_beginning_and_whole():
    names = ["wolfeschlegelstein"]
    assert finds(names, ["wolfeschlege"])
    assert finds(names, ["wolfeschlegelstein"])
    assert not finds(names, ["wolfeschlegxx"])


@law
@given(st.lists(words, min_size=1, max_size=4), st.data())
def test_every_beginning_of_a_word_finds_it(names, data):
    name = data.draw(st.sampled_from(names))
    assert finds(names, [name[: data.draw(st.integers(2, len(name)))]])
    assert blind_index.index_words("name", names) == sorted(set(blind_index.index_words("name", names)))
