"""Whether two spellings can be one person's name. Pure.

An e-mail address or a phone number that two clearly different names use is shared, and identifies nobody.
"""

import unicodedata
from functools import cache

from rapidfuzz.fuzz import ratio

from contacts.duplicates.names import find_sound, read_name
from contacts.duplicates.nicknames import NAMES_OF
from contacts.normalisation import split_words

SIMILAR = 80
SHORTEST_PREFIX = 3
# As the names of their letters begin.
LATIN = ("LATIN", "DIGIT")


def is_same_word(left: str, right: str) -> bool:
    """Equal, an initial of the other, a short or familiar form, another transliteration, or a typing error away."""
    shorter, longer = sorted((left, right), key=len)
    if len(shorter) > 1 and (find_sound(left) == find_sound(right) or is_form_of_one_name(left, right)):
        return True
    if len(shorter) == 1 or len(shorter) >= SHORTEST_PREFIX:
        return longer.startswith(shorter) or ratio(left, right) >= SIMILAR
    return left == right


def is_form_of_one_name(left: str, right: str) -> bool:
    """Bob and Robert."""
    return not NAMES_OF.get(left, frozenset()).isdisjoint(NAMES_OF.get(right, ()))


def may_be_same_word(left: str, right: str) -> bool:
    """The same, or the initial of a familiar form: B. and Robert."""
    shorter, longer = sorted((left, right), key=len)
    return is_same_word(left, right) or (len(shorter) == 1 and shorter in list_initials(longer))


@cache
def list_initials(word: str) -> frozenset[str]:
    """Those of all forms of a name."""
    names = NAMES_OF.get(word, frozenset())
    return frozenset(form[0] for form, others in NAMES_OF.items() if not names.isdisjoint(others))


def read_words(name: str) -> list[str]:
    """Given name first as far as it shows, in Latin letters, without titles and particles."""
    return read_name(name).list_words() if split_words(name) else []


def is_latin(name: str) -> bool:
    return all(unicodedata.name(char, "").startswith(LATIN) for word in split_words(name) for char in word)


def has_clearly_different_given_name(left: str, right: str) -> bool:
    """For a shared e-mail address: two people of one family differ in the given name, whichever side it stands on.

    False where either name is unknown, and where the scripts differ: not every one can be told in Latin letters.
    """
    a, b = read_words(left), read_words(right)
    if not a or not b or is_latin(left) != is_latin(right):
        return False
    if len(a) == 1 or len(b) == 1:
        return not any(may_be_same_word(x, y) for x in a for y in b)
    is_swapped = may_be_same_word(a[0], b[-1]) and may_be_same_word(a[-1], b[0])
    return not (may_be_same_word(a[0], b[0]) or is_swapped)


def is_compatible_name(left: str, right: str) -> bool:
    """For a phone number: given and family name agree, in either order. False where either name is unknown."""
    a, b = read_words(left), read_words(right)
    if not a or not b:
        return False
    if len(a) == 1 or len(b) == 1:
        return any(is_same_word(x, y) for x in a for y in b)
    return any(
        is_same_word(a[0], first) and is_same_word(a[-1], last) for first, last in ((b[0], b[-1]), (b[-1], b[0]))
    )
