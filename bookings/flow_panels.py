"""What the automations did for a meeting: its records elsewhere, its attendees' invitations, and every effect."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from bookings.models import BookingRequest, Invitation, Meeting, MeetingLink
from bookings.traces import name_effect_subjects
from integrations.admin.effect_panels import list_effects_of
from integrations.admin.formats import NOTHING, address_of, link_to, read_uuid, show_choice, show_instant, show_label
from integrations.admin.panels import Panel, panel_on
from integrations.admin.subjects import page_of

SHOWN = 50
REQUEST_VARIANTS = {BookingRequest.State.CONFIRMED: "success", BookingRequest.State.FAILED: "danger"}


@page_of("meeting")
def find_meeting_page(key: str) -> str:
    return reverse("admin:bookings_meeting_change", args=[key])


@page_of("booking")
def find_booked_page(key: str) -> str:
    """Requests about one meeting go under its id."""
    return find_meeting_page(key)


@page_of("invitation")
def find_invitation_page(key: str) -> str:
    """The address that leads on to the meeting: which one it is, is asked only by who follows the link."""
    return reverse("admin:bookings_meeting_of_invitation", args=[key])


def open_meeting_of(request: HttpRequest, key: str) -> HttpResponse:
    """To the page of the invitation's meeting."""
    if not request.user.has_perm("bookings.view_meeting"):
        raise PermissionDenied
    known = read_uuid(key)
    invitation = Invitation.objects.select_related("meeting").filter(pk=known).first() if known else None
    if invitation is None:
        raise Http404
    return HttpResponseRedirect(address_of(invitation.meeting))


@panel_on(Meeting, rank=1)
def show_links(request: HttpRequest, meeting: Meeting) -> Panel:
    links = MeetingLink.objects.filter(meeting=meeting).select_related("connection")
    rows = [
        [
            link_to(link.connection),
            link.external_id,
            show_label("Deleted there", "warning") if link.is_gone else show_label("Is there", "success"),
            show_instant(link.pushed_at),
            show_instant(link.created_at),
        ]
        for link in links.defer("connection__credentials")
    ]
    headers = ["Connection", "External id", "State", "Last sent", "Since"]
    return Panel("At CRMs and Zoom", headers=headers, rows=rows, empty="It is nowhere but in its calendar.")


@panel_on(Meeting, rank=1)
def show_invitations(request: HttpRequest, meeting: Meeting) -> Panel | None:
    """Of an online meeting that Keepsync made. Join links are only said to be set."""
    rows = [
        [
            str(invitation),
            invitation.registrant_id or NOTHING,
            "Is set" if invitation.join_url else "Is not set",
            show_instant(invitation.confirmed_at),
        ]
        for invitation in meeting.invitations.all()[:SHOWN]
    ]
    headers = ["Attendee", "Registrant", "Personal join link", "Confirmed"]
    return Panel("Invitations", headers=headers, rows=rows) if rows else None


@panel_on(Meeting, rank=1)
def show_requests(request: HttpRequest, meeting: Meeting) -> Panel | None:
    """What programs, operators and sales reps have asked calendar.live for through Keepsync."""
    rows = [
        [
            asked.get_kind_display(),
            asked.user or asked.crm or NOTHING,
            show_choice(asked, "state", REQUEST_VARIANTS),
            asked.failure or NOTHING,
            show_instant(asked.created_at),
            show_instant(asked.finished_at),
        ]
        for asked in meeting.requests.select_related("user", "crm").defer("crm__credentials")[:SHOWN]
    ]
    headers = ["What", "By", "State", "Why not", "Asked", "Finished"]
    return Panel("Asked for through Keepsync", headers=headers, rows=rows) if rows else None


@panel_on(Meeting, rank=2)
def show_effects(request: HttpRequest, meeting: Meeting) -> Panel:
    """About the meeting itself, and about each of its invitations."""
    keys = meeting.invitations.values_list("pk", flat=True)
    crms = meeting.links.exclude(connection__calendar_pairs=None).values_list("external_id", flat=True).distinct()
    return list_effects_of(name_effect_subjects(meeting.pk, keys, crms))
