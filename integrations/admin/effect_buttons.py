"""What can be done with one effect: replay, suppress, discard, and settle whether it arrived."""

from typing import Any

from django.http import HttpRequest
from unfold.enums import ActionVariant

from integrations import effect_actions
from integrations.admin.base import Button, ReasonForm
from integrations.admin.replaying import EFFECTS, PROMISE
from integrations.exceptions import StateError
from integrations.jobs import replay_effects, send_effect_again, try_effect_now
from integrations.models import Effect
from integrations.providers import name_provider

Status = Effect.Status
OPERATE = EFFECTS.may_operate


def replay_one(request: HttpRequest, effect: Effect, values: dict[str, Any]) -> str:
    if replay_effects(Effect.objects.filter(pk=effect.pk)):
        return "The effect is queued, with a new retry schedule."
    effect.refresh_from_db()
    if effect.status == Status.SUPPRESSED:
        return "Another effect brings the same state: this one is closed."
    raise StateError("It has changed meanwhile, and was left as it is.")


def suppress(request: HttpRequest, effect: Effect, values: dict[str, Any]) -> str:
    effect_actions.suppress(effect, values["reason"])
    return "The effect is suppressed: it will not happen."


def discard(request: HttpRequest, effect: Effect, values: dict[str, Any]) -> str:
    effect_actions.discard(effect, values["reason"])
    return "The effect is discarded."


def confirm_arrival(request: HttpRequest, effect: Effect, values: dict[str, Any]) -> str:
    effect_actions.confirm_arrival(effect)
    return "The effect has succeeded: it arrived."


def send_again(request: HttpRequest, effect: Effect, values: dict[str, Any]) -> str:
    send_effect_again(effect)
    return "The effect is queued, and will be sent once more."


def try_now(request: HttpRequest, effect: Effect, values: dict[str, Any]) -> str:
    try_effect_now(effect)
    return "The effect is due now: it is tried as soon as it is its turn."


BUTTONS = [
    Button(
        name="confirm_arrival",
        label="It arrived",
        icon="check",
        permission=OPERATE,
        explain=lambda row: (
            f"You have looked in {name_provider(row.connection.provider)}, and it is there. "
            "The effect is marked as succeeded; nothing is sent."
        ),
        fits=effect_actions.is_unknown,
        run=confirm_arrival,
        log="Found that it arrived",
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="send_again",
        label="Send again",
        icon="send",
        permission=OPERATE,
        explain=lambda row: (
            f"You have looked in {name_provider(row.connection.provider)}, and it is not there. It is sent once more: "
            "if it did arrive after all, it happens twice."
        ),
        fits=effect_actions.is_unknown,
        run=send_again,
        log="Sent again",
        variant=ActionVariant.WARNING,
    ),
    Button(
        name="try_now",
        label="Try now",
        icon="bolt",
        permission=OPERATE,
        explain=lambda row: (
            f"The effect is tried at once instead of at its time, and has all its tries again. {PROMISE}"
        ),
        fits=lambda row: row.status == Status.RETRYING,
        run=try_now,
        log="Tried at once",
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="replay",
        label="Replay",
        icon="replay",
        permission=OPERATE,
        explain=lambda row: f"The effect is carried out again, with a new retry schedule. {PROMISE}",
        fits=effect_actions.may_replay,
        run=replay_one,
        log="Replayed",
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="suppress",
        label="Suppress",
        icon="do_not_disturb_on",
        permission=OPERATE,
        explain=lambda row: (
            "The effect is closed before it happens, for good. It stays on record, with your reason. "
            "A later change of the same record is a new effect, and goes out."
        ),
        fits=lambda row: row.status in effect_actions.SUPPRESSIBLE,
        form=ReasonForm,
        run=suppress,
        log="Suppressed",
        variant=ActionVariant.DANGER,
    ),
    Button(
        name="discard",
        label="Discard",
        icon="delete",
        permission=OPERATE,
        explain=lambda row: "The effect is closed and not tried any more. It stays on record, with your reason.",
        fits=lambda row: row.status in effect_actions.DISCARDABLE,
        form=ReasonForm,
        run=discard,
        log="Discarded",
        variant=ActionVariant.DANGER,
    ),
]
