"""Zoom's page: meetings and registrants, and what a host can do to them."""

from collections.abc import Callable
from dataclasses import replace

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from integrations.sandbox.panel import Action, Card, Input, Panel, Section, refuse_action
from integrations.sandbox.zoom.answers import ZoomError, show_meeting
from integrations.sandbox.zoom.changes import announce, delete_meeting, find_meeting, update_meeting
from integrations.sandbox.zoom.inputs import read_meeting
from integrations.sandbox.zoom.records import Meeting, Registrant, State, get_store


def show_sections() -> list[Section]:
    state = get_store().read()
    return [
        Section("Meetings", [show_card(state, meeting) for meeting in reversed(state.meetings.values())]),
        Section("Registrants", [show_registrant_card(state, item) for item in reversed(state.registrants.values())]),
    ]


def show_card(state: State, meeting: Meeting) -> Card:
    path = f"meetings/{meeting.id}"
    actions: tuple[Action, ...] = (
        Action("Change", f"{path}/edit/", (Input("topic", "Topic", meeting.topic),)),
        Action("End" if meeting.status == "started" else "Start", f"{path}/turn/"),
        Action("Delete", f"{path}/delete/", is_dangerous=True),
    )
    when = f"{meeting.start_time:%Y-%m-%d %H:%M}" if meeting.start_time else "no fixed time"
    return Card(
        str(meeting.id),
        meeting.topic,
        f"{when}, {meeting.duration} min, registrants: {len(state.registrants_of(meeting.id))}",
        "deleted" if meeting.deleted_at else "started" if meeting.status == "started" else "",
        show_meeting(meeting),
        () if meeting.deleted_at else actions,
    )


def show_registrant_card(state: State, registrant: Registrant) -> Card:
    name = " ".join([registrant.first_name, registrant.details.get("last_name", "")]).strip()
    facts = {**registrant.details, "email": registrant.email, "join_url": registrant.join_url}
    meeting = state.meetings[str(registrant.meeting_id)]
    return Card(registrant.id, name, f"for {meeting.topic}", registrant.status, facts)


panel = Panel(
    "zoom",
    name="Zoom",
    intro="Meetings with their registrants, and webhooks about what becomes of them.",
    show=show_sections,
)


def act(do: Callable[[State, Meeting, HttpRequest], str]) -> Callable[..., HttpResponse]:
    """A button's view; `do` changes the meeting and gives the name of the webhook's event."""

    @require_POST
    def view(request: HttpRequest, meeting_id: str) -> HttpResponse:
        try:
            with get_store().change() as state:
                before = find_meeting(state, meeting_id)
                event = do(state, before, request)
        except ZoomError as error:
            return refuse_action(request, panel, error.message)
        meeting = state.meetings[str(before.id)]
        announce(event, meeting, before=before if event == "meeting.updated" else None)
        return panel.back()

    return view


def _edit(state: State, meeting: Meeting, request: HttpRequest) -> str:
    update_meeting(state, meeting, read_meeting({"topic": request.POST.get("topic", "")}))
    return "meeting.updated"


def _turn(state: State, meeting: Meeting, request: HttpRequest) -> str:
    is_started = meeting.status == "started"
    state.meetings[str(meeting.id)] = replace(meeting, status="waiting" if is_started else "started")
    return "meeting.ended" if is_started else "meeting.started"


def _delete(state: State, meeting: Meeting, request: HttpRequest) -> str:
    delete_meeting(state, meeting)
    return "meeting.deleted"


edit, turn, delete = act(_edit), act(_turn), act(_delete)
