"""Telling alerts: that they are open, critical, or over; to Slack, and to each administrator by e-mail.

Messages are effects like any other, so that each is sent once, and a Slack that is away holds up no letter. Where there
is much to tell at once, one message tells all of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse

from integrations.effect_kinds import Done, Result, Skipped, Task, carries_out
from integrations.effects import plan
from integrations.models import Alert, AlertEntry, AlertRule, Connection, Effect
from integrations.providers.email import client as email
from integrations.providers.slack import client as slack

SLACK, EMAIL = "alert.slack", "alert.email"
PERMISSION = "integrations.change_connection"
OVER = "It was over or muted before it was told."
NOBODY = "The user may not change connections any more, or has no address."
# So many at once are told one by one, and so many of more in one message; the list has the others.
ONE_BY_ONE, IN_ONE = 3, 30
TEXT_IN_ONE = 300
What = AlertEntry.What
BEGINNINGS = {What.WORSE: "Critical now: ", What.UNMUTED: "Still open: ", What.CLOSED: "Over: "}


# --- Planning ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def tell_due() -> None:
    """Plan the messages of all entries that are to be told. Who comes at the same time leaves them to the first."""
    due = AlertEntry.objects.select_for_update(of=("self",), skip_locked=True).filter(is_due=True)
    entries = list(due.select_related("alert").order_by("pk"))
    if not entries:
        return
    AlertEntry.objects.filter(pk__in=[entry.pk for entry in entries]).update(is_due=False)
    entries = [entry for entry in entries if not is_told_in_vain(entry, entries)]
    rules = {rule.kind: rule for rule in AlertRule.objects.all()}
    for batch in divide(entries):
        AlertEntry.objects.filter(pk__in=[entry.pk for entry in batch]).update(told_with=batch[0])
        announce(batch, rules)


def is_told_in_vain(entry: AlertEntry, entries: Sequence[AlertEntry]) -> bool:
    """What was over before anybody could be told that it is open."""
    is_over = any(each.alert_id == entry.alert_id and each.what == What.CLOSED for each in entries)
    return is_over and any(each.alert_id == entry.alert_id and each.what == What.OPENED for each in entries)


def divide(entries: Sequence[AlertEntry]) -> Iterable[Sequence[AlertEntry]]:
    """Messages: one for each, or one for all. One about a connection that messages go by stays alone."""
    if len(entries) <= ONE_BY_ONE:
        return [[entry] for entry in entries]
    channels = set(Connection.objects.filter(provider__in=("slack", "email")).values_list("pk", flat=True))

    def of_channel(entry: AlertEntry) -> int:
        return entry.alert.connection_id if entry.alert.connection_id in channels else 0

    return [list(batch) for _, batch in groupby(sorted(entries, key=of_channel), key=of_channel)]


def announce(batch: Sequence[AlertEntry], rules: Mapping[str, AlertRule]) -> None:
    """Through connections that work, and are not the one concerned."""
    concerned = batch[0].alert.connection_id
    by_slack = choose(batch, rules, "to_slack")
    if by_slack and (channel := find_channel("slack", concerned)):
        key = f"{SLACK}:{batch[0].pk}"
        plan(SLACK, connection_id=channel.pk, subject=subject_of(batch[0]), key=key, parameters=by_slack)
    by_email = choose(batch, rules, "to_email")
    if by_email and (mailer := find_channel("email", concerned)):
        for name in list_recipients():
            # A subject of its own for each: a letter that is tried again holds up nobody else's.
            subject = f"{subject_of(batch[0])}:{name}"
            key = f"{EMAIL}:{batch[0].pk}:{name}"
            plan(EMAIL, connection_id=mailer.pk, subject=subject, key=key, parameters=by_email)


def subject_of(first: AlertEntry) -> str:
    """Of a message, by its first entry."""
    return f"alert:{first.alert_id}:{first.pk}"


def choose(batch: Sequence[AlertEntry], rules: Mapping[str, AlertRule], channel: str) -> dict[str, list[int]]:
    """A message's parameters: the entries whose rule may be told by it; empty where none may."""
    silent = {kind for kind, rule in rules.items() if not getattr(rule, channel)}
    ids = [entry.pk for entry in batch if entry.alert.kind not in silent]
    return {"entries": ids} if ids else {}


def find_channel(provider: str, concerned: int | None) -> Connection | None:
    working = Connection.objects.filter(provider=provider, status=Connection.Status.ACTIVE)
    if concerned is not None:
        working = working.exclude(pk=concerned)
    return working.defer("credentials").order_by("pk").first()


def list_recipients() -> list[str]:
    """By the numbers of ALERT_EMAILS, such as `to-1`, or else the keys of those who can do something about it."""
    if settings.ALERT_EMAILS:
        return [f"to-{number}" for number in range(1, len(settings.ALERT_EMAILS) + 1)]
    return [str(key) for key in find_users().values_list("pk", flat=True)]


def find_users() -> QuerySet[User]:
    return User.objects.with_perm(PERMISSION).exclude(Q(email="") | Q(email=None)).order_by("pk")


def find_address(name: str) -> str:
    """Of a recipient, as it is now; empty where there is none any more."""
    if name.startswith("to-"):
        return dict(zip(list_recipients(), settings.ALERT_EMAILS, strict=False)).get(name, "")
    user = find_users().filter(pk=name).first()
    return user.email if user else ""


# --- Sending ----------------------------------------------------------------------------------------------------------


@carries_out(SLACK, is_findable=False)
def send_to_slack(task: Task) -> Result:
    entries = read_entries(task)
    if not entries:
        return Skipped(OVER)
    return Done(slack.post_message(task.account, write_message(entries)))


@carries_out(EMAIL, is_findable=False)
def send_letter(task: Task) -> Result:
    entries, address = read_entries(task), find_address(task.subject.rpartition(":")[2])
    if not entries or not address:
        return Skipped(NOBODY if entries else OVER)
    told = [f"{title_of(entry)}\n\n{text_of(entry, entries)}\n\nOpen it: {address_of(entry)}\n" for entry in entries]
    email.send_message(
        task.account,
        email.Message(
            to=address,
            subject=f"Keepsync: {headline_of(entries)}",
            text="\n".join([*told[:IN_ONE], *count_more(entries)]),
            html="",
            message_id=f"<{task.effect_id}@{settings.MAIL_DOMAIN}>",
        ),
    )
    return Done()


def read_entries(task: Task) -> list[AlertEntry]:
    """Those of a message that are still worth telling."""
    found = AlertEntry.objects.filter(pk__in=task.parameters.get("entries", [])).select_related("alert")
    return [entry for entry in found.order_by("pk") if is_worth_telling(entry, task)]


def is_worth_telling(entry: AlertEntry, task: Task) -> bool:
    """That it is open, while it is; that it is over, to those whom it was told that it is open."""
    if entry.alert.is_muted:
        return False
    if entry.what != What.CLOSED:
        return entry.alert.closed_at is None
    recipient = "".join(f":{name}" for name in task.subject.split(":")[3:])
    earlier = entry.alert.entries.exclude(what=What.CLOSED).values("told_with")
    subjects = [f"{subject_of(first)}{recipient}" for first in AlertEntry.objects.filter(pk__in=earlier)]
    sent = Effect.objects.filter(kind=task.key.partition(":")[0], subject__in=subjects)
    return sent.filter(status=Effect.Status.SUCCEEDED).exists()


# --- Words ------------------------------------------------------------------------------------------------------------


def write_message(entries: Sequence[AlertEntry]) -> str:
    """In Slack's own markup."""
    told = [write_entry(entry, entries) for entry in entries[:IN_ONE]]
    headline = [f"*{slack.escape_text(headline_of(entries))}*"] if len(entries) > 1 else []
    return "\n".join([*headline, *told, *count_more(entries)])


def write_entry(entry: AlertEntry, entries: Sequence[AlertEntry]) -> str:
    lines = [f"*{slack.escape_text(title_of(entry))}*", slack.escape_text(text_of(entry, entries))]
    return "\n".join([*filter(None, lines), slack.link(address_of(entry), "Open it in Keepsync")])


def headline_of(entries: Sequence[AlertEntry]) -> str:
    if len(entries) == 1:
        return title_of(entries[0])
    over = sum(entry.what == What.CLOSED for entry in entries)
    counts = ((len(entries) - over, "open"), (over, "over"))
    return f"alerts: {', '.join(f'{count:,} {word}' for count, word in counts if count)}"


def title_of(entry: AlertEntry) -> str:
    return BEGINNINGS.get(What(entry.what), "") + entry.alert.title


def text_of(entry: AlertEntry, entries: Sequence[AlertEntry]) -> str:
    """Of many the beginning is enough, and of what is over nothing but since when."""
    if entry.what == What.CLOSED:
        lasted = (entry.at - entry.alert.opened_at).total_seconds() // 60
        return f"It was open for {lasted:.0f} minutes, until {entry.at:%Y-%m-%d %H:%M} UTC."
    text = entry.alert.text
    return text if len(entries) == 1 or len(text) <= TEXT_IN_ONE else f"{text[:TEXT_IN_ONE]}…"


def count_more(entries: Sequence[AlertEntry]) -> list[str]:
    more = len(entries) - IN_ONE
    return (
        [f"And {more:,} more: {settings.BASE_URL}{reverse('admin:integrations_alert_changelist')}"] if more > 0 else []
    )


def address_of(entry: AlertEntry) -> str:
    """The page where something can be done about it."""
    alert: Alert = entry.alert
    if alert.page:
        return settings.BASE_URL + alert.page
    if alert.connection_id is None:
        return settings.BASE_URL + reverse("admin:integrations_alert_change", args=[alert.pk])
    return settings.BASE_URL + reverse("admin:integrations_connection_change", args=[alert.connection_id])
