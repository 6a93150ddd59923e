"""The tables of bookings: meetings and who attends them, what is paid, reserved time, conflicts, comparisons."""

from bookings.models.conflicts import Conflict
from bookings.models.meetings import Attendance, Calendar, Invitation, Meeting, MeetingLink
from bookings.models.payments import Payment, Price
from bookings.models.reconciliation import Discrepancy, ReconciliationRun, SeenEvent
from bookings.models.rehearsals import Rehearsal
from bookings.models.requests import BookingRequest
from bookings.models.reservations import Reservation
from bookings.models.trial_bookings import TrialBooking

__all__ = [
    "Attendance",
    "BookingRequest",
    "Calendar",
    "Conflict",
    "Discrepancy",
    "Invitation",
    "Meeting",
    "MeetingLink",
    "Payment",
    "Price",
    "ReconciliationRun",
    "Rehearsal",
    "Reservation",
    "SeenEvent",
    "TrialBooking",
]
