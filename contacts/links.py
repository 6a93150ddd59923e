"""Records at CRMs of contacts that are merged: of each CRM, one record leads.

The living contact has the leading link. Another one of its family stays with its alias: its external id leads to the
living contact, and once the CRM has merged the two records, `merged_at` says so.
"""

from collections.abc import Collection
from uuid import UUID

from django.utils import timezone

from contacts.aliases import find_living
from contacts.models import Contact, ContactLink, Matched


def move_links(winner: Contact, loser: Contact) -> tuple[list[ContactLink], list[ContactLink]]:
    """Give the winner the loser's links where it has none. Returns those, and those that stay, and do not lead."""
    taken = set(winner.links.values_list("connection", flat=True))
    moved, staying = [], []
    for link in ContactLink.objects.filter(contact=loser).order_by("pk"):
        if link.connection_id in taken:
            staying.append(link)
        else:
            place(link, winner.pk)
            moved.append(link)
    return moved, staying


def place(link: ContactLink, holder: UUID) -> None:
    """Let the contact have the link, with nothing sent to the record yet."""
    home = link.merged_from_id or link.contact_id
    link.contact_id, link.merged_from_id = holder, None if home == holder else home
    forget_pushed(link)


def forget_pushed(link: ContactLink) -> None:
    link.pushed_hash, link.pushed_at = "", None
    link.save()


def link_record(contact: Contact, connection_id: int, external_id: str, by: Matched.By, because: str) -> ContactLink:
    """The contact is this record at the CRM. Nothing has been sent there."""
    return ContactLink.objects.create(
        contact=contact,
        connection_id=connection_id,
        external_id=external_id,
        matched_by=by,
        matched_because=because,
    )


def find_leading(link: ContactLink) -> ContactLink | None:
    """The link of the living contact at the same CRM, which may be this one."""
    return ContactLink.objects.filter(contact=find_living(link.contact_id), connection=link.connection_id).first()


# --- Taking apart -----------------------------------------------------------------------------------------------------


def give_back_links(contact: Contact, family: Collection[UUID]) -> None:
    """Take the family's own links from whoever has them by now."""
    for link in ContactLink.objects.filter(merged_from__in=family).order_by("pk"):
        mine = ContactLink.objects.filter(contact=contact, connection=link.connection_id).exclude(pk=link.pk).first()
        if mine and mine.merged_at:
            mine.delete()
        place(link, contact.pk if mine is None or mine.merged_at else link.merged_from_id or contact.pk)


def settle_links(root: UUID, family: Collection[UUID]) -> list[int]:
    """Let one link of each CRM lead. Where the CRM has merged all of the family's records away, they are forgotten.

    Returns the ids of the connections where that is so: the next push makes a new record there.
    """
    links: dict[int, list[ContactLink]] = {}
    for link in ContactLink.objects.filter(contact__in=family).order_by("pk"):
        links.setdefault(link.connection_id, []).append(link)
    return [connection_id for connection_id, theirs in links.items() if not has_leading(root, theirs)]


def has_leading(root: UUID, links: Collection[ContactLink]) -> bool:
    """Make one lead, of the links of one family at one CRM, if there is one whose record is still there."""
    there = [link for link in links if link.merged_at is None]
    if not there:
        for link in links:
            link.delete()
        return False
    if not any(link.contact_id == root for link in there):
        for link in links:
            if link.contact_id == root:
                link.delete()
        place(there[0], root)
    return True


# --- What the CRM has merged ------------------------------------------------------------------------------------------


def note_merged(leading: ContactLink, merged: ContactLink, survivor_id: str) -> None:
    """The CRM has merged two records of one contact: `survivor_id` is left, which the leading link has from now on."""
    if survivor_id not in (leading.external_id, merged.external_id):
        owner = ContactLink.objects.filter(connection=leading.connection_id, external_id=survivor_id).first()
        swap(leading, owner) if owner else set_external_id(leading, survivor_id)
    elif survivor_id == merged.external_id:
        swap(leading, merged)
    merged.merged_at = timezone.now()
    merged.save()
    forget_pushed(leading)


def follow_id(link: ContactLink, external_id: str) -> None:
    """The record has another id now, unless that is somebody else's."""
    others = ContactLink.objects.filter(connection=link.connection_id, external_id=external_id)
    if not others.exists():
        link.external_id = external_id
    forget_pushed(link)


def set_external_id(link: ContactLink, external_id: str) -> None:
    link.external_id = external_id
    link.save()


def swap(first: ContactLink, second: ContactLink) -> None:
    """Exchange their external ids; neither may be there twice at any time."""
    mine, theirs = first.external_id, second.external_id
    ContactLink.objects.filter(pk=second.pk).update(external_id=f"swap of {second.pk}")
    set_external_id(first, theirs)
    set_external_id(second, mine)


def note_gone(link_id: int) -> None:
    """The CRM may have merged this record away."""
    link = ContactLink.objects.filter(pk=link_id, merged_at=None).first()
    if link and find_leading(link) != link:
        link.merged_at = timezone.now()
        link.save()
