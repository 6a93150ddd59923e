"""Authorising a connection in the browser: to the provider's consent page, and back with a code.

The code stands in the address of the way back, so that answer is kept nowhere, and tells no other site where it was.
"""

from collections.abc import Callable
from functools import wraps

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET

from integrations.admin.formats import address_of
from integrations.authorisations import Result, finish, start
from integrations.exceptions import AuthorisationError, KeepsyncError
from integrations.jobs import change_status
from integrations.models import Authorisation, Connection

PERMISSION = "integrations.change_connection"
SIGNED_OUT = "You were signed out on the way: sign in, and press Authorise on the connection's page again."
PRIVATE_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
LEVELS = {
    Authorisation.Outcome.GRANTED: messages.SUCCESS,
    Authorisation.Outcome.REFUSED: messages.WARNING,
    Authorisation.Outcome.FAILED: messages.ERROR,
}

type View = Callable[..., HttpResponse]


def keep_private(view: View) -> View:
    """Nothing on the way keeps the answer, and no other site is told its address."""

    @wraps(view)
    def answer(request: HttpRequest, **arguments: str) -> HttpResponse:
        response = view(request, **arguments)
        for name, value in PRIVATE_HEADERS.items():
            response[name] = value
        return response

    return answer


@require_GET
@keep_private
def start_authorisation(request: HttpRequest, slug: str) -> HttpResponse:
    """Lead to the provider. `?other_account=1`: the connection may change to another account than before."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    user = check_permission(request)
    connection = get_object_or_404(Connection, slug=slug)
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        messages.info(request, "Another site led here. If you mean to authorise this connection, press Authorise.")
        return HttpResponseRedirect(address_of(connection))
    may_change_account = request.GET.get("other_account") == "1"
    try:
        url = start(
            connection,
            user=user,
            session_key=request.session.session_key or "",
            may_change_account=may_change_account,
        )
    except KeepsyncError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(address_of(connection))
    return HttpResponseRedirect(url)


@require_GET
@keep_private
def finish_authorisation(request: HttpRequest) -> HttpResponse:
    """Where the provider leads back to. What it says is used once, and in the session that began it."""
    if not request.user.is_authenticated:
        # A new session could not finish what the old one began, so the answer is not carried through the log-in.
        messages.error(request, SIGNED_OUT)
        return redirect_to_login(reverse("admin:integrations_connection_changelist"))
    user = check_permission(request)
    try:
        result = finish(request.GET.dict(), session_key=request.session.session_key or "", user=user)
    except AuthorisationError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:integrations_connection_changelist"))
    connection = result.authorisation.connection
    told = " ".join(filter(None, (result.message, resume(connection) if result.is_granted else "")))
    log_result(user, result)
    messages.add_message(request, LEVELS[Authorisation.Outcome(result.authorisation.outcome)], told)
    return HttpResponseRedirect(address_of(connection))


def check_permission(request: HttpRequest) -> User:
    """Raises PermissionDenied for who may not change connections."""
    user = request.user
    if not (user.is_active and user.is_staff and user.has_perm(PERMISSION)):
        raise PermissionDenied("You may not authorise connections: ask an administrator for that permission.")
    return user


@transaction.atomic
def resume(connection: Connection) -> str:
    """What waited for the authorisation goes on; what a person has paused or disabled stays so. Says which it is."""
    latest = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    if latest.status == Connection.Status.NEEDS_REAUTHORISATION:
        waiting = change_status(latest, Connection.Status.ACTIVE)
        return f"It is active again{f', and {len(waiting)} waiting deliveries are queued' if waiting else ''}."
    return "" if latest.status == Connection.Status.ACTIVE else f"It stays {latest.get_status_display().lower()}."


def log_result(user: User, result: Result) -> None:
    """Who authorised what, in the connection's log."""
    walk = result.authorisation
    told = f"Authorisation {Authorisation.Outcome(walk.outcome).label.lower()}"
    entry = f"{told}. {walk.error}" if walk.error else f"{told}."
    LogEntry.objects.log_actions(user.pk, [walk.connection], CHANGE, entry)
