"""A phone number as it can be compared: E.164 wherever the number and its country let it be told. Pure."""

import re
from functools import lru_cache

from phonenumbers import PhoneMetadata, country_code_for_region

from contacts.normalisation import normalise_phone

EXTENSION = re.compile(r"\s*(?:ext(?:ension)?|x|#|poste|durchwahl|dw|ramal|int)[.:]?\s*\d{1,6}\s*$", re.IGNORECASE)
TRUNK_IN_BRACKETS = re.compile(r"\(0\)")
NO_DIGITS = re.compile(r"\D+")
SHORTEST, LONGEST = 7, 15
# The length of the end that tells numbers apart, whether or not country and area stand before it.
TAIL = 8


def read_phone(text: str, country: str) -> str:
    """ "+" and digits of the international number; digits alone where its country is unknown; empty where it is none.

    The usual ways of writing are read here, without asking whether the number is in use: a wrong number typed twice
    is still evidence. What else there is goes to contacts.normalisation.normalise_phone, which is slow.
    """
    text = text.strip()
    if not text:
        return ""
    text = TRUNK_IN_BRACKETS.sub("", EXTENSION.sub("", text))
    digits = NO_DIGITS.sub("", text)
    if not SHORTEST <= len(digits) <= LONGEST + 3:
        return normalise_phone(text, country) or ""
    if text.startswith("+") or text.startswith("(+"):
        return "+" + digits
    if digits.startswith("00"):
        return "+" + digits[2:]
    return read_national(digits, country.strip().upper())


def read_national(digits: str, region: str) -> str:
    """As dialled within a region. A number that has its country's code already is taken for international."""
    code, trunk, longest = find_plan(region)
    if not code:
        return digits.lstrip("0")
    if trunk and digits.startswith(trunk) and len(digits) > longest:
        digits = digits[len(trunk) :]
    elif trunk == "0" and digits.startswith("0"):
        digits = digits[1:]
    elif digits.startswith(code) and len(digits) > longest:
        digits = digits[len(code) :]
    return f"+{code}{digits}"


@lru_cache(maxsize=300)
def find_plan(region: str) -> tuple[str, str, int]:
    """A region's calling code, trunk prefix, and the greatest length of its numbers without it."""
    metadata = PhoneMetadata.metadata_for_region(region, None) if region else None
    if metadata is None:
        return "", "", 0
    lengths = [length for part in (metadata.fixed_line, metadata.mobile) if part for length in part.possible_length]
    return str(country_code_for_region(region)), metadata.national_prefix or "", max(lengths, default=LONGEST)


def find_tail(phone: str) -> int:
    """The number's end, as an integer with a 1 before it; 0 for none."""
    digits = phone.lstrip("+")
    return int("1" + digits[-TAIL:]) if len(digits) >= SHORTEST else 0
