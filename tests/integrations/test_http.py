"""The one door for outgoing HTTP. `responses` stands at the door's own seam; addresses are never looked up."""

import socket
from datetime import UTC, datetime

import pytest
import requests
import responses
import time_machine

from integrations import http
from integrations.exceptions import PermanentError, RateLimitedError, SetupError, TransientError

URL = "https://api.provider.example/v1/things"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


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
        (401, SetupError),
        (403, SetupError),
        (404, PermanentError),
        (408, TransientError),
        (409, PermanentError),
        (410, PermanentError),
        (422, PermanentError),
        (429, RateLimitedError),
        (500, TransientError),
        (502, TransientError),
        (503, TransientError),
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
    "error",
    [
        requests.ConnectionError("zoe@example.com"),
        requests.ConnectTimeout(),
        requests.ReadTimeout(),
        requests.exceptions.SSLError(),
        requests.exceptions.ChunkedEncodingError(),
    ],
)
def test_provider_that_cannot_be_reached_is_transient_and_the_message_says_how(stubs, error):
    stubs.get(URL, body=error)
    with pytest.raises(TransientError, match=type(error).__name__) as caught:
        call()
    assert "zoe" not in str(caught.value)


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
