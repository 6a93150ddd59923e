"""All Contacts or Leads of an org, page by page.

A page is a query of its own for the rows after the last id, in the order of their ids: no change moves a row, and no
cursor of Salesforce's runs out between two pages. Our cursor is that id and, after commas, the fields that the org
lacks or hides from the connection's user, so that they are not asked for again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from integrations.exceptions import PayloadError
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.crm import ContactPage, FoundConsent, FoundContact
from integrations.providers.listing import list_texts, read_contacts, say_no
from integrations.providers.salesforce import client
from integrations.providers.salesforce.errors import NoFieldError
from integrations.providers.salesforce.mapping import CONTACT, LEAD, choose_values, read_object
from integrations.providers.salesforce.saving import RECORD_ID

PHONES: Mapping[str, tuple[str, ...]] = {
    CONTACT: ("Phone", "MobilePhone", "HomePhone", "OtherPhone"),
    LEAD: ("Phone", "MobilePhone"),
}
# Channel and wording of what is refused where the field is on; off is no consent.
REFUSALS: Mapping[str, tuple[str, str]] = {
    "HasOptedOutOfEmail": ("email", "Salesforce: Email Opt Out (HasOptedOutOfEmail)"),
    "DoNotCall": ("phone", "Salesforce: Do Not Call (DoNotCall)"),
}
# A converted Lead lives on as a Contact.
CONDITIONS: Mapping[str, tuple[str, ...]] = {CONTACT: (), LEAD: ("IsConverted = false",)}
# A Contact's company is the name of its Account.
COMPANY, ACCOUNT_NAME = "Company", "Account.Name"
STAMPS = ("SystemModstamp", "CreatedDate")

# The rows with these columns.
type Ask = Callable[[Sequence[str]], list[PayloadReader]]


def list_contacts(account: Account, *, fields: Sequence[str], cursor: str, size: int) -> ContactPage:
    sobject = read_object(account)
    last_id, *hidden = cursor.split(",")
    rows = query_page(account, sobject, fields, hidden, last_id=last_id, size=size)
    contacts, unread = read_contacts(rows, lambda row: read_contact(row, sobject, fields), id_field="Id")
    if len(rows) < size:
        return ContactPage(contacts, "", None if cursor else len(rows), unread)
    total = None if cursor else client.count(account, sobject, write_where(sobject))
    return ContactPage(contacts, ",".join([find_last_id(rows), *hidden]), total, unread)


def query_page(
    account: Account, sobject: str, fields: Sequence[str], hidden: list[str], *, last_id: str, size: int
) -> list[PayloadReader]:
    """The rows after the last id. What turns out to be hidden of the fields that nobody asked for joins `hidden`."""
    rest = f"{write_where(sobject, last_id)} ORDER BY Id LIMIT {size}".lstrip()

    def ask(columns: Sequence[str]) -> list[PayloadReader]:
        return client.query(account, client.write_query(columns, sobject, rest))

    return query_contacts(ask, sobject, fields, hidden)


def query_contacts(ask: Ask, sobject: str, fields: Sequence[str], hidden: list[str]) -> list[PayloadReader]:
    """Rows for `read_contact`, asked for anew without each field that is hidden."""
    asked = [ACCOUNT_NAME if sobject == CONTACT and name.lower() == COMPANY.lower() else name for name in fields]
    optional = [name for name in ("Email", *PHONES[sobject], *REFUSALS) if name not in asked]
    while True:
        columns = dict.fromkeys(["Id", *STAMPS, *asked, *(name for name in optional if name not in hidden)])
        try:
            return ask(list(columns))
        except NoFieldError as error:
            if error.field not in optional or error.field in hidden:
                raise
            hidden.append(error.field)


def write_where(sobject: str, last_id: str = "") -> str:
    after = [f"Id > {client.quote_text(last_id)}"] if last_id else []
    conditions = [*after, *CONDITIONS[sobject]]
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def find_last_id(rows: Sequence[PayloadReader]) -> str:
    """Where the next page begins. Raises PayloadError where no row tells its id: it would be this page again."""
    for row in reversed(rows):
        found = row.value.get("Id")
        if isinstance(found, str) and RECORD_ID.fullmatch(found):
            return found
    raise PayloadError("query.records", "have no ids.")


def read_contact(row: PayloadReader, sobject: str, fields: Sequence[str]) -> FoundContact:
    """Raises PayloadError, naming the field."""
    changed_at, phones = row.instant("SystemModstamp"), PHONES[sobject]
    return FoundContact(
        row.identifier("Id"),
        values=choose_values(sobject, flatten(row), fields),
        changed_at=changed_at,
        created_at=row.optional_instant("CreatedDate"),
        emails=list_texts(row.value.get("Email")),
        phones=list_texts(*(row.value.get(name) for name in phones)),
        consents=tuple(read_refusals(row)),
    )


def flatten(row: PayloadReader) -> dict[str, Any]:
    """The row with its Account's name as the company."""
    related = row.optional_object("Account")
    company = {COMPANY: related.optional_text("Name")} if related else {}
    return {name: value for name, value in row.value.items() if name != "Account"} | company


def read_refusals(row: PayloadReader) -> Iterable[FoundConsent]:
    changed_at = row.instant("SystemModstamp")
    for name, (channel, wording) in REFUSALS.items():
        if row.value.get(name) is True:
            yield say_no(channel, wording, changed_at=changed_at)
