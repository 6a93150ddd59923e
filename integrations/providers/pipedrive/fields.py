"""Pipedrive's custom person fields: the API knows them by codes of 40 characters, people by their names.

https://pipedrive.readme.io/docs/core-api-concepts-custom-fields
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.exceptions import PayloadError, SetupError
from integrations.payloads import PayloadReader, cut
from integrations.providers.base import Account
from integrations.providers.pipedrive.client import LARGEST_PAGE, V2, create, read_all
from integrations.providers.pipedrive.errors import FIELD_CODE, NAME

PATH = f"{V2}/personFields"
KEPT_S = 600
VARCHAR_LENGTH = 255

KEEPSYNC_ID = "Keepsync id"
LEAD_SOURCE = "Lead source"
LEAD_SCORE = "Lead score"
# What `prepare` makes: the record's own key, and what the default mapping names.
OURS = {KEEPSYNC_ID: "varchar", LEAD_SOURCE: "varchar", LEAD_SCORE: "double"}


@dataclass(frozen=True, slots=True)
class CustomField:
    """`options` are an enum's or set's ids by their labels in lower case."""

    name: str
    code: str
    type: str
    options: Mapping[str, int | str] = field(default_factory=dict)


# When they were read, and the fields by their names in lower case; by account.
_known: dict[str, tuple[float, dict[str, CustomField]]] = {}


def find_field(account: Account, name: str) -> CustomField:
    """By its name or code. One that is not known is looked for anew before SetupError is raised."""
    for is_fresh in (False, True):
        fields = load_fields(account, is_fresh=is_fresh)
        found = fields.get(fold(name)) or next((known for known in fields.values() if known.code == name), None)
        if found:
            return found
    kind = "code" if FIELD_CODE.fullmatch(name) else "name"
    raise SetupError(
        f"{NAME} has no person field of the {kind} {name!r}: make it there or correct the field mapping; a test of the "
        "connection makes Keepsync's own fields."
    )


def load_fields(account: Account, *, is_fresh: bool = False) -> dict[str, CustomField]:
    """All custom person fields; of two with one name the first."""
    key, now = identify(account), time.monotonic()
    kept = _known.get(key)
    if kept and not is_fresh and now - kept[0] < KEPT_S:
        return kept[1]
    fields: dict[str, CustomField] = {}
    for item in read_all(account, PATH, {"limit": LARGEST_PAGE}):
        if item.value.get("is_custom_field") is True:
            found = read_field(item)
            fields.setdefault(fold(found.name), found)
    for old in [old for old, (read_at, _) in _known.copy().items() if now - read_at >= KEPT_S]:
        _known.pop(old, None)
    _known[key] = (now, fields)
    return fields


def identify(account: Account) -> str:
    """Companies share one address, so that the token is part of what tells them apart; it is not kept in clear."""
    token = account.credentials.get("access_token") or account.credentials.get("api_key") or ""
    return hashlib.sha256(f"{account.base_url}\n{token}".encode()).hexdigest()


def fold(name: str) -> str:
    return " ".join(name.split()).casefold()


def read_field(item: PayloadReader) -> CustomField:
    options = {}
    for path, value in item.items("options", is_required=False):
        option = PayloadReader(value, path)
        number = option.required("id")
        if not isinstance(number, int | str):
            raise PayloadError(option.at("id"), "is neither a number nor a text.")
        options[fold(option.text("label"))] = number
    return CustomField(item.identifier("field_name"), item.identifier("field_code"), item.text("field_type"), options)


def prepare(account: Account) -> list[str]:
    """Make those of our fields that are missing; their names."""
    fields = load_fields(account, is_fresh=True)
    missing = [name for name in OURS if fold(name) not in fields]
    for name in missing:
        create(account, PATH, {"field_name": name, "field_type": OURS[name]})
    if missing:
        _known.pop(identify(account), None)
    return missing


def convert(value: Any, custom: CustomField) -> Any:
    """The value as the field's type takes it; None clears it. Raises SetupError where the type cannot hold it."""
    match custom.type:
        case _ if value is None:
            return None
        case "double":
            return convert_number(value, custom)
        case "enum":
            return convert_option(value, custom)
        case "set":
            return [convert_option(item, custom) for item in (value if isinstance(value, list) else [value])]
        case "date":
            return str(value)[:10]
        case "varchar" | "varchar_auto" | "phone":
            return cut(convert_text(value), VARCHAR_LENGTH)
        case "text":
            return convert_text(value)
    return value


def convert_text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def convert_number(value: Any, custom: CustomField) -> int | float:
    if isinstance(value, int | float):
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SetupError(f"{NAME}'s field {custom.name!r} takes numbers: correct the field mapping.") from None


def convert_option(value: Any, custom: CustomField) -> int | str:
    option = custom.options.get(fold(str(value)))
    if option is None:
        raise SetupError(f"{NAME}'s field {custom.name!r} lacks this option: add it there, or map to a text field.")
    return option
