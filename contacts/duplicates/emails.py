"""An e-mail address as it can be compared, whoever typed it. Pure."""

import re
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import OSA

from contacts.duplicates.names import Name, find_sound, split_letters
from contacts.duplicates.nicknames import NAMES_OF
from contacts.duplicates.word_lists import COMMON_DOMAINS, SECOND_LEVELS
from contacts.free_mail import is_free_mail
from contacts.normalisation import ROLE_MAILBOXES

SAME_DOMAIN = {"googlemail.com": "gmail.com", "me.com": "icloud.com", "mac.com": "icloud.com", "pm.me": "proton.me"}
DIGITS = re.compile(r"\d+")
PARTS = re.compile(r"[._\-\d]+")
LONGEST_REST = 2
# Before or after a family name, in a mailbox that a household shares.
HOUSEHOLD = re.compile("family|familie|familia|famille|famiglia|familjen|rodzina|gezin|haus|home|casa|the")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """`employer` is the registered name of a domain where not anybody may have an address."""

    local: str = ""
    domain: str = ""
    employer: str = ""


def read_mailbox(text: str) -> Mailbox:
    """Without plus-tag, in Gmail without dots, common domains spelt right. A role's mailbox has no local part.

    Looser than contacts.normalisation.normalise_email, which decides what is stored: a file may hold anything.
    """
    local, at, domain = text.strip().lower().rpartition("@")
    if not at or not local or " " in local:
        return Mailbox()
    local = local.partition("+")[0].strip("<'\"")
    domain = mend_domain(domain.strip(" >'\";,."))
    if local.replace("_", "-").replace(".", "-") in ROLE_MAILBOXES:
        local = ""
    elif domain == "gmail.com":
        local = local.replace(".", "")
    return Mailbox(local, domain, find_employer(domain))


@lru_cache(maxsize=100_000)
def mend_domain(domain: str) -> str:
    if not is_free_mail(domain):
        near = [common for common in sorted(COMMON_DOMAINS) if is_typing_error(domain, common)]
        domain = near[0] if near else domain
    return SAME_DOMAIN.get(domain, domain)


def is_typing_error(domain: str, common: str) -> bool:
    """One slip in the whole of a longer domain."""
    return len(common) > 7 and OSA.distance(domain, common, score_cutoff=1) <= 1


@lru_cache(maxsize=100_000)
def find_employer(domain: str) -> str:
    """The registered label: mail.example.co.uk → example. Empty for free mail."""
    if not domain or is_free_mail(domain):
        return ""
    labels = domain.split(".")
    place = 3 if len(labels) > 2 and labels[-2] in SECOND_LEVELS else 2
    return labels[-place].replace("-", "") if len(labels) >= place else ""


def is_spelt_from(local: str, name: Name) -> bool:
    """Whether a local part holds nothing but the name's words and initials: it says no more than the name does.

    Nor does one digit, which is added where the name is taken. Han signs do not tell: it is taken for granted there.
    """
    words = name.list_words()
    if DIGITS.search(local[:-1]) or not words:
        return False
    if name.is_han:
        return True
    whole = PARTS.sub("", local)
    for word in sorted(words, key=len, reverse=True):
        for form in (word, find_sound(word), *sorted(NAMES_OF.get(word, ()))):
            if len(form) > 1 and form in whole:
                whole = whole.replace(form, "", 1)
                break
    return len(HOUSEHOLD.sub("", whole)) <= LONGEST_REST


def read_name_in(local: str) -> Name:
    """The name in a local part of two words, "anna.lopez" → anna, lopez; else none."""
    words = split_letters(PARTS.sub(" ", local))
    return Name(given=words[0], family=words[1]) if len(words) == 2 else Name()
