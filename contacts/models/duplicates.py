"""What is compared, what may be one person, and what became one."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from uuid_utils.compat import uuid7

from contacts.models.contacts import Contact
from integrations.models import Connection
from integrations.models.provenance import current_delivery_id
from integrations.privacy.encryption import EncryptedJSONField


class CandidatePair(models.Model):
    """Two contacts that may be one person, for a person to decide."""

    class Status(models.TextChoices):
        OPEN = "open", "To review"
        DISTINCT = "distinct", "Not a duplicate"
        MERGED = "merged", "Merged"

    class Reason(models.TextChoices):
        EMAIL_HELD = "email_held", "The e-mail belongs to another contact"
        PHONE_HELD = "phone_held", "The phone belongs to another contact"
        NAME_AND_COMPANY = "name_and_company", "Same name and company, another e-mail"
        SIMILAR = "similar", "Names, companies, addresses or numbers are alike"

    class Verdict(models.TextChoices):
        CERTAIN = "certain", "Certain"
        REVIEW = "review", "Review"
        DISTINCT = "distinct", "Unlikely"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The one with the lower id stands first, so that a pair exists once.
    first = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=32, choices=Reason)
    status = models.CharField(max_length=16, choices=Status, default=Status.OPEN)
    # How probable it is that they are one person, and each field's evidence in bits: `{"name", "company", "email",
    # "phone"}`, null where it is not known of both. Unknown until they have been compared.
    probability = models.FloatField(null=True, editable=False)
    verdict = models.CharField(max_length=16, choices=Verdict, blank=True, editable=False)
    evidence = models.JSONField(default=dict, editable=False)
    compared_at = models.DateTimeField(null=True, editable=False)
    # The least id of the contacts that open pairs join to these two: all of a group have the same.
    cluster = models.UUIDField(null=True, db_index=True, editable=False)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    # Who is looking at it, until when: nobody else decides it meanwhile.
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    claimed_until = models.DateTimeField(null=True, editable=False)
    postponed_until = models.DateTimeField(null=True, editable=False)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, editable=False)
    # Of "not a duplicate": field → blind digest of both contacts' values. It holds until one of these has changed.
    decided_on = models.JSONField(default=dict, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["first", "second"], name="candidate_pair_once"),
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="candidate_pair_ordered"),
        ]
        indexes: ClassVar = [
            models.Index(
                F("probability").desc(nulls_last=True),
                F("id").desc(),
                condition=Q(status="open"),
                name="candidate_pair_queue",
            ),
        ]
        permissions: ClassVar = [("review_candidatepair", "Can merge contacts, and say that they are two")]

    def __str__(self) -> str:
        return f"{self.first_id} and {self.second_id}"


class Merge(models.Model):
    """Two contacts that became one, with all that is needed to take them apart again."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    winner = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="merges_won")
    loser = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="merges_lost")
    # Nobody where a CRM told it: then the connection, and the delivery.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    told_by = models.ForeignKey(Connection, null=True, on_delete=models.PROTECT, related_name="+")
    delivery_id = models.UUIDField(null=True, default=current_delivery_id, editable=False)
    made_at = models.DateTimeField(auto_now_add=True)
    # Field → value, side, reason, other: what was chosen, and why.
    choices = EncryptedJSONField(default=dict)
    # "winner" and "loser" → field → value, as they were.
    before = EncryptedJSONField(default=dict)
    # Field → old and new: what this merge still is to the winner's fields. Undoing another merge may change it.
    changes = EncryptedJSONField(default=dict)
    # Kind of row → ids of the loser's that moved. Of candidate pairs: what became of them.
    moved = models.JSONField(default=dict)
    undone_at = models.DateTimeField(null=True)
    undone_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["loser"], condition=Q(undone_at=None), name="merge_one_a_loser"),
        ]

    def __str__(self) -> str:
        return f"{self.loser_id} into {self.winner_id}"
