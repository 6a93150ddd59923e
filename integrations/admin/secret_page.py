"""The guided page of a rotation: what is active and in use, and which of the four steps comes next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant

from integrations.admin.base import PageLink, show_page
from integrations.admin.formats import (
    NOTHING,
    address_of,
    format_utc,
    link,
    show_instant,
    show_label,
)
from integrations.admin.panels import Panel, panel_on
from integrations.admin.secret_buttons import ADDED, CHANGE, OPERATE, PAGE, sends_webhooks, webhook_address
from integrations.models import Connection
from integrations.webhook_secrets import (
    MADE_BY_SENDER,
    State,
    count_rejected,
    describe_reminder,
    list_rejected,
    list_states,
)

VIEW = "integrations.view_connection"
LINK = PageLink(name=PAGE, label="Webhook secrets", icon="key", permission=VIEW, fits=sends_webhooks)
# The audit log's entry is written by the request that made the secret, right after it.
LOGGED_WITHIN = timedelta(seconds=10)
# What to do at the sender, by provider.
SWITCHES = {
    "calendar_live": (
        "In calendar.live, open the settings of this connection's webhook and enter the new secret: "
        "it signs with it from the moment it is switched there."
    ),
    "hubspot": "HubSpot signs with the app's client secret: rotate it among the app's settings there.",
    "pipedrive": "In Pipedrive, make the webhooks anew with the new user and password; then delete the old ones.",
    "salesforce": "In Salesforce, put the new secret where the Apex callout or the Flow keeps it.",
    "stripe": (
        "In Stripe, roll the endpoint's secret and let the old one expire later, not at once: "
        "Stripe signs with both until then."
    ),
    "zoom": "Zoom signs with the app's secret token: regenerate it among the app's features there.",
}
SWITCH = "Enter the new secret where the sender's webhook is set up."
MADE_THERE = (
    " The sender makes the secret itself, so this comes before the first step: give it here at once, "
    "and verify again below what was refused in between."
)


@dataclass(frozen=True, slots=True)
class Step:
    title: str
    text: str
    is_done: bool
    is_next: bool

    @property
    def label(self) -> Any:
        if self.is_done:
            return show_label("Done", "success")
        return show_label("Next", "primary") if self.is_next else ""


def show_secrets_page(request: HttpRequest, connection: Connection) -> HttpResponse:
    states = list_states(connection)
    may_change, may_operate = request.user.has_perm(CHANGE), request.user.has_perm(OPERATE)
    has_rejected = list_rejected(connection).exists()
    return show_page(
        request,
        "keepsync/secrets.html",
        title=f"Webhook secrets of {connection}",
        connection=connection,
        address=webhook_address(connection),
        reminder=describe_newest(states),
        steps=make_steps(connection, states),
        panels=[make_table(connection, states, may_change=may_change)],
        rejected=count_rejected(connection) if has_rejected else 0,
        has_rejected=has_rejected,
        add_address=address_of(connection, "add_secret") if may_change else "",
        add_variant=(ActionVariant.PRIMARY if len(states) < 2 else ActionVariant.DEFAULT).value,
        verify_address=address_of(connection, "verify_rejected") if may_operate else "",
        back=address_of(connection),
    )


# --- Steps ------------------------------------------------------------------------------------------------------------


def make_steps(connection: Connection, states: Sequence[State]) -> list[Step]:
    """What is done is read off the secrets and their use: nothing of a rotation's progress is stored."""
    is_added = len(states) > 1
    older = states[1:]
    is_seen = is_added and states[0].use.last_day > 0
    is_switched = is_seen and not any(state.in_use for state in older)
    done = [is_added, is_seen, is_switched, False]
    texts = [
        "Add the new secret. The old one stays active beside it.",
        f"{len(states)} secrets are active, and each is accepted. {count_use(states)}"
        if is_added
        else "Keepsync accepts both from then on, in every process at once.",
        SWITCHES.get(connection.provider, SWITCH) + (MADE_THERE if connection.provider in MADE_BY_SENDER else ""),
        explain_retiring(older, is_seen=is_seen) if is_added else "When the old secret is quiet, retire it.",
    ]
    titles = ["Add a new secret", "Both are accepted", "Switch the sender", "Retire the old secret"]
    # The second step needs nobody: with the first it waits for the switch.
    following = 0 if not is_added else 3 if is_switched else 2
    return [
        Step(title, text, is_done=is_done, is_next=number == following)
        for number, (title, text, is_done) in enumerate(zip(titles, texts, done, strict=True))
    ]


def count_use(states: Sequence[State]) -> str:
    """How many deliveries each has verified, in one sentence."""
    counts = [
        f"secret {state.id}{' (new)' if state is states[0] else ''}: "
        f"{state.use.recent:,} in the last hour, {state.use.last_day:,} in the last day"
        for state in states
    ]
    return f"Deliveries verified by {'; '.join(counts)}."


def explain_retiring(older: Sequence[State], *, is_seen: bool) -> str:
    in_use = [f"Secret {state.id} is still in use: {state.in_use}." for state in older if state.in_use]
    if in_use:
        return " ".join(in_use)
    if not is_seen:
        return "Nothing has come with the new secret yet: switch the sender and wait for its first delivery."
    return "The old secret is quiet: retire it."


# --- Their table ------------------------------------------------------------------------------------------------------


def make_table(connection: Connection, states: Sequence[State], *, may_change: bool) -> Panel:
    makers = find_makers(connection, states)
    retire_address = address_of(connection, "retire_secret")
    may_retire = may_change and len(states) > 1
    return Panel(
        "Active secrets",
        headers=["Secret", "Made", "Age", "Made by", "Last hour", "Last day", "Last delivery", ""],
        rows=[
            [
                state.id,
                format_utc(state.made_at),
                describe_age(state.age_days),
                makers.get(state.id, NOTHING),
                f"{state.use.recent:,}",
                f"{state.use.last_day:,}",
                show_instant(state.use.last_at) if state.use.last_at else "None in the last day",
                link(f"{retire_address}?secret={state.id}", "Retire") if may_retire else "",
            ]
            for state in states
        ],
        note="How many deliveries each has verified. The secrets themselves are never shown.",
        empty="None is active: every webhook is refused. Add one.",
    )


def find_makers(connection: Connection, states: Sequence[State]) -> dict[int, str]:
    """Who made each secret, as the audit log knows it: nobody is named for one that was made in the shell."""
    entries = LogEntry.objects.filter(
        Q(change_message=ADDED) | Q(action_flag=ADDITION),
        content_type=ContentType.objects.get_for_model(Connection),
        object_id=str(connection.pk),
    )
    logged = list(entries.order_by("action_time").values_list("action_time", "user__username"))
    found = {}
    for state in states:
        near = (user for at, user in logged if state.made_at <= at < state.made_at + LOGGED_WITHIN)
        if user := next(near, None):
            found[state.id] = user
    return found


def describe_age(days: int) -> str:
    return "Today" if days == 0 else f"{days} day{'' if days == 1 else 's'}"


def describe_newest(states: Sequence[State]) -> str:
    """The reminder, as a sentence; empty where none is due."""
    reminder = describe_reminder(states[0].made_at, states[0].seen_at) if states else ""
    return f"The newest secret was {reminder}." if reminder else ""


# --- On the connection's pages ----------------------------------------------------------------------------------------


def describe_secrets(connection: Any) -> str:
    """How many are active, for a list of connections that are annotated with it; and whether it is time to rotate."""
    count: int = connection.active_secrets
    if not count or not sends_webhooks(connection):
        return str(count)
    reminder = describe_reminder(connection.newest_secret_at, timezone.now())
    return f"{count}, {reminder}" if reminder else str(count)


@panel_on(Connection)
def show_secrets(request: HttpRequest, connection: Connection) -> Panel | None:
    if not sends_webhooks(connection):
        return None
    secrets = list(connection.webhook_secrets.defer("secret"))
    newest = next((secret for secret in secrets if not secret.retired_at), None)
    reminder = describe_reminder(newest.created_at, timezone.now()) if newest else ""
    return Panel(
        "Webhook secrets",
        headers=["Secret", "Made", "State", ""],
        rows=[
            [
                secret.pk,
                show_instant(secret.created_at),
                show_label("Retired") if secret.retired_at else show_label("Active", "success"),
                show_instant(secret.retired_at) if secret.retired_at else "",
            ]
            for secret in secrets
        ],
        links=[link(address_of(connection, PAGE), "Rotate, step by step")],
        note=f"The newest was {reminder}." if reminder else "",
    )
