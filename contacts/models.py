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
from integrations.models.provenance import current_delivery_id, record_changes
from integrations.privacy.encryption import EncryptedJSONField, EncryptedTextField, show_unreadable


def merged_from() -> "models.ForeignKey[Contact | None, Contact | None]":
    """The column of what moves with a contact: whose it was before merges, to whom it goes back. None: the holder's."""
    return models.ForeignKey(
        "contacts.Contact",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )


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
    merged_from = merged_from()
    kind = models.CharField(max_length=16, choices=Kind)
    connection = models.ForeignKey(Connection, null=True, blank=True, on_delete=models.PROTECT)
    value = EncryptedTextField()
    index = models.BinaryField(max_length=16, null=True, editable=False)
    is_shared = models.BooleanField(default=False, help_text="Used by several people: it identifies nobody.")
    is_current = models.BooleanField(default=True, help_text="Off once its holder has given it up.")
    # The attendee id through which an e-mail or phone came: a new one through the same id takes its place.
    introduced_by = models.CharField(max_length=320, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    history = record_changes(excluded_fields=["index", "merged_from"])

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
            # Contacts that were merged may both have brought the same shared mailbox.
            models.UniqueConstraint(
                fields=["contact", "kind", "index", "connection"],
                condition=Q(index__isnull=False, merged_from__isnull=True),
                nulls_distinct=False,
                name="identifier_once_a_contact",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["index", "kind"], name="identifier_index"),
            models.Index(fields=["merged_from"], condition=Q(merged_from__isnull=False), name="identifier_merged_from"),
        ]

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
    """A contact's record at a CRM.

    A merged contact keeps its link where the one that it went into has a record there too: that one leads, this one's
    external id leads to it.
    """

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="links")
    merged_from = merged_from()
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    external_id = models.CharField(max_length=255)
    # Of what was last brought there: the same again need not be sent, and its echo is not news.
    pushed_hash = models.CharField(max_length=64, blank=True, editable=False)
    pushed_at = models.DateTimeField(null=True, blank=True)
    # When the CRM merged this record into the leading one: it is not there any more.
    merged_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    history = record_changes(excluded_fields=["merged_from"])

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["contact", "connection"], name="contact_link_once"),
            models.UniqueConstraint(fields=["connection", "external_id"], name="contact_link_external_id"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["merged_from"], condition=Q(merged_from__isnull=False), name="contact_link_merged_from"
            )
        ]

    def __str__(self) -> str:
        return f"{self.external_id} at {self.connection}"


class Consent(models.Model):
    """What a person said about being written to, once. The latest word for a purpose and a channel counts."""

    class Purpose(models.TextChoices):
        MARKETING = "marketing", "Marketing"
        TRANSACTIONAL = "transactional", "Messages about a booking"

    class Channel(models.TextChoices):
        EMAIL = "email", "E-mail"
        PHONE = "phone", "Phone"
        SMS = "sms", "Text message"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="consents")
    merged_from = merged_from()
    purpose = models.CharField(max_length=16, choices=Purpose)
    channel = models.CharField(max_length=16, choices=Channel)
    is_given = models.BooleanField(help_text="Off: it was refused, or taken back.")
    source = models.CharField(max_length=64, help_text="Where it was said, such as calendar.live.")
    # The attendee id with which it came, as in identifiers.
    introduced_by = models.CharField(max_length=320, blank=True, editable=False)
    wording = EncryptedTextField(default="", blank=True)
    given_at = models.DateTimeField()
    delivery_id = models.UUIDField(null=True, default=current_delivery_id, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    history = record_changes(excluded_fields=["delivery_id", "merged_from"])

    class Meta:
        ordering: ClassVar = ["-given_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["contact", "purpose", "channel", "-given_at"], name="consent_latest"),
            models.Index(fields=["merged_from"], condition=Q(merged_from__isnull=False), name="consent_merged_from"),
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} by {self.get_channel_display()}: {'yes' if self.is_given else 'no'}"


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
