"""What a contact has, and where it is while contacts are merged.

Whatever has the columns `contact` and `merged_from` is held by a living contact, and remembers whose it was. Nothing
depends on the order of merges: taking a contact out of its family takes all of its own out, wherever that is by then.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Count, Q

from contacts.claims import Kind, name_origin
from contacts.models import Consent, Contact, ContactLink, Identifier
from integrations.models.provenance import update_recorded

# Connection id → ids of attendees there, or of records where it is a CRM.
type Attendees = Mapping[int, Collection[str]]
type CameWith = Callable[[Attendees], Q]

MOVED = ("contact", "merged_from")


@dataclass(frozen=True, slots=True)
class Movable:
    """A model whose rows go where their contact goes. `came_with` finds those that came with one of the attendees."""

    model: type[models.Model]
    came_with: CameWith

    @property
    def name(self) -> str:
        return str(self.model._meta.verbose_name_plural)

    @property
    def rows(self) -> Any:
        return self.model._default_manager.order_by("pk")


_movables: list[Movable] = []


def moves_with_contact(model: type[models.Model]) -> Callable[[CameWith], CameWith]:
    """Register a model with `contact` and `merged_from`, by the function that tells what came with an attendee.

    What came with an attendee after a merge goes back with the contact whose attendee it is.
    """

    def register(came_with: CameWith) -> CameWith:
        _movables.append(Movable(model, came_with))
        return came_with

    return register


@moves_with_contact(Identifier)
def introduced_by(attendees: Attendees) -> Q:
    return Q(introduced_by__in=name_attendees(attendees))


@moves_with_contact(Consent)
def given_by(attendees: Attendees) -> Q:
    return Q(introduced_by__in=name_attendees(attendees))


def name_attendees(attendees: Attendees) -> list[str]:
    """As claims name what introduced them."""
    return [name_origin(connection_id, each) for connection_id, ids in attendees.items() for each in ids]


# --- Moving -----------------------------------------------------------------------------------------------------------


def count_held(contact_ids: Collection[UUID]) -> dict[UUID, dict[str, int]]:
    """Contact → kind of row → how many of them a merge would move."""
    held = {key: dict.fromkeys((movable.name for movable in _movables), 0) for key in contact_ids}
    for movable in _movables:
        rows = movable.rows.filter(contact__in=contact_ids).order_by()
        for key, count in rows.values_list("contact").annotate(Count("pk")):
            held[key][movable.name] = count
    return held


def move(winner: Contact, loser: Contact) -> dict[str, list[str]]:
    """Give the winner all that the loser holds. Returns kind of row → ids."""
    moved: dict[str, list[str]] = {}
    for movable in _movables:
        rows = list(movable.rows.filter(contact=loser))
        for row in rows:
            row.contact_id, row.merged_from_id = winner.pk, row.merged_from_id or loser.pk
        update_recorded(rows, MOVED)
        moved[movable.name] = [str(row.pk) for row in rows]
    return moved


@dataclass(frozen=True, slots=True)
class Returned:
    """Kind of row → how many went back to the contact, and of these how many came after the merge."""

    rows: dict[str, int]
    later: dict[str, int]


def give_back(root: Contact, contact: Contact, family: Collection[UUID], attendees: Attendees) -> Returned:
    """Take what belongs to a contact and its family from the root: their own, and what came with their attendees."""
    own, later = {}, {}
    for movable in _movables:
        theirs = list(movable.rows.filter(merged_from__in=family))
        came = movable.rows.filter(movable.came_with(attendees), contact=root).exclude(merged_from__in=family)
        new = [row for row in came if not is_among(row, theirs)]
        for row in theirs:
            home = row.merged_from_id
            row.contact_id, row.merged_from_id = contact.pk, None if home == contact.pk else home
        for row in new:
            row.contact_id, row.merged_from_id = contact.pk, None
        update_recorded([*theirs, *new], MOVED)
        own[movable.name], later[movable.name] = len(theirs), len(new)
    return Returned(own, later)


def is_among(row: Any, rows: Collection[Any]) -> bool:
    """Whether they have this identifier already: then the other one stays where it is."""
    if not isinstance(row, Identifier):
        return False
    return any((row.kind, row.connection_id, row.value) == (each.kind, each.connection_id, each.value) for each in rows)


def list_attendees(family: Collection[UUID]) -> dict[int, set[str]]:
    """The attendees and the CRMs' records that the contacts were before they were merged."""
    found: dict[int, set[str]] = {}
    for row in Identifier.objects.filter(kind=Kind.ATTENDEE_ID, merged_from__in=family):
        if row.connection_id is not None:
            found.setdefault(row.connection_id, set()).add(row.value)
    theirs = Q(merged_from__in=family) | Q(contact__in=family, merged_from=None)
    for connection_id, external_id in ContactLink.objects.filter(theirs).values_list("connection", "external_id"):
        found.setdefault(connection_id, set()).add(external_id)
    return found
