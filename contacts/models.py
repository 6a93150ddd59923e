"""People: one contact a person, with the identifiers that prove who it is."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords
from uuid_utils.compat import uuid7

from integrations.models import Connection, RecordedChange
from integrations.privacy.encryption import EncryptedTextField


class Contact(models.Model):
    class LeadStatus(models.TextChoices):
        NEW = "new", "New"
        CONTACTED = "contacted", "Contacted"
        QUALIFIED = "qualified", "Qualified"
        UNQUALIFIED = "unqualified", "Unqualified"
        CUSTOMER = "customer", "Customer"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    full_name = EncryptedTextField(default="", blank=True)
    company = EncryptedTextField(default="", blank=True)
    notes = EncryptedTextField(default="", blank=True)
    country = models.CharField(max_length=2, blank=True)
    timezone = models.CharField(max_length=64, blank=True)
    lead_source = models.CharField(max_length=64, blank=True)
    lead_score = models.IntegerField(default=0)
    lead_status = models.CharField(max_length=16, choices=LeadStatus, default=LeadStatus.NEW)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    merged_into = models.ForeignKey("self", null=True, blank=True, editable=False, on_delete=models.PROTECT)
    # Blind indexes: prefixes of the name's words, and name with company.
    name_words = ArrayField(models.BigIntegerField(), default=list, editable=False)
    name_company = models.BinaryField(max_length=16, null=True, editable=False)
    # Field → [time, reference] of the state that set it: an older state changes nothing, whichever comes first.
    provenance = models.JSONField(default=dict, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    history = HistoricalRecords(bases=[RecordedChange], excluded_fields=["name_words", "name_company"])

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            GinIndex(fields=["name_words"], name="contact_name_words"),
            models.Index(fields=["name_company"], condition=Q(name_company__isnull=False), name="contact_name_company"),
        ]

    def __str__(self) -> str:
        return self.full_name or f"Contact {self.pk}"


class Identifier(models.Model):
    """An e-mail address, a phone number, or a person's id at a connection, held by one contact.

    `value` is normalised, or as typed where it cannot be; then `index` is None and it is never matched.
    """

    class Kind(models.TextChoices):
        EMAIL = "email", "E-mail"
        PHONE = "phone", "Phone"
        ATTENDEE_ID = "attendee_id", "Attendee id"

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="identifiers")
    kind = models.CharField(max_length=16, choices=Kind)
    connection = models.ForeignKey(Connection, null=True, blank=True, on_delete=models.PROTECT)
    value = EncryptedTextField()
    index = models.BinaryField(max_length=16, null=True, editable=False)
    is_shared = models.BooleanField(default=False, help_text="Used by several people: it identifies nobody.")
    is_current = models.BooleanField(default=True, help_text="Off once its holder has given it up.")
    # The attendee id through which an e-mail or phone came: a new one through the same id takes its place.
    introduced_by = models.CharField(max_length=320, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords(bases=[RecordedChange], excluded_fields=["index"])

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            # What decides between two workers that meet the same new person at once.
            models.UniqueConstraint(
                fields=["kind", "index", "connection"],
                condition=Q(is_shared=False, is_current=True, index__isnull=False),
                nulls_distinct=False,
                name="identifier_held_once",
            ),
            models.UniqueConstraint(
                fields=["contact", "kind", "index", "connection"],
                condition=Q(index__isnull=False),
                nulls_distinct=False,
                name="identifier_once_a_contact",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["index", "kind"], name="identifier_index")]

    def __str__(self) -> str:
        return str(self.value)


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

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The one with the lower id stands first, so that a pair exists once.
    first = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=32, choices=Reason)
    status = models.CharField(max_length=16, choices=Status, default=Status.OPEN)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["first", "second"], name="candidate_pair_once"),
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="candidate_pair_ordered"),
        ]

    def __str__(self) -> str:
        return f"{self.first_id} and {self.second_id}"
