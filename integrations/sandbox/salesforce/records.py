"""What the org holds: rows of each object, the deleted ones too, which lie in the recycle bin."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from integrations.sandbox.grant_records import ACCOUNTS, ACME, Account
from integrations.sandbox.persistence import encode
from integrations.sandbox.runtime import get_state_file
from integrations.sandbox.salesforce.catalog import FIELDS, PREFIXES, WRITABLE, Field
from integrations.sandbox.staff import COLLEAGUES, Actor
from integrations.sandbox.store import Store

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def make_id(sobject: str, number: int) -> str:
    """18 characters: the object's prefix, a number to base 62, and three that say which letters are capitals."""
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = ALPHABET[digit] + digits
    return add_check(PREFIXES[sobject] + digits.rjust(12, "0"))


def add_check(short: str) -> str:
    """The 18 characters of an id of 15: one more for every five, so that ids differ for those who ignore case."""
    parts = (short[start : start + 5] for start in (0, 5, 10))
    return short + "".join(CHECK[sum(letter.isupper() << place for place, letter in enumerate(part))] for part in parts)


@dataclass(frozen=True)
class Row:
    """One record; `values` are as the API shows them, without those that every record has."""

    id: str
    sobject: str
    values: dict[str, Any]
    created_at: datetime
    changed_at: datetime
    is_deleted: bool = False
    master_id: str | None = None
    # The users who made it, and who changed it last.
    created_by: str = ""
    changed_by: str = ""

    def show(self) -> dict[str, Any]:
        """All fields by name."""
        shown = {
            **dict.fromkeys(FIELDS[self.sobject]),
            **self.values,
            "Id": self.id,
            "IsDeleted": self.is_deleted,
            "MasterRecordId": self.master_id,
            "CreatedById": self.created_by or OWNER_ID,
            "LastModifiedById": self.changed_by or self.created_by or OWNER_ID,
            "CreatedDate": format_instant(self.created_at),
            "LastModifiedDate": format_instant(self.changed_at),
            "SystemModstamp": format_instant(self.changed_at),
        }
        if self.sobject in ("Contact", "Lead"):
            shown["Name"] = " ".join(filter(None, [self.values.get("FirstName"), self.values.get("LastName")]))
        return shown


def _fixed(sobject: str, number: int, **values: Any) -> Row:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Row(make_id(sobject, number), sobject, values, at, at)


# By the key of the account that a token opens.
ORGS = {account.key: _fixed("Organization", account.number + 1, Name=account.company) for account in ACCOUNTS.values()}
FIXED = {
    row.id: row
    for row in (
        ORGS[ACME.key],
        _fixed(
            "User", 1, Name="Keepsync", Username="keepsync@acme.example", Email="keepsync@acme.example", IsActive=True
        ),
        *(
            _fixed("User", 1 + each.number, Name=each.name, Username=each.email, Email=each.email, IsActive=True)
            for each in COLLEAGUES
        ),
        _fixed("User", 4, Name="Kim Gone", Username="kim@acme.example", Email="kim.gone@acme.example", IsActive=False),
    )
}
OWNER_ID = make_id("User", 1)


def find_user(actor: Actor) -> str:
    """The id of the user whom somebody is in this org."""
    return make_id("User", 1 + actor.number)


@dataclass
class State:
    """`missing_fields` are custom fields, as `Contact.Keepsync_Id__c`, that the administrator has not made."""

    rows: dict[str, Row] = field(default_factory=dict)
    missing_fields: dict[str, str] = field(default_factory=dict)
    last_number: int = 0

    def find(self, record_id: str) -> Row | None:
        """By 15 or 18 characters."""
        if len(record_id) == 15:
            return next((row for row in {**FIXED, **self.rows}.values() if row.id[:15] == record_id), None)
        return self.rows.get(record_id) or FIXED.get(record_id)

    def rows_of(self, sobject: str, *, with_deleted: bool = False) -> list[Row]:
        rows = [row for row in (*FIXED.values(), *self.rows.values()) if row.sobject == sobject]
        return rows if with_deleted else [row for row in rows if not row.is_deleted]

    def fields_of(self, sobject: str) -> dict[str, Field]:
        """The fields that there are, by their names in lower case: Salesforce does not mind."""
        return {
            name.lower(): item
            for name, item in FIELDS[sobject].items()
            if f"{sobject}.{name}" not in self.missing_fields
        }


class StateElsewhere(State):
    """The same records, seen with the token of another account: only the org's own record is another one."""

    def rows_of(self, sobject: str, *, with_deleted: bool = False) -> list[Row]:
        return [ORGS["elsewhere"]] if sobject == "Organization" else super().rows_of(sobject, with_deleted=with_deleted)


def read_state(account: Account) -> State:
    """To be read only, as this account sees it."""
    state = get_store().read()
    return state if account == ACME else StateElsewhere(**vars(state))


def format_instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"


@cache
def get_store() -> Store[State]:
    return Store(State, "salesforce", get_state_file())


def show_records() -> dict[str, Any]:
    """Rows by object, each with all fields that are set, and whether it is deleted."""
    state = get_store().read()
    rows = {
        sobject: [
            {name: value for name, value in row.show().items() if value is not None}
            for row in state.rows_of(sobject, with_deleted=True)
        ]
        for sobject in WRITABLE
    }
    return {**rows, "missing_fields": encode(list(state.missing_fields))}
