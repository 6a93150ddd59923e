"""What can be done with one delivery: replay, discard, verify again, reveal."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from unfold.enums import ActionVariant

from integrations import deliveries, intake
from integrations.admin.base import Button, ReasonForm, show_page
from integrations.admin.formats import address_of, format_json
from integrations.exceptions import MalformedError, StateError
from integrations.jobs import queue_deliveries, replay_deliveries
from integrations.models import Delivery
from integrations.providers.json_body import parse_json

Status = Delivery.Status
OPERATE = "integrations.operate_delivery"
REVEAL = "integrations.reveal_delivery"


def replay_one(request: HttpRequest, delivery: Delivery, values: dict[str, Any]) -> str:
    if delivery.emptied_at:
        raise StateError(deliveries.explain_emptied(delivery))
    if not replay_deliveries(Delivery.objects.filter(pk=delivery.pk)):
        raise StateError("It has changed meanwhile, and was left as it is.")
    return "The delivery is queued, with a new retry schedule."


def discard(request: HttpRequest, delivery: Delivery, values: dict[str, Any]) -> str:
    deliveries.discard(delivery, values["reason"])
    return "The delivery is discarded."


def verify_again(request: HttpRequest, delivery: Delivery, values: dict[str, Any]) -> str:
    with transaction.atomic():
        intake.verify_again(delivery)
        queue_deliveries([delivery.pk])
    return "The signature is right now: the delivery is accepted and queued."


def reveal(request: HttpRequest, delivery: Delivery, values: dict[str, Any]) -> HttpResponse:
    return show_page(
        request,
        "keepsync/revealed.html",
        title=f"Payload of {delivery}",
        payload=print_payload(bytes(delivery.body)),
        back=address_of(delivery),
    )


def print_payload(body: bytes) -> str:
    try:
        return format_json(parse_json(body))
    except MalformedError:
        return body.decode("utf-8", "replace")


BUTTONS = [
    Button(
        name="replay",
        label="Replay",
        icon="replay",
        permission=OPERATE,
        explain=lambda row: (
            (
                "The delivery is worked on again, with a new retry schedule. "
                "What it did already is not done twice; earlier attempts stay on record."
                if not row.erased_at
                else "Its payload was erased, with the data of a person: the try will say so, and change nothing."
            )
            if not row.emptied_at
            else deliveries.explain_emptied(row)
        ),
        # With the reason why nothing comes of it, where the payload is not kept any more.
        fits=lambda row: deliveries.may_replay(row) or bool(row.emptied_at),
        run=replay_one,
        log="Replayed",
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="verify_again",
        label="Verify again",
        icon="verified_user",
        permission=OPERATE,
        explain=lambda row: (
            "The stored request is checked against the secrets that are active now. "
            "If one of them signed it, it is accepted and worked on like any other delivery."
        ),
        fits=lambda row: row.status == Status.REJECTED,
        run=verify_again,
        log="Verified again",
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="discard",
        label="Discard",
        icon="delete",
        permission=OPERATE,
        explain=lambda row: "The delivery is closed and not worked on any more. It stays on record, with your reason.",
        fits=lambda row: row.status in deliveries.DISCARDABLE,
        form=ReasonForm,
        run=discard,
        log="Discarded",
        variant=ActionVariant.DANGER,
    ),
    Button(
        name="reveal",
        label="Reveal payload",
        icon="visibility",
        permission=REVEAL,
        fits=lambda row: not (row.erased_at or row.emptied_at),
        explain=lambda row: (
            "The payload is shown once in clear, with the names, addresses and numbers of people in it. "
            "That you have looked is written down in the delivery's history."
        ),
        run=reveal,
        log="Revealed the payload",
    ),
]
