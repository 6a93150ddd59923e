"""Pipedrive: the adapter's face."""

from collections.abc import Callable, Mapping, Sequence
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
    CrmRecord,
    FoundContact,
    FoundMeeting,
    MeetingRecord,
    Saved,
)
from integrations.providers.oauth import Grant, Identity, OAuth
from integrations.providers.pipedrive import (
    activities,
    client,
    fetching,
    fields,
    listing,
    pages,
    persons,
    reading,
    webhook,
)
from integrations.providers.pipedrive.errors import NAME
from integrations.providers.pipedrive.mapping import DEFAULT_MAPPING
from integrations.providers.sites import Shown, Site


class Pipedrive(Crm):
    """The connection's address is the company's own (https://acme.pipedrive.com) or the common one."""

    key = "pipedrive"
    name = NAME
    origin = "https://api.pipedrive.com"
    rate = Rate(per_s=10, burst=20)
    # A page costs as much of the day's budget whatever its size.
    page_size = client.LARGEST_PAGE
    signature_header = "Authorization"
    visible_keys = webhook.VISIBLE_KEYS
    version_path = ("meta", "version")
    default_mapping = DEFAULT_MAPPING
    oauth = OAuth(
        authorize_url="https://oauth.pipedrive.com/oauth/authorize",
        token_url="https://oauth.pipedrive.com/oauth/token",  # noqa: S106
        revoke_url="https://oauth.pipedrive.com/oauth/revoke",
        scopes=("base", "contacts:full", "contact-fields:full", "activities:full", "search:read", "users:read"),
        asks_scopes=False,
        has_basic_auth=True,
        purposes={
            "base": "seeing whose account it is",
            "contacts:full": "finding, making and changing persons",
            "contact-fields:full": "making Keepsync's own fields",
            "activities:full": "making and changing meetings",
            "search:read": "finding persons by their e-mail address",
            "users:read": "knowing who owns a meeting",
        },
    )

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

    def read_grant(self, answer: PayloadReader) -> Grant:
        return client.read_grant(answer)

    def identify(self, account: Account) -> Identity:
        return client.identify(account)

    def test(self, account: Account) -> str:
        page = client.read_page(account, persons.PATH, {"limit": 1})
        return f"Pipedrive answers; it has {'persons' if page.items else 'no persons yet'}. {self.prepare(account)}"

    def prepare(self, account: Account) -> str:
        made = fields.prepare(account)
        return f"Made the person fields {', '.join(made)}." if made else "Keepsync's person fields are there."

    def save_contacts(self, account: Account, contacts: Sequence[CrmContact]) -> list[Saved | KeepsyncError]:
        return [save_one(persons.save_person, account, contact) for contact in contacts]

    def save_meetings(self, account: Account, meetings: Sequence[CrmMeeting]) -> list[Saved | KeepsyncError]:
        return [save_one(activities.save_activity, account, meeting) for meeting in meetings]

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
        return fetching.read_changed(record, values)

    def merge_contacts(self, account: Account, survivor_id: str, loser_id: str) -> str:
        return persons.merge_persons(account, survivor_id, loser_id)

    def list_contacts(self, account: Account, *, fields: Sequence[str], cursor: str, size: int) -> ContactPage:
        return listing.list_contacts(account, fields=fields, cursor=cursor, size=size)

    def find_page(self, site: Site, shown: Shown, external_id: str) -> str:
        return pages.find_page(site, shown, external_id)


def save_one[R: CrmRecord](save: Callable[[Account, R], Saved], account: Account, record: R) -> Saved | PermanentError:
    """What concerns this record alone is returned; what must be set up, and what passes, is raised."""
    try:
        return save(account, record)
    except SetupError:
        raise
    except PermanentError as error:
        return error
