"""How a meeting's status looks on the admin's pages."""

from bookings.models import Meeting

Status = Meeting.Status
STATUS_VARIANTS = {
    Status.HELD: "info",
    Status.TENTATIVE: "warning",
    Status.CONFIRMED: "success",
    Status.CANCELLED: "danger",
    Status.NO_SHOW: "warning",
}
