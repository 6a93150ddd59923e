"""A winner's fields: what a merge made of them, and taking that back.

A contact's field has layers: what it was, and what each merge that still counts made of it, one above the other. Taking
a layer out changes what the next one stands on or, where it is the uppermost, the field itself; and from there what the
contact gave to the one that it went into. Where somebody has changed the value since, it stays.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from contacts.models import Contact, Merge
from contacts.survivorship import FIELDS, Choice, Side, State, choose, join_notes
from contacts.upserts import index_names

type Layer = dict[str, Any]


def read_field(contact: Contact, field: str) -> Any:
    return getattr(contact, "owner_id" if field == "owner" else field)


def write_field(contact: Contact, field: str, value: Any, told: list[str] | None) -> None:
    setattr(contact, "owner_id" if field == "owner" else field, value)
    contact.provenance.pop(field, None)
    if told:
        contact.provenance[field] = told


def read_values(contact: Contact) -> dict[str, Any]:
    return {field: read_field(contact, field) for field in FIELDS}


def read_state(contact: Contact) -> State:
    return State(read_values(contact), contact.provenance, contact.created_at)


def foresee(winner: Contact, losers: Iterable[Contact]) -> dict[str, Any]:
    """Field → value, once one after the other has been merged into the winner, with all by default."""
    state = read_state(winner)
    for loser in map(read_state, losers):
        values = {field: choice.value for field, choice in choose(state, loser).items()}
        changed = [field for field in FIELDS if values[field] != state.values[field] and field in loser.told]
        state = State(values, {**state.told, **{field: loser.told[field] for field in changed}}, state.created_at)
    return dict(state.values)


def apply_choices(winner: Contact, loser: Contact, choices: Mapping[str, Choice]) -> dict[str, Layer]:
    """Give the winner what was chosen. Returns what it changed: field → layer."""
    layers: dict[str, Layer] = {}
    for field, choice in choices.items():
        old, old_told = read_field(winner, field), winner.provenance.get(field)
        if choice.value == old:
            continue
        told = loser.provenance.get(field) or old_told
        layers[field] = {"old": old, "new": choice.value, "old_told": old_told, "new_told": told}
        write_field(winner, field, choice.value, told)
    for key in filter(is_of_attendee, loser.provenance):
        winner.provenance[key] = max(winner.provenance.get(key, []), loser.provenance[key])
    return layers


def is_of_attendee(key: str) -> bool:
    """Whether provenance tells of an identifier, as `email/<connection>:<attendee id>`, and not of a field."""
    return "/" in key


def give_back_told(contact: Contact, above: Iterable[Contact], attendees: Iterable[str]) -> None:
    """Move the provenance of attendees' identifiers from the contacts above to the one whose attendees they are."""
    theirs = set(attendees)
    for other in above:
        for key in [key for key in other.provenance if is_of_attendee(key) and key.partition("/")[2] in theirs]:
            contact.provenance[key] = max(contact.provenance.get(key, []), other.provenance.pop(key))


class Layers:
    """The layers of contacts that are merged. `contacts` are those whose fields may change, locked."""

    def __init__(self, contacts: Mapping[UUID, Contact]) -> None:
        self.contacts = contacts
        active = Merge.objects.filter(undone_at=None)
        self.won: dict[UUID, list[Merge]] = {}
        for merge in active.filter(winner__in=contacts).select_related("loser").order_by("id"):
            self.won.setdefault(merge.winner_id, []).append(merge)
        self.lost = {merge.loser_id: merge for merges in self.won.values() for merge in merges}
        self.changed: dict[UUID, Merge] = {}

    def take_out(self, merge: Merge) -> list[str]:
        """Take one merge's layers out. Returns the fields that stay, because they were changed since."""
        kept = []
        for field, layer in merge.changes.items():
            if not self.replace(merge.winner_id, merge.pk, field, layer["new"], (layer["old"], layer["old_told"])):
                kept.append(field)
        return kept

    def replace(self, contact_id: UUID, since: UUID, field: str, old: Any, new: tuple[Any, Any]) -> bool:
        """Put a value in the place of what the contact's layer `since` made of it. False where it is not there."""
        later = next((each for each in self.won[contact_id] if each.pk > since and field in each.changes), None)
        if later:
            return self.replace_below(later, field, old, new)
        contact = self.contacts[contact_id]
        if read_field(contact, field) != old:
            return False
        write_field(contact, field, *new)
        above = self.lost.get(contact_id)
        if above and field in above.changes and above.choices[field]["side"] != Side.WINNER:
            return self.renew(above, field, contact)
        return True

    def replace_below(self, later: Merge, field: str, old: Any, new: tuple[Any, Any]) -> bool:
        """What the layer stood on is another value now."""
        layer = later.changes[field]
        if layer["old"] != old:
            return False
        layer["old"], layer["old_told"] = new
        self.changed[later.pk] = later
        if later.choices[field]["side"] == Side.BOTH:
            return self.renew(later, field, self.contacts.get(later.loser_id, later.loser))
        return True

    def renew(self, merge: Merge, field: str, loser: Contact) -> bool:
        """Make the layer that a merge made of its loser's value anew. False where the field was changed since."""
        layer, value = merge.changes[field], read_field(loser, field)
        if merge.choices[field]["side"] == Side.BOTH:
            value = join_notes(layer["old"], value)
        told = loser.provenance.get(field) or layer["old_told"]
        is_replaced = self.replace(merge.winner_id, merge.pk, field, layer["new"], (value, told))
        if is_replaced:
            layer["new"], layer["new_told"] = value, told
            self.changed[merge.pk] = merge
        return is_replaced

    def save(self) -> None:
        """The contacts, with history rows, and the merges whose layers are others now."""
        for contact in self.contacts.values():
            index_names(contact)
            contact.save()
        for merge in self.changed.values():
            merge.save(update_fields=["changes"])
