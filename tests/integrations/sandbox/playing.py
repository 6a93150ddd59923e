"""Calls a played provider in this process, and holds each request and answer to the provider's own specification."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from django.http import HttpResponse
from django.test import Client

from tests.contract_check import IS_HERE, find_contract

ACCESS_TOKEN = "sandbox-access-token"
BEARER = {"Authorization": f"Bearer {ACCESS_TOKEN}"}


@dataclass(frozen=True)
class Played:
    """`host` is the real provider's, for which the specification is written; `prefix` is where the sandbox plays it."""

    client: Client
    prefix: str
    host: str
    headers: dict[str, str] = field(default_factory=lambda: dict(BEARER))

    def call(self, method: str, path: str, *, is_checked: bool = True, **options: Any) -> requests.Response:
        """The answer; `is_checked` is for the request: False for one that is wrong on purpose."""
        headers = {**self.headers, **options.pop("headers", {})}
        prepared = requests.Request(method, self.host + path, headers=headers, **options).prepare()
        if IS_HERE and is_checked:
            find_contract(str(prepared.url)).check_request(prepared)
        answer = as_response(self.send(prepared))
        if IS_HERE and is_checked:
            find_contract(str(prepared.url)).check_answer(method, str(prepared.url), answer)
        return answer

    def json(self, method: str, path: str, *, status: int = 200, **options: Any) -> Any:
        """The JSON of an answer with this status."""
        answer = self.call(method, path, **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def refuse(self, method: str, path: str, *, status: int, **options: Any) -> Any:
        """The JSON that a request which is wrong on purpose is refused with."""
        return self.json(method, path, status=status, is_checked=False, **options)

    def send(self, prepared: requests.PreparedRequest) -> HttpResponse:
        parts = urlsplit(str(prepared.url))
        headers = {name: str(value) for name, value in prepared.headers.items() if name != "Content-Length"}
        return self.client.generic(  # type: ignore[return-value]
            str(prepared.method),
            f"/{self.prefix}{parts.path}" if self.prefix else parts.path,
            prepared.body or b"",
            content_type=headers.pop("Content-Type", ""),
            QUERY_STRING=parts.query,
            headers=headers,
        )

    # --- What steers it

    def turn(self, **knobs: Any) -> None:
        body = json.dumps(knobs)
        answer = self.client.put(f"/{self.prefix}/_sandbox/knobs", body, content_type="application/json")
        assert answer.status_code == 200, answer.content

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.client.get(f"/{self.prefix}/_sandbox/state").json()
        return state

    def reset(self) -> None:
        assert self.client.post(f"/{self.prefix}/_sandbox/reset").status_code == 204

    def page(self) -> str:
        answer = self.client.get(f"/{self.prefix}/")
        assert answer.status_code == 200
        return answer.content.decode()

    def press(self, path: str, **fields: str) -> HttpResponse:
        """A button of the page."""
        return self.client.post(f"/{self.prefix}/{path}", fields)  # type: ignore[return-value]


def as_response(answer: HttpResponse) -> requests.Response:
    made = requests.Response()
    made.status_code = answer.status_code
    made._content = answer.content
    made.headers.update(dict(answer.items()))
    return made


def playing(client: Client, prefix: str, host: str) -> Iterator[Played]:
    """For a fixture: the provider, with nothing in it before and after."""
    played = Played(client, prefix, host)
    played.reset()
    yield played
    played.reset()
