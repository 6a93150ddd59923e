"""Salesforce: the adapter's face."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from integrations.events import Event, RecordKind
from integrations.exceptions import KeepsyncError, SetupError
from integrations.payloads import PayloadReader
from integrations.providers.base import Account, Envelope, IncomingRequest, Parsed, Rate
from integrations.providers.crm import (
    Changes,
    ContactPage,
    Crm,
    CrmContact,
    CrmMeeting,
    FoundContact,
    FoundMeeting,
    MeetingRecord,
    Saved,
)
from integrations.providers.oauth import Grant, Identity, OAuth
from integrations.providers.salesforce import (
    changes,
    client,
    fetching,
    listing,
    mapping,
    merging,
    pages,
    reading,
    saving,
    webhook,
)
from integrations.providers.salesforce.errors import NoFieldError
from integrations.providers.sites import Shown, Site


class Salesforce(Crm):
    """A contact becomes a Contact, or a Lead where the connection's option `object` says so; a meeting an Event."""

    key = "salesforce"
    name = client.NAME
    # Where one logs in. A connection's base URL is its org's My Domain.
    origin = client.LOGIN_ORIGIN
    oauth = OAuth(
        authorize_url=f"{client.LOGIN_ORIGIN}/services/oauth2/authorize",
        token_url=f"{client.LOGIN_ORIGIN}/services/oauth2/token",
        revoke_url=f"{client.LOGIN_ORIGIN}/services/oauth2/revoke",
        scopes=("api", "refresh_token"),
        purposes={
            "api": "finding, making and changing contacts and meetings",
            "refresh_token": "staying authorised when the first token runs out",
        },
    )
    flows = (*Crm.flows, "It is not asked for what has changed there.")
    rate = Rate(per_s=20, burst=100)
    signature_header = webhook.SIGNATURE_HEADER
    visible_keys = webhook.VISIBLE_KEYS
    batch_size = 100
    page_size = 500
    default_mapping = mapping.DEFAULT_MAPPING
    can_poll = True

    def verify(self, request: IncomingRequest, secrets: Sequence[str]) -> bool:
        return webhook.verify(request, secrets)

    def read_delivery_id(self, request: IncomingRequest) -> str:
        return webhook.read_delivery_id(request)

    def read_envelope(self, request: IncomingRequest) -> Envelope:
        return webhook.read_envelope(request)

    def parse(self, body: bytes) -> Parsed:
        return webhook.parse(body)

    def write_delivery(self, events: Sequence[Event]) -> bytes:
        return webhook.write_delivery(events)

    def read_grant(self, answer: PayloadReader) -> Grant:
        return client.read_grant(answer)

    def identify(self, account: Account) -> Identity:
        return client.identify(account)

    def test(self, account: Account) -> str:
        rows = client.query(account, client.write_query(["Name"], "Organization", "LIMIT 1"))
        org = rows[0].text("Name", max_length=255) if rows else "an org without a name"
        return f"{self.name} answers for {org}; {self.prepare(account)}"

    def prepare(self, account: Account) -> str:
        """Fields cannot be made over REST: raises SetupError that names those that an administrator has to make."""
        sobject = mapping.read_object(account)
        wanted = {sobject: {}, mapping.EVENT: mapping.EVENT_FIELDS}
        missing = [
            f"{name}.{field} ({form})"
            for name, fields in wanted.items()
            for field, form in find_missing(account, name, {mapping.KEY_FIELD: mapping.KEY_FORM, **fields})
        ]
        if missing:
            raise SetupError(
                f"Salesforce lacks fields that only an administrator can make: {', '.join(missing)}. Make them in "
                "Setup, Object Manager (those of Event at Activity), let the connection's user read and edit them, "
                "then test the connection again."
            )
        return f"{sobject} and Event have the fields that Keepsync needs."

    def save_contacts(self, account: Account, contacts: Sequence[CrmContact]) -> list[Saved | KeepsyncError]:
        sobject = mapping.read_object(account)
        drafts = [mapping.draft_contact(contact, sobject) for contact in contacts]
        return saving.save_records(account, sobject, drafts)

    def save_meetings(self, account: Account, meetings: Sequence[CrmMeeting]) -> list[Saved | KeepsyncError]:
        return saving.save_records(account, mapping.EVENT, [mapping.draft_meeting(meeting) for meeting in meetings])

    def read_meetings(self, account: Account, meetings: Sequence[CrmMeeting]) -> list[FoundMeeting | None]:
        return reading.read_meetings(account, meetings)

    def fetch_meetings(
        self, account: Account, ids: Sequence[str], *, fields: Sequence[str]
    ) -> list[MeetingRecord | None]:
        return fetching.fetch_meetings(account, ids, fields=fields)

    def fetch_contacts(
        self, account: Account, ids: Sequence[str], *, fields: Sequence[str]
    ) -> list[FoundContact | None]:
        return fetching.fetch_contacts(account, ids, fields=fields)

    def find_owner_email(self, account: Account, owner_id: str) -> str:
        return fetching.find_owner_email(account, owner_id)

    def read_changed(self, record: RecordKind, values: Mapping[str, Any]) -> dict[str, Any]:
        """They are in that form already: the same is read of a poll and of a webhook."""
        return dict(values)

    def merge_contacts(self, account: Account, survivor_id: str, loser_id: str) -> str:
        return merging.merge_records(account, mapping.read_object(account), survivor_id, loser_id)

    def list_contacts(self, account: Account, *, fields: Sequence[str], cursor: str, size: int) -> ContactPage:
        return listing.list_contacts(account, fields=fields, cursor=cursor, size=size)

    def find_owner(self, account: Account, email: str) -> str:
        if not email:
            return ""
        rows = client.look_up(
            account, "User", fields=["Id"], field="Email", values=[email], also=" AND IsActive = true"
        )
        return rows[0].identifier("Id") if rows else ""

    def list_changes(self, account: Account, since: datetime) -> Changes:
        return changes.list_changes(account, [mapping.read_object(account), mapping.EVENT], since)

    def find_page(self, site: Site, shown: Shown, external_id: str) -> str:
        return pages.find_page(site, shown, external_id)


def find_missing(account: Account, sobject: str, fields: dict[str, str]) -> list[tuple[str, str]]:
    """Those of the fields that the org lacks, or hides from the connection's user. All are asked for at once first."""
    if has_fields(account, sobject, list(fields)):
        return []
    if len(fields) == 1:
        return list(fields.items())
    return [(field, form) for field, form in fields.items() if not has_fields(account, sobject, [field])]


def has_fields(account: Account, sobject: str, fields: Sequence[str]) -> bool:
    try:
        client.query(account, client.write_query(fields, sobject, "LIMIT 1"))
    except NoFieldError:
        return False
    return True
