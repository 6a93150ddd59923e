"""Idempotency keys: the same key with the same body answers the first result for 24 hours."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from integrations.sandbox.calendar_live.documents import Document
from integrations.sandbox.calendar_live.exceptions import InvalidInputError, KeyReusedError
from integrations.sandbox.calendar_live.records import RememberedAnswer
from integrations.sandbox.calendar_live.world import Moment

REMEMBERED_FOR = timedelta(hours=24)
MAX_KEY_LENGTH = 128


def answer_once(moment: Moment, operation: str, key: str, body: Any, make: Callable[[], Document]) -> Document:
    """The document that `make` returns, or the one that the key answered before.

    Refusals are not remembered, so that a caller can try again once a slot is free. Raises InvalidInputError for a key
    that is missing or too long, and KeyReusedError for a known key with another body.
    """
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        raise InvalidInputError(f"Idempotency-Key must have 1 to {MAX_KEY_LENGTH} characters.", field="Idempotency-Key")
    _forget_old(moment)
    name = f"{operation} {key}"
    fingerprint = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    known = moment.state.remembered_answers.get(name)
    if known is None:
        known = RememberedAnswer(fingerprint, make(), moment.now)
        moment.state.remembered_answers[name] = known
    if known.fingerprint != fingerprint:
        raise KeyReusedError("This Idempotency-Key was used with another body.")
    return known.document


def _forget_old(moment: Moment) -> None:
    answers = moment.state.remembered_answers
    for name in [name for name, answer in answers.items() if answer.created_at < moment.now - REMEMBERED_FOR]:
        del answers[name]
