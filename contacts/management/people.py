"""How commands name a person."""

from uuid import UUID

from contacts.aliases import find_living
from contacts.identifiers import hold
from contacts.models import Contact, Identifier
from contacts.normalisation import normalise_email
from integrations.management.base import UsageError


def find_person(text: str) -> Contact:
    """The contact of an id or an e-mail address; of a merged one, the one that it went into.

    Raises UsageError where there is none, and where several use the address.
    """
    if "@" not in text:
        return find_by_id(text)
    held = hold(Contact.objects.filter(erased_at=None, merged_into=None), Identifier.Kind.EMAIL, normalise_email(text))
    found: list[Contact] = list(held.order_by("pk"))
    if len(found) > 1:
        raise UsageError(f"several use this address: name one by its id, {', '.join(str(each.pk) for each in found)}.")
    if not found:
        raise UsageError("nobody here has this address now.")
    (contact,) = found
    return contact


def find_by_id(text: str) -> Contact:
    try:
        contact = Contact.objects.filter(pk=UUID(text)).first()
    except ValueError:
        raise UsageError("give a contact's id or e-mail address.") from None
    if contact is None:
        raise UsageError("there is no contact with this id.")
    return Contact.objects.get(pk=find_living(contact.pk))
