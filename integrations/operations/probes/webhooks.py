"""Whether the intake takes in what is signed, nothing else, and that once."""

import hashlib
import hmac
import json
from http import HTTPStatus
from io import BytesIO
from secrets import token_hex
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.urls import resolve, reverse

from integrations import intake
from integrations.endpoints import Endpoint, Verified, load_endpoint
from integrations.models import Connection, Delivery
from integrations.operations.checklist import (
    DAY,
    Evidence,
    Section,
    failed,
    passed,
    proves,
    rolled_back,
)
from integrations.operations.pages import list_of, page_of
from integrations.pairs import CALENDAR
from integrations.providers import PROVIDERS
from integrations.providers.base import Envelope, IncomingRequest

# More connections are not tried out at one time.
TRIED = 50
NOBODY = "No connection receives webhooks."
CONNECT = "Connect calendar.live, and enter its webhook's address and secret there."


def list_receiving() -> list[Connection]:
    """calendar.live's first."""
    senders = [key for key, provider in PROVIDERS.items() if provider.signature_header]
    found = Connection.objects.filter(provider__in=senders).exclude(status=Connection.Status.DISABLED)
    return sorted(found.defer("credentials").order_by("id")[:TRIED], key=lambda each: each.provider != CALENDAR)


def lack_connection() -> Evidence:
    return failed(NOBODY, advice=CONNECT, address=list_of(Connection))


# --- Signatures -------------------------------------------------------------------------------------------------------


@proves(
    "signatures",
    Section.INTEGRATION,
    "Webhooks are verified by their signatures",
    why="Without it, whoever knows the address can make and cancel bookings.",
    holds=DAY,
)
def probe_signatures(now: object) -> Evidence:
    connections = list_receiving()
    if not connections:
        return lack_connection()
    for connection in connections:
        if problem := find_open_door(connection):
            advice = "Its page shows its webhook secrets: add the one that the sender signs with."
            return failed(f"{connection}: {problem}", advice=advice, address=page_of(connection))
    names = ", ".join(map(str, connections))
    refused = f"{names}: requests without a signature, and with a wrong one, were refused with 401."
    accepted = "What each active secret of calendar.live signs is accepted."
    return passed(refused, *([accepted] if connections[0].provider == CALENDAR else ()))


def find_open_door(connection: Connection) -> str:
    """What is wrong with what the connection lets in; empty where nothing is."""
    endpoint = load_endpoint(connection.slug)
    if not endpoint.secrets:
        return "it has no active webhook secret, or none that can be read."
    body = json.dumps({"id": f"probe_{token_hex(8)}"}).encode()
    header = endpoint.adapter.signature_header
    for what, headers in (("no signature", {}), ("a wrong signature", {header: token_hex(32)})):
        answer = knock(connection.slug, body, headers)
        if answer.status_code != HTTPStatus.UNAUTHORIZED:
            return f"a request with {what} was answered {answer.status_code}, not 401."
    if connection.provider == CALENDAR and not is_every_secret_taken(endpoint, body):
        return "what one of its active secrets signs is refused."
    return ""


def knock(slug: str, body: bytes, headers: dict[str, str]) -> HttpResponse:
    """The answer of this installation's own webhook address. What it keeps of the request is taken back."""
    path = reverse("webhook", args=[slug])
    view, arguments, keywords = resolve(path, settings.ROOT_URLCONF)
    with rolled_back():
        answer: HttpResponse = view(make_request(path, body, headers), *arguments, **keywords)
    return answer


def make_request(path: str, body: bytes, headers: dict[str, str]) -> WSGIRequest:
    """As a server would pass it on."""
    given = {"host": urlsplit(settings.BASE_URL).netloc, **headers}
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in given.items()},
    }
    setup_testing_defaults(environ)
    return WSGIRequest(environ)


def is_every_secret_taken(endpoint: Endpoint, body: bytes) -> bool:
    """Of calendar.live, whose signatures are plain HMACs."""
    signed = [(secret, hmac.new(secret.value.encode(), body, hashlib.sha256)) for secret in endpoint.secrets]
    header = endpoint.adapter.signature_header.lower()
    return all(
        endpoint.find_signer(IncomingRequest({header: mac.hexdigest()}, body)) == secret for secret, mac in signed
    )


# --- Repeats ----------------------------------------------------------------------------------------------------------


@proves(
    "duplicates",
    Section.INTEGRATION,
    "Deliveries that come twice are stored once",
    why="Every sender repeats what it thinks was lost: a repeat must never book, mail or charge a second time.",
    holds=DAY,
)
def probe_duplicates(now: object) -> Evidence:
    ready = (load_endpoint(connection.slug) for connection in list_receiving())
    endpoint = next((each for each in ready if each.secrets), None)
    if endpoint is None:
        return lack_connection()
    verified = Verified(endpoint, endpoint.secrets[0], IncomingRequest({}, b"{}"))
    envelope = Envelope(f"probe_{token_hex(16)}", "probe")
    with rolled_back():
        # Not through the combiner: it would store what other threads have received in this transaction too.
        first, second = (intake.store_rows([intake.make_row(verified, envelope)])[0] for _ in range(2))
        rows = list(Delivery.objects.filter(delivery_id=envelope.delivery_id).values_list("duplicates", flat=True))
    is_repeat = first and second and first[0] == second[0] and (first[1:], second[1:]) == ((True, True), (False, True))
    if is_repeat and rows == [1]:
        return passed(f"{endpoint.slug}: a made-up delivery was given twice, and stored once with one repeat counted.")
    told = f"{endpoint.slug}: a made-up delivery was given twice, and stored {len(rows)} times."
    return failed(told, advice="Run manage.py migrate: the unique index of deliveries is missing or damaged.")
