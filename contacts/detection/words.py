"""The evidence of a pair in words, for pages. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from contacts.duplicates.scoring import FIELDS

TITLES = {"name": "Name", "company": "Company", "email": "E-mail", "phone": "Phone"}
# From so many bits on, the words hold; 3 bits are eight to one.
STRENGTHS = (
    (12.0, "speaks very strongly for one person"),
    (6.0, "speaks strongly for one person"),
    (2.0, "speaks for one person"),
    (0.5, "speaks a little for one person"),
    (-0.5, "says nothing either way"),
    (-2.0, "speaks a little against it"),
    (-6.0, "speaks against it"),
)
STRONGEST_AGAINST = "speaks strongly against it"
UNKNOWN = "not known of both"


@dataclass(frozen=True, slots=True)
class Reason:
    """What one field says. `bits` are None where it is not known of both."""

    field: str
    title: str
    bits: float | None
    words: str


def describe_evidence(evidence: Mapping[str, float | None]) -> list[Reason]:
    """All fields, in the order in which people read them; for `CandidatePair.evidence`."""
    return [Reason(field, TITLES[field], evidence.get(field), describe_bits(evidence.get(field))) for field in FIELDS]


def describe_bits(bits: float | None) -> str:
    if bits is None:
        return UNKNOWN
    return next((words for least, words in STRENGTHS if bits >= least), STRONGEST_AGAINST)
