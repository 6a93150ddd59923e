"""A company as it can be compared: Latin letters, without its legal form. Pure."""

import re
from functools import lru_cache

from anyascii import anyascii

from contacts.duplicates.word_lists import BETWEEN, ENDINGS
from contacts.normalisation import EASTERN_LEGAL_FORMS

JOINED_FORMS = (
    (re.compile(r"\bsp\.?\s*z\.?\s*o\.?\s*o\b\.?"), " spzoo "),
    (re.compile(r"\bs\.?\s*de\s*r\.?\s*l\.?\s*de\s*c\.?\s*v\b\.?"), " spa "),
    (re.compile(r"\bs\.?\s*a\.?\s*de\s*c\.?\s*v\b\.?"), " spa "),
)
NO_WORD = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=100_000)
def read_company(text: str) -> str:
    """The words that tell a company from others: "Müller & Söhne GmbH & Co. KG" → "muller sohne"."""
    text = EASTERN_LEGAL_FORMS.sub(" ", text)
    text = (text if text.isascii() else anyascii(text)).lower()
    for pattern, form in JOINED_FORMS:
        text = pattern.sub(form, text)
    all_words = NO_WORD.sub(" ", text.replace(".", "").replace("'", "")).split()
    words = [word for word in all_words if word not in BETWEEN] or all_words
    kept = list(words)
    while len(kept) > 1 and kept[-1] in ENDINGS:
        kept.pop()
    return " ".join(kept)


def find_acronym(company: str) -> str:
    """The initials of a cleaned company's words, where it has at least two."""
    words = company.split()
    return "".join(word[0] for word in words) if len(words) > 1 else ""
