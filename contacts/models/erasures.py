"""Who was erased when, by whom: what is left to say of a person who is forgotten."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from uuid_utils.compat import uuid7

from contacts.models.contacts import Contact


class Erasure(models.Model):
    """The receipt of one erasure. It names nobody."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The empty row that is left.
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="erasures")
    # Nobody where it was done in the shell.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    # Kind of row → how many held something of the person.
    counts = models.JSONField(default=dict)
    # What stays at others: `{"connection", "what", "external_id"}` of each record that has to be deleted there.
    elsewhere: "models.JSONField[list[dict[str, Any]], list[dict[str, Any]]]" = models.JSONField(default=list)

    class Meta:
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [
            ("erase_contact", "Can erase a person for good"),
            ("access_contact_data", "Can export all that is held about a person"),
        ]

    def __str__(self) -> str:
        return f"erasure of {self.contact_id}"
