"""The time that is reserved."""

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from bookings.local_times import show_local
from bookings.models import Reservation
from integrations.admin.base import Admin, LongListMixin, ReadOnlyMixin
from integrations.admin.formats import NOTHING, format_utc, link_to, show_label


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyMixin, LongListMixin, Admin):
    """What is taken; a hold shows how long it still lasts."""

    when_empty = "Each booking and each hold reserves its time. Book at the calendar, and it stands here."
    list_display = ("starts", "ends", "calendar", "taken_by", "what", "left")
    list_filter = (("kind", ChoicesDropdownFilter), ("calendar", RelatedDropdownFilter))
    list_select_related = ("calendar", "meeting")
    ordering = ("-id",)
    fields = ("calendar", "starts", "ends", "blocked", "taken_by", "what", "left")

    @admin.display(description="start")
    def starts(self, reservation: Reservation) -> str:
        return show_local(reservation.start, reservation.calendar.timezone)

    @admin.display(description="end")
    def ends(self, reservation: Reservation) -> str:
        return show_local(reservation.end, reservation.calendar.timezone)

    @admin.display(description="blocked, with buffers")
    def blocked(self, reservation: Reservation) -> str:
        period = reservation.period
        return NOTHING if period.isempty else f"{format_utc(period.lower)} to {format_utc(period.upper)}"

    @admin.display(description="taken by")
    def taken_by(self, reservation: Reservation) -> str:
        return link_to(reservation.meeting) if reservation.meeting else "A booking on its way"

    @admin.display(description="kind")
    def what(self, reservation: Reservation) -> str:
        kind = show_label(reservation.get_kind_display(), "info" if reservation.kind == Reservation.Kind.HOLD else "")
        return kind if reservation.is_exclusive else format_html("{} {}", kind, show_label("Double", "danger"))

    @admin.display(description="time left")
    def left(self, reservation: Reservation) -> str:
        if reservation.expires_at is None:
            return NOTHING
        seconds = int((reservation.expires_at - timezone.now()).total_seconds())
        return f"{seconds} s" if seconds > 0 else "Has run out"
