"""By what a person is recognised in texts that others wrote: payloads, titles, notes, answers. Pure."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import phonenumbers

MASK = "[erased]"
# A number as people write it, and how much may stand before its national part: "0", "+33", "0033".
NUMBER = re.compile(r"\+?\d[\d ()./-]{5,}\d")
LONGEST_PREFIX = 5
# In JSON: an ASCII character that nobody had to escape.
ESCAPED_ASCII = re.compile(rb"\\u00[2-7]", re.IGNORECASE)
NO_DIGITS = bytes(set(range(256)) - set(b"0123456789"))


@dataclass(frozen=True)
class Marks:
    """`emails` and `phones` are normalised, and nobody else's. `names` are full ones: a word alone proves nothing."""

    emails: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    # Connection id → what is theirs there: `attendee:<id>`, and of records `contact:<id>` and `meeting:<id>`.
    ids: dict[int, set[str]] = field(default_factory=dict)
    # What stands in the place of what is masked.
    mask_word: str = MASK

    @cached_property
    def identifying(self) -> "Marks":
        """Without the names, which others may have too."""
        return Marks(self.emails, self.phones, frozenset(), self.ids)

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        texts = [*map(bound_email, self.emails), *(bound_name(name) for name in list_spellings(self.names))]
        return re.compile("|".join(sorted(texts, key=len, reverse=True)), re.IGNORECASE) if texts else None

    @cached_property
    def national_numbers(self) -> frozenset[str]:
        return frozenset(filter(None, map(read_national_number, self.phones)))

    def may_be_in(self, body: bytes, ids: Collection[str]) -> bool:
        """Whether a closer look at a payload can be worth while: quick, and never wrong about one that it is not.

        Nothing is said about names, which are spelt in many ways.
        """
        if self.names or ESCAPED_ASCII.search(body) or not all(email.isascii() for email in self.emails):
            return True
        folded, digits = body.lower(), body.translate(None, NO_DIGITS)
        texts = [*self.emails, *(each.partition(":")[2].lower() for each in ids)]
        return any(text.encode() in folded for text in texts) or any(
            number.encode() in digits for number in self.national_numbers
        )

    def mask(self, text: str) -> str:
        """The text without what names the person."""
        masked = self.pattern.sub(self.mask_word, text) if self.pattern else text
        return NUMBER.sub(self.mask_number, masked) if self.national_numbers else masked

    def mask_number(self, found: re.Match[str]) -> str:
        return self.mask_word if self.has_number(found[0]) else found[0]

    def has_number(self, text: str) -> bool:
        digits = re.sub(r"\D", "", text)
        return any(
            digits.endswith(number) and len(digits) - len(number) <= LONGEST_PREFIX for number in self.national_numbers
        )

    def mask_all(self, value: Any) -> Any:
        """The same structure, each of its texts masked."""
        match value:
            case dict():
                return {key: self.mask_all(item) for key, item in value.items()}
            case list():
                return [self.mask_all(item) for item in value]
            case str():
                return self.mask(value)
        return value

    def are_in(self, value: Any) -> bool:
        """Whether a text of the structure names the person."""
        return any(self.mask(text) != text for text in list_texts(value))


def list_texts(value: Any) -> Iterator[str]:
    """All texts of a structure, numbers as well."""
    match value:
        case dict():
            for item in value.values():
                yield from list_texts(item)
        case list():
            for item in value:
                yield from list_texts(item)
        case str():
            yield value
        case int():
            yield str(value)


def bound_email(email: str) -> str:
    """Not where it is the end or the beginning of a longer address."""
    return rf"(?<![\w.+-]){re.escape(email)}(?![\w-]|\.\w)"


def bound_name(name: str) -> str:
    words = r"\s+".join(map(re.escape, name.split()))
    return rf"(?<!\w){words}(?!\w)"


def list_spellings(names: Collection[str]) -> set[str]:
    """With and without accents, the family name last or first."""
    return {spelling for name in names for spelling in spell(name)} - {""}


def spell(name: str) -> Iterable[str]:
    words = name.split()
    for order in (words, [*words[-1:], *words[:-1]], [*words[1:], *words[:1]]):
        text = " ".join(order)
        yield text
        yield "".join(char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char))


def read_national_number(phone: str) -> str:
    """Of a number in E.164; empty where it is none."""
    try:
        return str(phonenumbers.parse(phone).national_number)
    except phonenumbers.NumberParseException:
        return ""
