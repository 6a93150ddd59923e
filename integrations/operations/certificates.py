"""The certificate that an address shows: whether it is trusted, for whom it is, and for how long."""

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a handshake has shown. `problem` is empty where it was trusted; then `expires_at` is known."""

    problem: str = ""
    expires_at: datetime | None = None


def check_certificate(host: str, port: int, *, cafile: str | None = None, timeout_s: float = TIMEOUT_S) -> Certificate:
    """One TLS handshake, and nothing more. `cafile`: whom to trust instead of whom this machine does."""
    context = ssl.create_default_context(cafile=cafile)
    try:
        with (
            socket.create_connection((host, port), timeout_s) as opened,
            context.wrap_socket(opened, server_hostname=host) as secured,
        ):
            shown = secured.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return Certificate(f"It is not trusted: {error.verify_message}.")
    except ssl.SSLError as error:
        return Certificate(f"There is no TLS: {error.reason or 'the handshake failed'}.")
    except OSError as error:
        return Certificate(f"Nobody answers: {error.strerror or 'the time is over'}.")
    return Certificate(expires_at=datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC))
