"""What duplicate detection keeps: who has changed, what people are found by, how frequent values are, and its runs."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords
from uuid_utils.compat import uuid7

from contacts.models.contacts import Contact


class ContactChange(models.Model):
    """A contact has changed in what is compared. Rows are only added, and deleted once they have been worked on.

    Nobody waits for anybody; a change while its contact is being compared is one more row.
    """

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return str(self.contact_id)


class BlockingKeys(models.Model):
    """What a contact is found by where it is compared: blind indexes of its keys, and of values that divide blocks."""

    contact = models.OneToOneField(Contact, primary_key=True, on_delete=models.CASCADE, related_name="+")
    keys = ArrayField(models.BigIntegerField(), default=list)
    # When it was last compared because it had changed.
    compared_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "blocking keys"
        # A list of what is pending would be read by every search.
        indexes: ClassVar = [GinIndex(fields=["keys"], name="blocking_keys", fastupdate=False)]

    def __str__(self) -> str:
        return str(self.contact_id)


class Census(models.Model):
    """How frequent values were when all contacts were last compared, and how many pairs there were. There is one."""

    contacts = models.PositiveIntegerField()
    # How many they are taken to be.
    total = models.PositiveIntegerField()
    # The part of e-mail addresses that are free mail.
    free_mail = models.FloatField()
    # Country → contacts. The empty one stands for those of whom it is unknown.
    people = models.JSONField(default=dict)
    # What `Prior` was learnt: so many pairs of one person, and of a household, for each pair there is; so many of
    # namesakes for each of one person; and how often one person's values differ.
    same = models.FloatField()
    household = models.FloatField()
    namesakes = models.FloatField()
    differ = models.JSONField(default=dict)
    # How many contacts have been compared since because they had changed.
    changed = models.PositiveIntegerField(default=0)
    counted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "censuses"

    def __str__(self) -> str:
        return f"{self.contacts} contacts"


class CensusCount(models.Model):
    """How many have a value, by the blind index of its kind and text; or in which country most of them are.

    What one contact alone has is not kept.
    """

    census = models.ForeignKey(Census, on_delete=models.CASCADE, related_name="counts", db_index=False)
    key = models.BigIntegerField()
    count = models.PositiveIntegerField(default=0)
    country = models.CharField(max_length=2, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["census", "key"], name="census_count_once")]

    def __str__(self) -> str:
        return str(self.key)


class DuplicateRun(models.Model):
    """One comparison of all contacts. A run that was stopped goes on where it was."""

    class Phase(models.TextChoices):
        READING = "reading", "Reading contacts"
        PAIRS = "pairs", "Writing pairs"
        CLUSTERS = "clusters", "Grouping pairs"
        DONE = "done", "Done"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    phase = models.CharField(max_length=16, choices=Phase, default=Phase.READING)
    # While pairs are written: the first contact of the last pair that was.
    cursor = models.UUIDField(null=True, editable=False)
    contacts = models.PositiveIntegerField(default=0)
    # Contacts with a value that cannot be decrypted: they are left as they are.
    unreadable = models.PositiveIntegerField(default=0)
    keys_written = models.PositiveIntegerField(default=0)
    compared = models.PositiveIntegerField(default=0)
    opened = models.PositiveIntegerField(default=0)
    rescored = models.PositiveIntegerField(default=0)
    reopened = models.PositiveIntegerField(default=0)
    closed = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "comparison of all contacts"
        verbose_name_plural = "comparisons of all contacts"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                models.Value(1), condition=Q(finished_at=None), name="duplicate_run_one_unfinished"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_phase_display()}, {self.created_at:%Y-%m-%d}"


class DuplicatePolicy(models.Model):
    """What is done by itself with duplicates. A migration makes the one row; without it, nothing is."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    merges_certain = models.BooleanField(
        "merge by itself what is certain",
        default=False,
        help_text="Open pairs with the verdict Certain become one contact, the one that was made first, unless "
        "somebody has them assigned, claimed or put off. CRMs are told, and some cannot undo a merge.",
    )
    history = HistoricalRecords()

    class Meta:
        verbose_name_plural = "duplicate policy"
        constraints: ClassVar = [models.CheckConstraint(condition=Q(id=1), name="duplicate_policy_is_one")]

    def __str__(self) -> str:
        return "Certain pairs are merged" if self.merges_certain else "Nothing is merged by itself"
