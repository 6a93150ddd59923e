"""The cases that every provider's adapter is held to, written once.

In a provider's test module:

    class TestHubSpotCases(ProviderCases):
        method, url = "POST", "https://api.hubapi.com/crm/objects/2026-03/contacts/merge"
        good = {200: Good({"id": "1", …}, "1")}        # per good status: answer (None: no body), what `call` returns
        errors = {400: SetupError}                     # where the provider's own error bodies mean something else
        plain_errors = {403: RateLimitedError}         # where an HTML or empty body does
        rate_limit_wait_s = 10                         # after its own 429 body without Retry-After

        def account(self, base_url):                   # with every credential that it uses
            return Account(base_url, credentials={"access_token": "token-1"})

        def call(self, account):                       # one typical write
            return HubSpot().merge_contacts(account, "1", "2")

        def error_body(self, status):                  # its own error form, quoting QUOTED
            return {"status": "error", "message": QUOTED, …}

`call` may return a list of results: an error in its first place counts as raised. Where it calls other addresses first,
`stub_before` stubs them, and `answer_before` gives what the loopback server answers to them. `reads_answer = False`
says that a 2xx answer's body does not matter.

`PagingCases` likewise, for a provider that pages: `pages` and `list_page`.

Fixtures (tests/integrations/providers/conftest.py): `provider_http` stubs and checks requests and answers against the
contract, `faulty_http` the requests alone. Nothing waits between repeated requests.
"""

import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
import requests
import responses
import time_machine
from responses.matchers import query_param_matcher
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError

from integrations.exceptions import (
    ConflictError,
    KeepsyncError,
    LostAnswerError,
    MissingError,
    OutageError,
    PayloadError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    SetupError,
)
from integrations.providers.base import Account

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
# What stands in error bodies here, and must stand neither in an error's text nor in the log.
PRIVATE = ("zoe.okafor@example.com", "Okafor")
QUOTED = "zoe.okafor@example.com of Zoe Okafor is not valid"
PAGE = "<html><body>Gateway: zoe.okafor@example.com, Okafor</body></html>"

# Error class by status, unless the provider's own body says otherwise.
EXPECTED: Mapping[int, type[KeepsyncError]] = {
    400: PermanentError,
    401: ReauthoriseError,
    403: SetupError,
    404: MissingError,
    409: ConflictError,
    412: ConflictError,
    422: PermanentError,
    500: OutageError,
    502: OutageError,
    503: OutageError,
}
# 2xx bodies that are JSON, and not what was asked for.
WRONG_SHAPES = ("null", "7", '"text"', "[]", "[7]", "[null]", '{"results": 7}', '{"data": [7]}', '{"id": {}}')


@dataclass(frozen=True)
class Good:
    """An answer that the contract allows (None: no body), and what the call makes of it."""

    answer: Any = None
    result: Any = None


@dataclass(frozen=True)
class Page:
    """The page at `cursor` (empty: the first): its address and query, the answer, and the ids that stand on it."""

    cursor: str
    url: str
    answer: Any
    ids: Sequence[str]
    params: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"


class ProviderCases:
    method: ClassVar[str]
    url: ClassVar[str | re.Pattern[str]]
    origin: ClassVar[str] = ""
    good: ClassVar[Mapping[int, Good]]
    errors: ClassVar[Mapping[int, type[KeepsyncError]]] = {}
    plain_errors: ClassVar[Mapping[int, type[KeepsyncError]]] = {}
    rate_limit_wait_s: ClassVar[float | None] = None
    reads_answer: ClassVar[bool] = True

    def account(self, base_url: str) -> Account:
        raise NotImplementedError

    def call(self, account: Account) -> Any:
        raise NotImplementedError

    def error_body(self, status: int) -> Any:
        """The provider's own error body as a JSON value, quoting QUOTED."""
        raise NotImplementedError

    def stub_before(self, http: responses.RequestsMock) -> None:
        """Stub what is called before the call that fails."""

    def answer_before(self, method: str, path: str) -> Any:
        """The JSON that the loopback server answers to an earlier call; None for the call that fails."""
        return None

    # --- How the cases are run

    def own_account(self) -> Account:
        parts = urlsplit(self.url) if isinstance(self.url, str) else None
        return self.account(self.origin or (f"{parts.scheme}://{parts.netloc}" if parts else ""))

    def call_once(self, account: Account) -> Any:
        """The call's result; an error that stands in its place in a list is raised."""
        result = self.call(account)
        if isinstance(result, list) and result and isinstance(result[0], KeepsyncError):
            raise result[0]
        return result

    def stub(self, http: responses.RequestsMock, **answer: Any) -> None:
        self.stub_before(http)
        http.add(self.method, self.url, **answer)

    def catch(self, caplog: pytest.LogCaptureFixture, account: Account | None = None) -> KeepsyncError:
        """The error that the call ends with: it says something, and neither it nor the log holds anything private."""
        account = account or self.own_account()
        with caplog.at_level("DEBUG", logger="integrations"), pytest.raises(KeepsyncError) as caught:
            self.call_once(account)
        assert str(caught.value).strip()
        logged = " ".join(str(record.__dict__) + caplog.handler.format(record) for record in caplog.records)
        for private in (*PRIVATE, *filter(None, account.credentials.values())):
            assert private not in str(caught.value)
            assert private not in logged
        return caught.value

    # --- Answers

    def test_good_answer_is_read(self, provider_http: responses.RequestsMock, good_status: int) -> None:
        good = self.good[good_status]
        content = {} if good.answer is None else {"json": good.answer}
        self.stub(provider_http, status=good_status, **content)
        assert self.call_once(self.own_account()) == good.result
        assert provider_http.calls

    @pytest.mark.parametrize("status", EXPECTED)
    def test_providers_own_error_has_its_class(
        self, faulty_http: responses.RequestsMock, caplog: pytest.LogCaptureFixture, status: int
    ) -> None:
        self.stub(faulty_http, status=status, json=self.error_body(status))
        assert type(self.catch(caplog)) is self.errors.get(status, EXPECTED[status])

    @pytest.mark.parametrize("status", EXPECTED)
    @pytest.mark.parametrize(("body", "media"), [(PAGE, "text/html"), ("", None), ("null", "application/json")])
    def test_error_that_is_not_the_providers_own_has_its_status_class(
        self,
        faulty_http: responses.RequestsMock,
        caplog: pytest.LogCaptureFixture,
        status: int,
        body: str,
        media: str | None,
    ) -> None:
        self.stub(faulty_http, status=status, body=body, content_type=media)
        assert type(self.catch(caplog)) is self.plain_errors.get(status, EXPECTED[status])

    @pytest.mark.parametrize("body", WRONG_SHAPES)
    def test_error_body_of_another_shape_breaks_nothing(
        self, faulty_http: responses.RequestsMock, caplog: pytest.LogCaptureFixture, body: str
    ) -> None:
        self.stub(faulty_http, status=500, body=body, content_type="application/json")
        assert isinstance(self.catch(caplog), OutageError)

    @pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("Fri, 20 Nov 2026 12:00:30 GMT", 30)])
    def test_rate_limit_lasts_as_long_as_the_provider_says(
        self, faulty_http: responses.RequestsMock, caplog: pytest.LogCaptureFixture, header: str, seconds: float
    ) -> None:
        self.stub(faulty_http, status=429, json=self.error_body(429), headers={"Retry-After": header})
        with time_machine.travel(NOW, tick=False):
            error = self.catch(caplog)
        assert isinstance(error, RateLimitedError)
        assert error.retry_after_s == seconds

    def test_rate_limit_without_a_time_has_the_providers_usual_one(
        self, faulty_http: responses.RequestsMock, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.stub(faulty_http, status=429, json=self.error_body(429))
        error = self.catch(caplog)
        assert isinstance(error, RateLimitedError)
        assert error.retry_after_s == self.rate_limit_wait_s

    def test_rate_limit_with_a_page_for_a_body_is_one_too(
        self, faulty_http: responses.RequestsMock, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.stub(faulty_http, status=429, body=PAGE, content_type="text/html")
        assert isinstance(self.catch(caplog), RateLimitedError)

    def test_page_instead_of_an_answer_is_a_lost_answer(
        self, faulty_http: responses.RequestsMock, caplog: pytest.LogCaptureFixture
    ) -> None:
        if not self.reads_answer:
            return self.check_harmless(faulty_http, PAGE, "text/html")
        self.stub(faulty_http, status=200, body=PAGE, content_type="text/html")
        assert type(self.catch(caplog)) is LostAnswerError

    @pytest.mark.parametrize("body", ["", *WRONG_SHAPES])
    def test_answer_of_another_shape_is_an_error_of_ours(
        self, faulty_http: responses.RequestsMock, caplog: pytest.LogCaptureFixture, body: str
    ) -> None:
        if not self.reads_answer:
            return self.check_harmless(faulty_http, body, "application/json")
        self.stub(faulty_http, status=200, body=body, content_type="application/json")
        assert isinstance(self.catch(caplog), LostAnswerError | PayloadError)

    def check_harmless(self, http: responses.RequestsMock, body: str, media: str) -> None:
        self.stub(http, status=200, body=body, content_type=media)
        self.call_once(self.own_account())
        assert http.calls

    # --- No answers

    @pytest.mark.parametrize(
        ("failure", "expected"),
        [
            (requests.ConnectTimeout(QUOTED), OutageError),
            (requests.exceptions.SSLError(QUOTED), OutageError),
            (requests.ReadTimeout(QUOTED), LostAnswerError),
            (requests.ConnectionError(QUOTED), LostAnswerError),
            (requests.exceptions.ChunkedEncodingError(QUOTED), LostAnswerError),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
    )
    def test_call_without_an_answer_says_whether_it_can_have_been_taken(
        self,
        faulty_http: responses.RequestsMock,
        caplog: pytest.LogCaptureFixture,
        failure: Exception,
        expected: type[KeepsyncError],
    ) -> None:
        self.stub(faulty_http, body=failure)
        assert type(self.catch(caplog)) is expected

    def test_refused_connection_is_an_outage(
        self, faulty_http: responses.RequestsMock, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.stub(faulty_http, body=refuse_connection())
        assert type(self.catch(caplog)) is OutageError

    @pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b'{"id": "1"'])
    def test_connection_that_breaks_on_the_way_is_a_lost_answer(
        self, settings: Any, caplog: pytest.LogCaptureFixture, answer: bytes
    ) -> None:
        """A real connection: before the answer, and in the middle of it."""
        settings.ALLOW_PRIVATE_PROVIDERS = True
        with serve(lambda method, path: self.answer_raw(method, path, answer)) as base_url:
            assert type(self.catch(caplog, self.account(base_url))) is LostAnswerError

    def answer_raw(self, method: str, path: str, answer: bytes) -> bytes:
        before = self.answer_before(method, path)
        if before is None:
            return answer
        body = json.dumps(before).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return f"{head}Connection: close\r\n\r\n".encode() + body


class PagingCases:
    pages: ClassVar[Sequence[Page]]

    def account(self, base_url: str) -> Account:
        raise NotImplementedError

    def list_page(self, account: Account, cursor: str) -> tuple[Sequence[str], str]:
        """The ids on the page at the cursor, and the next cursor; empty where it is the last."""
        raise NotImplementedError

    def test_every_page_is_read_once(self, provider_http: responses.RequestsMock) -> None:
        for page in self.pages:
            match = [query_param_matcher(dict(page.params), strict_match=False)] if page.params else []
            provider_http.add(page.method, page.url, json=page.answer, match=match)
        parts = urlsplit(self.pages[0].url)
        account, cursor, found = self.account(f"{parts.scheme}://{parts.netloc}"), "", []
        for page in self.pages:
            assert cursor == page.cursor
            ids, cursor = self.list_page(account, cursor)
            found.append(list(ids))
        assert cursor == ""
        assert found == [list(page.ids) for page in self.pages]
        assert len(provider_http.calls) == len(self.pages)


def refuse_connection() -> requests.ConnectionError:
    """As `requests` raises it where nobody listens at the port."""
    reason = NewConnectionError(HTTPConnection("127.0.0.1"), "refused")
    return requests.ConnectionError(MaxRetryError(HTTPConnectionPool("127.0.0.1"), "/", reason))


@contextlib.contextmanager
def serve(answer: Callable[[str, str], bytes]) -> Iterator[str]:
    """A server on the loopback that reads each request, sends what `answer(method, path)` says, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_all, args=(listener, answer), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        # Closing a socket does not wake the thread that waits on it.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=5)


def answer_all(listener: socket.socket, answer: Callable[[str, str], bytes]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, connection.makefile("rb") as reader:
            connection.settimeout(5)
            method, path, _ = reader.readline().decode().split(" ", 2)
            length = 0
            while (line := reader.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            reader.read(length)
            connection.sendall(answer(method, path.split("?")[0]))
