"""What becomes of a page's rows: brought to contacts, or, in a dry run, foretold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from contacts.consent import Said, record_consents
from contacts.imports.rows import Answer, Details, Row, RowSource
from contacts.models import Consent, Contact, ImportRow, ImportRun, Matched
from contacts.upserts import Foreseen, Upserted, foresee, upsert_each
from integrations.exceptions import PermanentError

PROBLEM_LENGTH = 500
FIELD_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one row. Without `matched_by` it was refused, for the row's problem."""

    row: Row
    matched_by: Matched.By | None = None
    contact_id: UUID | None = None
    is_for_review: bool = False
    is_erased: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts, under the names of the run's columns. Each row read is created, matched, refused or erased."""

    read: int = 0
    created: int = 0
    matched: int = 0
    for_review: int = 0
    refused: int = 0
    erased: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in COUNTS})


COUNTS = tuple(Tally.__dataclass_fields__)


def count(outcomes: Iterable[Outcome]) -> Tally:
    tally = Tally()
    for each in outcomes:
        is_refused, is_new = each.matched_by is None, each.matched_by == Matched.By.NEW
        is_known = not (is_refused or each.is_erased)
        tally += Tally(
            read=1,
            created=is_known and is_new,
            matched=is_known and not is_new,
            for_review=is_known and each.is_for_review,
            refused=is_refused,
            erased=each.is_erased,
        )
    return tally


def list_shown(run: ImportRun, outcomes: Iterable[Outcome]) -> list[ImportRow]:
    """What a person should see of a page. Only of refused rows the values are kept: the others are in the contact."""
    return [
        ImportRow(
            run=run,
            number=each.row.number,
            external_id=each.row.external_id,
            outcome=ImportRow.Outcome.FOR_REVIEW if each.matched_by else ImportRow.Outcome.REFUSED,
            field=each.row.field[:FIELD_LENGTH],
            problem=each.row.problem[:PROBLEM_LENGTH],
            contact_id=each.contact_id,
            values={} if each.matched_by else dict(each.row.values),
        )
        for each in outcomes
        if each.matched_by is None or (each.is_for_review and not each.is_erased)
    ]


# --- A dry run --------------------------------------------------------------------------------------------------------


def foretell(rows: Sequence[Row], seen: Foreseen) -> list[Outcome]:
    """Changes nothing but `seen`, whom the run has met so far."""
    told = iter(foresee([(row.told.person, row.told.source) for row in rows if row.told], seen))
    return [foretell_one(row, next(told)) if row.told else Outcome(row) for row in rows]


def foretell_one(row: Row, told: Any) -> Outcome:
    return Outcome(row, told.matched_by, told.contact_id, told.for_review > 0, told.is_erased)


# --- A real one -------------------------------------------------------------------------------------------------------


def bring(rows: Sequence[Row], source: RowSource) -> list[Outcome]:
    """Bring a page's people to contacts, in the caller's transaction. One at fault never keeps the others from it."""
    upserted = iter(upsert_all([row for row in rows if row.told]))
    outcomes = [next(upserted) if row.told else (row, None) for row in rows]
    record_details(outcomes)
    record_answers(outcomes, source)
    return [
        Outcome(row, each.matched_by, each.contact.pk, bool(each.for_review), each.is_erased) if each else Outcome(row)
        for row, each in outcomes
    ]


type Brought = tuple[Row, Upserted | None]


def upsert_all(rows: Sequence[Row]) -> list[Brought]:
    """All together or, where that fails, one by one; without a result where the row itself cannot be brought."""
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
    contact, is_new = upserted.contact, upserted.matched_by == Matched.By.NEW
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
        mine.extend(map(partial(remember, contact), new))


def list_answers(contacts: Iterable[Contact]) -> dict[UUID, list[Consent]]:
    """All that contacts have said, latest first."""
    found: dict[UUID, list[Consent]] = {}
    keys = [contact.pk for contact in contacts]
    for consent in Consent.objects.filter(contact__in=keys).order_by("-given_at") if keys else []:
        found.setdefault(consent.contact_id, []).append(consent)
    return found


def remember(contact: Contact, said: Said) -> Consent:
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
    known = [each.contact_id for each in outcomes if each.matched_by not in (None, Matched.By.NEW)]
    changed = Contact.objects.filter(pk__in=known, updated_at__gte=since)
    return list(changed.values_list("pk", flat=True))
