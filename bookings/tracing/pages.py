"""The pages of traces: the search box, what it found, and the trace of one meeting."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextInputWidget

from bookings.local_times import show_local
from bookings.models import Conflict, Meeting, Reservation
from bookings.statuses import STATUS_VARIANTS
from bookings.tracing.finding import LONGEST, find, lean, list_meetings, read_key
from bookings.tracing.places import show_places
from bookings.tracing.reading import Trace, read_trace
from bookings.tracing.standing import find_missing, find_standing, measure_lags
from bookings.tracing.steps import find_origins, list_steps
from contacts.aliases import find_living
from contacts.models import Contact
from integrations.admin.base import PageLink, add_page_link, show_page
from integrations.admin.deliveries import STATUS_VARIANTS as DELIVERY_VARIANTS
from integrations.admin.effect_panels import STATUS_VARIANTS as EFFECT_VARIANTS
from integrations.admin.formats import NOTHING, address_of, link, link_to, show_choice, show_instant, show_label
from integrations.admin.panels import Panel
from integrations.admin.timeline import Line, lay_out
from integrations.models import Delivery, Effect
from integrations.pairs import list_crms
from integrations.privacy.encryption import show_unreadable

VIEW = "bookings.view_meeting"
# Steps on a page, and on one with all of them: beyond that a browser is of no use.
SHOWN, SHOWN_OF_ALL = 100, 2000
NEWEST = "newest"
SOUGHT = (
    "a meeting's id, uid or external id, at calendar.live, a CRM or Zoom, or the one that your own program gave it; "
    "a contact's id or external id; a delivery's id, yours or the sender's; an effect's id or idempotency key; "
    "a payment's session; an e-mail address or a phone number"
)
HINTS = (
    "Ids and addresses are found whole only: paste all of it, without anything around it.",
    "By a name, search Contacts: each contact leads on to its traces.",
    "A booking that has just been made may not have come in yet: look at Deliveries.",
    "Where a webhook was missed, Reconciliation fetches what it would have told.",
)


class SearchForm(forms.Form):
    """What is typed may name a person: it is posted, and never part of an address."""

    sought = forms.CharField(
        label="Id, e-mail address or phone number",
        max_length=LONGEST,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


# --- The search -------------------------------------------------------------------------------------------------------


@show_unreadable()
def show_search(request: HttpRequest) -> HttpResponse:
    """One hit is gone to at once; of several one is chosen."""
    check_permission(request)
    form = SearchForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return show_found(request, "Trace", form=form, is_asked=False)
    hits = find(form.cleaned_data["sought"])
    if len(hits) == 1:
        return HttpResponseRedirect(lead_to(hits[0]))
    title = f"{len(hits)} hits" if hits else "Nothing was found"
    return show_found(request, title, form=form, panels=[list_hits(hits)] if hits else [])


def show_found(
    request: HttpRequest, title: str, *, form: SearchForm, panels: Sequence[Panel] = (), is_asked: bool = True
) -> HttpResponse:
    hints = HINTS if is_asked and not panels else ()
    context = {"title": title, "form": form, "panels": panels, "hints": hints, "sought": SOUGHT}
    return show_page(request, "keepsync/find_trace.html", **context)


def check_permission(request: HttpRequest) -> None:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied


def list_hits(hits: Iterable[Model]) -> Panel:
    headers = ["What", "Which", "When", "State"]
    return Panel("Choose one", headers=headers, rows=[describe_hit(hit) for hit in hits])


def describe_hit(hit: Model) -> list[object]:
    what = str(hit._meta.verbose_name).capitalize()
    match hit:
        case Meeting():
            return [what, link(lead_to(hit), hit), show_local(hit.start, hit.timezone), show_state(hit)]
        case Contact():
            return [what, link(lead_to(hit), hit), show_instant(hit.created_at), NOTHING]
        case Delivery():
            name = f"{hit.event_type or 'A message'} {hit} from {hit.connection}"
            state = show_choice(hit, "status", DELIVERY_VARIANTS)
            return [what, link(lead_to(hit), name), show_instant(hit.received_at), state]
        case Effect():
            name = f"{hit.kind} at {hit.connection}"
            state = show_choice(hit, "status", EFFECT_VARIANTS)
            return [what, link(lead_to(hit), name), show_instant(hit.created_at), state]
    raise TypeError(f"Nobody looks for a {what}.")


def show_state(meeting: Meeting) -> SafeString | str:
    return show_choice(meeting, "status", STATUS_VARIANTS)


# --- From a row to its traces -----------------------------------------------------------------------------------------

LED_FROM: dict[str, type[Model]] = {
    model._meta.model_name or "": model for model in (Contact, Delivery, Effect, Conflict)
}


def lead_to(row: Model) -> str:
    if isinstance(row, Meeting):
        return address_of(row, "trace")
    return reverse("admin:bookings_meeting_traces_of", args=[row._meta.model_name, row.pk])


@show_unreadable()
def show_traces_of(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """To the one meeting that the row has to do with, at its step; a contact's, and several ones, are listed."""
    check_permission(request)
    row = find_row(kind, key)
    if row is None:
        raise Http404
    meetings = list_meetings(row)
    if len(meetings) == 1 and not isinstance(row, Contact):
        return HttpResponseRedirect(f"{lead_to(meetings[0])}#{kind}-{row.pk}")
    panel = list_traces(row, meetings)
    return show_found(request, f"Traces of {describe_row(row)}", form=SearchForm(), panels=[panel])


def find_row(kind: str, key: str) -> Any:
    """A merged contact is the one that it went into."""
    model, known = LED_FROM.get(kind), read_key(key)
    if model is None or known is None:
        return None
    if model is Contact:
        return Contact.objects.filter(pk=find_living(known)).first()
    return (model._default_manager if model is Conflict else lean(model)).filter(pk=known).first()


def describe_row(row: Model) -> str:
    return f"{row._meta.verbose_name} {str(row.pk)[-8:]}"


def list_traces(row: Model, meetings: Sequence[Meeting]) -> Panel:
    rows = [
        [
            link(lead_to(meeting), meeting.title or "(no title)"),
            show_local(meeting.start, meeting.timezone),
            show_state(meeting),
            meeting.calendar,
        ]
        for meeting in meetings
    ]
    empty = "It has to do with no meeting that is known here."
    links = [link_to(row, f"Open the {row._meta.verbose_name}")]
    headers = ["Meeting", "Start", "Status", "Calendar"]
    return Panel("Meetings, the latest first", headers=headers, rows=rows, empty=empty, links=links)


# --- The trace --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fact:
    name: str
    value: object


@show_unreadable()
def show_trace(request: HttpRequest, meeting: Meeting) -> HttpResponse:
    return show_page(request, "keepsync/trace.html", **describe_trace(request, meeting))


def describe_trace(request: HttpRequest, meeting: Meeting) -> dict[str, Any]:
    """What the page shows: `all` asks for every step, `order=newest` for the latest first."""
    limit = SHOWN_OF_ALL if "all" in request.GET else SHOWN
    trace = read_trace(meeting, limit)
    steps, origins = list_steps(request, trace), find_origins(trace)
    lags = measure_lags(trace, origins)
    missing = list(find_missing(request, trace, list_crms(meeting.connection_id)))
    lines = lay_out(steps, origins)
    is_newest_first = request.GET.get("order") == NEWEST
    shown = lines[-limit:]
    return {
        "title": f"Trace: {meeting}",
        "meeting": meeting,
        "form": SearchForm(),
        "standing": find_standing(trace, steps, lags, missing),
        "facts": list_facts(trace),
        "panels": [show_places(trace, lags)],
        "rows": make_rows(shown[::-1] if is_newest_first else shown, trace),
        "left_out": trace.is_cut or len(lines) > limit,
        "is_all": limit == SHOWN_OF_ALL,
        "is_newest_first": is_newest_first,
        "back": address_of(meeting),
    }


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the timeline, and the message that led to it, where that is another step: a link to it there."""

    line: Line
    led_by: SafeString | str

    @property
    def label(self) -> SafeString | str:
        step = self.line.step
        return show_label(step.state, step.variant) if step.state else ""

    @property
    def when(self) -> SafeString | str:
        return show_instant(self.line.step.at)


def make_rows(lines: Sequence[Line], trace: Trace) -> list[Row]:
    names = {line.step.name for line in lines}
    messages = {delivery.pk: str(delivery) for delivery in trace.deliveries}
    return [Row(line, show_message(line, names, messages)) for line in lines]


def show_message(line: Line, names: set[str], messages: dict[UUID, str]) -> SafeString | str:
    key = line.step.delivery_id
    anchor = f"delivery-{key}"
    if key is None or anchor == line.step.name:
        return ""
    if anchor in names:
        return format_html("From {}", link(f"#{anchor}", messages[key]))
    address = reverse("admin:integrations_delivery_change", args=[key])
    return format_html("From {}", link(address, messages.get(key, "a message")))


def list_facts(trace: Trace) -> list[Fact]:
    meeting = trace.meeting
    conflicts = [link_to(each, each.get_status_display()) for each in trace.conflicts]
    return [
        Fact("Status", show_state(meeting)),
        Fact("Start", show_local(meeting.start, meeting.timezone)),
        Fact("Calendar", link_to(meeting.calendar)),
        Fact("Attendees", len(trace.attendances)),
        Fact("Time here", describe_time(trace.reservations)),
        *([Fact("Conflicts", format_html(", ".join(["{}"] * len(conflicts)), *conflicts))] if conflicts else []),
    ]


def describe_time(reservations: Sequence[Reservation]) -> str:
    if not reservations:
        return "None is reserved"
    doubles = sum(not each.is_exclusive for each in reservations)
    times = "1 time" if len(reservations) == 1 else f"{len(reservations)} times"
    return f"{times} reserved" + (f", {doubles} of them double" if doubles else "")


# --- Ways to it -------------------------------------------------------------------------------------------------------

LINK = PageLink(name="trace", label="Trace", icon="timeline", permission=VIEW)
for model in LED_FROM.values():
    add_page_link(model, PageLink(name="trace", label="Trace", icon="timeline", permission=VIEW, address=lead_to))
