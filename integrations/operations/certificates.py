"""The certificate of the public address: looked at as a sender's program would, by a TLS handshake."""

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import certifi
from cryptography import x509
from django.conf import settings
from django.utils import timezone

from integrations.models import Certificate

Problem = Certificate.Problem
TIMEOUT_S = 5
DAILY, WHILE_WRONG = timedelta(hours=23), timedelta(minutes=50)
# OpenSSL's verification errors (include/openssl/x509_vfy.h).
PROBLEMS = {
    10: Problem.EXPIRED,
    18: Problem.SELF_SIGNED,
    19: Problem.SELF_SIGNED,
    62: Problem.WRONG_NAME,
    64: Problem.WRONG_NAME,
}


@dataclass(frozen=True, slots=True)
class Inspection:
    """`problem` empty: it is trusted, and made out to the name. `expires_at` also of one that is refused."""

    problem: str = ""
    detail: str = ""
    expires_at: datetime | None = None


# --- The public address -----------------------------------------------------------------------------------------------


def explain_inapplicable() -> str:
    """Why BASE_URL has no certificate to look at; empty where it has one."""
    parts = urlsplit(settings.BASE_URL)
    if parts.scheme != "https":
        return "Not applicable: BASE_URL is no https address."
    if is_of_this_machine(parts.hostname or ""):
        return "Not applicable: BASE_URL leads to this machine only."
    return ""


def is_of_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def find_address() -> str:
    """Host and port of BASE_URL, such as `keepsync.example.com:443`."""
    parts = urlsplit(settings.BASE_URL)
    return f"{parts.hostname}:{parts.port or 443}"


def check_due() -> None:
    """Look once a day, and each hour while something is wrong."""
    if explain_inapplicable():
        return
    known = Certificate.objects.filter(address=find_address()).first()
    pause = WHILE_WRONG if known and known.problem else DAILY
    if known is None or known.checked_at <= timezone.now() - pause:
        check_now()


def check_now() -> Certificate:
    """Look, and keep what was seen; what was known of another address is forgotten."""
    address = find_address()
    host, _, port = address.rpartition(":")
    found = inspect(host.strip("[]"), int(port))
    Certificate.objects.exclude(address=address).delete()
    seen = {"problem": found.problem, "detail": found.detail, "expires_at": found.expires_at}
    known, _ = Certificate.objects.update_or_create(address=address, defaults={**seen, "checked_at": timezone.now()})
    return known


# --- The handshake ----------------------------------------------------------------------------------------------------


def inspect(host: str, port: int, *, timeout_s: float = TIMEOUT_S, authority: str = "") -> Inspection:
    """What a handshake with the server finds. `authority` is a PEM text to trust beside the known ones."""
    try:
        return Inspection(expires_at=shake_hands(host, port, make_context(authority), timeout_s))
    except ssl.SSLCertVerificationError as error:
        problem = PROBLEMS.get(error.verify_code, Problem.UNTRUSTED)
        detail = f"{error.verify_message.rstrip('.').capitalize()}."
        return Inspection(problem, detail, read_expiry_untrusted(host, port, timeout_s))
    except (OSError, UnicodeError) as error:
        return Inspection(Problem.UNREACHABLE, f"No TLS connection came about ({type(error).__name__}).")


def make_context(authority: str = "") -> ssl.SSLContext:
    """Trusts whom a sender trusts, and is no stricter about a certificate's form than most of them."""
    context = ssl.create_default_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.load_verify_locations(certifi.where())
    if authority:
        context.load_verify_locations(cadata=authority)
    return context


def shake_hands(host: str, port: int, context: ssl.SSLContext, timeout_s: float) -> datetime:
    """When the server's certificate runs out. Raises OSError, and as one of them SSLCertVerificationError."""
    with (
        socket.create_connection((host, port), timeout=timeout_s) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        certificate = secured.getpeercert(binary_form=True) or b""
    return x509.load_der_x509_certificate(certificate).not_valid_after_utc.astimezone(UTC)


def read_expiry_untrusted(host: str, port: int, timeout_s: float) -> datetime | None:
    """Of a certificate that was refused: nothing is sent over this connection."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return shake_hands(host, port, context, timeout_s)
    except (OSError, ValueError):
        return None
