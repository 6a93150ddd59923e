"""What people said about being written to, and whether one may be."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from contacts.claims import name_origin
from contacts.models import Consent, Contact
from integrations.models.provenance import create_recorded, current_delivery

# What somebody has booked may be written about. For all else they must have said yes.
ALWAYS_ALLOWED = frozenset({Consent.Purpose.TRANSACTIONAL})


@dataclass(frozen=True, slots=True)
class Said:
    """One answer. `is_given` False is a refusal, or takes an earlier yes back."""

    purpose: Consent.Purpose
    channel: Consent.Channel
    is_given: bool
    given_at: datetime
    wording: str = ""


@dataclass(frozen=True, slots=True)
class ConsentSource:
    """Where it was said, such as calendar.live, and by which attendee there, if any."""

    name: str
    connection_id: int | None = None
    attendee_id: str = ""

    @property
    def introduced_by(self) -> str:
        return name_origin(self.connection_id, self.attendee_id)


def record_consents(contact: Contact, consents: Iterable[Said], source: ConsentSource) -> list[Consent]:
    """Keep what the contact said, and return what of it is new. Of somebody who was erased nothing is kept.

    Runs in the caller's transaction, in which the contact is locked.
    """
    said = list(consents)
    if not said or contact.erased_at:
        return []
    known = {read_answer(row) for row in Consent.objects.filter(contact=contact, source=source.name)}
    new = [
        Consent(
            contact=contact,
            purpose=each.purpose,
            channel=each.channel,
            is_given=each.is_given,
            given_at=each.given_at,
            wording=each.wording,
            source=source.name,
            introduced_by=source.introduced_by,
        )
        for each in said
        if read_answer(each) not in known
    ]
    create_recorded(new, [current_delivery.get()] * len(new))
    return new


def read_answer(said: Said | Consent) -> tuple[str, str, bool, datetime]:
    return said.purpose, said.channel, said.is_given, said.given_at


def may_contact(contact: Contact, purpose: Consent.Purpose, channel: Consent.Channel) -> bool:
    """Whether the contact may be written to for this purpose by this channel: the latest word counts.

    Nobody writes to somebody who was erased.
    """
    if contact.erased_at:
        return False
    if purpose in ALWAYS_ALLOWED:
        return True
    said = Consent.objects.filter(contact=contact, purpose=purpose, channel=channel)
    latest = said.order_by("-given_at", "is_given", "-id").first()
    return latest is not None and latest.is_given


def find_latest(consents: Iterable[Consent]) -> list[Consent]:
    """Of these, the word that counts for each purpose and channel."""
    latest: dict[tuple[str, str], Consent] = {}
    for consent in sorted(consents, key=lambda each: (each.given_at, not each.is_given, each.pk)):
        latest[consent.purpose, consent.channel] = consent
    return list(latest.values())
