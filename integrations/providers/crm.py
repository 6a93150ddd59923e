"""What a CRM is to Keepsync: a provider whose records are brought to the state that Keepsync has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from integrations.events import Event, RecordKind
from integrations.exceptions import KeepsyncError
from integrations.providers.base import Account, Provider


@dataclass(frozen=True, slots=True)
class CrmRecord:
    """The state that a contact or a meeting is to have over there.

    `key` is our id of it: stable, unique, and written into the CRM's own unique field where it has one. `external_id`
    is the CRM's id, empty where it is not known. `values` has the CRM's field names, as the connection's mapping
    says, with JSON values as Keepsync has them: times as ISO 8601 UTC with Z, unknown ones as None. `may_exist` says
    that an earlier try may have made it, with the answer lost: look for it before creating it. `unchanged` names values
    that the record holds already, as far as is known: an update leaves them out, so that it never writes over what
    somebody changed over there meanwhile; who creates it, or makes it anew, sends all.
    """

    key: str
    values: Mapping[str, Any]
    external_id: str = ""
    may_exist: bool = False
    unchanged: frozenset[str] = frozenset()

    def list_changed(self, *together: frozenset[str]) -> dict[str, Any]:
        """The values of an update. Of names that belong `together` all go, where one of them does."""
        changed = self.values.keys() - self.unchanged
        changed |= {name for names in together if names & changed for name in names}
        return {name: value for name, value in self.values.items() if name in changed}


@dataclass(frozen=True, slots=True)
class CrmContact(CrmRecord):
    """`email` is the primary key (normalised); it stands among the values too where it is mapped."""

    email: str = ""


@dataclass(frozen=True, slots=True)
class CrmMeeting(CrmRecord):
    """`contact_ids` are the CRM's ids of those who attend, the first one leading.

    `keeps_status` says of `is_cancelled` what `unchanged` says of the values: an update leaves it as it is over there.
    """

    contact_ids: tuple[str, ...] = ()
    is_cancelled: bool = False
    keeps_status: bool = False


@dataclass(frozen=True, slots=True)
class Saved:
    """What came of one record."""

    external_id: str
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class FoundConsent:
    """What a contact is noted to have said about marketing; `channel` is email, phone or sms.

    `wording` says where that is noted. A time that the CRM does not tell is taken against sending: a yes is as old as
    the contact, and a no as young as its last change.
    """

    channel: str
    is_given: bool
    said_at: datetime
    wording: str


@dataclass(frozen=True, slots=True)
class FoundContact:
    """A contact as the CRM has it.

    `values` are those that were asked for, under the CRM's field names and in the form of `CrmRecord.values`; None
    where it has none. `emails` and `phones` are all that it has, as typed, the primary one first.
    """

    external_id: str
    values: Mapping[str, Any]
    changed_at: datetime
    created_at: datetime | None = None
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    consents: tuple[FoundConsent, ...] = ()


@dataclass(frozen=True, slots=True)
class UnreadContact:
    """A contact of a page that cannot be read, and why; `external_id` is empty where that is what cannot be read."""

    external_id: str
    field: str
    problem: str


@dataclass(frozen=True, slots=True)
class ContactPage:
    """Some of a CRM's contacts. `cursor` leads to the next ones, and is empty where these were the last.

    `total` is told with the first page only, where the CRM counts: about as many there are.
    """

    contacts: Sequence[FoundContact]
    cursor: str = ""
    total: int | None = None
    unread: Sequence[UnreadContact] = ()


@dataclass(frozen=True, slots=True)
class FoundMeeting:
    """A meeting's record as it is over there, beside what it should be.

    `differing` are the CRM's names of the fields that hold something else, and `digest` tells one state of them from
    another; what is not known here is not compared. `key` is whose record it says it is, our id; empty where it says
    nothing.
    """

    external_id: str
    key: str
    differing: tuple[str, ...] = ()
    digest: str = field(default="", compare=False)
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class MeetingRecord:
    """A meeting as the CRM has it.

    `values` are those that were asked for, under the CRM's field names and in the form of `CrmRecord.values`; None
    where it has none. The status is our own word where the CRM's can be told apart. `key` is our id that it carries,
    empty where it carries none; `contact_ids` are those who attend, the leading one first; `owner_id` is the CRM's id
    of its owner, empty where it has none. `is_meeting` is False for what stands among the CRM's meetings and is none,
    such as a task or a day off.
    """

    external_id: str
    values: Mapping[str, Any]
    key: str = ""
    contact_ids: tuple[str, ...] = ()
    owner_id: str = ""
    is_cancelled: bool = False
    changed_at: datetime | None = None
    is_meeting: bool = True


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed over there since a moment, and the moment from which to ask next."""

    events: Sequence[Event] = ()
    until: datetime | None = None
    notes: Sequence[str] = field(default_factory=list)


class Crm(Provider):
    """Base of the CRMs.

    Override the two `save_…`, the two `fetch_…`, `read_meetings`, `read_changed`, `merge_contacts`, `list_contacts` and
    `default_mapping`, and what else applies.
    Calls that change something are safe to repeat: they find what an earlier one made.
    """

    flows: ClassVar[tuple[str, ...]] = (
        "Contacts are not brought there.",
        "Meetings of the paired calendars are not brought there.",
    )
    # How many records one `save_…` may be given.
    batch_size: ClassVar[int] = 1
    # How many contacts one `list_contacts` may be asked for.
    page_size: ClassVar[int] = 100
    # Of "contact" and of "meeting": our field → theirs. What our fields are is in integrations/mappings.py.
    default_mapping: ClassVar[Mapping[str, Mapping[str, str]]]
    # Raised when `prepare` has more to make.
    setup_version: ClassVar[int] = 1
    can_poll: ClassVar[bool] = False

    def prepare(self, account: Account) -> str:
        """Make what the CRM lacks (unique and custom fields); says what was made. Repeating it is harmless."""
        raise NotImplementedError

    def save_contacts(self, account: Account, contacts: Sequence[CrmContact]) -> list[Saved | KeepsyncError]:
        """Create or update; one result each, in their order. What concerns all of them (an outage, a 401) is raised."""
        raise NotImplementedError

    def save_meetings(self, account: Account, meetings: Sequence[CrmMeeting]) -> list[Saved | KeepsyncError]:
        """The same for meetings, with their contacts."""
        raise NotImplementedError

    def read_meetings(self, account: Account, meetings: Sequence[CrmMeeting]) -> list[FoundMeeting | None]:
        """The records of up to 100 linked meetings, in their order; None for one that is not there any more."""
        raise NotImplementedError

    def fetch_meetings(
        self, account: Account, ids: Sequence[str], *, fields: Sequence[str]
    ) -> list[MeetingRecord | None]:
        """Up to 100 meetings with these fields of theirs, in the order of the ids; None for one that is not there."""
        raise NotImplementedError

    def fetch_contacts(
        self, account: Account, ids: Sequence[str], *, fields: Sequence[str]
    ) -> list[FoundContact | None]:
        """The same for contacts."""
        raise NotImplementedError

    def read_changed(self, record: RecordKind, values: Mapping[str, Any]) -> dict[str, Any]:
        """What `RecordChanged.values` holds, under the CRM's field names and in the form of `CrmRecord.values`."""
        raise NotImplementedError

    def merge_contacts(self, account: Account, survivor_id: str, loser_id: str) -> str:
        """Merge the loser into the survivor; returns the id that is left. Merging what is merged is no error."""
        raise NotImplementedError

    def list_contacts(self, account: Account, *, fields: Sequence[str], cursor: str, size: int) -> ContactPage:
        """Up to `size` of all contacts, which is at most `page_size`, with these fields of theirs.

        They come in an order that no change moves them in: one that is there all the time is never missed. `cursor` is
        empty, or that of the page before; it holds at most 255 characters. A page may be empty and yet not be the
        last. A contact that cannot be read does not keep the others from its page.
        """
        raise NotImplementedError

    def find_owner(self, account: Account, email: str) -> str:
        """The CRM's id of the user with this address; empty where it cannot be looked up or there is none."""
        return ""

    def find_owner_email(self, account: Account, owner_id: str) -> str:
        """The address of the user with this id; empty where it cannot be looked up or there is none."""
        return ""

    def list_changes(self, account: Account, since: datetime) -> Changes:
        """For CRMs that are polled (`can_poll`): what changed since then, as the webhooks would have told it."""
        raise NotImplementedError

    def write_delivery(self, events: Sequence[Event]) -> bytes:
        """Polled events as the body of a webhook that `parse` reads; the same events always make the same body."""
        raise NotImplementedError
