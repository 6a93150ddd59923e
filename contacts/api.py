"""Contacts and candidate pairs in the REST API."""

from typing import Any

from rest_framework import serializers

from contacts.claims import index_value
from contacts.models import CandidatePair, Contact, Identifier
from contacts.normalisation import normalise_email, normalise_phone
from integrations.api import ReadViewSet
from integrations.models import Connection

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
        return {i.connection.slug: i.value for i in contact.identifiers.all() if i.connection and i.is_current}


def list_values(contact: Contact, kind: Kind) -> list[str]:
    return [i.value for i in contact.identifiers.all() if i.kind == kind and i.is_current]


class ContactViewSet(ReadViewSet):
    """Contacts, newest first. A filter compares with what is stored in its normal form."""

    serializer_class = ContactSerializer
    filters = ("email", "phone", "external_id")

    def get_queryset(self) -> Any:
        found = Contact.objects.select_related("owner").prefetch_related("identifiers__connection")
        if self.action != "list":
            return found
        filters = self.read_filters()
        if "email" in filters:
            found = hold(found, Kind.EMAIL, normalise_email(filters["email"]))
        if "phone" in filters:
            found = hold(found, Kind.PHONE, normalise_typed_phone(filters["phone"]))
        if "external_id" in filters:
            found = hold(found, Kind.ATTENDEE_ID, filters["external_id"])
        return found


def hold(contacts: Any, kind: Kind, value: str | None) -> Any:
    """Those contacts that hold an identifier now."""
    if value is None:
        return contacts.none()
    held = Identifier.objects.filter(kind=kind, index=index_value(kind, value), is_current=True)
    return contacts.filter(pk__in=held.values("contact"))


def normalise_typed_phone(text: str) -> str | None:
    """E.164; a national number is read as dialled in each connection's default region."""
    regions = Connection.objects.exclude(default_region="").values_list("default_region", flat=True)
    # A plus sign that was not quoted in the address arrives as a space.
    return normalise_phone(text) or normalise_phone(f"+{text}") or normalise_phone(text, *regions.distinct())


class CandidatePairSerializer(serializers.ModelSerializer[CandidatePair]):
    contacts = serializers.SerializerMethodField()

    class Meta:
        model = CandidatePair
        fields = ["id", "contacts", "reason", "status", "created_at"]

    def get_contacts(self, pair: CandidatePair) -> list[str]:
        return [str(pair.first_id), str(pair.second_id)]


class CandidatePairViewSet(ReadViewSet):
    """Pairs of contacts that may be one person, newest first."""

    serializer_class = CandidatePairSerializer
    filters = ("status",)

    def get_queryset(self) -> Any:
        found = CandidatePair.objects.all()
        if self.action != "list":
            return found
        filters = self.read_filters()
        if filters.get("status") not in (None, *CandidatePair.Status.values):
            raise serializers.ValidationError({"status": f"Give one of {', '.join(CandidatePair.Status.values)}."})
        return found.filter(**filters)
