"""The evidence of two e-mail addresses, phone numbers, companies and countries. Pure."""

from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import OSA, JaroWinkler
from rapidfuzz.process import cpdist

from contacts.duplicates import weights as w
from contacts.duplicates.columns import Codes, Columns, Flags, Floats
from contacts.duplicates.name_evidence import NameEvidence, Pairs
from contacts.duplicates.phones import TAIL
from contacts.duplicates.words import Level, count_workers, find_prefixes

NEAR_COMPANY = 0.88
SHORTEST_COMPANY = 4
SHORTEST_LOCAL = 5
DIGITS = str.maketrans("", "", "0123456789")


@dataclass(slots=True)
class FieldEvidence:
    """Bits for one person and for a household, against strangers; whether both values are known, and are one."""

    same: Floats
    household: Floats
    is_known: Flags
    is_equal: Flags


def weigh_companies(pairs: Pairs) -> FieldEvidence:
    """By name or by the e-mail's domain, whichever agree."""
    columns, f = pairs.columns, pairs.frequencies
    count = len(pairs)
    frequency, is_near = np.full(count, np.inf), np.zeros(count, np.bool_)
    known = np.zeros(count, np.bool_)
    for left in ("company", "employer"):
        for right in ("company", "employer"):
            one, other = columns[left][pairs.left], columns[right][pairs.right]
            both = (one > 0) & (other > 0)
            known |= both
            squeezed = columns.squeezed_codes
            is_same = both & (squeezed[one] == squeezed[other])
            frequency = np.where(is_same, np.minimum(frequency, getattr(f, left)[pairs.left]), frequency)
            rest = np.flatnonzero(both & ~is_same & ~is_near & np.isinf(frequency))
            is_near[rest] = is_near_company(columns, one[rest], other[rest])
    is_equal = np.isfinite(frequency)
    equal = np.log2(w.COMPANY_EQUAL / np.where(is_equal, frequency, 1.0))
    near = np.log2(w.COMPANY_NEAR / w.STRANGERS_COMPANY_NEAR)
    same = np.select([is_equal, is_near, known], [np.maximum(equal, 0), near, np.log2(w.COMPANY_DIFFERS)], 0.0)
    household = np.where(is_equal, np.maximum(equal - 2, 0), 0.0)
    return FieldEvidence(same, household, known, is_equal)


def is_near_company(columns: Columns, left: Codes, right: Codes) -> Flags:
    """A typing error or a cut-off end away, or the other's initials."""
    pairs, ranks = np.unique(left.astype(np.int64) << 32 | right, return_inverse=True)
    one, other = (pairs >> 32).astype(np.int64), pairs & 0xFFFFFFFF
    texts = columns.squeezed
    queries, choices = [texts[code] for code in one.tolist()], [texts[code] for code in other.tolist()]
    if not queries:
        return np.zeros(0, np.bool_)
    alike = cpdist(queries, choices, scorer=JaroWinkler.similarity, dtype=np.float32, workers=count_workers(queries))
    squeezed, acronyms = columns.squeezed_codes, columns.acronym_codes
    lengths = np.minimum(columns.company_lengths[one], columns.company_lengths[other])
    is_cut = find_prefixes(queries, choices, lengths) & (lengths >= SHORTEST_COMPANY)
    is_acronym = (squeezed[one] == acronyms[other]) | (squeezed[other] == acronyms[one])
    found: Flags = (alike >= NEAR_COMPANY) | is_cut | is_acronym
    return found[ranks]


def weigh_mails(pairs: Pairs, names: NameEvidence) -> FieldEvidence:
    """An address that only spells a name says little of namesakes beyond it, and all where the names are not known."""
    columns, f = pairs.columns, pairs.frequencies
    left, right = pairs.left, pairs.right
    known = (columns["local"][left] > 0) & (columns["local"][right] > 0)
    is_equal = known & (columns.mailboxes[left] == columns.mailboxes[right])
    is_same_domain = columns["domain"][left] == columns["domain"][right]
    is_same_local = known & (columns["local"][left] == columns["local"][right]) & ~is_equal
    at_work = (columns["employer"][left] > 0).astype(np.int8) + (columns["employer"][right] > 0)
    is_namesake = (names.given >= Level.INITIAL) & (names.family >= Level.INITIAL)
    is_spelt = (columns["spelt"][left] > 0) | (columns["spelt"][right] > 0)
    strangers = (np.maximum(f.mailbox_sharers[left], f.mailbox_sharers[right]) - 1 + w.MAIL_SHARED) / f.total
    strangers = np.where(is_spelt & is_namesake & (at_work == 0), np.maximum(strangers, w.MAIL_OF_NAMESAKES), strangers)
    is_typo = find_mail_typos(pairs, known & ~is_equal & ~is_same_local & is_same_domain)
    differs = np.select([is_same_domain & (at_work == 2), at_work == 1], [w.MAIL_DIFFERS_AT_WORK, 0.6], w.MAIL_DIFFERS)
    local = np.maximum(f.local[left], f.local[right])
    same = np.select(
        [~known, is_equal, is_same_local & ~is_spelt, is_same_local, is_typo & ~is_spelt, is_typo],
        [
            0.0,
            np.log2(w.MAIL_EQUAL / strangers),
            np.clip(np.log2(w.MAIL_OTHER_DOMAIN / np.maximum(local, 1e-9)), 0, None),
            0.0,
            np.log2(w.MAIL_TYPO / w.STRANGERS_MAIL_NEAR),
            np.log2(w.MAIL_TYPO / w.NAMESAKES_MAIL_NEAR),
        ],
        np.log2(differs),
    )
    household = np.where(is_equal, np.log2(w.HOUSEHOLD_MAIL / strangers), 0.0)
    return FieldEvidence(same, household, known, is_equal)


def find_mail_typos(pairs: Pairs, among: Flags) -> Flags:
    """A local part one slip away, neither in the first letter, where initials stand, nor in a digit."""
    found = np.zeros(len(pairs), np.bool_)
    rows = np.flatnonzero(among)
    locals_ = pairs.columns.texts["local"]
    left, right = ([locals_[code] for code in pairs.columns["local"][side[rows]]] for side in (pairs.left, pairs.right))
    if left:
        distances = cpdist(
            left, right, scorer=OSA.distance, score_cutoff=1, dtype=np.int32, workers=count_workers(left)
        )
        for place in np.flatnonzero(distances <= 1):
            one, other = left[place], right[place]
            is_word = len(one) >= SHORTEST_LOCAL and one[0] == other[0]
            found[rows[place]] = is_word and one.translate(DIGITS) != other.translate(DIGITS)
    return found


def weigh_phones(pairs: Pairs, is_same_company: Flags) -> FieldEvidence:
    """A number that colleagues share is no evidence beyond their company."""
    columns, f = pairs.columns, pairs.frequencies
    left, right = columns["phone"][pairs.left], columns["phone"][pairs.right]
    known = (left > 0) & (right > 0)
    is_equal = known & (columns.tails[left] == columns.tails[right])
    sharers = np.maximum(f.phone_sharers[pairs.left], f.phone_sharers[pairs.right])
    strangers = (sharers - 1 + w.PHONE_SHARED) / f.total
    colleagues = np.select(
        [sharers > 2, sharers > 1], [w.COLLEAGUES_SWITCHBOARD, w.COLLEAGUES_COMMON_PHONE], w.COLLEAGUES_PHONE
    )
    strangers = np.where(is_same_company, np.maximum(colleagues, strangers), strangers)
    is_typo = find_phone_typos(columns, left, right, known & ~is_equal)
    typo = np.where(is_same_company, 0.0, np.log2(w.PHONE_TYPO))
    same = np.select(
        [~known, is_equal, is_typo],
        [0.0, np.log2(w.PHONE_EQUAL / strangers), typo],
        np.log2(w.PHONE_DIFFERS),
    )
    household = np.select(
        [~known, is_equal], [0.0, np.log2(w.HOUSEHOLD_PHONE / strangers)], np.log2(w.HOUSEHOLD_PHONE_DIFFERS)
    )
    return FieldEvidence(same, household, known, is_equal)


def find_phone_typos(columns: Columns, left: Codes, right: Codes, among: Flags) -> Flags:
    """One digit wrong, missing, too many, or two in the wrong order."""
    found = np.zeros(len(left), np.bool_)
    rows = np.flatnonzero(among)
    texts = columns.texts["phones"]
    one, other = ([texts[code] for code in side[rows].tolist()] for side in (left, right))
    # Where one number's country is unknown, only the ends can be compared.
    for place, (number, second) in enumerate(zip(one, other, strict=True)):
        if number.startswith("+") != second.startswith("+"):
            one[place], other[place] = number[-TAIL:], second[-TAIL:]
    if one:
        distances = cpdist(one, other, scorer=OSA.distance, score_cutoff=1, dtype=np.int32, workers=count_workers(one))
        found[rows] = distances <= 1
    return found


def weigh_countries(pairs: Pairs) -> Floats:
    columns, f = pairs.columns, pairs.frequencies
    left, right = columns["country"][pairs.left], columns["country"][pairs.right]
    equal = np.log2(w.COUNTRY_EQUAL / np.maximum(f.country[pairs.left], 1e-6))
    return np.select(
        [(left == 0) | (right == 0), left == right],
        [0.0, np.maximum(equal, 0.0)],
        np.log2(w.COUNTRY_DIFFERS),
    )
