"""Bringing records to the state that Keepsync has.

1. Linked records are looked up by their ids; the others, and those whose record is gone, by e-mail.
2. A record found that does not have our key yet is adopted: it is given the key, by its id.
3. All are created or updated by the key, in one call. Salesforce enforces that it is unique, so that a try whose answer
   was lost is found again. What linked records hold already is left out.
4. One that was deleted between 1 and 3 would be made anew without that: it is sent once more, whole.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from integrations.exceptions import (
    ConflictError,
    KeepsyncError,
    MissingError,
    OutageError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    TransientError,
)
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.crm import Saved
from integrations.providers.salesforce import client
from integrations.providers.salesforce.errors import IncompleteError
from integrations.providers.salesforce.mapping import EMAIL_LENGTH, EVENT, KEY_FIELD, LEAD, TITLE, Draft

# What is no id makes the whole query fail.
RECORD_ID = re.compile("[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")

type Result = Saved | KeepsyncError


@dataclass(frozen=True, slots=True)
class Row:
    """A record that is there. `key` is empty where it is not Keepsync's yet; `title` is an Event's."""

    id: str
    key: str
    email: str
    title: str = ""

    def is_at(self, external_id: str) -> bool:
        """The first 15 characters are the id; three more make it safe for those who ignore case."""
        return bool(external_id) and self.id[:15] == external_id[:15]


def save_records(account: Account, sobject: str, drafts: Sequence[Draft]) -> list[Result]:
    """One result each, in order. Raises what concerns all of them; repeating it is harmless."""
    results: dict[int, Result] = {}
    upserts: dict[int, dict[str, object]] = {}
    for place, (draft, target) in enumerate(zip(drafts, find_targets(account, sobject, drafts), strict=True)):
        values = give_key(account, sobject, draft, target)
        if isinstance(values, KeepsyncError):
            results[place] = values
        else:
            upserts[place] = values
    results |= send(account, sobject, upserts)
    parts = {place: drafts[place] for place in upserts if is_unmade(results[place], drafts[place], upserts[place])}
    results |= send(account, sobject, {place: draft.for_new() for place, draft in parts.items()})
    return [results[place] for place in range(len(drafts))]


def send(account: Account, sobject: str, records: Mapping[int, Mapping[str, object]]) -> dict[int, Result]:
    """Results by the records' places."""
    if not records:
        return {}
    return dict(zip(records, client.upsert(account, sobject, list(records.values())), strict=True))


def is_unmade(result: Result, draft: Draft, values: Mapping[str, object]) -> bool:
    """Whether a part of the record was taken for a new one."""
    is_new = isinstance(result, IncompleteError) or (isinstance(result, Saved) and result.is_new)
    return is_new and not draft.for_known().keys() <= values.keys()


def give_key(
    account: Account, sobject: str, draft: Draft, target: Row | ConflictError | None
) -> dict[str, object] | KeepsyncError:
    """What is to be written by our key, which the record has then; an error that is this record's alone."""
    if target is None or isinstance(target, ConflictError):
        return target or draft.for_new()
    is_linked = target.is_at(draft.external_id)
    if target.key == draft.key:
        return draft.for_linked(target.title) if is_linked else draft.for_known()
    try:
        client.update(account, sobject, target.id, {KEY_FIELD: draft.key})
    except MissingError:
        # Deleted since it was looked up.
        return draft.for_new()
    except (OutageError, RateLimitedError, ReauthoriseError):
        raise
    except (TransientError, PermanentError) as error:
        return error
    return draft.for_linked(target.title) if is_linked else draft.for_adopted()


# --- Which record is meant --------------------------------------------------------------------------------------------


def find_targets(account: Account, sobject: str, drafts: Sequence[Draft]) -> list[Row | ConflictError | None]:
    """For each the record that it is to be written to; None: whichever has our key, or a new one."""
    by_id = find_rows(account, sobject, "Id", filter(RECORD_ID.fullmatch, (draft.external_id for draft in drafts)))
    linked = [next((row for row in by_id if row.is_at(draft.external_id)), None) for draft in drafts]
    others = [draft.email for draft, row in zip(drafts, linked, strict=True) if row is None]
    by_email = find_rows(account, sobject, "Email", (email for email in others if 0 < len(email) <= EMAIL_LENGTH))
    taken = {row.id for row in linked if row}
    targets: list[Row | ConflictError | None] = []
    for draft, row in zip(drafts, linked, strict=True):
        target = row or choose(draft, sobject, [row for row in by_email if row.id not in taken])
        taken |= {target.id} if isinstance(target, Row) else set()
        targets.append(target)
    return targets


def choose(draft: Draft, sobject: str, rows: Sequence[Row]) -> Row | ConflictError | None:
    """The record with our key, else the only one with this e-mail that is nobody's yet."""
    found = [row for row in rows if draft.email and row.email.lower() == draft.email.lower()]
    free = [row for row in found if not row.key]
    for row in found:
        if row.key == draft.key:
            return row
    if len(free) > 1:
        return ConflictError(f"several {sobject}s have this e-mail: merge them in Salesforce, then replay.")
    return free[0] if free else None


def find_rows(account: Account, sobject: str, field: str, values: Iterable[str]) -> list[Row]:
    fields = ["Id", *(["Email"] if field == "Email" else []), KEY_FIELD, *([TITLE] if sobject == EVENT else [])]
    # A converted Lead lives on as a Contact, and can't be changed.
    also = " AND IsConverted = false" if sobject == LEAD and field == "Email" else ""
    rows = client.look_up(account, sobject, fields=fields, field=field, values=values, also=also)
    return [read_row(row) for row in rows]


def read_row(row: PayloadReader) -> Row:
    email, title = row.optional_text("Email"), row.optional_text(TITLE)
    return Row(row.identifier("Id"), row.optional_text(KEY_FIELD), email, title)
