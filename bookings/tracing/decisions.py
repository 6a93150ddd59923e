"""What people and programs asked for and decided about a meeting, as steps of its timeline."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest

from bookings.conflict_admin import BUTTONS as CONFLICT_BUTTONS
from bookings.conflict_links import STATUS_VARIANTS as CONFLICT_VARIANTS
from bookings.discrepancy_admin import BUTTONS as DISCREPANCY_BUTTONS
from bookings.discrepancy_admin import STATUS_VARIANTS as DISCREPANCY_VARIANTS
from bookings.field_conflict_admin import FIELD_BUTTONS
from bookings.flow_panels import REQUEST_VARIANTS
from bookings.models import BookingRequest, Conflict, Discrepancy
from contacts.models import Merge
from integrations.admin.base import Button
from integrations.admin.formats import address_of
from integrations.admin.halts import list_ways
from integrations.admin.subjects import show_subject
from integrations.admin.timeline import Halt, Step, finish

METHODS = {
    BookingRequest.Kind.CREATE: "POST /api/meetings/",
    BookingRequest.Kind.CHANGE: "PATCH /api/meetings/…/",
    BookingRequest.Kind.CANCEL: "DELETE /api/meetings/…/",
}
DIGEST_SHOWN = 8
SETTLING = (*CONFLICT_BUTTONS, *FIELD_BUTTONS)


def wait_for_decision(request: HttpRequest, row: Any, buttons: tuple[Button, ...]) -> Halt:
    """Of something that waits for a person's decision: all that can be decided."""
    names = [button.name for button in buttons]
    return Halt(
        "A person decides: until then each side keeps what it has.", list(list_ways(request, row, buttons, names))
    )


# --- Requests ---------------------------------------------------------------------------------------------------------


def tell_request(asked: BookingRequest) -> Iterator[Step]:
    """Asked for by a sales rep's record at a CRM, by a program, or by an operator."""
    kind = BookingRequest.Kind(asked.kind)
    who = f"record {asked.record_id} of {asked.crm}" if asked.crm else f"{asked.user or 'a user who is gone'}"
    waits = Halt("calendar.live has not answered for good yet: it is asked each minute.", is_bad=False)
    begun = Step(
        at=asked.created_at,
        what="Request",
        title=f"{kind.label} asked for by {who}",
        name=f"request-{asked.pk}",
        state=asked.get_state_display(),
        variant=REQUEST_VARIANTS.get(BookingRequest.State(asked.state), "info"),
        lines=list(describe_request(asked)),
        halt=None if asked.finished_at else waits,
    )
    yield begun
    if asked.asked_at:
        yield finish(begun, asked.asked_at, f"{kind.label}: calendar.live was asked for it", name="asked")
    if asked.finished_at:
        answer = f"Answered with {asked.answer_status}." if asked.answer_status else ""
        yield finish(begun, asked.finished_at, f"{kind.label}: {begun.state.lower()}", name_failure(asked), answer)


def describe_request(asked: BookingRequest) -> Iterator[str]:
    if asked.key_digest:
        digest = bytes(asked.key_digest).hex()[:DIGEST_SHOWN]
        yield f"{METHODS[BookingRequest.Kind(asked.kind)]}, with an idempotency key whose digest begins with {digest}."
    if asked.hold_id:
        yield f"Its time was held at calendar.live as {asked.hold_id}."


def name_failure(asked: BookingRequest) -> str:
    return asked.failure.replace("_", " ").capitalize()


# --- Merges -----------------------------------------------------------------------------------------------------------


def tell_merge(merge: Merge) -> Iterator[Step]:
    contacts = [show_subject(f"contact:{key}", is_short=True) for key in (merge.loser_id, merge.winner_id)]
    made = Step(
        at=merge.made_at,
        what="Merge",
        title="Two contacts became one: an attendee is another contact now",
        name=f"merge-{merge.pk}",
        address=address_of(merge),
        lines=[f"By {merge.user or merge.told_by or 'a rule'}.", *contacts],
        delivery_id=merge.delivery_id,
    )
    yield made
    if merge.undone_at:
        yield finish(made, merge.undone_at, "The merge was undone", f"By {merge.undone_by or 'a user who is gone'}.")


# --- Conflicts and discrepancies --------------------------------------------------------------------------------------


def tell_conflict(request: HttpRequest, conflict: Conflict) -> Iterator[Step]:
    kind = conflict.get_kind_display()
    about = f"{kind}: {conflict.field} at {conflict.connection}" if conflict.field else kind
    opened = Step(
        at=conflict.created_at,
        what="Conflict",
        title=about,
        name=f"conflict-{conflict.pk}",
        state=conflict.get_status_display(),
        variant=CONFLICT_VARIANTS.get(Conflict.Status(conflict.status), ""),
        address=address_of(conflict),
        halt=wait_for_decision(request, conflict, SETTLING) if conflict.is_open else None,
    )
    yield opened
    if conflict.settled_at:
        yield finish(opened, conflict.settled_at, f"{about}: over", name_closer(conflict.settled_by))


def tell_discrepancy(request: HttpRequest, found: Discrepancy) -> Iterator[Step]:
    title = f"{found.get_kind_display()} at {found.connection}"
    is_open = found.status == Discrepancy.Status.OPEN
    begun = Step(
        at=found.created_at,
        what="Reconciliation",
        title=title,
        name=f"discrepancy-{found.pk}",
        state=found.get_status_display(),
        variant=DISCREPANCY_VARIANTS.get(Discrepancy.Status(found.status), ""),
        address=address_of(found),
        lines=list(describe_discrepancy(found)),
        halt=wait_for_decision(request, found, tuple(DISCREPANCY_BUTTONS)) if is_open else None,
    )
    yield begun
    if found.closed_at:
        yield finish(begun, found.closed_at, f"{title}: over", name_closer(found.closed_by), found.reason)


def describe_discrepancy(found: Discrepancy) -> Iterator[str]:
    if found.fields:
        yield f"Fields: {', '.join(found.fields)}"
    if found.is_missed:
        yield "No webhook had told of it."
    if found.text:
        yield found.text


def name_closer(user: Any) -> str:
    return f"By {user}." if user else "By itself."
