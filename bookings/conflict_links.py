"""What the pages of conflicts share: how their states look, and the way to a button."""

from typing import Any

from django.http import HttpRequest
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from bookings.models import Conflict
from integrations.admin.formats import address_of, link

Status = Conflict.Status
STATUS_VARIANTS = {Status.OPEN: "danger", Status.SETTLED: "success", Status.DISMISSED: "info"}
SETTLE = "bookings.settle_conflict"


def press_link(request: HttpRequest, conflict: Conflict, button: str, text: str, **values: Any) -> SafeString | str:
    """To a button's confirmation, filled in; nothing where nobody may press it any more."""
    if not (conflict.is_open and request.user.has_perm(SETTLE)):
        return ""
    address = address_of(conflict, button)
    return link(f"{address}?{urlencode(values)}" if values else address, text)
