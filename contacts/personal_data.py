"""All that Keepsync holds about a person, as one JSON object, for that person.

    {
      "exported_at", "contact": {its fields}, "merged_contacts": [{fields of those that went into it}],
      "identifiers": [{"kind", "value", "connection", "is_current", "is_shared", "since", "matched_by", …}],
      "consents":    [{"purpose", "channel", "is_given", "wording", "source", "given_at", "delivery", …}],
      "links":       [{"connection", "external_id", "since", "last_sent_at", …}],
      "merges":      [{"winner", "loser", "made_at", "undone_at"}],
      "meetings", "invitations", "payments": as bookings/personal_data.py has them,
      "deliveries":  [{"id", "connection", "delivery_id", "type", "status", "received_at", "payload"}],
      "effects":     [{"id", "connection", "kind", "subject", "status", "external_id", "created_at", "finished_at"}],
      "changes":     [{"at", "what", "id", "change", "by", "delivery", "fields": {name: {"old", "new"}}}]
    }

Times are ISO 8601 in UTC with `Z`, connections are slugs, contacts and meetings are ids, and what is not known is null
or empty. A delivery's `payload` is what came, as text; null where it tells of other people as well, or was erased.
What the person is to others (candidate pairs, who else attends) is about them, and left out.
"""

from typing import Any

from django.utils import timezone

from contacts import contact_section  # noqa: F401  (it registers itself)
from contacts.dossiers import (
    Dossier,
    compile_dossier,
    find_effects,
    find_sure_deliveries,
    find_told_deliveries,
    list_sections,
    list_subjects,
)
from contacts.histories import show
from contacts.models import Contact
from integrations.events import PaymentChanged, RegistrantChanged
from integrations.models import Delivery, Effect
from integrations.privacy.encryption import show_unreadable
from integrations.privacy.payload_erasure import Payload, read_payloads


@show_unreadable()
def export_person(contact: Contact) -> dict[str, Any]:
    """Of the person that the contact is part of by now, also where it is an alias. Changes nothing."""
    dossier = compile_dossier(contact)
    exported: dict[str, Any] = {"exported_at": show(timezone.now())}
    for section in list_sections():
        for name, value in section.export(dossier).items():
            exported[name] = [*exported.get(name, []), *value] if isinstance(value, list) else value
    exported["changes"].sort(key=lambda change: change["at"])
    exported["deliveries"] = export_deliveries(dossier)
    exported["effects"] = [export_effect(effect) for effect in find_effects(dossier).select_related("connection")]
    return exported


def export_deliveries(dossier: Dossier) -> list[dict[str, Any]]:
    keys = find_told_deliveries(dossier).deliveries | find_sure_deliveries(dossier)
    found = Delivery.objects.filter(pk__in=keys)
    own = [payload for payload in read_payloads(found) if is_of_nobody_else(dossier, payload)]
    texts = {payload.delivery: payload.body.decode("utf-8", "replace") for payload in own}
    rows = found.select_related("connection").defer("body", "headers", "connection__credentials").order_by("pk")
    return [{**export_delivery(row), "payload": texts.get(row.pk)} for row in rows]


def is_of_nobody_else(dossier: Dossier, payload: Payload) -> bool:
    """What cannot be read may tell of anybody; what tells of a payment or a registrant has to name the person."""
    ids = dossier.marks.ids.get(payload.connection_id, set())
    if any(isinstance(event, PaymentChanged | RegistrantChanged) for event in payload.events):
        return dossier.marks.identifying.are_in(payload.value)
    return bool(payload.events) and all(list_subjects(event) <= ids for event in payload.events)


def export_delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": str(delivery.pk),
        "connection": delivery.connection.slug,
        "delivery_id": delivery.delivery_id,
        "type": delivery.event_type,
        "status": delivery.status,
        "received_at": show(delivery.received_at),
        "processed_at": show(delivery.processed_at),
    }


def export_effect(effect: Effect) -> dict[str, Any]:
    return {
        "id": str(effect.pk),
        "connection": effect.connection.slug,
        "kind": effect.kind,
        "subject": effect.subject,
        "status": effect.status,
        "external_id": effect.external_id,
        "created_at": show(effect.created_at),
        "finished_at": show(effect.finished_at),
    }
