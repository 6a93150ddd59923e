"""What happens next with an effect, in words: when it is tried again, what it waits for, or what a person has to do."""

from collections.abc import Callable
from datetime import datetime

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.admin.formats import format_utc, link_to, relate
from integrations.claims import IN_ORDER
from integrations.effect_actions import is_unknown, may_replay
from integrations.models import Connection, Drain, Effect
from integrations.providers import name_provider
from integrations.retries import Cause

Status = Effect.Status
CLOSED = {
    Status.SUCCEEDED: "Nothing: it is done.",
    Status.SUPPRESSED: "Nothing: there is nothing to do for it.",
    Status.DISCARDED: "Nothing: a person has closed it.",
}
WAITS_FOR_CONNECTION = {
    Connection.Status.NEEDS_REAUTHORISATION: (
        "It waits for reauthorisation: set new credentials of {connection}, and it goes on by itself."
    ),
    Connection.Status.PAUSED: "It waits until {connection}, which is paused, is resumed.",
    Connection.Status.DISABLED: "It waits: {connection} is disabled, so nothing goes out there until it is resumed.",
}
# What a person does about a dead letter.
REMEDIES = {
    Cause.TRANSIENT: "All tries are used up. Replay it once {provider} works again.",
    Cause.RATE_LIMITED: "All tries are used up. Replay it once {provider} allows more.",
    Cause.REAUTHORISE: "Set new credentials of {connection}, then replay it.",
    Cause.CONFIGURATION: "Set what the error names, then replay it.",
    Cause.PERMANENT: "{provider} never accepts it like this. Mend what the error names and replay it, or discard it.",
    Cause.PAYLOAD: "An answer of {provider} cannot be read. Replay it after the update that reads it.",
    Cause.CONFLICT: "Something contradicts it. Settle what the error names and replay it, or discard it.",
    Cause.RESIDENCY: "It would break a rule on where data may go. Change the rule and replay it, or discard it.",
    Cause.BUG: "Keepsync has a fault here. Replay it after the update that mends it.",
}
RESTS = {
    Cause.RATE_LIMITED: "It waits until {provider}'s rate limit is over, {moment}.",
    Cause.TRANSIENT: "{provider} is away. One effect tries it again {moment}; the others follow once that has worked.",
    Cause.REAUTHORISE: "It waits for reauthorisation: set new credentials of {connection}, and it goes on by itself.",
}

type EarlierFinder = Callable[[Effect], Effect | None]


def find_earlier(effect: Effect) -> Effect | None:
    same = Effect.objects.filter(connection=effect.connection_id, subject=effect.subject, status__in=IN_ORDER)
    return same.filter(id__lt=effect.pk).order_by("id").first()


def describe_next(effect: Effect, earlier_than: EarlierFinder = find_earlier) -> SafeString | str:
    """`earlier_than` says which open effect of the same subject goes first; a page of many knows it without asking."""
    if effect.status in CLOSED:
        more = " It can be replayed." if may_replay(effect) else ""
        return f"{CLOSED[Status(effect.status)]}{more}"
    if effect.status == Status.DEAD:
        remedy = REMEDIES.get(Cause(effect.cause)) if effect.cause else None
        return say(remedy or "Mend what the error names and replay it, or discard it.", effect)
    if is_unknown(effect):
        text = "Nobody knows whether it arrived: look in {provider}, then say “It arrived” or “Send again”."
        return say(text, effect)
    if effect.status == Status.WAITING and effect.cause == Cause.RESIDENCY:
        return f"{effect.error} No try is used up."
    if effect.status == Status.RUNNING:
        return describe_run(effect)
    return describe_wait(effect, earlier_than)


def say(text: str, effect: Effect, moment: datetime | None = None) -> str:
    connection = effect.connection
    when = f"{relate(moment)} ({format_utc(moment)})" if moment else ""
    return text.format(provider=name_provider(connection.provider), connection=connection, moment=when)


def describe_run(effect: Effect) -> str:
    if effect.lease_expires_at and effect.lease_expires_at <= timezone.now():
        return "The process that carried it out has died. It is taken up again within a minute."
    return "It is being carried out at this moment."


def describe_wait(effect: Effect, earlier_than: EarlierFinder) -> SafeString | str:
    """Of one that is to go out: what holds it back, first what holds the whole connection."""
    if reason := WAITS_FOR_CONNECTION.get(Connection.Status(effect.connection.status)):
        return say(reason, effect)
    now, state = timezone.now(), find_drain(effect.connection)
    if state and state.held_until and state.held_until > now and state.hold_cause in RESTS:
        return say(RESTS[Cause(state.hold_cause)], effect, state.held_until)
    if earlier := earlier_than(effect):
        return format_html("It waits for an earlier effect of the same subject: {}.", link_to(earlier))
    if effect.status == Status.WAITING:
        return "What it waited for is over: it goes on by itself within a minute."
    if effect.due_at and effect.due_at > now:
        return say("Next try {moment}.", effect, effect.due_at)
    return say("It is due: it goes out as soon as it is its turn at {connection}.", effect)


def find_drain(connection: Connection) -> Drain | None:
    """None for a connection through which nothing has gone out yet."""
    return getattr(connection, "drain", None)
