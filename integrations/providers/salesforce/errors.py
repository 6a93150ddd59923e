"""What Salesforce's error codes mean here. Its messages quote what was sent, so they are not passed on: codes and field
names are.

Codes: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm
"""

import re
from collections.abc import Mapping
from typing import Any

import requests

from integrations import http
from integrations.exceptions import (
    ConflictError,
    KeepsyncError,
    MissingError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    SetupError,
    TransientError,
)

# There is no Retry-After: the calls of the last 24 hours count, and some fall out of that window all the time.
USED_UP_S = 900
# The other limit: long requests at the same time.
CONCURRENT_S = 30
# `api-usage=18/5000`, beside which `per-app-api-usage=…` may stand.
USAGE = re.compile(r"(?<![\w-])api-usage=([0-9]{1,12})/([0-9]{1,12})")
FIELD_NAME = re.compile("[A-Za-z][A-Za-z0-9_]{0,79}")
# Words only, as all that are known: what holds a digit may be a token that was sent there.
CODE = re.compile("[A-Z][A-Z_]{0,79}")
# In queries "on entity 'Contact'", in writes "on sobject of type Contact".
NO_COLUMN = re.compile(r"No such column '(\w{1,80})' on (?:entity|sobject of type) '?(\w{1,80})")
NO_EXTERNAL_ID = re.compile(r"external ID field does not exist|not an external id", re.IGNORECASE)
PRIVATE = re.compile(r"'[^']*'|\"[^\"]*\"|\S*@\S*|\d{4,}")

CONFLICTS = {
    "DUPLICATES_DETECTED": "a duplicate rule finds the same person: merge the records in Salesforce, then replay",
    "DUPLICATE_VALUE": "another record has the same unique value: merge the records in Salesforce, then replay",
    "DUPLICATE_EXTERNAL_ID": "several records have the same Keepsync_Id__c: merge them in Salesforce, then replay",
    "CANNOT_UPDATE_CONVERTED_LEAD": "the Lead was converted, and cannot be changed any more",
}
SETUPS = {
    "INVALID_FIELD": "correct the mapping, or create the field",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "let the connection's user write the field, or take it out of the mapping",
    "INVALID_TYPE": "let the connection's user see the object",
    "INSUFFICIENT_ACCESS": "give the connection's user the permission",
    "INSUFFICIENT_ACCESS_OR_READONLY": "give the connection's user the permission",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": "give the connection's user the permission",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "add the value to the field's picklist",
    "INACTIVE_OWNER_OR_USER": "the owner is inactive: choose another one",
    "API_DISABLED_FOR_ORG": "let the connection's user call the API",
    "API_CURRENTLY_DISABLED": "let the connection's user call the API",
    "STORAGE_LIMIT_EXCEEDED": "the org is full: make room in it",
}
GONE = {
    "NOT_FOUND": "the record is not there",
    "ENTITY_IS_DELETED": "the record, or one that it refers to, was deleted",
    "INVALID_CROSS_REFERENCE_KEY": "a record that it refers to is not there",
}
SESSIONS = dict.fromkeys(("INVALID_SESSION_ID", "INVALID_AUTH_HEADER"), "authorise the connection again")
INCOMPLETE = {"REQUIRED_FIELD_MISSING": "Salesforce will not take the record without these fields"}
PASSING = dict.fromkeys(("UNABLE_TO_LOCK_ROW", "QUERY_TIMEOUT"), "something else holds the record now")


class IncompleteError(PermanentError):
    """A required field has no value. For an update that leaves fields out: the record is not there any more."""


KINDS: Mapping[str, tuple[type[KeepsyncError], str]] = {
    code: (kind, advice)
    for kind, advices in (
        (ConflictError, CONFLICTS),
        (SetupError, SETUPS),
        (MissingError, GONE),
        (ReauthoriseError, SESSIONS),
        (TransientError, PASSING),
        (IncompleteError, INCOMPLETE),
    )
    for code, advice in advices.items()
}
# For codes that are not listed above.
BY_STATUS: Mapping[int, tuple[type[KeepsyncError], str]] = {
    401: (ReauthoriseError, SESSIONS["INVALID_SESSION_ID"]),
    403: (SetupError, SETUPS["INSUFFICIENT_ACCESS"]),
    404: (MissingError, GONE["NOT_FOUND"]),
    409: (ConflictError, "Salesforce holds something that contradicts this"),
    412: (ConflictError, "Salesforce holds something that contradicts this"),
}
REFUSED = (PermanentError, "Salesforce will not take these values")


class NoFieldError(SetupError):
    """The org has no such field, or the connection's user may not see it: Salesforce says the same of both."""

    def __init__(self, sobject: str, field: str) -> None:
        super().__init__(
            f"Salesforce's {sobject} has no field {field}: create it, let the connection's user see and edit it, "
            "or take it out of the mapping."
        )
        self.field = field


def explain(response: requests.Response) -> KeepsyncError | None:
    """The error of an answer such as `[{"message", "errorCode", "fields"}]`; None for one in another form."""
    status = response.status_code
    if status == 300:
        return ConflictError(f"Salesforce refuses this (300): {CONFLICTS['DUPLICATE_EXTERNAL_ID']}.")
    if status >= 500 or status in (408, 429):
        return None
    match http.read_error(response):
        case [{"errorCode": str(code)} as error, *_]:
            return make_error(code, error.get("message"), error.get("fields"), default=BY_STATUS.get(status, REFUSED))
    return None


def make_error(
    code: str, message: Any, fields: Any = None, *, default: tuple[type[KeepsyncError], str] = REFUSED
) -> KeepsyncError:
    """The error that a code stands for, with the fields that it names. `default` is for codes that are not known."""
    text = message if isinstance(message, str) else ""
    if missing := NO_COLUMN.search(text):
        return NoFieldError(missing[2], missing[1])
    if NO_EXTERNAL_ID.search(text):
        return SetupError("Salesforce's Keepsync_Id__c is no External ID: create it as Text(64), External ID, Unique.")
    if code == "REQUEST_LIMIT_EXCEEDED":
        wait_s = CONCURRENT_S if "concurrent" in text.lower() else USED_UP_S
        return RateLimitedError(f"Salesforce's limit of calls is reached ({code}).", retry_after_s=wait_s)
    kind, advice = KINDS.get(code, default)
    if code == "FIELD_CUSTOM_VALIDATION_EXCEPTION":
        # Written by the org's own administrator, for people to act on.
        advice = f"a rule of the org: {PRIVATE.sub('…', text)[:200]}"
    return kind(f"Salesforce refuses this ({describe(code, fields)}): {advice}.")


def describe(code: str, fields: Any) -> str:
    """The code and the fields' names, as far as they are such."""
    names = (
        [name for name in fields if isinstance(name, str) and FIELD_NAME.fullmatch(name)]
        if isinstance(fields, list)
        else []
    )
    return ": ".join(filter(None, (code if CODE.fullmatch(code) else "no code", ", ".join(names[:10]))))


def read_rest(response: requests.Response) -> float | None:
    """The pause for which an org asks that has used up its calls of 24 hours (header Sforce-Limit-Info)."""
    usage = USAGE.search(response.headers.get("Sforce-Limit-Info", ""))
    return USED_UP_S if usage and int(usage[1]) >= int(usage[2]) else None
