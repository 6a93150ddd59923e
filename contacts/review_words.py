"""How the pages of reviews and merges say things: evidence, fields, values, differences. No rows are read here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from contacts.models import CandidatePair, Contact
from contacts.survivorship import FIELDS
from integrations.admin.formats import show_label

LABELS: Mapping[str, str] = {
    field: "Time zone" if field == "timezone" else field.replace("_", " ").capitalize() for field in FIELDS
}
EVIDENCE_LABELS: Mapping[str, str] = {"name": "Name", "company": "Company", "email": "E-mail", "phone": "Phone"}
VERDICT_VARIANTS = {CandidatePair.Verdict.CERTAIN: "success", CandidatePair.Verdict.REVIEW: "warning"}
# Of two to the power of so many bits: from there on the words are stronger, and the bar is full.
STRONG, FULL = 5.0, 12.0
MARKED = ("full_name", "company")
GAPS = re.compile(r"(\s+)")


# --- Evidence ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evidence:
    """One field's. `share`: how far its bar reaches, in percent; `direction`: for, against, or empty."""

    label: str
    bits: str
    words: str
    share: int
    direction: str


def list_evidence(pair: CandidatePair) -> list[Evidence]:
    """Empty while the two have not been compared."""
    if not pair.evidence:
        return []
    return [describe_evidence(label, pair.evidence.get(name)) for name, label in EVIDENCE_LABELS.items()]


def describe_evidence(label: str, bits: float | None) -> Evidence:
    if bits is None:
        return Evidence(label, "", "not known of both", 0, "")
    direction = "for" if bits >= 0.5 else "against" if bits <= -0.5 else ""
    strength = "strongly " if abs(bits) >= STRONG else ""
    words = f"{strength}{direction}" if direction else "says little"
    return Evidence(label, f"{bits:+.1f}".replace("-", "−"), words, round(min(abs(bits) / FULL, 1) * 100), direction)


def show_evidence(pair: CandidatePair) -> SafeString | str:
    """At a glance: a field's letters with a sign, and the words for whoever points at them."""
    return format_html(
        '<span class="evidence-chips">{}</span>',
        format_html_join(
            "",
            '<span class="evidence-chip is-{}" title="{}: {}">{} <b>{}</b></span>',
            (
                (each.direction or "unknown", each.label, each.words, each.label, each.bits or "?")
                for each in list_evidence(pair)
            ),
        ),
    )


def show_score(pair: CandidatePair) -> str:
    """In percent; never 100, which nobody can know."""
    if pair.probability is None:
        return "Not compared"
    percent = pair.probability * 100
    return f"{min(percent, 99.9):.1f} %" if percent > 99 else f"{percent:.0f} %"


def show_verdict(pair: CandidatePair) -> SafeString | str:
    if not pair.verdict:
        return ""
    return show_label(pair.get_verdict_display(), VERDICT_VARIANTS.get(CandidatePair.Verdict(pair.verdict), ""))


# --- Values -----------------------------------------------------------------------------------------------------------


def show_value(field: str, value: Any, users: Mapping[Any, str]) -> str:
    """A field's value as it is stored in merges, in words; empty for none. `users`: id → name of owners."""
    if value in ("", None):
        return ""
    if field == "owner":
        return users.get(value, "somebody who is gone")
    return Contact.LeadStatus(value).label if field == "lead_status" else str(value)


def mark_words(text: str, other: str) -> SafeString | str:
    """The words that the other text does not have are marked, where they have some in common."""
    known = {word.casefold() for word in other.split()}
    if known.isdisjoint(text.casefold().split()):
        return text
    return format_html_join("", "{}", ((mark(part) if is_new(part, known) else part,) for part in GAPS.split(text)))


def is_new(part: str, known: set[str]) -> bool:
    return bool(part.strip()) and part.casefold() not in known


def mark(word: str) -> SafeString:
    return format_html('<mark class="differs">{}</mark>', word)
