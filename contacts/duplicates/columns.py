"""Cleaned contacts as columns of integers: each distinct text stands once in a vocabulary. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Self

import numpy as np
from numpy.typing import NDArray

from contacts.duplicates.companies import find_acronym
from contacts.duplicates.names import find_initial, find_root, find_sound
from contacts.duplicates.nicknames import NAMES_OF, ROOTS
from contacts.duplicates.phones import find_tail
from contacts.duplicates.records import COLUMNS, Cleaned

type Ints = NDArray[np.int64]
type Codes = NDArray[np.int32]
type Floats = NDArray[np.float64]
type Flags = NDArray[np.bool_]

WORDS = ("given", "middle", "other", "family")
# Which columns share a vocabulary, so that their codes can be compared.
VOCABULARY_OF = {**dict.fromkeys(WORDS, "words"), "employer": "companies", "company": "companies", "phone": "phones"}
PREFIX = 8
MOST_NAMES = max(map(len, NAMES_OF.values()))


@dataclass(slots=True)
class Vocabulary:
    """Texts and their codes; 0 is the empty text, an unknown value."""

    codes: dict[str, int] = field(default_factory=lambda: {"": 0})

    def encode(self, texts: Iterable[str]) -> Codes:
        codes = self.codes
        return np.fromiter((codes.setdefault(text, len(codes)) for text in texts), dtype=np.int32)

    def list_texts(self) -> list[str]:
        return list(self.codes)


# Texts of one column travel between processes joined by a sign that none contains.
SEPARATOR = "\x1f"


def join_texts(contacts: Sequence[Cleaned]) -> list[str]:
    """For each of COLUMNS its texts, as `Builder.add_joined` takes them."""
    return [SEPARATOR.join(getattr(contact, name).replace(SEPARATOR, "") for contact in contacts) for name in COLUMNS]


class Builder:
    """Takes batches of cleaned contacts, and makes the columns of all of them."""

    def __init__(self) -> None:
        self.vocabularies = {VOCABULARY_OF.get(name, name): Vocabulary() for name in COLUMNS}
        self.chunks: dict[str, list[Codes]] = {name: [] for name in COLUMNS}

    def add(self, columns: Sequence[Sequence[str]]) -> None:
        """One batch: a sequence of texts for each of COLUMNS."""
        for name, texts in zip(COLUMNS, columns, strict=True):
            self.chunks[name].append(self.vocabularies[VOCABULARY_OF.get(name, name)].encode(texts))

    def add_joined(self, texts: Iterable[str]) -> None:
        self.add([text.split(SEPARATOR) for text in texts])

    def build(self) -> "Columns":
        codes = {name: np.concatenate([*chunks, np.zeros(0, np.int32)]) for name, chunks in self.chunks.items()}
        texts = {name: vocabulary.list_texts() for name, vocabulary in self.vocabularies.items()}
        return Columns(codes, texts)


@dataclass
class Columns:
    """`codes` by column, one for each contact; `texts` by vocabulary, one for each code."""

    codes: dict[str, Codes]
    texts: dict[str, list[str]]

    @classmethod
    def read(cls, contacts: Iterable[Cleaned]) -> Self:
        rows = [[getattr(contact, name) for name in COLUMNS] for contact in contacts]
        builder = Builder()
        builder.add(list(zip(*rows, strict=True)) if rows else [()] * len(COLUMNS))
        built = builder.build()
        return cls(built.codes, built.texts)

    def __len__(self) -> int:
        return len(self.codes["given"])

    def __getitem__(self, name: str) -> Codes:
        return self.codes[name]

    # --- Of each distinct word

    @cached_property
    def sound_texts(self) -> list[str]:
        return [find_sound(word) for word in self.texts["words"]]

    @cached_property
    def sounds(self) -> Codes:
        return Vocabulary().encode(self.sound_texts)

    @cached_property
    def roots(self) -> Ints:
        """Hashes of what words are looked up by."""
        words = zip(self.texts["words"], self.sound_texts, strict=True)
        return hash_texts(find_root(word) if word in ROOTS else sound for word, sound in words)

    @cached_property
    def initials(self) -> NDArray[np.uint8]:
        """The number of each word's initial; 0 for none."""
        letters = map(find_initial, self.texts["words"])
        return np.fromiter((ord(letter) & 127 if letter else 0 for letter in letters), dtype=np.uint8)

    @cached_property
    def is_initial(self) -> Flags:
        return np.fromiter((len(word) == 1 for word in self.texts["words"]), dtype=np.bool_)

    @cached_property
    def lengths(self) -> Codes:
        return np.fromiter(map(len, self.texts["words"]), dtype=np.int32)

    @cached_property
    def company_lengths(self) -> Codes:
        """Without spaces."""
        return np.fromiter(map(len, self.squeezed), dtype=np.int32)

    @cached_property
    def names_of(self) -> Codes:
        """The names whose form each word is, 0 for none."""
        vocabulary = Vocabulary()
        found = np.zeros((len(self.texts["words"]), MOST_NAMES), np.int32)
        for code, word in enumerate(self.texts["words"]):
            if names := NAMES_OF.get(word):
                found[code, : len(names)] = vocabulary.encode(sorted(names))
        return found

    # --- Of each distinct company

    @cached_property
    def squeezed(self) -> list[str]:
        return [company.replace(" ", "") for company in self.texts["companies"]]

    @cached_property
    def squeezed_codes(self) -> Codes:
        return self._company_codes[0]

    @cached_property
    def acronym_codes(self) -> Codes:
        """In the codes of the squeezed companies."""
        return self._company_codes[1]

    @cached_property
    def _company_codes(self) -> tuple[Codes, Codes]:
        vocabulary = Vocabulary()
        squeezed = vocabulary.encode(self.squeezed)
        return squeezed, vocabulary.encode(map(find_acronym, self.texts["companies"]))

    @cached_property
    def company_prefixes(self) -> Ints:
        return hash_texts(company[:PREFIX] for company in self.squeezed)

    # --- Of each distinct phone

    @cached_property
    def tails(self) -> Ints:
        return np.fromiter(map(find_tail, self.texts["phones"]), dtype=np.int64)

    @cached_property
    def mailboxes(self) -> Ints:
        """A code for each contact's e-mail address; 0 for none."""
        local = self.codes["local"].astype(np.int64)
        return np.where(local > 0, local * len(self.texts["domain"]) + self.codes["domain"], 0)


def sort_distinct(values: Ints) -> Ints:
    """What np.unique gives, which is slower for many integers."""
    values = np.sort(values)
    return values[np.r_[True, values[1:] != values[:-1]]] if len(values) else values


def hash_texts(texts: Iterable[str]) -> Ints:
    """62 bits of each text, the same on every machine; 0 for the empty one."""
    return np.fromiter((hash_text(text) if text else 0 for text in texts), dtype=np.int64)


def hash_text(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 2
