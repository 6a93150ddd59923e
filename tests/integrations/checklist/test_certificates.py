"""The handshake with the public address, against a TLS server on loopback with certificates made for the test."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integrations.operations.certificates import Certificate, check_certificate
from integrations.operations.probes import address
from tests.integrations.checklist.support import prove, refute

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
ENDS = datetime.now(UTC).replace(microsecond=0) + timedelta(days=90)


def make_certificate(folder: Path, *, name: str = "localhost", ends: datetime = ENDS) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=365))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    return files


@contextmanager
def serving(context: ssl.SSLContext | None) -> Iterator[int]:
    """A server on loopback that shakes one hand; without a context it says something that is no TLS."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with suppress(OSError), server.accept()[0] as opened:
                if context is None:
                    opened.recv(1)
                    opened.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                else:
                    context.wrap_socket(opened, server_side=True).close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


@contextmanager
def showing(folder: Path, **fields: Any) -> Iterator[tuple[int, str]]:
    """The port of a server with such a certificate, and the file in which it stands."""
    made, key = make_certificate(folder, **fields)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    with serving(context) as port:
        yield port, str(made)


def test_a_trusted_certificate_tells_until_when_it_is_valid(tmp_path: Path) -> None:
    with showing(tmp_path) as (port, made):
        assert check_certificate("localhost", port, cafile=made) == Certificate(expires_at=ENDS)


def test_one_that_signs_itself_is_not_trusted(tmp_path: Path) -> None:
    with showing(tmp_path) as (port, _):
        assert "self-signed" in check_certificate("localhost", port).problem


def test_one_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    with showing(tmp_path, name="other.example") as (port, made):
        assert "Hostname mismatch" in check_certificate("localhost", port, cafile=made).problem


def test_one_that_is_over_is_not_trusted(tmp_path: Path) -> None:
    with showing(tmp_path, ends=datetime.now(UTC) - timedelta(days=1)) as (port, made):
        assert "expired" in check_certificate("localhost", port, cafile=made).problem


def test_what_is_no_tls_is_said(tmp_path: Path) -> None:
    with serving(None) as port:
        assert check_certificate("localhost", port).problem.startswith("There is no TLS")


def test_an_address_where_nobody_answers_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "Connection refused" in check_certificate("127.0.0.1", port).problem


# --- The item ---------------------------------------------------------------------------------------------------------


def show(monkeypatch: pytest.MonkeyPatch, found: Certificate) -> list[tuple[str, int]]:
    """Where the probe asks, and what it is shown there."""
    asked: list[tuple[str, int]] = []

    def answer(host: str, port: int) -> Certificate:
        asked.append((host, port))
        return found

    monkeypatch.setattr(address, "check_certificate", answer)
    return asked


def test_an_address_without_tls_fails(settings: Any) -> None:
    settings.BASE_URL = "http://keepsync.example.com"
    assert "without TLS" in refute("certificate")


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://keepsync.example.com", ("keepsync.example.com", 443)),
        ("https://keepsync.example.com:8443", ("keepsync.example.com", 8443)),
    ],
)
def test_the_public_address_is_asked(
    url: str, asked: tuple[str, int], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BASE_URL = url
    seen = show(monkeypatch, Certificate(expires_at=NOW + timedelta(days=15)))
    with time_machine.travel(NOW, tick=False):
        assert "valid until 2026-12-13, 15 days from now" in prove("certificate")
    assert seen == [asked]


def test_a_certificate_that_ends_within_two_weeks_fails(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BASE_URL = "https://keepsync.example.com"
    show(monkeypatch, Certificate(expires_at=NOW + timedelta(days=13)))
    with time_machine.travel(NOW, tick=False):
        assert "less than 14 days" in refute("certificate")


def test_a_certificate_that_is_not_trusted_fails(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BASE_URL = "https://keepsync.example.com"
    show(monkeypatch, Certificate("It is not trusted: self-signed certificate."))
    assert "self-signed" in refute("certificate")
