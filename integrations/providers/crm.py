"""What a CRM is to Keepsync: a provider whose records are brought to the state that Keepsync has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from integrations.events import Event
from integrations.exceptions import KeepsyncError
from integrations.providers.base import Account, Provider


@dataclass(frozen=True, slots=True)
class CrmRecord:
    """The state that a contact or a meeting is to have over there.

    `key` is our id of it: stable, unique, and written into the CRM's own unique field where it has one. `external_id`
    is the CRM's id, empty where it is not known. `values` has the CRM's field names, as the connection's mapping
    says, with JSON values as Keepsync has them: times as ISO 8601 UTC with Z, unknown ones as None. `may_exist` says
    that an earlier try may have made it, with the answer lost: look for it before creating it.
    """

    key: str
    values: Mapping[str, Any]
    external_id: str = ""
    may_exist: bool = False


@dataclass(frozen=True, slots=True)
class CrmContact(CrmRecord):
    """`email` is the primary key (normalised); it stands among the values too where it is mapped."""

    email: str = ""


@dataclass(frozen=True, slots=True)
class CrmMeeting(CrmRecord):
    """`contact_ids` are the CRM's ids of those who attend, the first one leading."""

    contact_ids: tuple[str, ...] = ()
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Saved:
    """What came of one record."""

    external_id: str
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed over there since a moment, and the moment from which to ask next."""

    events: Sequence[Event] = ()
    until: datetime | None = None
    notes: Sequence[str] = field(default_factory=list)


class Crm(Provider):
    """Base of the CRMs. Override the two `save_…`, `merge_contacts` and `default_mapping`, and what else applies.

    Calls that change something are safe to repeat: they find what an earlier one made.
    """

    flows: ClassVar[tuple[str, ...]] = (
        "Contacts are not brought there.",
        "Meetings of the paired calendars are not brought there.",
    )
    # How many records one `save_…` may be given.
    batch_size: ClassVar[int] = 1
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

    def merge_contacts(self, account: Account, survivor_id: str, loser_id: str) -> str:
        """Merge the loser into the survivor; returns the id that is left. Merging what is merged is no error."""
        raise NotImplementedError

    def find_owner(self, account: Account, email: str) -> str:
        """The CRM's id of the user with this address; empty where it cannot be looked up or there is none."""
        return ""

    def list_changes(self, account: Account, since: datetime) -> Changes:
        """For CRMs that are polled (`can_poll`): what changed since then, as the webhooks would have told it."""
        raise NotImplementedError

    def write_delivery(self, events: Sequence[Event]) -> bytes:
        """Polled events as the body of a webhook that `parse` reads; the same events always make the same body."""
        raise NotImplementedError
