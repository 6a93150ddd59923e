"""What contacts hold about a person, as JSON: see personal_data.py."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from contacts.dossiers import Dossier
from contacts.histories import list_held_ids, show, tell_changes
from contacts.models import Consent, Contact, ContactLink, Erasure, Identifier, Merge


def export(dossier: Dossier) -> Mapping[str, Any]:
    family = dossier.family
    contacts = Contact.objects.filter(pk__in=family).select_related("owner").order_by("pk")
    merges = Merge.objects.filter(Q(winner__in=family) | Q(loser__in=family)).order_by("pk")
    return {
        "contact": next(export_contact(each) for each in contacts if each.pk == dossier.contact.pk),
        "merged_contacts": [export_contact(each) for each in contacts if each.pk != dossier.contact.pk],
        "identifiers": [export_identifier(each) for each in list_held(Identifier, dossier)],
        "consents": [export_consent(each) for each in list_held(Consent, dossier)],
        "links": [export_link(each) for each in list_held(ContactLink, dossier)],
        "merges": [export_merge(each) for each in merges],
        "erasures": [show(each.made_at) for each in Erasure.objects.filter(contact__in=family).order_by("pk")],
        "changes": [
            *tell_changes(Contact, family),
            *(
                change
                for model in (Identifier, Consent, ContactLink)
                for change in tell_changes(model, list_held_ids(model, family))
            ),
        ],
    }


def list_held(model: Any, dossier: Dossier) -> Any:
    rows = model.objects.filter(contact__in=dossier.family).order_by("pk")
    return rows if model is Consent else rows.select_related("connection").defer("connection__credentials")


def export_contact(contact: Contact) -> dict[str, Any]:
    return {
        "id": str(contact.pk),
        "full_name": contact.full_name,
        "company": contact.company,
        "notes": contact.notes,
        "country": contact.country,
        "region": contact.region,
        "timezone": contact.timezone,
        "lead_source": contact.lead_source,
        "lead_score": contact.lead_score,
        "lead_status": contact.lead_status,
        "owner": contact.owner.get_username() if contact.owner else None,
        "merged_into": show(contact.merged_into_id),
        "created_at": show(contact.created_at),
        "updated_at": show(contact.updated_at),
        "erased_at": show(contact.erased_at),
    }


def export_identifier(identifier: Identifier) -> dict[str, Any]:
    return {
        "kind": identifier.kind,
        "value": identifier.value,
        "connection": identifier.connection.slug if identifier.connection else None,
        "is_current": identifier.is_current,
        "is_shared": identifier.is_shared,
        "introduced_by": identifier.introduced_by,
        "matched_by": identifier.matched_by,
        "matched_because": identifier.matched_because,
        "since": show(identifier.created_at),
    }


def export_consent(consent: Consent) -> dict[str, Any]:
    return {
        "purpose": consent.purpose,
        "channel": consent.channel,
        "is_given": consent.is_given,
        "wording": consent.wording,
        "source": consent.source,
        "given_at": show(consent.given_at),
        "delivery": show(consent.delivery_id),
        "recorded_at": show(consent.created_at),
    }


def export_link(link: ContactLink) -> dict[str, Any]:
    return {
        "connection": link.connection.slug,
        "external_id": link.external_id,
        "matched_by": link.matched_by,
        "matched_because": link.matched_because,
        "since": show(link.created_at),
        "last_sent_at": show(link.pushed_at),
        "merged_at": show(link.merged_at),
    }


def export_merge(merge: Merge) -> dict[str, Any]:
    return {
        "winner": str(merge.winner_id),
        "loser": str(merge.loser_id),
        "made_at": show(merge.made_at),
        "undone_at": show(merge.undone_at),
    }
