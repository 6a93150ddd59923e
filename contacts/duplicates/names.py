"""A person's name as words to compare: Latin letters, given name first, without titles and particles. Pure."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile

from anyascii import anyascii

from contacts.duplicates.nicknames import ROOTS
from contacts.duplicates.word_lists import DOUBLED, PARTICLES, SOUNDS, SUFFIXES, TITLES

# The name at birth or before a marriage, as it follows the present one.
FORMERLY = re.compile(r"\(?\b(?:n[ée]e|geb\.?|geborene?|born|formerly|maiden name)\b[:.]?\s*([^)]*)\)?", re.IGNORECASE)
IN_BRACKETS = re.compile(r"\(.*?\)|\[.*?\]|\".*?\"")
NO_LETTERS = re.compile(r"[^a-z]+")
APOSTROPHES = re.compile(r"['’ʼ`´‘]")
EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")
KANA = re.compile("[ぁ-ヿ]")
# Where letters end and syllables and signs begin, of which one is a whole name.
FIRST_SYLLABLE = "ᄀ"
# First letters that stand for one sound in different transliterations: Iakov, Jakov, Yakov.
INITIALS = str.maketrans("jyw", "iiv")


@dataclass(frozen=True, slots=True)
class Name:
    """Empty where there is no such word. `other` is a further family name, or the one before a marriage."""

    given: str = ""
    middle: str = ""
    other: str = ""
    family: str = ""
    # Written with Han signs, whose sound in Latin letters cannot be told: Japanese and Chinese read them differently.
    is_han: bool = False

    def list_words(self) -> list[str]:
        return [word for word in (self.given, self.middle, self.other, self.family) if word]


def read_name(text: str, country: str = "") -> Name:
    """The words of a name as typed, in any script and order that shows: "MÜLLER, Dr. Jörg" → jorg, muller."""
    formerly = FORMERLY.search(text)
    before = split_letters(formerly[1]) if formerly else []
    text = IN_BRACKETS.sub(" ", FORMERLY.sub(" ", text) if formerly else text)
    words = drop_particles(order_words(text, country))
    if not words:
        return Name()
    other = words[-2] if len(words) > 3 else before[-1] if before else ""
    middle = words[1] if len(words) > 2 else ""
    is_han = not text.isascii() and any("一" <= char <= "鿿" for char in text)
    return Name(words[0], middle, other, words[-1] if len(words) > 1 else "", is_han)


def order_words(text: str, country: str) -> list[str]:
    """The words without titles, given name first where a comma, the script or capital letters show the order."""
    family, comma, given = text.partition(",")
    if comma:
        behind = drop_titles(split_letters(given))
        return [*behind, *drop_titles(split_letters(family))]
    signs = text.replace(".", "")
    if not text.isascii() and is_east_asian(signs):
        return order_east_asian(signs.split(), country)
    typed = text.replace("-", " ").split()
    shouted = list(takewhile(is_shouted, typed)) if not text.isupper() else []
    return drop_titles(split_letters(" ".join([*typed[len(shouted) :], *shouted])))


def is_shouted(word: str) -> bool:
    return len(word) > 2 and word.isalpha() and word.isupper()


def is_east_asian(text: str) -> bool:
    return all(unicodedata.name(char, "").startswith(EAST_ASIAN) for char in text if not char.isspace())


def order_east_asian(words: list[str], country: str) -> list[str]:
    """The family name stands first; written together it is one sign, in Japan and of four signs mostly two."""
    if len(words) == 1 and 2 <= len(words[0]) <= 5:
        text = words[0]
        is_japanese = country == "JP" or KANA.search(text)
        length = 2 if len(text) > 3 or (is_japanese and len(text) > 2) else 1
        words = [text[:length], text[length:]]
    return ["".join(split_letters(word)) for word in reversed(words)]


@lru_cache(maxsize=100_000)
def romanise(word: str) -> str:
    """An initial stays one: Я. → y."""
    if word.isascii():
        return word.lower()
    letters = anyascii(word.lower()).lower()
    return letters[:1] if len(word.rstrip(".")) == 1 and word < FIRST_SYLLABLE else letters


def split_letters(text: str) -> list[str]:
    """Words of Latin letters: without accents, apostrophes and digits; parts of double names apart."""
    text = APOSTROPHES.sub("", text)
    if not text.isascii():
        text = " ".join(APOSTROPHES.sub("", romanise(word)) for word in text.split())
    return [word for word in NO_LETTERS.split(text.lower()) if word]


def drop_titles(words: list[str]) -> list[str]:
    while len(words) > 1 and words[0] in TITLES:
        words = words[1:]
    while len(words) > 1 and words[-1] in SUFFIXES:
        words = words[:-1]
    return words


def drop_particles(words: list[str]) -> list[str]:
    """Particles are left out, inflected and moved too often to be compared; not where two words remain no more."""
    if len(words) < 3:
        return words
    # "Ben" and "Al" are names, where they stand first.
    kept = [word for place, word in enumerate(words) if word not in PARTICLES or (place == 0 and word in ROOTS)]
    return kept if len(kept) > 1 else words


def find_sound(word: str) -> str:
    """The same for spellings of one name by different rules of transliteration: müller, mueller, muller."""
    if len(word) < 3:
        return word
    sound = word
    for spelling, letter in SOUNDS:
        if spelling in sound:
            sound = sound.replace(spelling, letter)
    for double in DOUBLED:
        if double in sound:
            sound = sound.replace(double, double[0])
    return sound or word


def find_initial(word: str) -> str:
    """The first letter, the same for those that stand for one sound; empty of no word."""
    return word[:1].translate(INITIALS)


def find_root(word: str) -> str:
    """What a word is looked up by: the sound of the name whose familiar form it is."""
    return find_sound(ROOTS.get(word, word))
