"""Following the merges that are made in a CRM: what has one record there is one contact here."""

from collections.abc import Iterable

from contacts import links
from contacts.aliases import find_living, lock_forest
from contacts.crm_merges import plan_pushes
from contacts.merging import merge
from contacts.models import Contact, ContactLink
from integrations.models import Connection


def follow_merge(connection_id: int, survivor_id: str, merged_ids: Iterable[str]) -> None:
    """The CRM's survivor wins. A record that is linked to nobody here changes nothing; it may get the link of another.

    Runs in the caller's transaction; told twice, it changes nothing.
    """
    lock_forest()
    for merged_id in merged_ids:
        if merged_id == survivor_id:
            continue
        merged, survivor = find_link(connection_id, merged_id), find_link(connection_id, survivor_id)
        if merged and survivor and merged.merged_at is None:
            follow = leave_to_other if is_erased(survivor) or is_erased(merged) else unite
            follow(survivor, merged)
        elif merged and merged.merged_at is None:
            merged.external_id = survivor_id
            links.forget_pushed(merged)


def find_link(connection_id: int, external_id: str) -> ContactLink | None:
    return ContactLink.objects.filter(connection=connection_id, external_id=external_id).first()


def is_erased(link: ContactLink) -> bool:
    return Contact.objects.filter(pk=link.contact_id, erased_at__isnull=False).exists()


def leave_to_other(survivor: ContactLink, merged: ContactLink) -> None:
    """Where one of two records was of somebody who was erased, what is left is the other's."""
    if not is_erased(merged):
        survivor_id = survivor.external_id
        survivor.delete()
        merged.external_id = survivor_id
        links.forget_pushed(merged)
    elif not is_erased(survivor):
        merged.delete()


def unite(survivor: ContactLink, merged: ContactLink) -> None:
    """Merge the contacts of two records, where they are two, and let the record that is left lead."""
    survivor_id, merged_id = survivor.external_id, merged.external_id
    winner, loser = find_living(survivor.contact_id), find_living(merged.contact_id)
    if winner != loser:
        told_by = Connection.objects.get(pk=merged.connection_id)
        merge(Contact.objects.get(pk=winner), Contact.objects.get(pk=loser), told_by=told_by)
    leading = ContactLink.objects.get(contact=winner, connection=merged.connection_id)
    if leading.external_id not in (survivor_id, merged_id):
        links.swap(leading, ContactLink.objects.get(pk=survivor.pk))
    gone = ContactLink.objects.get(pk=merged.pk)
    if leading.pk == gone.pk:
        gone = ContactLink.objects.get(pk=survivor.pk)
    links.note_merged(leading, gone, survivor_id)
    plan_pushes(Contact.objects.get(pk=winner))
