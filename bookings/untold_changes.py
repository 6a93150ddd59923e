"""What a sales rep has changed in a CRM's record, and no webhook has told yet when we are about to write over it.

Before a push writes a field that the CRM may write as well, the record is read. What it holds there by somebody
else's hand is left as it is, and the record is looked at: then the rules of ownership decide, as they do about every
change over there.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from django.db import transaction

from bookings.models import Meeting, MeetingLink
from bookings.record_hints import plan_take_in
from integrations import mappings
from integrations.exceptions import PermanentError
from integrations.inbound import Pairs
from integrations.models import Connection, Pair
from integrations.ownership import PARTS, Record, is_anothers, may_come_from_crm, read_rules
from integrations.providers.base import Account
from integrations.providers.crm import CrmMeeting, MeetingRecord

logger = logging.getLogger(__name__)

# Until the push that leaves something alone has been written down.
LOOK_AFTER_S = 1.0
# Whether a meeting takes place is read from more than one field, and never written over by another change.
FIELDS = tuple(field for field in PARTS[Record.MEETING] if field != "status")

type Names = frozenset[str]
# A meeting that goes to the CRM, the link to its record there, and what is to be written.
type Push = tuple[Meeting, MeetingLink, CrmMeeting]


def leave_untold(
    connection: Connection, account: Account, pushes: Iterable[Push], *, mapping: Pairs
) -> dict[UUID, Names]:
    """Meeting → the CRM's names of what is to be left alone; its record will be looked at."""
    shared = list_shared_fields(connection, mapping)
    if not any(shared.values()):
        return {}
    touched = [(link, record, pick(shared, meeting, record)) for meeting, link, record in pushes]
    wanted = [(link, record, fields) for link, record, fields in touched if fields]
    found = fetch(connection, account, {link.external_id: fields for link, _, fields in wanted})
    untold = {}
    for link, record, fields in wanted:
        names = [names for names in fields if has_changed(link, names, record, found.get(link.external_id))]
        if names:
            untold[link.meeting_id] = frozenset[str]().union(*names)
            with transaction.atomic():
                plan_take_in(connection.pk, link.external_id, delay_s=LOOK_AFTER_S)
    return untold


def list_shared_fields(connection: Connection, mapping: Pairs) -> dict[int, list[Names]]:
    """calendar.live connection → of each field that this CRM may write too, its names there."""
    names = {
        field: frozenset(theirs for ours, theirs in mapping if ours in PARTS[Record.MEETING][field]) for field in FIELDS
    }
    pairs = Pair.objects.filter(crm=connection).order_by("id").prefetch_related("field_rules")
    return {
        pair.calendar_id: [names[field] for field in FIELDS if names[field] and may_come_from_crm(rules[field])]
        for pair in pairs
        for rules in [read_rules(pair, Record.MEETING)]
    }


def pick(shared: Mapping[int, Sequence[Names]], meeting: Meeting, record: CrmMeeting) -> list[Names]:
    """The shared fields of which the push writes something."""
    changed = record.list_changed().keys()
    return [names for names in shared.get(meeting.connection_id, ()) if names & changed]


def fetch(connection: Connection, account: Account, wanted: Mapping[str, Sequence[Names]]) -> dict[str, MeetingRecord]:
    """The records by their ids. A connection that may write and not read writes as it always did."""
    if not wanted:
        return {}
    fields = sorted(frozenset[str]().union(*(names for each in wanted.values() for names in each)))
    try:
        records = mappings.get_crm(connection).fetch_meetings(account, list(wanted), fields=fields)
    except PermanentError as error:
        logger.warning(
            "records not read before they are written", extra={"connection": connection.slug, "cause": error.cause}
        )
        return {}
    return {record.external_id: record for record in records if record}


def has_changed(link: MeetingLink, names: Names, record: CrmMeeting, found: MeetingRecord | None) -> bool:
    """Whether the field holds over there neither what both sides agreed on last nor what it is to hold."""
    return found is not None and any(
        is_anothers(link.exchanged, name, found.values[name], record.values.get(name))
        for name in names
        if name in found.values
    )
