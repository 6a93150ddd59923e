"""Setting a person's region by hand: it goes before the country's, and its history says who did, and why."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from contacts.crm_changes import BY_HAND
from contacts.models import Contact
from integrations.exceptions import StateError

# What a history row holds of the reason.
REASON_LENGTH = 100


@transaction.atomic
def set_region(contact: Contact, region: str, *, reason: str, user: AbstractBaseUser | None = None) -> None:
    """Empty: as the country says. Raises StateError where the contact is not to be changed any more."""
    latest: Any = Contact.objects.select_for_update(no_key=True).get(pk=contact.pk)
    if latest.merged_into_id or latest.erased_at:
        raise StateError("It was merged or erased meanwhile: set it with the contact that is left.")
    if latest.region == region:
        raise StateError("It is that already.")
    latest.region = region
    latest.provenance["region"] = [timezone.now().isoformat(), BY_HAND]
    latest._change_reason = reason[:REASON_LENGTH]
    latest._history_user = user
    latest.save()
