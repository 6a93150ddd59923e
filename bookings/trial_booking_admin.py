"""Test bookings in the admin: made on a page that says what will happen, watched live, cancelled; and the last step."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget

from bookings.models import TrialBooking
from bookings.trial_bookings import EMAIL, TITLE, ask_why, book, cancel, find_open, list_bookable, send
from bookings.trial_stages import WATCHED, Stage, State, is_complete, list_stages
from integrations.admin.base import BulkButton, Button, LongListMixin, ReadOnlyMixin, confirm, read_user
from integrations.admin.first_step_cards import Act, Step, adds_step
from integrations.admin.first_steps import START
from integrations.admin.formats import (
    NOTHING,
    address_of,
    address_of_list,
    format_span,
    format_utc,
    link,
    link_to,
    relate,
    show_instant,
    show_label,
)
from integrations.admin.progress import Progress, ProgressAdmin, ProgressStage
from integrations.exceptions import KeepsyncError
from integrations.first_steps import Situation, advise, read_situation
from integrations.models import Connection

ADD, CHANGE = "bookings.add_trialbooking", "bookings.change_trialbooking"
LABELS = {State.DONE: ("Done", "success"), State.WAITS: ("Waits", "info"), State.STUCK: ("Stands still", "warning")}
EXPLANATION = (
    f"Keepsync makes a real event at calendar.live, “{TITLE}”, on the first half hour from tomorrow on that is free in "
    f"the calendar that you choose, for {EMAIL}, an address that nobody has. It goes the way of every booking: to "
    "contacts and meetings here, and to each paired CRM. You watch it, and cancel it again."
)


class CalendarForm(forms.Form):
    calendar = forms.ChoiceField(widget=UnfoldAdminSelectWidget)

    def __init__(self, choices: list[tuple[str, str]], *args: Any) -> None:
        super().__init__(*args)
        field: Any = self.fields["calendar"]
        field.choices = choices


def cancel_booking(request: HttpRequest, trial: TrialBooking, values: dict[str, Any]) -> str:
    cancel(trial)
    return "It is cancelled at calendar.live. Watch how that comes here, and goes to the CRMs."


def send_again(request: HttpRequest, trial: TrialBooking, values: dict[str, Any]) -> str:
    send(trial)
    return "calendar.live has booked it."


BUTTONS = (
    Button(
        name="send_again",
        label="Send again",
        permission=CHANGE,
        explain=lambda trial: (
            "calendar.live is asked for the same event once more: where it has it, it makes no second."
        ),
        run=send_again,
        log="Sent it again",
        fits=lambda trial: not trial.event_id and trial.cancelled_at is None,
        icon="send",
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="ask",
        label="Ask calendar.live",
        permission=CHANGE,
        explain=lambda trial: "Keepsync reads calendar.live's own log of its webhooks, and says what became of them.",
        run=lambda request, trial, values: ask_why(trial),
        log="Asked calendar.live about its webhooks",
        fits=lambda trial: bool(trial.event_id) and not is_complete(list_stages(trial)),
        icon="help",
    ),
    Button(
        name="cancel",
        label="Cancel the test booking",
        permission=CHANGE,
        explain=lambda trial: (
            "The event is cancelled at calendar.live. Its webhook then cancels the meeting here and at each paired "
            "CRM. The contact stays, for the next test; who wants it gone erases it on its page."
        ),
        run=cancel_booking,
        log="Cancelled it",
        fits=lambda trial: trial.cancelled_at is None,
        icon="event_busy",
    ),
)


@admin.register(TrialBooking)
class TrialBookingAdmin(ReadOnlyMixin, LongListMixin, ProgressAdmin):
    when_empty = "Make a test booking to see every stage from the webhook to the CRM."
    list_display = ("asked", "connection", "planned", "cancelled", "user")
    list_select_related = ("connection", "user")
    fields = ("connection", "planned", "event", "user", "asked")
    buttons = BUTTONS

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(ADD))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Which calendar, and what will happen; then the page that watches it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        calendar, steps = read_situation().calendar, HttpResponseRedirect(reverse(START))
        if left := find_open(calendar):
            messages.info(request, "There is a test booking already: watch it, or cancel it.")
            return HttpResponseRedirect(address_of(left))
        if calendar is None:
            messages.error(request, "Connect calendar.live first.")
            return steps
        try:
            return self.ask_or_book(request, calendar)
        except KeepsyncError as error:
            messages.error(request, " ".join(filter(None, (str(error), advise(error)))))
            left = find_open(calendar)
            return HttpResponseRedirect(address_of(left)) if left else steps

    def ask_or_book(self, request: HttpRequest, connection: Connection) -> HttpResponse:
        calendars = {each.id: each for each in list_bookable(connection)}
        choices = [(key, f"{each.name} ({each.timezone})") for key, each in calendars.items()]
        form = CalendarForm(choices, request.POST if request.method == "POST" else None)
        if not form.is_valid():
            button = BulkButton("Make a test booking")
            return confirm(request, button=button, text=EXPLANATION, back=reverse(START), form=form)
        trial = book(connection, calendars[form.cleaned_data["calendar"]], user=read_user(request))
        self.log_addition(request, trial, "Made a test booking")
        messages.success(request, f"Booked for {format_utc(trial.start)}.")
        return HttpResponseRedirect(address_of(trial))

    def make_progress(self, row: TrialBooking) -> Progress:
        stages = list_stages(row)
        done = sum(stage.state == State.DONE for stage in stages)
        is_over = is_complete(stages)
        is_stuck = any(stage.state == State.STUCK for stage in stages)
        began = row.cancelled_at or row.asked_at
        return Progress(
            what="Stages",
            address=address_of(row, "progress"),
            is_open=not is_over and timezone.now() - began < WATCHED,
            label=show_label(*LABELS[State.DONE if is_over else State.STUCK if is_stuck else State.WAITS]),
            text=tell(row, is_over=is_over, is_stuck=is_stuck),
            percent=100 if is_over else 100 * done // (done + 3),
            counts=[],
            stages=[show_stage(stage) for stage in stages],
        )

    @admin.display(description="made", ordering="id")
    def asked(self, trial: TrialBooking) -> str:
        return show_instant(trial.asked_at)

    @admin.display(description="time")
    def planned(self, trial: TrialBooking) -> str:
        return show_instant(trial.start)

    @admin.display(description="cancelled")
    def cancelled(self, trial: TrialBooking) -> str:
        return show_instant(trial.cancelled_at)

    @admin.display(description="event at calendar.live")
    def event(self, trial: TrialBooking) -> str:
        return trial.event_id or NOTHING


def tell(trial: TrialBooking, *, is_over: bool, is_stuck: bool) -> str:
    if is_over:
        return "Cancelled everywhere." if trial.cancelled_at else "It has arrived everywhere. Cancel it when you like."
    if is_stuck:
        return "It stands still: see below what to do. This page looks again by itself."
    return "Being cancelled: watch it." if trial.cancelled_at else "On its way: watch it."


def show_stage(stage: Stage) -> ProgressStage:
    return ProgressStage(
        title=stage.title,
        label=show_label(*LABELS[stage.state]),
        text=stage.text,
        at=format_utc(stage.at) if stage.at else "",
        after=format_span(stage.after) if stage.after is not None else "",
        link=link_to(stage.row, "Open") if stage.row is not None else "",
    )


# --- The last of the first steps --------------------------------------------------------------------------------------


@adds_step
def send_test_booking(request: HttpRequest, situation: Situation) -> Step:
    title, calendar = "Send a test booking, and watch it arrive", situation.calendar
    if calendar is None:
        return Step(title, False, todo="Once calendar.live is connected.")
    last = TrialBooking.objects.filter(connection=calendar).select_related("connection").first()
    add = Act("Make a test booking", reverse("admin:bookings_trialbooking_add"), is_primary=True)
    if last is None:
        todo = "A real event, on a time that is free, for an address that nobody has. It asks before."
        return Step(title, False, todo=todo, acts=[add])
    stages = list_stages(last)
    has_arrived = last.booked_at is not None and is_complete(stages)
    evidence = [link(address_of(last), f"Made {relate(last.asked_at)}"), *describe_way(stages, has_arrived)]
    watch = Act("Watch it", address_of(last), is_primary=True)
    acts = [add if last.cancelled_at else watch, Act("All of them", address_of_list(TrialBooking))]
    todo = "" if has_arrived else "It is on its way, or stands still: its page says where, and what to press."
    return Step(title, has_arrived, evidence, todo=todo, acts=acts)


def describe_way(stages: list[Stage], has_arrived: bool) -> list[str]:
    if has_arrived:
        return ["It has arrived everywhere."]
    stuck = next((stage for stage in stages if stage.state == State.STUCK), None)
    return [f"{stuck.title}: {stuck.text}"] if stuck else []
