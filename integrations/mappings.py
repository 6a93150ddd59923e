"""Which of our fields is which of a CRM's: rows in the admin, with each CRM's default, and as a file."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from integrations.countries import read_country
from integrations.exceptions import PayloadError, SetupError
from integrations.models import Connection, FieldMapping, OwnerMapping
from integrations.payloads import PayloadReader
from integrations.providers import get_provider
from integrations.providers.base import Account
from integrations.providers.crm import Crm

Record = FieldMapping.Record

# Our fields, as they may stand in a mapping, and what they hold. Times are ISO 8601 UTC.
OUR_FIELDS: dict[str, dict[str, str]] = {
    Record.CONTACT: {
        "full_name": "Name",
        "first_name": "First word of the name",
        "last_name": "The rest of the name",
        "email": "E-mail, the primary key",
        "phone": "Phone in E.164",
        "company": "Company",
        "country": "Two-letter country",
        "timezone": "IANA time zone",
        "lead_source": "Lead source",
        "lead_score": "Lead score",
        "lead_status": "Lead status",
        "owner": "The CRM's id of the owner",
    },
    Record.MEETING: {
        "external_id": "calendar.live's event.id",
        "calendar_event_uid": "calendar.live's event.uid",
        "title": "Title",
        "description": "Description",
        "start": "Start",
        "end": "End",
        "start_date": "Day of the start in UTC, 2026-11-24",
        "start_time": "Time of the start in UTC, 13:00",
        "duration": "Length as 00:30",
        "duration_minutes": "Length in minutes",
        "timezone": "IANA time zone",
        "status": "Status",
        "join_url": "Join link",
        "calendar": "Calendar's name",
        "payment_session_id": "Stripe Checkout Session's id",
        "payment_status": "Payment's status",
        "owner": "The CRM's id of the first attendee's owner",
    },
}


def get_crm(connection: Connection) -> Crm:
    """The adapter of a CRM connection. Raises SetupError where it is none."""
    provider = get_provider(connection.provider)
    if not isinstance(provider, Crm):
        raise SetupError(f"{connection} is no CRM, but {provider.name}.")
    return provider


def fill_defaults(connection: Connection) -> None:
    """Give a CRM connection that has no mapping its provider's default one."""
    if connection.field_mappings.exists():
        return
    default = get_crm(connection).default_mapping
    FieldMapping.objects.bulk_create(
        FieldMapping(connection=connection, record=record, ours=ours, theirs=theirs)
        for record, fields in default.items()
        for ours, theirs in fields.items()
    )


def read_mapping(connection: Connection, record: str) -> list[tuple[str, str]]:
    """Our field and theirs, in order."""
    return list(connection.field_mappings.filter(record=record).values_list("ours", "theirs"))


def map_values(mapping: list[tuple[str, str]], values: Mapping[str, Any]) -> dict[str, Any]:
    """Our values under the CRM's field names; what is not mapped is left out."""
    return {theirs: values[ours] for ours, theirs in mapping if ours in values}


def read_values(mapping: list[tuple[str, str]], theirs: Mapping[str, Any]) -> dict[str, str | None]:
    """The inverse of `map_values`: a CRM's values as texts in our words, None for what is not known.

    Of several of their fields for one of ours the first that holds something counts. A first and a last name become
    the full one. A country is its code; one that cannot be told is not known.
    """
    ours: dict[str, str | None] = {}
    for name, field in mapping:
        ours[name] = ours.get(name) or read_text(theirs.get(field))
    if "country" in ours:
        ours["country"] = read_country(ours["country"] or "") or None
    parts = [ours.pop(name) for name in ("first_name", "last_name") if name in ours]
    if parts:
        ours["full_name"] = ours.get("full_name") or " ".join(filter(None, parts)) or None
    return ours


def read_text(value: Any) -> str | None:
    """Numbers are texts too, as they are at a CRM that keeps all values so; anything else is not known."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


def hash_values(values: Mapping[str, Any]) -> str:
    """The same for the same values, to see whether anything has to be sent."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


class Owners:
    """Who our users are at a CRM: as an administrator mapped them, else as the CRM finds them by e-mail.

    What is found there is kept, and what is not is asked once for each batch. Without an account nobody is asked.
    """

    def __init__(self, connection: Connection, account: Account | None) -> None:
        self.connection = connection
        self.account = account
        mapped = OwnerMapping.objects.filter(connection=connection).values_list("user_id", "external_id")
        self.known: dict[int, str | None] = dict(mapped)

    def find(self, user: Any) -> str | None:
        """The CRM's id of the user; None for nobody, and for one whom the CRM doesn't know."""
        if user is None:
            return None
        if user.pk not in self.known:
            self.known[user.pk] = self.look_up(user)
        return self.known[user.pk]

    def look_up(self, user: Any) -> str | None:
        if self.account is None or not user.email:
            return None
        found = get_crm(self.connection).find_owner(self.account, user.email)
        if not found:
            return None
        defaults = {"external_id": found}
        kept, _ = OwnerMapping.objects.get_or_create(connection=self.connection, user=user, defaults=defaults)
        return kept.external_id


# --- As a file --------------------------------------------------------------------------------------------------------


def export_mapping(connection: Connection) -> dict[str, Any]:
    """`{"provider", "contact": {ours: [theirs, …]}, "meeting": {…}}`."""
    document: dict[str, Any] = {"provider": connection.provider}
    for record in Record:
        fields: dict[str, list[str]] = {}
        for ours, theirs in read_mapping(connection, record):
            fields.setdefault(ours, []).append(theirs)
        document[record.value] = fields
    return document


def import_mapping(connection: Connection, document: Any) -> int:
    """Replace a connection's mapping by an exported one; returns how many fields are mapped.

    Raises PayloadError, naming the field, and changes nothing then.
    """
    reader = PayloadReader(document, "")
    if (provider := reader.text("provider")) != connection.provider:
        raise PayloadError("provider", f"is {provider}, and this connection is {connection.provider}.")
    rows = [row for record in Record for row in read_rows(connection, reader.object(record.value), record)]
    with transaction.atomic():
        connection.field_mappings.all().delete()
        for row in rows:
            row.save()
    return len(rows)


def read_rows(connection: Connection, fields: PayloadReader, record: str) -> list[FieldMapping]:
    rows: dict[str, FieldMapping] = {}
    for ours in fields.value:
        if ours not in OUR_FIELDS[record]:
            raise PayloadError(fields.at(ours), f"is none of {', '.join(OUR_FIELDS[record])}.")
        for path, theirs in fields.items(ours):
            name = theirs.strip() if isinstance(theirs, str) and theirs.isprintable() else ""
            if not 1 <= len(name) <= 128 or name in rows:
                raise PayloadError(path, "is not a field name of 1 to 128 characters that stands once.")
            rows[name] = FieldMapping(connection=connection, record=record, ours=ours, theirs=name)
    return list(rows.values())
