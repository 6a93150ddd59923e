"""Telling an alert: once to Slack, and once to each administrator by e-mail. Both are effects like any other."""

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.urls import reverse

from integrations.effects import Done, Result, Skipped, Task, carries_out, plan
from integrations.models import Alert, Connection
from integrations.providers.email import client as email
from integrations.providers.slack import client as slack

SLACK, EMAIL = "alert.slack", "alert.email"
PERMISSION = "integrations.change_connection"
OVER = "It was over before it was told."


# --- Planning ---------------------------------------------------------------------------------------------------------


def announce(alert: Alert) -> None:
    """In the transaction that opens the alert. Through connections that work, and are not the one concerned."""
    if channel := find_channel("slack", alert):
        plan(SLACK, connection_id=channel.pk, subject=f"alert:{alert.pk}", key=f"{SLACK}:{alert.pk}")
    if mailer := find_channel("email", alert):
        for user_id in list_recipients().values_list("pk", flat=True):
            # A subject of its own for each: a letter that is tried again holds up nobody else's.
            subject = f"alert:{alert.pk}:{user_id}"
            plan(EMAIL, connection_id=mailer.pk, subject=subject, key=f"{EMAIL}:{alert.pk}:{user_id}")


def find_channel(provider: str, alert: Alert) -> Connection | None:
    working = Connection.objects.filter(provider=provider, status=Connection.Status.ACTIVE)
    if alert.connection_id is not None:
        working = working.exclude(pk=alert.connection_id)
    return working.defer("credentials").order_by("pk").first()


def list_recipients() -> QuerySet[User]:
    """Those who can do something about it, as far as their addresses are known."""
    return User.objects.with_perm(PERMISSION).exclude(Q(email="") | Q(email=None)).order_by("pk")


# --- Sending ----------------------------------------------------------------------------------------------------------


@carries_out(SLACK, is_findable=False)
def send_to_slack(task: Task) -> Result:
    alert = find_alert(task)
    if alert is None:
        return Skipped(OVER)
    return Done(slack.post_message(task.account, write_message(alert)))


@carries_out(EMAIL, is_findable=False)
def send_letter(task: Task) -> Result:
    alert = find_alert(task)
    user = list_recipients().filter(pk=task.subject.rpartition(":")[2]).first()
    if alert is None or user is None:
        return Skipped(OVER if alert is None else "The user may not change connections any more, or has no address.")
    email.send_message(
        task.account,
        email.Message(
            to=user.email,
            subject=f"Keepsync: {alert.title}",
            text=f"{alert.title}\n\n{alert.text}\n\nOpen it in Keepsync: {address_of(alert)}\n",
            html="",
            message_id=f"<{task.effect_id}@{settings.MAIL_DOMAIN}>",
        ),
    )
    return Done()


def find_alert(task: Task) -> Alert | None:
    """While it is open."""
    return Alert.objects.filter(pk=task.subject.split(":")[1], closed_at=None).first()


def write_message(alert: Alert) -> str:
    """In Slack's own markup."""
    opening = slack.link(address_of(alert), "Open it in Keepsync")
    told = "\n".join(filter(None, (f"*{slack.escape_text(alert.title)}*", slack.escape_text(alert.text))))
    return f"{told}\n{opening}"


def address_of(alert: Alert) -> str:
    """The page where something can be done about it."""
    if alert.connection_id is None:
        return settings.BASE_URL + reverse("admin:integrations_alert_change", args=[alert.pk])
    return settings.BASE_URL + reverse("admin:integrations_connection_change", args=[alert.connection_id])
