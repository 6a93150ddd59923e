"""Strict JSON of a webhook's raw body (RFC 8259), with the limits that the contracts name."""

import json
from typing import Any, NoReturn

from integrations.exceptions import MalformedError

MAX_DEPTH = 100
MAX_DIGITS = 1000


def parse_json(body: bytes) -> Any:
    """Raises MalformedError for what is not UTF-8 JSON (NaN and Infinity are not) or nested over 100 levels deep."""
    try:
        value = DECODER.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise MalformedError("The body is not UTF-8 JSON, or is nested too deeply.", field="body") from error
    # Brackets bound the depth from above and are quick to count.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and depth_of(value) > MAX_DEPTH:
        raise MalformedError(f"The body is nested deeper than {MAX_DEPTH} levels.", field="body")
    return value


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def parse_int(digits: str) -> int | float:
    """Python refuses to convert thousands of digits; JSON has no limit, and nobody means such a number."""
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)


def depth_of(value: Any) -> int:
    """Levels of nesting; a bare value has none."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth


DECODER = json.JSONDecoder(parse_constant=refuse_constant, parse_int=parse_int)
