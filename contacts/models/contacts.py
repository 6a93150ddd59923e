"""People: one contact a person, with the identifiers that prove who it is."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from integrations.models import Connection
from integrations.models.provenance import record_changes
from integrations.models.residency import REGION_LENGTH
from integrations.privacy.encryption import EncryptedTextField, show_unreadable


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


# What is shown of a person who is forgotten.
ERASED = "Erased person"


class Matched(models.Model):
    """Base of what leads to a contact: how the person who brought it was matched, and the words for it."""

    class By(models.TextChoices):
        NEW = "new", "Nobody matched: a new contact"
        ID = "id", "Matched by its id here"
        LINK = "link", "Matched by its record at the CRM"
        ATTENDEE_ID = "attendee_id", "Matched by attendee id"
        EMAIL = "email", "Matched by e-mail"
        PHONE = "phone", "Matched by phone"
        NAME_AND_COMPANY = "name_and_company", "Matched by name and company"

    matched_by = models.CharField(max_length=16, choices=By, blank=True, editable=False)
    # What decided, such as "the names Z. Okafor and Zoë Okafor are compatible". It names people.
    matched_because = EncryptedTextField(default="", blank=True, editable=False)

    class Meta:
        abstract = True


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
    # Where the person belongs, if somebody has said so: else the country says it (integrations/privacy/residency.py).
    region = models.CharField(max_length=REGION_LENGTH, blank=True, editable=False)
    lead_source = models.CharField(max_length=64, blank=True)
    lead_score = models.IntegerField(default=0)
    lead_status = models.CharField(max_length=16, choices=LeadStatus, default=LeadStatus.NEW)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    merged_into = models.ForeignKey("self", null=True, blank=True, editable=False, on_delete=models.PROTECT)
    # Blind indexes: prefixes of the name's words, and name with company.
    name_words = ArrayField(models.BigIntegerField(), default=list, editable=False)
    name_company = models.BinaryField(max_length=16, null=True, editable=False)
    # Since when all that this person was is forgotten. The row stays as a tombstone: its identifiers keep their blind
    # indexes, so that an older state that comes again brings nobody back.
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Field → [time, reference] of the state that set it: an older state changes nothing, whichever comes first.
    provenance = models.JSONField(default=dict, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    history = record_changes(excluded_fields=["name_words", "name_company"])

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            GinIndex(fields=["name_words"], name="contact_name_words"),
            # What contacts are counted by, region for region, without reading them.
            models.Index(
                fields=["region", "country", "timezone"],
                condition=Q(merged_into__isnull=True, erased_at__isnull=True),
                name="contact_place",
            ),
            models.Index(fields=["name_company"], condition=Q(name_company__isnull=False), name="contact_name_company"),
        ]
        permissions: ClassVar = [("export_contact", "Can export contacts to a file")]

    @show_unreadable()
    def __str__(self) -> str:
        return ERASED if self.erased_at else self.full_name or f"Contact {self.pk}"


class Identifier(Matched):
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
    history = record_changes(excluded_fields=["index", "merged_from", "matched_by", "matched_because"])

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


class ContactLink(Matched):
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
    # What both sides last said of each field, and the fields that a person is to decide about: see ownership.py.
    exchanged = models.JSONField(default=dict, blank=True, editable=False)
    disputed = models.JSONField(default=list, blank=True, editable=False)
    # When the CRM merged this record into the leading one: it is not there any more.
    merged_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    history = record_changes(excluded_fields=["merged_from", "matched_by", "matched_because", "exchanged"])

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
