"""Idempotency keys: the same key with the same parameters answers the first result for 24 hours."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

from integrations.sandbox.stripe.account import Moment
from integrations.sandbox.stripe.documents import Document
from integrations.sandbox.stripe.exceptions import InvalidRequestError, KeyReusedError
from integrations.sandbox.stripe.records import RememberedAnswer

REMEMBERED_FOR = timedelta(hours=24)
MAX_KEY_LENGTH = 255


def answer_once(
    moment: Moment, key: str | None, request: bytes, make: Callable[[Moment], Document]
) -> tuple[Document, bool]:
    """What `make` answers, or what the key answered before; and whether it is such a replay.

    `request` is everything that must be the same: path and body. Refusals are not remembered, as Stripe does not where
    validation fails. Raises KeyReusedError, InvalidRequestError for a key that is too long, and what `make` raises.
    """
    if key is None:
        return make(moment), False
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        raise InvalidRequestError(f"Idempotency-Key must have 1 to {MAX_KEY_LENGTH} characters.")
    answers = moment.state.remembered_answers
    for old in [name for name, answer in answers.items() if answer.created < moment.now - REMEMBERED_FOR]:
        del answers[old]
    fingerprint = hashlib.sha256(request).hexdigest()
    known = answers.get(key)
    if known is None:
        answers[key] = known = RememberedAnswer(fingerprint, make(moment), moment.now)
        return known.document, False
    if known.fingerprint != fingerprint:
        raise KeyReusedError(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{key}' if you meant to execute a different request."
        )
    return known.document, True
