"""Real runs: a page's people brought to contacts, with what else their rows say."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction

from contacts.consent import Said, record_consents
from contacts.imports.outcomes import Outcome
from contacts.imports.rows import Answer, Details, Row, RowSource
from contacts.models import Consent, Contact, Matched
from contacts.upserts import Upserted, upsert_each
from integrations.exceptions import PermanentError


def bring(rows: Sequence[Row], source: RowSource) -> list[Outcome]:
    """Bring a page's people to contacts, in the caller's transaction. One at fault never keeps the others from it."""
    upserted = iter(upsert_all([row for row in rows if row.told]))
    outcomes = [next(upserted) if row.told else (row, None) for row in rows]
    record_details(outcomes)
    record_answers(outcomes, source)
    return [
        Outcome(row, each.by, each.contact.pk, bool(each.for_review), each.is_erased) if each else Outcome(row)
        for row, each in outcomes
    ]


type Brought = tuple[Row, Upserted | None]


def upsert_all(rows: Sequence[Row]) -> list[Brought]:
    """All together or, where that fails, one by one; without a result where the row itself cannot be brought."""
    if not rows:
        return []
    try:
        with transaction.atomic():
            upserted = upsert_each([(row.told.person, row.told.source) for row in rows if row.told])
    except PermanentError as error:
        if len(rows) == 1:
            return [(replace(rows[0], told=None, problem=str(error)), None)]
        return [brought for row in rows for brought in upsert_all([row])]
    return list(zip(rows, upserted, strict=True))


def record_details(outcomes: Iterable[Brought]) -> None:
    for row, each in outcomes:
        if row.told and each and not each.is_erased and fill_in(each, row.told.details):
            each.contact.save()


def fill_in(upserted: Upserted, details: Details) -> bool:
    """Whether anything is news. What somebody has written down here, or decided, is not replaced."""
    contact, is_new = upserted.contact, upserted.by == Matched.By.NEW
    before = contact.notes, contact.lead_status, contact.owner_id
    if details.notes and not contact.notes:
        contact.notes = details.notes
    if details.lead_status and contact.lead_status == Contact.LeadStatus.NEW:
        contact.lead_status = details.lead_status
    if details.owner_id and (is_new or contact.owner_id is None):
        contact.owner_id = details.owner_id
    return before != (contact.notes, contact.lead_status, contact.owner_id)


def record_answers(outcomes: Iterable[Brought], source: RowSource) -> None:
    asked = [
        (each.contact, row.told.answers)
        for row, each in outcomes
        if row.told and row.told.answers and each and not each.is_erased
    ]
    known = list_answers([contact for contact, _ in asked])
    for contact, answers in asked:
        mine = known.setdefault(contact.pk, [])
        new = [answer.said for answer in answers if is_news(answer, mine)]
        record_consents(contact, new, source.consent_source)
        mine.extend(map(partial(make_consent, contact), new))


def list_answers(contacts: Iterable[Contact]) -> dict[UUID, list[Consent]]:
    """All that contacts have said, latest first."""
    found: dict[UUID, list[Consent]] = {}
    keys = [contact.pk for contact in contacts]
    for consent in Consent.objects.filter(contact__in=keys).order_by("-given_at") if keys else []:
        found.setdefault(consent.contact_id, []).append(consent)
    return found


def make_consent(contact: Contact, said: Said) -> Consent:
    return Consent(
        contact=contact, purpose=said.purpose, channel=said.channel, is_given=said.is_given, given_at=said.given_at
    )


def is_news(answer: Answer, known: Iterable[Consent]) -> bool:
    """What was said at the same time is known, wherever it was said; so is the latest word, said without a time."""
    said = answer.said
    same = [each for each in known if (each.purpose, each.channel) == (said.purpose, said.channel)]
    if not answer.is_dated:
        latest = max(same, key=lambda each: each.given_at, default=None)
        return latest is None or latest.is_given != said.is_given
    return (said.is_given, said.given_at) not in {(each.is_given, each.given_at) for each in same}


def find_changed(outcomes: Iterable[Outcome], since: datetime) -> list[UUID]:
    """The contacts, known before, that the page has changed. `since` is from before its transaction."""
    known = [each.contact_id for each in outcomes if each.contact_id and each.matched_by != Matched.By.NEW]
    changed = Contact.objects.filter(pk__in=known, updated_at__gte=since)
    return list(changed.values_list("pk", flat=True))
