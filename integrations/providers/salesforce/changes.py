"""Polling: what has changed in an org since a moment, as a webhook would have told it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from integrations.events import Event, RecordChanged, RecordDeleted, RecordsMerged
from integrations.exceptions import MissingError
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.crm import Changes
from integrations.providers.salesforce import client
from integrations.providers.salesforce.errors import NoFieldError
from integrations.providers.salesforce.mapping import (
    CONTACT,
    DEFAULT_MAPPING,
    EVENT,
    KEY_FIELD,
    KINDS,
    LEAD,
    read_values,
)

STAMP = "SystemModstamp"
# Pages read of one object at a time; the next call goes on from there.
PAGES = 5
# A change is stamped when it is made, and seen when its transaction ends: the last moments are asked for again.
OVERLAP = timedelta(minutes=2)
OWN_FIELDS = {
    CONTACT: ("IsDeleted", "MasterRecordId", "CreatedDate"),
    LEAD: ("IsDeleted", "MasterRecordId", "CreatedDate"),
    EVENT: ("IsDeleted", "IsChild", "CreatedDate"),
}


def list_changes(account: Account, sobjects: Sequence[str], since: datetime) -> Changes:
    """Every change of these objects since then, oldest first for each; `until` is where the next call goes on."""
    asked_at = timezone.now()
    polls = [poll(account, sobject, since.astimezone(UTC).replace(microsecond=0)) for sobject in sobjects]
    stamps = [found.until for found in polls if found.until]
    cut_off = [found.until for found in polls if found.until and not found.is_whole]
    until = max([since, min([max(stamps), asked_at - OVERLAP, *cut_off])]) if stamps else None
    events = [event for found in polls for event in found.events]
    return Changes(events, until, [note for found in polls for note in found.notes])


class Poll:
    """What was found of one object, as far as it was read."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.notes: list[str] = []
        self.until: datetime | None = None
        self.is_whole = True


def poll(account: Account, sobject: str, since: datetime) -> Poll:
    """Stops after a number of pages, but never within the first second: the next call would begin there again."""
    found = Poll()
    for number, page in enumerate(iterate_existing(account, sobject, since, found.notes), start=1):
        for row in page:
            found.until = row.instant(STAMP)
            if row.value.get("IsChild") is not True:
                found.events.append(read_change(sobject, row, since))
        if number >= PAGES and found.until and found.until > since + timedelta(seconds=1):
            found.is_whole = False
            break
    return found


def iterate_existing(
    account: Account, sobject: str, since: datetime, notes: list[str]
) -> Iterator[list[PayloadReader]]:
    """Pages with the fields that the org has; what it lacks is noted and left out."""
    wanted = dict.fromkeys(["Id", STAMP, *OWN_FIELDS[sobject], KEY_FIELD, *DEFAULT_MAPPING[KINDS[sobject]].values()])
    if sobject == CONTACT:
        del wanted["Company"]
    rest = f"WHERE {STAMP} >= {since:%Y-%m-%dT%H:%M:%SZ} ORDER BY {STAMP}, Id"
    with_deleted, has_begun = True, False
    while True:
        soql = client.write_query(wanted, sobject, rest)
        try:
            for page in client.iterate_pages(account, soql, with_deleted=with_deleted):
                has_begun = True
                yield page
            return
        except NoFieldError as error:
            if error.field not in wanted or error.field in ("Id", STAMP):
                raise
            del wanted[error.field]
            notes.append(f"{sobject} has no field {error.field}.")
        except MissingError:
            if has_begun or not with_deleted:
                raise
            with_deleted = False
            notes.append(f"Deleted {sobject}s cannot be read.")


def read_change(sobject: str, row: PayloadReader, since: datetime) -> Event:
    kind, external_id, changed_at = KINDS[sobject], row.identifier("Id"), row.instant(STAMP)
    if row.value.get("IsDeleted") is True:
        if survivor_id := row.optional_identifier("MasterRecordId"):
            return RecordsMerged(f"{kind}.merged", kind, survivor_id, (external_id,), changed_at)
        return RecordDeleted(f"{kind}.deleted", kind, external_id, changed_at)
    created_at = row.optional_instant("CreatedDate")
    is_new = created_at is not None and created_at >= since
    change = "created" if is_new else "updated"
    return RecordChanged(f"{kind}.{change}", kind, external_id, read_values(sobject, row.value), changed_at, is_new)
