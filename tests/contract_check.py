"""Holds outgoing requests, and the answers that a test makes up, to the providers' own published specifications.

The specifications are OpenAPI 3.0 files in ../shared/contracts beside the checkout; they are no part of the project.
Where they are missing nothing is checked, and `test_the_provider_contracts_are_here` is skipped with the reason.

1. `find_contract` picks the specification by the address.
2. `Contract.check_request` checks path, method, parameters, credentials and body; unknown fields are refused.
3. `Contract.check_answer` checks status and body, so that a made-up answer cannot drift from the real provider's.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from tests.openapi_schemas import (
    ROOT,
    OpenApiValidator,
    coerce_text,
    decode_form,
    honour_nullable,
    point_to,
    say_error,
)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "contracts"
IS_HERE = SHARED.is_dir()
# calendar.live's is the project's own, as are the supplements to files that lack something.
OWN = Path(__file__).resolve().parent / "contracts"
WHY_NOT = "the providers' specifications are not here: ../shared/contracts is missing beside the checkout."

FORM = "application/x-www-form-urlencoded"
# Specification by address, the first match counts.
HOSTS = (
    (r"^https://api\.calendar\.live/", "calendar_live/openapi"),
    (r"^https://api\.hubapi\.com/crm/(associations|owners)/", "supplements/hubspot"),
    (r"^https://api\.hubapi\.com/", "hubspot/openapi_2026_03"),
    (r"^https://api\.stripe\.com/", "stripe/openapi_2023_08_16"),
    (r"^https://(api\.)?zoom\.us/", "zoom/openapi"),
    (r"^https://(hooks\.)?slack\.com/", "slack/openapi"),
    (r"pipedrive\.com/api/v2/", "pipedrive/pipedrive_v2"),
    (r"pipedrive\.com/(api/)?v1/users/\d", "supplements/pipedrive"),
    (r"pipedrive\.com/(api/)?(v1|oauth)", "pipedrive/pipedrive_v1"),
    (r"salesforce\.com/", "salesforce/openapi"),
)
# Parameters that OpenAPI leaves to the body's media types and to the security schemes.
OWN_HEADERS = ("content-type", "accept", "authorization")

type Errors = Iterator[str]


class ContractError(AssertionError):
    pass


# --- One provider's specification -------------------------------------------------------------------------------------


class Contract:
    """`document` is an OpenAPI 3.0 document, or a JSON Schema where only `coerce` is wanted."""

    def __init__(self, name: str, document: Mapping[str, Any]) -> None:
        self.name = name
        self.document = honour_nullable(document)
        self.registry: Registry[Any] = Registry().with_resource("urn:spec", DRAFT4.create_resource(self.document))
        routes = (
            self.make_route(server["url"], template, item)
            for template, item in self.document.get("paths", {}).items()
            for server in item.get("servers") or self.document.get("servers", [])
        )
        # Literal paths win over templated ones.
        self.routes = sorted(routes, key=lambda route: len(route[1]))

    def make_route(self, server: str, template: str, item: dict[str, Any]) -> tuple[Any, list[str], str, Any]:
        base = re.sub(r"\\\{\w+\\\}", "[^/.]+", re.escape(server.rstrip("/")))
        base = base.replace("v[^/.]+", r"v[\d.]+")
        path = re.sub(r"\\\{\w+\\\}", "([^/]+)", re.escape(template))
        return re.compile(f"{base}{path}$"), re.findall(r"\{(\w+)\}", template), template, item

    def find(self, method: str, url: str) -> tuple[str, dict[str, Any], dict[str, Any], dict[str, str]]:
        """Template, operation, path item, and the path's arguments."""
        parts = urlsplit(url)
        plain, seen = f"{parts.scheme}://{parts.netloc}{parts.path}", ""
        for pattern, names, template, item in self.routes:
            if not (match := pattern.match(plain)):
                continue
            if method.lower() in item:
                arguments = dict(zip(names, map(unquote, match.groups()), strict=True))
                return template, item[method.lower()], item, arguments
            seen = seen or template
        problem = f"method not in the contract of {seen}" if seen else "no such path in the contract"
        raise ContractError(f"{self.name}: {method} {plain}: {problem}")

    # --- Schemas

    def resolve(self, node: Any) -> Any:
        while isinstance(node, dict) and "$ref" in node:
            found = self.document
            for part in node["$ref"][2:].split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            node = found
        return node

    def find_errors(self, pointer: str, instance: Any) -> Errors:
        """`pointer` is where the schema stands, so that what it refers to is found."""
        validator = OpenApiValidator({"$ref": pointer}, registry=self.registry)
        return (say_error(error) for error in validator.iter_errors(instance))

    def list_fields(self, schema: Any) -> tuple[dict[str, Any], bool, bool]:
        """Field schemas by name over allOf, anyOf and oneOf; whether others are allowed; whether any are named."""
        schema = self.resolve(schema)
        fields = dict(schema.get("properties", {}))
        is_open, is_typed = bool(schema.get("additionalProperties")), "properties" in schema
        for part in parts_of(schema):
            if set(part) <= {"required", "not"}:
                continue
            more, more_open, more_typed = self.list_fields(part)
            fields.update(more)
            is_open, is_typed = is_open or more_open, is_typed or more_typed
        return fields, is_open, is_typed

    def find_unknown(self, instance: Any, schema: Any, where: str = "") -> Errors:
        """What a lenient schema lets pass: fields that the contract does not name."""
        schema = self.resolve(schema)
        if isinstance(instance, dict):
            fields, is_open, is_typed = self.list_fields(schema)
            for name, value in instance.items():
                if name in fields:
                    yield from self.find_unknown(value, fields[name], f"{where}.{name}")
                elif is_typed and not is_open and not self.is_custom(name, schema):
                    yield f"{where or '<body>'}: property '{name}' is not in the contract"
        elif isinstance(instance, list) and "items" in schema:
            for index, value in enumerate(instance):
                yield from self.find_unknown(value, schema["items"], f"{where}[{index}]")

    def is_custom(self, name: str, schema: Mapping[str, Any]) -> bool:
        """Whether it is a custom field of Salesforce's, where the specification allows them."""
        schemas = [schema, *(self.resolve(part) for part in schema.get("allOf", []))]
        allows = any(part.get("x-allow-custom-fields") for part in schemas)
        return allows and re.search(r"__[cr]$", name) is not None

    def coerce(self, value: Any, schema: Any) -> Any:
        schema = self.resolve(schema)
        for part in map(self.resolve, parts_of(schema)):
            made = self.coerce(value, part)
            kind = part.get("type")
            fits = kind not in (None, "string") and OpenApiValidator({"type": kind}).is_valid(made)
            if fits or part.get("properties"):
                return made
        if schema.get("type") == "array":
            return self.coerce_list(value, schema.get("items", {}))
        if isinstance(value, dict):
            fields, other = self.list_fields(schema)[0], schema.get("additionalProperties")
            other = other if isinstance(other, dict) else {}
            return {name: self.coerce(item, fields.get(name, other)) for name, item in value.items()}
        return coerce_text(value, schema.get("type")) if isinstance(value, str) else value

    def coerce_list(self, value: Any, items: Any) -> Any:
        if isinstance(value, dict) and all(key.isdigit() for key in value):
            return [self.coerce(value[key], items) for key in sorted(value, key=int)]
        if isinstance(value, str):
            return [self.coerce(part, items) for part in value.split(",")]
        return value

    # --- Requests

    def check_request(self, request: requests.PreparedRequest) -> str:
        """The path's template. Raises ContractError naming everything that the contract does not allow."""
        method, url = str(request.method), str(request.url)
        template, operation, item, arguments = self.find(method, url)
        headers = {name.lower(): str(value) for name, value in request.headers.items()}
        query = read_query(url)
        problems = [
            *self.check_parameters(
                [*item.get("parameters", []), *operation.get("parameters", [])], arguments | headers, query
            ),
            *self.check_credentials(operation, headers, query),
            *self.check_query(operation, item, query),
            *self.check_body(operation, point_to("paths", template, method.lower()), headers, request.body),
        ]
        if self.name == "stripe" and request.body and not problems:
            problems += check_todays_stripe(f"{method} {template}", request.body)
        self.refuse(f"{method} {template}", problems)
        return template

    def refuse(self, what: str, problems: list[str]) -> None:
        if problems:
            raise ContractError(f"{self.name}: {what}\n  - " + "\n  - ".join(problems))

    def check_parameters(self, declared: list[Any], given: Mapping[str, str], query: Mapping[str, list[str]]) -> Errors:
        """`given` are the path's arguments and the headers, these in lower case."""
        for parameter in map(self.resolve, declared):
            where, name = parameter["in"], parameter["name"].removesuffix("[]")
            if where == "query":
                value = self.read_parameter(parameter, query.get(name))
            elif where == "header" and name.lower() in OWN_HEADERS:
                continue
            else:
                value = given.get(name.lower() if where == "header" else name)
            if value is None:
                if parameter.get("required"):
                    yield f"{where} parameter '{name}' is required"
                continue
            schema = parameter.get("schema", {})
            validator = OpenApiValidator(self.anchor(schema), registry=self.registry)
            for error in validator.iter_errors(self.coerce(value, schema)):
                yield f"{where} parameter '{name}': {error.message}"

    def anchor(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A reference into the document, whole."""
        return {"$ref": f"urn:spec{schema['$ref']}"} if "$ref" in schema else schema

    def read_parameter(self, parameter: Mapping[str, Any], values: list[str] | None) -> Any:
        """One text, or a list of them; None where it is not given, or is an object (which is not checked)."""
        kind = self.resolve(parameter.get("schema", {})).get("type")
        if values is None or kind == "object":
            return None
        if kind != "array":
            return values[0]
        split = parameter.get("explode") is False
        items = self.resolve(parameter["schema"]).get("items", {})
        return [self.coerce(part, items) for value in values for part in (value.split(",") if split else [value])]

    def check_credentials(
        self, operation: Mapping[str, Any], headers: Mapping[str, str], query: Mapping[str, list[str]]
    ) -> Errors:
        needed = operation.get("security", self.document.get("security"))
        if not needed or {} in needed:
            return
        if not any(all(self.has_credentials(name, headers, query) for name in each) for each in needed):
            kinds = " or ".join("+".join(each) for each in needed)
            yield f"no credentials of a kind the contract names: {kinds}"

    def has_credentials(self, name: str, headers: Mapping[str, str], query: Mapping[str, list[str]]) -> bool:
        scheme = self.resolve(self.document["components"]["securitySchemes"][name])
        if scheme["type"] == "apiKey":
            return scheme["name"].lower() in headers if scheme["in"] == "header" else scheme["name"] in query
        return headers.get("authorization", "").lower().startswith(f"{scheme.get('scheme', 'bearer').lower()} ")

    def check_query(
        self, operation: Mapping[str, Any], item: Mapping[str, Any], query: Mapping[str, list[str]]
    ) -> Errors:
        parameters = map(self.resolve, [*item.get("parameters", []), *operation.get("parameters", [])])
        declared = {parameter["name"].removesuffix("[]") for parameter in parameters if parameter["in"] == "query"}
        schemes = map(self.resolve, self.document.get("components", {}).get("securitySchemes", {}).values())
        keys = {scheme["name"] for scheme in schemes if scheme["type"] == "apiKey" and scheme["in"] == "query"}
        return (f"query parameter '{name}' is not in the contract" for name in query if name not in declared | keys)

    def check_body(
        self, operation: Mapping[str, Any], pointer: str, headers: Mapping[str, str], body: str | bytes | None
    ) -> Errors:
        given = operation.get("requestBody") or {}
        declared = self.resolve(given)
        if not declared or not body:
            if body:
                yield "the contract takes no body here"
            elif declared.get("required"):
                yield "a body is required"
            return
        media = headers.get("content-type", "").split(";")[0].strip().lower()
        key = media if media in declared["content"] else "*/*"
        if key not in declared["content"]:
            yield f"content type '{media}' is not one of {sorted(declared['content'])}"
            return
        schema = declared["content"][key].get("schema", {})
        try:
            value = self.coerce(decode_form(body), schema) if media == FORM else json.loads(body)
        except ValueError as error:
            yield f"body is not JSON: {error}"
            return
        holder = f"urn:spec{given['$ref']}" if "$ref" in given else f"{pointer}/requestBody"
        yield from self.find_errors(holder + point_to("content", key, "schema").removeprefix(ROOT), value)
        yield from self.find_unknown(value, schema)

    # --- Answers

    def check_answer(self, method: str, url: str, response: requests.Response) -> None:
        """Raises ContractError for an answer that the provider would not give."""
        template, operation, _, _ = self.find(method, url)
        answers, status = operation["responses"], str(response.status_code)
        code = next((code for code in (status, f"{status[0]}XX", "default") if code in answers), "")
        if not code and response.status_code >= 400:
            # Published files list few errors; any provider may answer any 4xx or 5xx.
            return
        if self.name == "slack" and status == "200" and read_json(response).get("ok") is False:
            # Slack reports failures with status 200.
            code = "default"
        if code not in answers:
            raise ContractError(f"{self.name}: {method} {template}: status {status} is not one of {sorted(answers)}")
        content = self.resolve(answers[code]).get("content", {})
        media = response.headers.get("content-type", "").split(";")[0].strip()
        key = next((key for key in (media, "*/*", "application/json") if key in content), None)
        if key is None or "json" not in (media or key):
            return
        holder = (
            f"urn:spec{answers[code]['$ref']}"
            if "$ref" in answers[code]
            else point_to("paths", template, method.lower(), "responses", code)
        )
        pointer = holder + point_to("content", key, "schema").removeprefix(ROOT)
        self.refuse(
            f"made-up {status} of {method} {template}",
            list(self.find_errors(pointer, json.loads(response.text or "null"))),
        )


def parts_of(schema: Mapping[str, Any]) -> list[Any]:
    return [part for key in ("allOf", "anyOf", "oneOf") for part in schema.get(key, [])]


def read_query(url: str) -> dict[str, list[str]]:
    """Values by name; `a[b]` counts as `a`."""
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        query.setdefault(name.split("[")[0], []).append(value)
    return query


def read_json(response: requests.Response) -> dict[str, Any]:
    try:
        value = json.loads(response.text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def check_todays_stripe(operation: str, body: str | bytes) -> Errors:
    """The specification is of 2023-08-16, the parameters of Stripe's own SDK are of today: hold to both."""
    if schema := load_todays_stripe().get(operation):
        value = Contract("stripe's SDK", schema).coerce(decode_form(body), schema)
        for error in Draft202012Validator(schema).iter_errors(value):
            yield f"SDK params: {say_error(error)}"


@cache
def load_todays_stripe() -> dict[str, Any]:
    """Schemas of the parameters by operation."""
    path = SHARED / "stripe" / "request_params_2026_10_28.json"
    operations: dict[str, Any] = json.loads(path.read_text())["operations"]
    return operations


# --- All of them ------------------------------------------------------------------------------------------------------


@cache
def load_contract(name: str) -> Contract:
    folder = name.split("/")[0]
    if (OWN / folder).is_dir():
        return Contract(folder, yaml.safe_load((OWN / f"{name}.yaml").read_text()))
    return Contract(folder, json.loads((SHARED / f"{name}.json").read_text()))


def find_contract(url: str) -> Contract:
    for pattern, name in HOSTS:
        if re.search(pattern, url):
            return load_contract(name)
    raise ContractError(f"no contract for {url}")


def check_calls(calls: Iterable[Any], *, are_answers_checked: bool = True) -> None:
    """Hold recorded calls (of `responses`) to the contracts; nothing where they are not here."""
    for call in calls if IS_HERE else ():
        contract = find_contract(call.request.url)
        contract.check_request(call.request)
        if are_answers_checked and isinstance(call.response, requests.Response):
            contract.check_answer(call.request.method, call.request.url, call.response)
