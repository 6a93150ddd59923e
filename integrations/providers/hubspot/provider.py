"""HubSpot: the adapter's face."""

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.events import RecordKind
from integrations.exceptions import KeepsyncError, PermanentError, SetupError
from integrations.payloads import PayloadReader
from integrations.providers.base import Account, Envelope, IncomingRequest, Parsed, Rate
from integrations.providers.crm import (
    ContactPage,
    Crm,
    CrmContact,
    CrmMeeting,
    FoundContact,
    FoundMeeting,
    MeetingRecord,
    Saved,
)
from integrations.providers.hubspot import client, fetching, listing, pages, reading, records, webhook
from integrations.providers.hubspot.mapping import (
    CONTACT_MAPPING,
    KEY,
    MEETING_MAPPING,
    NEIGHBOURS,
    OWN_PROPERTIES,
    read_value,
)
from integrations.providers.oauth import Grant, Identity, OAuth
from integrations.providers.sites import Shown, Site


class HubSpot(Crm):
    """Credentials: `access_token`, of a private app or by OAuth."""

    key = "hubspot"
    name = "HubSpot"
    origin = client.ORIGIN
    # 100 calls in ten seconds for each app, in the smallest plans.
    rate = Rate(per_s=9, burst=10)
    batch_size = 100
    page_size = client.PAGE_SIZE
    signature_header = "X-HubSpot-Signature-v3"
    visible_keys = webhook.VISIBLE_KEYS
    default_mapping = {"contact": CONTACT_MAPPING, "meeting": MEETING_MAPPING}
    # Meetings go by the scopes of the contacts that they belong to.
    oauth = OAuth(
        authorize_url="https://app.hubspot.com/oauth/authorize",
        token_url=f"{client.ORIGIN}{client.TOKEN}",
        revoke_url=f"{client.ORIGIN}{client.TOKEN}/revoke",
        scopes=(
            "oauth",
            "crm.objects.contacts.read",
            "crm.objects.contacts.write",
            "crm.schemas.contacts.read",
            "crm.schemas.contacts.write",
            "crm.objects.owners.read",
        ),
        purposes={
            "oauth": "authorising at all",
            "crm.objects.contacts.read": "finding the contacts and meetings that are there",
            "crm.objects.contacts.write": "making and changing contacts and meetings",
            "crm.schemas.contacts.read": "seeing whether Keepsync's own fields are there",
            "crm.schemas.contacts.write": "making Keepsync's own fields",
            "crm.objects.owners.read": "knowing who owns a contact or a meeting",
        },
    )

    # --- Webhooks

    def verify(self, request: IncomingRequest, secrets: Sequence[str]) -> bool:
        return webhook.verify(request, secrets)

    def read_delivery_id(self, request: IncomingRequest) -> str:
        return webhook.read_delivery_id(request)

    def read_envelope(self, request: IncomingRequest) -> Envelope:
        return webhook.read_envelope(request)

    def body_for_digest(self, request: IncomingRequest) -> bytes:
        return webhook.body_for_digest(request)

    def parse(self, body: bytes) -> Parsed:
        return webhook.parse(body)

    # --- Authorising

    def read_grant(self, answer: PayloadReader) -> Grant:
        return client.read_grant(answer)

    def identify(self, account: Account) -> Identity:
        return client.identify(account)

    # --- Calls

    def test(self, account: Account) -> str:
        client.list_contacts(account, page_size=1)
        return f"HubSpot answers; {self.prepare(account)}"

    def prepare(self, account: Account) -> str:
        made = [f"{name} of {kind}" for kind in OWN_PROPERTIES for name in make_properties(account, kind)]
        return f"made the properties {', '.join(made)}." if made else "it has all properties that Keepsync needs."

    def save_contacts(self, account: Account, contacts: Sequence[CrmContact]) -> list[Saved | KeepsyncError]:
        return records.save_contacts(account, contacts)

    def save_meetings(self, account: Account, meetings: Sequence[CrmMeeting]) -> list[Saved | KeepsyncError]:
        return records.save_meetings(account, meetings)

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
        return {name: read_value(name, value) for name, value in values.items()}

    def merge_contacts(self, account: Account, survivor_id: str, loser_id: str) -> str:
        try:
            return client.merge_contacts(account, survivor_id, loser_id)
        except SetupError:
            raise
        except PermanentError:
            # What an earlier call has merged cannot be merged again.
            if merged_id := client.find_merged(account, survivor_id, loser_id):
                return merged_id
            raise

    def list_contacts(self, account: Account, *, fields: Sequence[str], cursor: str, size: int) -> ContactPage:
        return listing.list_contacts(account, fields=fields, cursor=cursor, size=size)

    def find_page(self, site: Site, shown: Shown, external_id: str) -> str:
        return pages.find_page(site, shown, external_id)


def make_properties(account: Account, kind: str) -> list[str]:
    """The names of those that were missing. Raises SetupError where one is there that Keepsync cannot use."""
    known = client.list_properties(account, kind)
    if KEY in known and known[KEY].value.get("hasUniqueValue") is not True:
        raise SetupError(f"HubSpot's property {KEY} of {kind} is not unique: delete it there, and test again.")
    neighbour, usual_group = NEIGHBOURS[kind]
    group = known[neighbour].optional_text("groupName") if neighbour in known else ""
    missing: Mapping[str, Mapping[str, object]] = {
        name: definition for name, definition in OWN_PROPERTIES[kind].items() if name not in known
    }
    for name, definition in missing.items():
        client.create_property(account, kind, {"name": name, "groupName": group or usual_group, **definition})
    return list(missing)
