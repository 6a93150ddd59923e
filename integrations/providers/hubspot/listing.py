"""All contacts of a HubSpot account, page by page. HubSpot pages by their ids, so that a change moves none of them."""

from collections.abc import Sequence

from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.crm import ContactPage, FoundContact
from integrations.providers.hubspot import client
from integrations.providers.hubspot.mapping import EMAIL, read_value
from integrations.providers.listing import check_cursor, list_texts, read_contacts, say_no

# Further addresses, which semicolons part.
MORE_EMAILS = "hs_additional_emails"
PHONES = ("phone", "mobilephone")
# "true" for somebody who has unsubscribed from all e-mail; anything else is no consent.
OPT_OUT = "hs_email_optout"
WORDING = "HubSpot: opted out of all e-mail (hs_email_optout)"


def list_contacts(account: Account, *, fields: Sequence[str], cursor: str, size: int) -> ContactPage:
    page = client.list_contacts(account, cursor, properties=list_properties(fields), page_size=size)
    contacts, unread = read_contacts(page.records, lambda record: read_contact(record, fields), id_field="id")
    check_cursor(page.after, cursor, "paging.next.after")
    return ContactPage(contacts, page.after, None if cursor else count_contacts(account, page), unread)


def list_properties(fields: Sequence[str]) -> list[str]:
    """What `read_contact` needs."""
    return list(dict.fromkeys([*fields, EMAIL, MORE_EMAILS, *PHONES, OPT_OUT]))


def count_contacts(account: Account, first: client.Page) -> int:
    return client.count_contacts(account) if first.after else len(first.records)


def read_contact(record: PayloadReader, fields: Sequence[str]) -> FoundContact | None:
    """Raises PayloadError, naming the field. Properties that the account does not have are left out by HubSpot."""
    if record.value.get("archived") is True:
        return None
    found, changed_at = client.read_record(record), record.instant("updatedAt")
    properties = found.properties
    return FoundContact(
        found.id,
        values={name: read_value(name, properties.get(name)) for name in fields},
        changed_at=changed_at,
        created_at=record.optional_instant("createdAt"),
        emails=list_texts(properties.get(EMAIL), *properties.get(MORE_EMAILS, "").split(";")),
        phones=list_texts(*(properties.get(name) for name in PHONES)),
        consents=(say_no("email", WORDING, changed_at=changed_at),) if properties.get(OPT_OUT) == "true" else (),
    )
