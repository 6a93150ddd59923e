"""What contacts do when something happens at a CRM."""

from contacts import residency, retention  # noqa: F401  (they register themselves)
from contacts.crm_changes import take_change
from contacts.erasure import forget_news
from contacts.following import follow_merge
from contacts.sync import unlink
from integrations.events import Origin, Outcome, RecordChanged, RecordDeleted, RecordKind, RecordsMerged, handles


@handles(RecordChanged)
def change_contact_record(event: RecordChanged, origin: Origin) -> Outcome:
    """What is told of somebody who was erased is not kept."""
    if event.record != RecordKind.CONTACT:
        return Outcome.NOT_MINE
    forget_news(origin, [event.external_id])
    return take_change(event, origin)


@handles(RecordDeleted)
def delete_contact_record(event: RecordDeleted, origin: Origin) -> Outcome:
    """A record that was deleted over there: the next change of ours makes it anew."""
    if event.record == RecordKind.CONTACT:
        forget_news(origin, [event.external_id])
        unlink(origin.connection_id, event.external_id)
    return Outcome.APPLIED


@handles(RecordsMerged)
def follow_merged_records(event: RecordsMerged, origin: Origin) -> Outcome:
    """What has one record there is one contact here."""
    if event.record == RecordKind.CONTACT:
        forget_news(origin, [event.survivor_id, *event.merged_ids])
        follow_merge(origin.connection_id, event.survivor_id, event.merged_ids)
    return Outcome.APPLIED
