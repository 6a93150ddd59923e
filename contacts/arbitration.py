"""What a person has decided about a contact's field that both sides had changed."""

from uuid import UUID

from django.utils import timezone

from contacts.crm_changes import BY_HAND, IDENTIFIERS, read_owners, set_field
from contacts.identifiers import list_values, lock_indexes
from contacts.models import Contact, ContactLink
from contacts.renaming import list_value_indexes, rename
from contacts.sync import plan_elsewhere, plan_push
from contacts.upserts import lock, save_edited
from integrations import ownership
from integrations.exceptions import ConflictError
from integrations.ownership import Record, list_names


def keep_ours(contact_id: UUID, connection_id: int, field: str) -> None:
    """Our value goes to the CRM. In the open transaction."""
    undispute(find_link(contact_id, connection_id), field)
    plan_push(contact_id, connection_id)


def take_theirs(contact_id: UUID, connection_id: int, field: str, value: str) -> None:
    """The CRM's value comes here, and goes on to the other CRMs. In the open transaction.

    Raises ConflictError for an identifier that another contact has.
    """
    link = find_link(contact_id, connection_id)
    if link is None:
        raise ConflictError("The contact has no record there any more.")
    lock_indexes(list_value_indexes([value], link.connection.default_region))
    contact = lock(Contact.objects.get(pk=contact_id))
    if kind := IDENTIFIERS.get(field):
        leading = next(iter(list_values(contact, kind)), "")
        if not rename(contact, kind, leading, value, link):
            raise ConflictError("Another contact has it: both are put up for review, decide about them first.")
    else:
        set_field(contact, field, value, owners=read_owners(connection_id))
        contact.provenance[field] = [timezone.now().isoformat(), BY_HAND]
    save_edited(contact, [field])
    undispute(link, field)
    plan_elsewhere(contact)


def find_link(contact_id: UUID, connection_id: int) -> ContactLink | None:
    found = ContactLink.objects.select_for_update(of=("self",), no_key=True).select_related("connection")
    return found.filter(contact=contact_id, connection=connection_id).first()


def undispute(link: ContactLink | None, field: str) -> None:
    """The field is sent to the CRM again as soon as it differs."""
    if link:
        ownership.undispute(link, list_names(link.connection, Record.CONTACT, field))
        link.save(update_fields=["disputed"])
