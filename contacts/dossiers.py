"""All that Keepsync holds about one person.

It has sections, one for each part of Keepsync that holds something: a package further up adds its own. A section says
what there is, and how it is erased (erasure.py) and exported (personal_data.py).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from contacts.aliases import find_living, list_family
from contacts.marks import Marks
from contacts.models import Contact
from integrations.events import BookingChanged, Event, RecordChanged, RecordDeleted, RecordsMerged
from integrations.models import Delivery, Effect
from integrations.privacy.payload_erasure import Payload, find_telling, read_payloads

NOTHING = Q(pk__in=[])

type Family = frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Dossier:
    """Whom it is about: a living contact, with all that went into it, and what names this person in texts."""

    contact: Contact
    family: Family
    marks: Marks
    # What sections have found out for themselves.
    notes: dict[str, Any] = field(default_factory=dict)

    def note[T](self, name: str, find: Callable[[], T]) -> T:
        """What `find` returns, asked once."""
        if name not in self.notes:
            self.notes[name] = find()
        found: T = self.notes[name]
        return found


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What brought a person here. `sure` did; `related` is of the same things, and `any_other` may be of anything."""

    sure: Q = NOTHING
    related: Q = NOTHING
    any_other: Q = NOTHING


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A record of the person at a provider, which nobody but its own users can delete."""

    connection: str
    what: str
    external_id: str


class Section:
    """Base of what one part of Keepsync holds about people. Override what applies; a method that is not finds nothing.

    All are called in one transaction with the person's rows locked, except while something is only shown.
    """

    def read_marks(self, dossier: Dossier) -> Marks:
        """What names the person in texts. The dossier's own marks are not known yet."""
        return Marks()

    def lock(self, dossier: Dossier) -> None:
        """Lock the rows that are locked before contacts are."""

    def find_deliveries(self, dossier: Dossier) -> Deliveries:
        return Deliveries()

    def find_effects(self, dossier: Dossier) -> Q:
        """Those that would bring something of the person elsewhere."""
        return NOTHING

    def list_elsewhere(self, dossier: Dossier) -> Sequence[Elsewhere]:
        return []

    def count(self, dossier: Dossier) -> Mapping[str, int]:
        """Kind of row → how many hold something of the person, of those that are read for it."""
        return {}

    def find_rows(self, dossier: Dossier) -> Iterable[tuple[str, QuerySet[Any]]]:
        """Kind of row → rows that hold something of the person, of those that only have to be counted."""
        return ()

    def erase(self, dossier: Dossier) -> None:
        """Forget what the person is recognised by, what they said, and what was made of it."""

    def export(self, dossier: Dossier) -> Mapping[str, Any]:
        """What is held, as JSON: name → values, for the whole export."""
        return {}


_sections: list[Section] = []


def add_section[S: Section](section: type[S]) -> type[S]:
    _sections.append(section())
    return section


def list_sections() -> Sequence[Section]:
    return _sections


def compile_dossier(contact: Contact) -> Dossier:
    """Of the person that the contact is part of by now, also where it is an alias."""
    living = find_living(contact.pk)
    dossier = Dossier(Contact.objects.get(pk=living), frozenset(list_family(living)), Marks())
    return replace(dossier, marks=join_marks(section.read_marks(dossier) for section in _sections))


def join_marks(found: Iterable[Marks]) -> Marks:
    every = list(found)
    ids: dict[int, set[str]] = {}
    for marks in every:
        for connection_id, known in marks.ids.items():
            ids.setdefault(connection_id, set()).update(known)
    return Marks(
        emails=frozenset().union(*(marks.emails for marks in every)),
        phones=frozenset().union(*(marks.phones for marks in every)),
        names=frozenset().union(*(marks.names for marks in every)),
        ids=ids,
    )


# --- Deliveries and effects -------------------------------------------------------------------------------------------


def find_deliveries(dossier: Dossier) -> list[Deliveries]:
    """What each section knows of."""
    return dossier.note("deliveries", lambda: [section.find_deliveries(dossier) for section in _sections])


def find_sure_deliveries(dossier: Dossier) -> set[UUID]:
    found = Delivery.objects.filter(join_conditions(each.sure for each in find_deliveries(dossier)))
    return set(found.order_by().values_list("pk", flat=True))


@dataclass(frozen=True, slots=True)
class Told:
    """`is_partial`: there are payloads that were not read."""

    deliveries: set[UUID]
    is_partial: bool = False


def find_told_deliveries(dossier: Dossier, *, most_read: int | None = None) -> Told:
    """Those whose payload names the person: it has to be read. A name counts only in what is related to them.

    Of what may be of anything, the newest `most_read` are read, or all.
    """
    every = find_deliveries(dossier)
    related = Delivery.objects.filter(join_conditions(each.related for each in every))
    others = Delivery.objects.filter(join_conditions(each.any_other for each in every))
    found, tells = find_telling(related, tells_of(dossier.marks)), tells_of(dossier.marks.identifying)
    if most_read is None:
        return Told(found | find_telling(others, tells))
    newest = list(read_payloads(others, newest=most_read + 1))
    found |= {payload.delivery for payload in newest[:most_read] if tells(payload)}
    return Told(found, is_partial=len(newest) > most_read)


def tells_of(marks: Marks) -> Callable[[Payload], bool]:
    def tells(payload: Payload) -> bool:
        ids = marks.ids.get(payload.connection_id, set())
        if not marks.may_be_in(payload.body, ids):
            return False
        return marks.are_in(payload.value) or any(not ids.isdisjoint(list_subjects(each)) for each in payload.events)

    return tells


def list_subjects(event: Event) -> set[str]:
    """Whom and what an event is about, as marks name them."""
    match event:
        case BookingChanged():
            return {f"attendee:{attendee.id}" for attendee in event.booking.attendees}
        case RecordChanged() | RecordDeleted():
            return {f"{event.record}:{event.external_id}"}
        case RecordsMerged():
            return {f"{event.record}:{each}" for each in (event.survivor_id, *event.merged_ids)}
    return set()


def find_effects(dossier: Dossier) -> Any:
    return Effect.objects.filter(join_conditions(section.find_effects(dossier) for section in _sections))


def join_conditions(conditions: Iterable[Q]) -> Q:
    joined = NOTHING
    for condition in conditions:
        joined |= condition
    return joined
