"""Whether the public address can be trusted by those who post to it."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings

from integrations.models import Certificate
from integrations.operations.certificates import inspect
from integrations.operations.checklist import DAY, Evidence, Section, failed, passed, proves

# A certificate that ends sooner should have been renewed by now.
LEFT = timedelta(days=14)
TLS_PORT = 443


@proves(
    "certificate",
    Section.LAUNCH,
    "The public address has a valid TLS certificate",
    why="calendar.live and the CRMs post to no address whose certificate they cannot trust.",
    holds=DAY,
)
def probe_certificate(now: datetime) -> Evidence:
    parts = urlsplit(settings.BASE_URL)
    if parts.scheme != "https":
        return failed(f"BASE_URL is {settings.BASE_URL}, without TLS.", advice="Set BASE_URL to the https address.")
    host, port = parts.hostname or "", parts.port or TLS_PORT
    found = inspect(host, port)
    if found.problem or found.expires_at is None:
        advice = "Let the proxy in front show a certificate for this name, with its whole chain."
        return failed(f"{host}:{port}: {Certificate.Problem(found.problem).label}. {found.detail}", advice=advice)
    ends = f"{host}:{port}: it is trusted, and valid until {found.expires_at:%Y-%m-%d}"
    if found.expires_at < now + LEFT:
        return failed(f"{ends}, less than {LEFT.days} days.", advice="Renew it, and see why it was not by itself.")
    return passed(f"{ends}, {(found.expires_at - now).days} days from now.")
