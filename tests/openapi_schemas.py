"""OpenAPI 3.0's schemas: JSON Schema draft 4 with `nullable`, `readOnly` and `writeOnly`; and forms as JSON values."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft4Validator, ValidationError
from jsonschema.validators import extend

ROOT = "urn:spec#"


def check_type(
    validator: Any, kind: str | list[str], instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """OpenAPI 3.1 has lists of types."""
    if instance is None and schema.get("nullable") is True:
        return
    if not any(validator.is_type(instance, each) for each in ([kind] if isinstance(kind, str) else kind)):
        yield ValidationError(f"{instance!r} is not of type {kind!r}")


def check_required(
    validator: Any, names: list[str], instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """A required field that is read-only is required of answers alone, and a write-only one of requests."""
    if not validator.is_type(instance, "object"):
        return
    for name in names:
        field = schema.get("properties", {}).get(name, {})
        if name not in instance and not field.get("readOnly") and not field.get("writeOnly"):
            yield ValidationError(f"{name!r} is a required property")


OpenApiValidator = extend(Draft4Validator, {"type": check_type, "required": check_required})


def honour_nullable(node: Any) -> Any:
    """Published files write `nullable: true` beside an enum without null, or beside $ref: they mean null too."""
    if isinstance(node, list):
        return [honour_nullable(value) for value in node]
    if not isinstance(node, dict):
        return node
    node = {key: honour_nullable(value) for key, value in node.items()}
    if node.get("nullable") is True:
        if isinstance(node.get("enum"), list) and None not in node["enum"]:
            node["enum"] = [*node["enum"], None]
        if "type" not in node and node.keys() & {"anyOf", "oneOf", "allOf", "$ref"}:
            return {"anyOf": [{k: v for k, v in node.items() if k != "nullable"}, {"enum": [None]}]}
    return node


def point_to(*parts: object) -> str:
    return f"{ROOT}/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def say_error(error: ValidationError) -> str:
    text = f"{'.'.join(map(str, error.absolute_path)) or '<body>'}: {error.message[:160]}"
    if not error.context:
        return text
    leaf = min(error.context, key=lambda found: len(found.message))
    return f"{text} ({leaf.message[:120]})"


def decode_form(body: str | bytes) -> dict[str, Any]:
    """a[b][0][c]=1 as {"a": {"b": {"0": {"c": "1"}}}}; `coerce`, which knows the schema, makes the lists."""
    decoded: dict[str, Any] = {}
    for key, value in parse_qsl(body if isinstance(body, str) else body.decode(), keep_blank_values=True):
        parts = [part for part in re.split(r"\]\[|\[|\]", key) if part] + ([""] if key.endswith("[]") else [])
        into = decoded
        for part in parts[:-1]:
            into = into.setdefault(part, {})
        into[parts[-1] or str(len(into))] = value
    return decoded


def coerce_text(value: str, kind: str | None) -> Any:
    """Form and query values arrive as text: what the schema says, where they can be that."""
    if kind == "integer" and re.fullmatch(r"-?\d+", value):
        return int(value)
    if kind == "number" and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value)
    if kind == "boolean" and value in ("true", "false", "True", "False", "0", "1"):
        return value in ("true", "True", "1")
    return value
