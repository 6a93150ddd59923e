"""What can be done with an alert: taken, muted for a time, and its cause looked at again."""

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.contrib.auth.models import User
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from integrations.admin.base import Button, ButtonForm
from integrations.admin.formats import format_utc
from integrations.models import Alert
from integrations.operations import alerts, certificates, muting
from integrations.operations.upkeep_rules import CERTIFICATE

OPERATE = "integrations.operate_alert"
# Minutes; empty: until it is over.
LENGTHS = [("60", "1 hour"), ("240", "4 hours"), ("1440", "1 day"), ("10080", "7 days"), ("", "Until it is over")]


class MuteForm(ButtonForm):
    length = forms.ChoiceField(choices=LENGTHS, required=False, initial="60", widget=UnfoldAdminSelectWidget)
    reason = forms.CharField(
        max_length=300,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Others read it: what is being done about it, or why nothing has to be. Name no person.",
    )


def user_of(request: HttpRequest) -> User:
    """Whoever presses a button is signed in."""
    return cast(User, request.user)


def mute(request: HttpRequest, alert: Alert, values: dict[str, Any]) -> str:
    length = timedelta(minutes=int(values["length"])) if values["length"] else None
    ends_at = muting.mute(alert, user=user_of(request), reason=values["reason"], length=length)
    return f"It is muted until {format_utc(ends_at)}." if ends_at else "It is muted until it is over."


def unmute(request: HttpRequest, alert: Alert, values: dict[str, Any]) -> str:
    muting.unmute(alert, user=user_of(request))
    return "It is not muted any more: what happens to it is told."


def take(request: HttpRequest, alert: Alert, values: dict[str, Any]) -> str:
    muting.take(alert, user=user_of(request))
    return "You look after it."


def give_back(request: HttpRequest, alert: Alert, values: dict[str, Any]) -> str:
    muting.give_back(alert, user=user_of(request))
    return "Nobody looks after it."


def check_certificate(request: HttpRequest, alert: Alert, values: dict[str, Any]) -> str:
    if reason := certificates.explain_inapplicable():
        return reason
    if problem := certificates.check_now().get_problem_display():
        return f"Still wrong: {problem.lower()}."
    alerts.close(alert, user=user_of(request))
    return "It is in order: the alert is over."


def is_open(alert: Alert) -> bool:
    return alert.closed_at is None


BUTTONS = [
    Button(
        name="take",
        label="Take it",
        icon="back_hand",
        permission=OPERATE,
        explain=lambda alert: (
            f"{f'{alert.taken_by} looks after it now, and would not any more. ' if alert.taken_by else ''}"
            "Others see that you look after it. It is told as before."
        ),
        fits=is_open,
        run=take,
        log="Taken",
    ),
    Button(
        name="give_back",
        label="Give it back",
        icon="undo",
        permission=OPERATE,
        explain=lambda alert: f"{alert.taken_by} looks after it no more, and nobody does until somebody takes it.",
        fits=lambda alert: is_open(alert) and alert.taken_by_id is not None,
        run=give_back,
        log="Given back",
    ),
    Button(
        name="mute",
        label="Mute",
        icon="notifications_off",
        permission=OPERATE,
        explain=lambda alert: (
            "Nothing is sent about it, and it is no trouble on the dashboard; the list still shows it. "
            "If it is open when the time is over, that is told."
        ),
        fits=lambda alert: is_open(alert) and not alert.is_muted,
        run=mute,
        log="Muted",
        form=MuteForm,
    ),
    Button(
        name="unmute",
        label="Unmute",
        icon="notifications_active",
        permission=OPERATE,
        explain=lambda alert: "What happens to it from now on is told, and the dashboard shows it as trouble again.",
        fits=lambda alert: is_open(alert) and alert.is_muted,
        run=unmute,
        log="Unmuted",
    ),
    Button(
        name="check_certificate",
        label="Look again",
        icon="refresh",
        permission=OPERATE,
        explain=lambda alert: "A TLS connection to the public address is made, which takes at most some seconds.",
        fits=lambda alert: is_open(alert) and alert.kind == CERTIFICATE,
        run=check_certificate,
        log="Certificate looked at",
    ),
]
