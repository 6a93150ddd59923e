"""Who has changed in what is compared. A change costs one statement; the comparison itself comes later, in a job."""

from collections.abc import Iterable
from uuid import UUID

from contacts.models import ContactChange

# The fields of a contact that are compared, beside its e-mails and phones.
COMPARED = ("full_name", "company", "country")


def note_changes(ids: Iterable[UUID]) -> None:
    """In the transaction of the change. A contact may be noted any number of times."""
    ContactChange.objects.bulk_create([ContactChange(contact_id=each) for each in ids])
