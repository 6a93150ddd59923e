"""Whether two spellings can be one person's name. Pure.

An e-mail address or a phone number that two clearly different names use is shared, and identifies nobody.
"""

import unicodedata

from rapidfuzz.fuzz import ratio

from contacts.duplicates.names import find_sound
from contacts.duplicates.nicknames import NAMES_OF
from contacts.normalisation import split_words

SIMILAR = 80
SHORTEST_PREFIX = 3
# As the names of their letters begin. In the East Asian scripts the family name stands first.
LATIN = ("LATIN", "DIGIT")
EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")


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


def is_written_in(words: list[str], scripts: tuple[str, ...]) -> bool:
    return all(unicodedata.name(char, "").startswith(scripts) for word in words for char in word)


def split_name(name: str) -> tuple[list[str], bool]:
    """The words, given name first as far as the script tells, and whether they are in Latin letters."""
    words = split_words(name)
    if is_written_in(words, EAST_ASIAN):
        words.reverse()
    return words, is_written_in(words, LATIN)


def has_clearly_different_given_name(left: str, right: str) -> bool:
    """For a shared e-mail address: two people of one family differ in the given name, whichever side it stands on.

    False where either name is unknown, and where the scripts differ, which cannot be compared letter by letter.
    """
    (a, is_latin_a), (b, is_latin_b) = split_name(left), split_name(right)
    if not a or not b or is_latin_a != is_latin_b:
        return False
    if len(a) == 1 or len(b) == 1:
        return not any(is_same_word(x, y) for x in a for y in b)
    return not (is_same_word(a[0], b[0]) or (is_same_word(a[0], b[-1]) and is_same_word(a[-1], b[0])))


def is_compatible_name(left: str, right: str) -> bool:
    """For a phone number: given and family name agree, in either order. False where either name is unknown."""
    a, b = split_words(left), split_words(right)
    if not a or not b:
        return False
    if len(a) == 1 or len(b) == 1:
        return any(is_same_word(x, y) for x in a for y in b)
    return any(
        is_same_word(a[0], first) and is_same_word(a[-1], last) for first, last in ((b[0], b[-1]), (b[-1], b[0]))
    )
