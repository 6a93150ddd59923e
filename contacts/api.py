"""Contacts and candidate pairs in the REST API."""

from typing import Any

from django.db.models import Prefetch, Q
from rest_framework import exceptions, serializers

from contacts.aliases import find_living
from contacts.identifiers import hold, list_values, normalise_typed_phone
from contacts.models import CandidatePair, Contact, ContactLink, Identifier
from contacts.normalisation import normalise_email
from integrations.api import ReadViewSet

Kind = Identifier.Kind


class ContactSerializer(serializers.ModelSerializer[Contact]):
    # Encrypted columns have no field of the serializer by themselves.
    full_name = serializers.CharField()
    company = serializers.CharField()
    emails = serializers.SerializerMethodField()
    phones = serializers.SerializerMethodField()
    external_ids = serializers.SerializerMethodField()
    owner = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)

    class Meta:
        model = Contact
        fields = [
            "id", "full_name", "company", "emails", "phones", "lead_source", "lead_score", "lead_status", "owner",
            "external_ids", "merged_into", "created_at", "updated_at",
        ]  # fmt: skip

    def get_emails(self, contact: Contact) -> list[str]:
        return list_values(contact, Kind.EMAIL)

    def get_phones(self, contact: Contact) -> list[str]:
        return list_values(contact, Kind.PHONE)

    def get_external_ids(self, contact: Contact) -> dict[str, str]:
        """Of the attendee at the calendar, and of the record at each CRM."""
        identifiers = contact.identifiers.all()
        attendee_ids = {i.connection.slug: i.value for i in identifiers if i.connection and i.is_current}
        return attendee_ids | {link.connection.slug: link.external_id for link in contact.links.all()}


class ErasedError(exceptions.APIException):
    """The answer for a person who was erased: whoever keeps a copy knows what to do with it."""

    status_code = 410
    default_code = "erased"
    default_detail = "This person was erased here: erase what you have of them."


class ContactViewSet(ReadViewSet):
    """Contacts, newest first. A filter compares with what is stored in its normal form.

    Those who were erased are in no list, and answer 410.
    """

    serializer_class = ContactSerializer
    filters = ("email", "phone", "external_id")

    def get_queryset(self) -> Any:
        links = ContactLink.objects.select_related("connection").defer("connection__credentials")
        prefetched = ("identifiers__connection", Prefetch("links", links))
        found = Contact.objects.select_related("owner").prefetch_related(*prefetched)
        if self.action != "list":
            return found
        found = found.filter(erased_at=None)
        filters = self.read_filters()
        if "email" in filters:
            found = hold(found, Kind.EMAIL, normalise_email(filters["email"]))
        if "phone" in filters:
            found = hold(found, Kind.PHONE, normalise_typed_phone(filters["phone"]))
        if "external_id" in filters:
            found = find_by_external_id(found, filters["external_id"])
        return found

    def get_object(self) -> Any:
        contact = super().get_object()
        if contact.erased_at:
            raise ErasedError
        return contact


def find_by_external_id(contacts: Any, external_id: str) -> Any:
    """Those whose attendee id, or whose record's id at a CRM, this is; of merged ones, what they went into."""
    attendees = hold(Contact.objects, Kind.ATTENDEE_ID, external_id)
    linked = ContactLink.objects.filter(external_id=external_id).values_list("contact", flat=True)
    return contacts.filter(Q(pk__in=attendees.values("pk")) | Q(pk__in=[find_living(key) for key in linked]))


class CandidatePairSerializer(serializers.ModelSerializer[CandidatePair]):
    contacts = serializers.SerializerMethodField()
    probability = serializers.FloatField(
        allow_null=True, help_text="How probable it is that they are one person; null until they are compared."
    )
    verdict = serializers.CharField(help_text="certain, review or distinct; empty until they are compared.")
    evidence = serializers.DictField(
        child=serializers.FloatField(allow_null=True),
        help_text="Bits by field, above 0 for one person, below against; null where it is not known of both.",
    )

    class Meta:
        model = CandidatePair
        fields = ["id", "contacts", "reason", "status", "probability", "verdict", "evidence", "created_at"]

    def get_contacts(self, pair: CandidatePair) -> list[str]:
        return [str(pair.first_id), str(pair.second_id)]


class CandidatePairViewSet(ReadViewSet):
    """Pairs of contacts that may be one person, newest first."""

    serializer_class = CandidatePairSerializer
    statuses = CandidatePair.Status.values
    filters = ("status",)

    def get_queryset(self) -> Any:
        found = CandidatePair.objects.all()
        if self.action != "list":
            return found
        return found.filter(**self.read_filters())
