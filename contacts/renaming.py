"""Another e-mail address or phone number in place of the one that leads."""

from collections.abc import Iterable
from typing import Any

from contacts.claims import (
    Claim,
    Kind,
    index_value,
    name_origin,
    read_email_claim,
    read_phone_claim,
)
from contacts.identifiers import Holdings, mark_shared
from contacts.models import Contact, ContactLink, Identifier
from contacts.normalisation import normalise_email, normalise_phone
from contacts.upserts import find_obstacle, open_pair


def list_value_indexes(values: Iterable[Any], region: str) -> list[bytes]:
    """The blind indexes of those that are e-mail addresses or phone numbers."""
    texts = [value for value in values if isinstance(value, str) and value]
    found = [(Kind.EMAIL, normalise_email(text)) for text in texts]
    found += [(Kind.PHONE, normalise_phone(text, region)) for text in texts]
    return [index_value(kind, value) for kind, value in found if value]


def rename(contact: Contact, kind: Kind, before: str, value: str, link: ContactLink) -> bool:
    """Let the value lead, where `before` did: that one is given up. Without a value nothing takes its place.

    Returns False where the value is another contact's: both are put up for review. Runs under the value's lock.
    """
    rows = list(contact.identifiers.filter(kind=kind))
    leading = next((row for row in rows if row.is_current and row.value == before), None)
    if not value:
        give_up(leading)
        return True
    claim = read_claim(kind, value, link)
    holdings = Holdings([claim])
    if not may_take(contact, claim, holdings):
        return False
    mine = next((row for row in rows if row.value == value), None)
    if leading is None:
        leading = mine or Identifier(contact=contact, kind=kind)
    elif mine:
        let_pass(mine, before)
    leading.value, leading.index, leading.introduced_by = claim.value, claim.index, claim.introduced_by
    leading.is_current, leading.is_shared = True, holdings.is_shared(claim)
    leading.save()
    if mine and mine.pk != leading.pk:
        mine.save()
    return True


def read_claim(kind: Kind, value: str, link: ContactLink) -> Claim:
    introduced_by = name_origin(link.connection_id, link.external_id)
    if kind == Kind.EMAIL:
        return read_email_claim(value, introduced_by)
    return read_phone_claim(value, regions=(link.connection.default_region,), introduced_by=introduced_by)


def may_take(contact: Contact, claim: Claim, holdings: Holdings) -> bool:
    holder = holdings.find_holder(claim)
    if holder is None or holder.contact_id == contact.pk:
        return True
    if reason := find_obstacle(contact.full_name, claim, holder):
        open_pair(contact, holder.contact, reason)
        return False
    mark_shared(holder)
    return True


def let_pass(mine: Identifier, before: str) -> None:
    """The contact's own row for the value takes what led before; no two rows hold one value at any time."""
    Identifier.objects.filter(pk=mine.pk).update(index=None)
    mine.value, mine.index = before, index_value(Kind(mine.kind), before)


def give_up(row: Identifier | None) -> None:
    if row:
        row.is_current = False
        row.save(update_fields=["is_current"])
