"""People: one contact a person, with the identifiers that prove who it is."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords
from uuid_utils.compat import uuid7

from integrations.models import Connection
from integrations.models.provenance import record_changes
from integrations.privacy.encryption import EncryptedTextField, show_unreadable


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
    history = record_changes(excluded_fields=["name_words", "name_company"])

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            GinIndex(fields=["name_words"], name="contact_name_words"),
            models.Index(fields=["name_company"], condition=Q(name_company__isnull=False), name="contact_name_company"),
        ]

    @show_unreadable()
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
    history = record_changes(excluded_fields=["index"])

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

    @show_unreadable()
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


class ContactLink(models.Model):
    """A contact's record at a CRM."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="links")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    external_id = models.CharField(max_length=255)
    # Of what was last brought there: the same again need not be sent, and its echo is not news.
    pushed_hash = models.CharField(max_length=64, blank=True, editable=False)
    pushed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    history = record_changes()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["contact", "connection"], name="contact_link_once"),
            models.UniqueConstraint(fields=["connection", "external_id"], name="contact_link_external_id"),
        ]

    def __str__(self) -> str:
        return f"{self.external_id} at {self.connection}"


class ScoreRule(models.Model):
    """Points for a lead: by an answer of the booking form, or for an address that is no free-mail one."""

    class Kind(models.TextChoices):
        ANSWER = "answer", "Answer of the booking form"
        COMPANY_ADDRESS = "company_address", "Company address"

    kind = models.CharField(max_length=32, choices=Kind, default=Kind.ANSWER)
    answer_key = models.CharField(max_length=255, blank=True, help_text="The answer's key, such as team_size.")
    values = ArrayField(
        models.CharField(max_length=255), default=list, blank=True, help_text="Any of these, upper or lower case."
    )
    points = models.IntegerField()
    is_active = models.BooleanField(default=True)
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["kind", "answer_key", "points"]

    def __str__(self) -> str:
        return f"{self.answer_key or self.get_kind_display()}: {self.points}"


class PoolMember(models.Model):
    """Somebody who takes new leads in turn."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    is_active = models.BooleanField(default=True)
    last_assigned_at = models.DateTimeField(null=True, blank=True, editable=False)
    history = HistoricalRecords(excluded_fields=["last_assigned_at"])

    class Meta:
        ordering: ClassVar = ["id"]
        verbose_name = "owner in the pool"
        verbose_name_plural = "owner pool"

    def __str__(self) -> str:
        return str(self.user)


class Absence(models.Model):
    """Days on which a member takes no new leads; the last one included. A day is one in UTC."""

    member = models.ForeignKey(PoolMember, on_delete=models.CASCADE, related_name="absences")
    first_day = models.DateField()
    last_day = models.DateField()

    class Meta:
        ordering: ClassVar = ["-first_day"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(first_day__lte=F("last_day")), name="absence_ordered"),
        ]

    def __str__(self) -> str:
        return f"{self.first_day} to {self.last_day}"
