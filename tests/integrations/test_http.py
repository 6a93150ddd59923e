"""The one door for outgoing HTTP. `responses` stands at the door's own seam; addresses are never looked up."""

import socket
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
import responses
import time_machine

from integrations import http
from integrations.exceptions import (
    ConflictError,
    LostAnswerError,
    MissingError,
    OutageError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    SetupError,
    TransientError,
)

URL = "https://api.provider.example/v1/things"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _ask_again_at_once(monkeypatch):
    monkeypatch.setattr(http, "REPEAT_PAUSE_S", 0)


@pytest.fixture
def stubs():
    with responses.RequestsMock() as stubs:
        yield stubs


@pytest.fixture
def resolve(settings, monkeypatch):
    """Private providers are refused, and every host name has the addresses that the test gives."""
    settings.ALLOW_PRIVATE_PROVIDERS = False

    def resolve(*addresses):
        families = {True: socket.AF_INET6, False: socket.AF_INET}
        found = [(families[":" in text], socket.SOCK_STREAM, 6, "", (text, 443)) for text in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, port: found)

    return resolve


def call(url=URL, **arguments):
    return http.request("GET", url, provider="provider", **arguments)


# --- What is sent ----------------------------------------------------------------------------------------------------


def test_every_request_has_both_timeouts_and_follows_no_redirect(stubs, monkeypatch):
    sent = {}
    real = requests.Session.send
    monkeypatch.setattr(
        requests.Session, "send", lambda self, prepared, **given: sent.update(given) or real(self, prepared, **given)
    )
    stubs.get(URL, json={})
    call()
    assert sent["timeout"] == (http.CONNECT_TIMEOUT_S, http.READ_TIMEOUT_S)
    assert sent["allow_redirects"] is False


def test_environments_proxies_and_passwords_are_not_used(stubs, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:1")
    assert not http.session().trust_env


def test_cookies_of_one_account_are_not_sent_for_another(stubs):
    stubs.get(URL, headers={"Set-Cookie": "account=zoe; Path=/"})
    stubs.get(URL)
    call()
    call()
    assert "Cookie" not in stubs.calls[1].request.headers


class Keeping(BaseHTTPRequestHandler):
    """Keeps connections open, and answers with the port that the request came from."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = str(self.client_address[1]).encode()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *_):
        """The tests read the answers."""


@pytest.fixture
def keeping(settings):
    settings.ALLOW_PRIVATE_PROVIDERS = True
    with ThreadingHTTPServer(("127.0.0.1", 0), Keeping) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize(
    ("method", "arguments", "connections"),
    [("GET", {}, 1), ("POST", {"is_repeatable": True}, 1), ("POST", {}, 3), ("GET", {"is_repeatable": False}, 3)],
)
def test_what_must_not_be_asked_twice_has_a_connection_of_its_own(keeping, method, arguments, connections):
    """One that was kept may be closed in the moment of the next request, and nobody would know whether it arrived."""
    ports = {http.request(method, keeping, provider="provider", **arguments).text for _ in range(3)}
    assert len(ports) == connections


def test_session_is_one_for_the_process():
    assert http.session() is http.session()


# --- What comes back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success_is_returned(stubs, status):
    stubs.get(URL, status=status)
    assert call().status_code == status


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (300, PermanentError),
        (301, PermanentError),
        (302, PermanentError),
        (400, PermanentError),
        (401, ReauthoriseError),
        (403, SetupError),
        (404, MissingError),
        (408, LostAnswerError),
        (409, ConflictError),
        (410, MissingError),
        (422, PermanentError),
        (429, RateLimitedError),
        (500, OutageError),
        (502, OutageError),
        (503, OutageError),
        (504, LostAnswerError),
    ],
)
def test_other_answers_are_errors_of_their_kind(stubs, status, error):
    stubs.get(URL, status=status, headers={"Location": "https://elsewhere.example/"}, body="zoe@example.com")
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert str(status) in str(caught.value)
    assert "zoe" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "expected", "says"),
    [
        (requests.ConnectTimeout(), OutageError, "could not be reached .ConnectTimeout."),
        (requests.exceptions.SSLError(), OutageError, "could not be reached .SSLError."),
        (requests.ConnectionError("zoe@example.com"), LostAnswerError, "broke the connection off"),
        (requests.ReadTimeout(), LostAnswerError, "no whole answer .ReadTimeout."),
        (requests.exceptions.ChunkedEncodingError(), LostAnswerError, "no whole answer .ChunkedEncodingError."),
    ],
)
def test_no_answer_says_whether_the_request_may_have_been_taken(stubs, error, expected, says):
    stubs.get(URL, body=error)
    with pytest.raises(TransientError, match=says) as caught:
        call()
    assert type(caught.value) is expected
    assert "zoe" not in str(caught.value)


def test_an_outage_is_met_by_reading_again_at_once_and_a_write_only_where_it_is_repeatable(stubs):
    stubs.get(URL, status=503)
    stubs.get(URL, body=requests.ReadTimeout())
    stubs.get(URL, body="here")
    assert call().content == b"here"
    stubs.post(URL, status=503)
    with pytest.raises(OutageError):
        http.request("POST", URL, provider="provider")
    stubs.post(URL, status=201)
    assert http.request("POST", URL, provider="provider", is_repeatable=True).status_code == 201
    assert len(stubs.calls) == 3 + 1 + 1


@pytest.mark.parametrize("status", [400, 401, 404, 409, 429])
def test_a_refusal_is_not_asked_again(stubs, status):
    stubs.get(URL, status=status)
    with pytest.raises((PermanentError, TransientError)):
        call()
    assert len(stubs.calls) == 1


def test_a_try_whose_time_is_over_makes_no_call_and_those_made_are_on_record(stubs):
    stubs.get(f"{URL}/zoe@example.com?q=secret", status=204)
    with http.limit_time(5) as scope:
        call(f"{URL}/zoe@example.com?q=secret")
    with http.limit_time(0), pytest.raises(TransientError, match="time for this try is over"):
        call()
    [made] = scope.calls
    assert (made["method"], made["path"], made["status"]) == ("GET", "/v1/things/…", 204)


def test_a_secret_address_is_never_on_record(stubs):
    stubs.get(f"{URL}/T0/B0/secret", status=200)
    with http.limit_time(5) as scope:
        call(f"{URL}/T0/B0/secret", is_secret_url=True)
    assert scope.calls[0]["path"] == ""


def test_what_a_provider_asks_by_its_rate_headers_is_kept_with_the_try(stubs):
    stubs.get(URL, headers={"X-Reset": "7"})
    with http.limit_time(5) as scope:
        call(read_rest=lambda response: float(response.headers["X-Reset"]))
    assert scope.rest_s == 7


def test_a_providers_own_reading_of_an_error_comes_first(stubs):
    stubs.get(URL, status=403, body="limit")
    with pytest.raises(RateLimitedError):
        call(explain=lambda response: RateLimitedError("its own") if response.content == b"limit" else None)


def test_an_answer_that_is_endless_is_cut_off(stubs, monkeypatch):
    monkeypatch.setattr(http, "ANSWER_LIMIT", 100)
    stubs.get(URL, body=b"x" * 101)
    with pytest.raises(LostAnswerError, match="more than"):
        http.send("GET", URL, provider="provider", is_repeatable=True)


def test_json_is_read_and_anything_else_is_a_lost_answer(stubs):
    for body in ('{"a": [1]}', "", "<html>"):
        stubs.get(URL, body=body)
    assert http.request_json("GET", URL, provider="provider") == {"a": [1]}
    assert http.request_json("GET", URL, provider="provider") is None
    with pytest.raises(LostAnswerError, match="not JSON"):
        http.request_json("GET", URL, provider="provider")


@pytest.mark.parametrize("token", ["two\nlines", "two\r\nlines: x", "tok…en"])
def test_token_that_no_header_can_hold_is_for_a_person_to_correct(token):
    with pytest.raises(SetupError) as caught:
        call("http://127.0.0.1:9/", headers={"Authorization": f"Bearer {token}"})
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("9" * 400, None),
        ("Mon, 01 Jan 0001 00:00:00 -0000", 0),
        ("Mon, 99 Jan 2026 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(stubs, header, seconds):
    stubs.get(URL, status=429, headers={"Retry-After": header})
    with time_machine.travel(NOW, tick=False), pytest.raises(RateLimitedError) as caught:
        call()
    assert caught.value.retry_after_s == seconds


def test_rate_limit_without_a_time_has_none(stubs):
    stubs.get(URL, status=429)
    with pytest.raises(RateLimitedError) as caught:
        call()
    assert caught.value.retry_after_s is None


def test_log_holds_no_address_header_or_body(stubs, caplog):
    stubs.get(URL, status=400, body="Okafor")
    with caplog.at_level("DEBUG"), pytest.raises(PermanentError):
        call(params={"email": "zoe@example.com"}, headers={"Authorization": "Bearer secret-token"})
    (record,) = [record for record in caplog.records if record.name == "integrations.http"]
    assert (record.getMessage(), record.provider, record.status_code) == ("request sent", "provider", 400)
    shown = str([record.__dict__ for record in caplog.records])
    assert not [private for private in ("zoe", "Okafor", "secret-token") if private in shown]


# --- Where it may go -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%1",
        "fc00::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a00:1::1",
    ],
)
def test_addresses_inside_the_network_are_refused(resolve, address):
    resolve(address)
    with pytest.raises(SetupError, match="private address"):
        call()


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_public_addresses_are_called(resolve, stubs, address):
    resolve(address)
    stubs.get(URL)
    assert call().ok


def test_host_with_one_private_address_among_public_ones_is_refused(resolve):
    resolve("93.184.216.34", "10.0.0.1")
    with pytest.raises(SetupError):
        call()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://[::1]:9/", "http://[::ffff:127.0.0.1]:9/"])
def test_addresses_in_numbers_are_refused_without_a_look_up(settings, url):
    settings.ALLOW_PRIVATE_PROVIDERS = False
    with pytest.raises(SetupError, match="private address"):
        call(url)


def test_private_addresses_may_be_called_where_they_are_allowed(settings, stubs):
    settings.ALLOW_PRIVATE_PROVIDERS = True
    stubs.get("http://127.0.0.1:8001/v1/calendars")
    assert call("http://127.0.0.1:8001/v1/calendars").ok


def test_host_without_an_address_is_transient(resolve, monkeypatch):
    def fail(host, port):
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(TransientError, match="has no address"):
        call()


@pytest.mark.parametrize("is_allowed", [True, False])
@pytest.mark.parametrize(
    "url",
    [
        "",
        "/v1/things",
        "ftp://files.example/",
        "file:///etc/passwd",
        "http:///v1",
        "https://host.example:99999/",
        "https://host.example:port/",
        "http://[::1/",
    ],
)
def test_what_is_no_web_address_is_for_a_person_to_correct(settings, url, is_allowed):
    settings.ALLOW_PRIVATE_PROVIDERS = is_allowed
    with pytest.raises(SetupError, match="no http"):
        call(url)


@pytest.mark.parametrize("host", ["x" * 70 + ".example", "a..example"])
def test_host_name_that_cannot_be_asked_for_is_an_error_of_ours(settings, host):
    settings.ALLOW_PRIVATE_PROVIDERS = False
    with pytest.raises(TransientError):
        call(f"https://{host}/")
