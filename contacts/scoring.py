"""What a booking says about a lead, in points: rules over the booking form's answers and the address."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from contacts.free_mail import is_free_mail
from contacts.models import ScoreRule

# The hyphens, dashes and the minus sign that programs put between two numbers.
DASHES = re.compile("[\u2010-\u2015\u2212]")


def load_rules() -> list[ScoreRule]:
    return list(ScoreRule.objects.filter(is_active=True))


def score(rules: Iterable[ScoreRule], answers: Sequence[Mapping[str, Any]], email: str) -> int:
    """The sum of all rules that match. `answers` are `{"key", "value"}`; a value may be one or a list."""
    given: dict[str, set[str]] = {}
    for answer in answers:
        given.setdefault(fold(str(answer.get("key", ""))), set()).update(fold_all(answer.get("value")))
    return sum(rule.points for rule in rules if matches(rule, given, email))


def matches(rule: ScoreRule, given: Mapping[str, set[str]], email: str) -> bool:
    if rule.kind == ScoreRule.Kind.COMPANY_ADDRESS:
        return is_company_address(email)
    return bool(given.get(fold(rule.answer_key), set()) & {fold(value) for value in rule.values})


def is_company_address(email: str) -> bool:
    _, at, domain = email.rpartition("@")
    return bool(at) and "." in domain and not is_free_mail(domain)


def fold_all(value: Any) -> set[str]:
    values = value if isinstance(value, list) else [value]
    return {fold(str(each)) for each in values if each is not None}


def fold(text: str) -> str:
    """Upper and lower case, spaces around, and the kind of dash don't count."""
    return DASHES.sub("-", text.strip().casefold())
