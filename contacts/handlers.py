"""What contacts do when something happens at a CRM.

A change of fields over there is kept with its delivery; who may write which field is the ownership rules' matter.
"""

from contacts.models import ContactLink
from contacts.sync import unlink
from integrations.events import Origin, Outcome, RecordDeleted, RecordKind, RecordsMerged, handles


@handles(RecordDeleted)
def delete_contact_record(event: RecordDeleted, origin: Origin) -> Outcome:
    """A record that was deleted over there: the next change of ours makes it anew."""
    if event.record == RecordKind.CONTACT:
        unlink(origin.connection_id, event.external_id)
    return Outcome.APPLIED


@handles(RecordsMerged)
def follow_merged_records(event: RecordsMerged, origin: Origin) -> Outcome:
    """Links to records that were merged away lead to the one that is left, unless somebody is linked to it already."""
    if event.record != RecordKind.CONTACT:
        return Outcome.APPLIED
    links = ContactLink.objects.select_for_update(no_key=True).filter(connection=origin.connection_id)
    merged = links.filter(external_id__in=event.merged_ids).exclude(external_id=event.survivor_id).order_by("id")
    for link in merged:
        if not links.filter(external_id=event.survivor_id).exists():
            link.external_id, link.pushed_hash, link.pushed_at = event.survivor_id, "", None
            link.save()
    return Outcome.APPLIED
