"""The tables of people: contacts, what identifies them, duplicates, consents, erasures, imports, rules for leads."""

from contacts.models.consents import Consent
from contacts.models.contacts import ERASED, Contact, ContactLink, Identifier, Matched, merged_from
from contacts.models.detection import (
    BlockingKeys,
    Census,
    CensusCount,
    ContactChange,
    DuplicatePolicy,
    DuplicateRun,
)
from contacts.models.duplicates import CandidatePair, Merge
from contacts.models.erasures import Erasure
from contacts.models.imports import ImportRow, ImportRun, ImportSeen
from contacts.models.leads import Absence, PoolMember, ScoreRule

__all__ = [
    "ERASED",
    "Absence",
    "BlockingKeys",
    "CandidatePair",
    "Census",
    "CensusCount",
    "Consent",
    "Contact",
    "ContactChange",
    "ContactLink",
    "DuplicatePolicy",
    "DuplicateRun",
    "Erasure",
    "Identifier",
    "ImportRow",
    "ImportRun",
    "ImportSeen",
    "Matched",
    "Merge",
    "PoolMember",
    "ScoreRule",
    "merged_from",
]
