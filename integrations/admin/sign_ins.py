"""Who tries to sign in, and is refused."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from integrations import sign_ins
from integrations.admin.base import Button, DetailAdmin, LongListMixin, ReadOnlyMixin
from integrations.admin.formats import NOTHING, show_instant, show_label
from integrations.models import SignInCount

CHANGE = "integrations.change_signincount"


def reopen(request: HttpRequest, row: SignInCount, values: dict[str, Any]) -> str:
    sign_ins.reopen(row)
    return "It is open again."


REOPEN = Button(
    name="reopen",
    label="Open again",
    permission=CHANGE,
    explain=lambda row: "Tries are taken here again, before the time is over. They are counted from nothing.",
    run=reopen,
    log="Opened it again",
    fits=sign_ins.is_closed,
    icon="lock_open",
)


@admin.register(SignInCount)
class SignInCountAdmin(ReadOnlyMixin, LongListMixin, DetailAdmin):
    """Wrong passwords of the last day. What was typed as a name is not kept: only whose name it was."""

    when_empty = "Nobody has given a wrong password lately."
    list_display = ("door", "state", "user", "from_address", "tries", "limit", "counted_until")
    list_filter = (("door", ChoicesDropdownFilter),)
    list_select_related = ("user",)
    fields = list_display
    buttons = (REOPEN,)

    @admin.display(description="state")
    def state(self, row: SignInCount) -> str:
        return show_label("Refused", "danger") if sign_ins.is_closed(row) else show_label("Open")

    @admin.display(description="address")
    def from_address(self, row: SignInCount) -> str:
        return row.address or NOTHING

    @admin.display(description="of at most")
    def limit(self, row: SignInCount) -> int:
        return sign_ins.LIMITS[row.door][0]

    @admin.display(description="counted until")
    def counted_until(self, row: SignInCount) -> str:
        return show_instant(row.ends_at)
