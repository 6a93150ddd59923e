"""The page before an authorisation: what will be asked for, what the provider must know, whose account it is now."""

from typing import Any

from django import forms
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.widgets import UnfoldBooleanWidget

from integrations import oauth
from integrations.admin.base import ButtonForm, show_page
from integrations.admin.connection_forms import ask_credential
from integrations.admin.formats import NOTHING, address_of
from integrations.admin.oauth_buttons import name_authorise, token_of
from integrations.admin.panels import Panel
from integrations.connections import CLIENT, set_credentials
from integrations.exceptions import KeepsyncError
from integrations.models import Connection
from integrations.privacy.encryption import UnreadableValueError, show_unreadable
from integrations.providers import name_provider

SHOWN_OF_ID = 4
OTHER_ACCOUNT = "Else nothing is changed where somebody signs in there with another account than the one above."


class AuthoriseForm(ButtonForm):
    other_account = forms.BooleanField(
        required=False, widget=UnfoldBooleanWidget, label="Another account may take its place", help_text=OTHER_ACCOUNT
    )

    def __init__(self, row: Connection, *args: Any, **kwargs: Any) -> None:
        super().__init__(row, *args, **kwargs)
        if token_of(row) is None:
            del self.fields["other_account"]
        for name in CLIENT:
            self.fields[name] = ask_credential(name)
        if not read_client_id(row):
            self.fields["client_id"].required = True

    @property
    def client(self) -> dict[str, str]:
        """What was given of it."""
        return {name: self.cleaned_data[name] for name in CLIENT if self.cleaned_data[name]}


def show_authorise_page(request: HttpRequest, connection: Connection) -> HttpResponse:
    """GET shows what will happen; POST keeps the client that is given, and leads to the provider."""
    form = AuthoriseForm(connection, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            return begin(request, connection, form)
        except KeepsyncError as error:
            form.add_error(None, str(error))
    return show_form(request, connection, form)


def begin(request: HttpRequest, connection: Connection, form: AuthoriseForm) -> HttpResponse:
    if form.client:
        set_credentials(connection, form.client)
        if isinstance(request.user, User):
            LogEntry.objects.log_actions(request.user.pk, [connection], CHANGE, f"Set {' and '.join(form.client)}")
    query = "?other_account=1" if form.cleaned_data.get("other_account") else ""
    return HttpResponseRedirect(reverse("oauth_start", args=[connection.slug]) + query)


def show_form(request: HttpRequest, connection: Connection, form: AuthoriseForm) -> HttpResponse:
    label, name = name_authorise(connection), name_provider(connection.provider)
    return show_page(
        request,
        "keepsync/authorise.html",
        title=f"{label}: {connection}",
        label=label,
        provider=name,
        form=form,
        facts=[Panel("As it is now", rows=list_facts(connection))],
        panels=[make_scopes(connection)],
        redirect_uri=oauth.redirect_uri(),
        has_client=bool(read_client_id(connection)),
        back=address_of(connection),
    )


@show_unreadable()
def list_facts(connection: Connection) -> list[tuple[str, str]]:
    token = token_of(connection)
    return [
        ("Provider", f"{name_provider(connection.provider)}, at {read_host(connection)}"),
        ("Account connected now", name_account(token) if token else "None"),
        ("Client id", mask(read_client_id(connection)) or "Missing: enter it below"),
        ("Client secret", describe_secret(connection)),
    ]


def name_account(token: Any) -> str:
    """As it was seen when it was authorised."""
    return ", ".join(filter(None, (token.account_name, token.account_id))) or "Not known"


def read_host(connection: Connection) -> str:
    try:
        return oauth.find_url(connection, "authorize_url").partition("?")[0]
    except KeepsyncError:
        return NOTHING


def read_client_id(connection: Connection) -> str:
    """Empty where there is none, or it cannot be read."""
    try:
        return str(connection.credentials.get("client_id", ""))
    except UnreadableValueError:
        return ""


def describe_secret(connection: Connection) -> str:
    try:
        return "Set" if connection.credentials.get("client_secret") else "Not set: enter it below, unless there is none"
    except UnreadableValueError as error:
        return f"Unreadable: {error}"


def mask(text: str) -> str:
    """Enough to tell one application from another."""
    return f"{text[:SHOWN_OF_ID]}…" if len(text) > 2 * SHOWN_OF_ID else "…" if text else ""


def make_scopes(connection: Connection) -> Panel:
    declared = oauth.find_oauth(connection)
    name = name_provider(connection.provider)
    rows = [[scope, declared.purposes.get(scope, NOTHING)] for scope in oauth.wanted_scopes(connection)]
    note = (
        f"{name} shows them too, and asks for consent."
        if oauth.asks_scopes(connection)
        else f"{name} grants those that the application is registered with: see that these are among them."
    )
    return Panel("Scopes", headers=["Scope", "What for"], rows=rows, note=note)
