"""The public address's certificate: what a handshake finds, when it is looked at, and what is told."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from integrations import jobs
from integrations.models import Alert, AlertRule, Certificate
from integrations.operations import alerts, certificates
from integrations.operations.certificates import Inspection, inspect

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
PUBLIC = "https://keepsync.example.com"


# --- A real server on loopback ----------------------------------------------------------------------------------------


class Authority:
    """It signs certificates for names; its own may sign itself only."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        today = datetime.now(UTC)
        self.certificate = (
            self.begin(self.name, self.key, today - timedelta(days=400), today + timedelta(days=400))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def begin(self, subject: x509.Name, key: Any, begin: datetime, end: datetime) -> x509.CertificateBuilder:
        named = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        numbered = named.serial_number(x509.random_serial_number())
        return numbered.not_valid_before(begin).not_valid_after(end)

    def issue(self, folder: Path, name: str, *, days: float) -> Path:
        """A file with key and certificate for a name, good for so many days from now on."""
        key, end = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC) + timedelta(days=days)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        alternative = x509.SubjectAlternativeName([x509.DNSName(name)])
        made = self.begin(subject, key, end - timedelta(days=90), end).add_extension(alternative, critical=False)
        identity = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        signed = made.add_extension(identity, critical=False).sign(self.key, hashes.SHA256())
        return write(folder, key, signed)

    def sign_itself(self, folder: Path) -> Path:
        return write(folder, self.key, self.certificate)


def write(folder: Path, key: Any, certificate: x509.Certificate) -> Path:
    path = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@contextmanager
def serve(path: Path) -> Iterator[int]:
    """A TLS server on loopback that shakes hands and says nothing; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=answer_all, args=(listener, context))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def answer_all(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        with plain:
            try:
                context.wrap_socket(plain, server_side=True).close()
            except OSError:
                continue


def look(path: Path, authority: str) -> Inspection:
    with serve(path) as port:
        return inspect("localhost", port, timeout_s=30, authority=authority)


def test_a_trusted_certificate_for_the_name_is_in_order(authority: Authority, tmp_path: Path) -> None:
    found = look(authority.issue(tmp_path, "localhost", days=60), authority.pem)

    assert (found.problem, found.detail) == ("", "")
    assert found.expires_at is not None
    assert (found.expires_at - datetime.now(UTC)).days == 59


@pytest.mark.parametrize(
    ("name", "days", "is_known", "problem"),
    [
        ("localhost", -1, True, "expired"),
        ("other.example.com", 60, True, "wrong_name"),
        ("localhost", 60, False, "untrusted"),
    ],
)
def test_a_refused_certificate_is_told_with_its_end(
    name: str, days: int, is_known: bool, problem: str, authority: Authority, tmp_path: Path
) -> None:
    found = look(authority.issue(tmp_path, name, days=days), authority.pem if is_known else "")

    assert found.problem == problem
    assert found.detail.endswith(".")
    assert found.expires_at is not None
    assert (found.expires_at < datetime.now(UTC)) == (days < 0)


def test_a_certificate_that_is_signed_by_itself_is_refused(authority: Authority, tmp_path: Path) -> None:
    assert look(authority.sign_itself(tmp_path), "").problem == "self_signed"


def test_an_address_where_nobody_answers_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = inspect("127.0.0.1", port, timeout_s=1)

    assert (found.problem, found.expires_at) == ("unreachable", None)
    assert "ConnectionRefusedError" in found.detail


def test_a_server_that_says_nothing_is_waited_for_as_long_as_the_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = inspect("127.0.0.1", listener.getsockname()[1], timeout_s=0.1)

    assert (found.problem, found.detail) == ("unreachable", "No TLS connection came about (TimeoutError).")


# --- When it is looked at ---------------------------------------------------------------------------------------------


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[Inspection]:
    """What the next looks will find; one that is not foreseen fails."""
    settings.BASE_URL = PUBLIC
    found: list[Inspection] = []
    monkeypatch.setattr(certificates, "inspect", lambda host, port: found.pop(0))
    return found


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://keepsync.example.com", "no https address"),
        ("https://127.0.0.1:8000", "this machine only"),
        ("https://[::1]:8000", "this machine only"),
        ("https://localhost", "this machine only"),
        (PUBLIC, ""),
    ],
)
def test_an_address_without_a_public_certificate_is_never_called(
    url: str, reason: str, settings: Any, db: None
) -> None:
    settings.BASE_URL = url
    told = certificates.explain_inapplicable()

    assert reason in told
    assert bool(reason) == bool(told)
    if told:
        jobs.check_certificate()
        assert not Certificate.objects.exists()


@pytest.mark.django_db
def test_it_is_looked_at_once_a_day_and_each_hour_while_something_is_wrong(seen: list[Inspection]) -> None:
    good, bad = Inspection(expires_at=NOW + timedelta(days=60)), Inspection("unreachable", "No.")
    for hours, found in [(0, [good]), (1, []), (24, [bad]), (25, [bad]), (26, [good]), (27, [])]:
        seen.extend(found)
        with time_machine.travel(NOW + timedelta(hours=hours), tick=False):
            jobs.check_certificate()
        assert seen == []


@pytest.mark.django_db
def test_what_was_known_of_another_address_is_forgotten(seen: list[Inspection], settings: Any) -> None:
    seen.extend([Inspection("unreachable", "No."), Inspection(expires_at=NOW + timedelta(days=60))])
    jobs.check_certificate()
    settings.BASE_URL = "https://other.example.com:8443"
    jobs.check_certificate()

    assert [(row.address, row.problem) for row in Certificate.objects.all()] == [("other.example.com:8443", "")]


# --- What is told -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@time_machine.travel(NOW, tick=False)
def test_the_end_is_told_three_weeks_before_critical_from_a_week_on_and_over_when_it_is_renewed(
    seen: list[Inspection],
) -> None:
    levels = []
    for days in (22, 20, 6, 80):
        seen.append(Inspection(expires_at=NOW + timedelta(days=days)))
        certificates.check_now()
        alerts.check()
        levels += [Alert.objects.filter(closed_at=None, kind="certificate").values_list("level", flat=True).first()]

    assert levels == [None, "warning", "critical", None]
    AlertRule.objects.filter(kind="certificate").update(opens_at=90)
    alerts.check()
    assert Alert.objects.filter(closed_at=None, kind="certificate").exists()


@pytest.mark.django_db
def test_a_refused_certificate_is_critical_with_what_to_do(seen: list[Inspection]) -> None:
    seen.append(Inspection("wrong_name", "Hostname mismatch."))
    jobs.check_certificate()
    alerts.check()
    alert = Alert.objects.get()

    assert (alert.level, alert.title) == ("critical", "The public address has a certificate for another name")
    assert "Hostname mismatch. Senders refuse it, and no webhook arrives." in alert.text


@pytest.mark.django_db
def test_an_address_that_became_inapplicable_closes_the_alert(seen: list[Inspection], settings: Any) -> None:
    seen.append(Inspection("expired", "Out."))
    jobs.check_certificate()
    alerts.check()
    settings.BASE_URL = "http://127.0.0.1:8000"
    alerts.check()

    assert Alert.objects.get().closed_at is not None
