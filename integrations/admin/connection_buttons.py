"""What can be done with a connection: test, pause, resume, disable, give it credentials, and rotate its secrets."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from unfold.enums import ActionVariant

from integrations.admin import oauth_buttons, secret_buttons
from integrations.admin.base import Button
from integrations.admin.connection_forms import CredentialsForm
from integrations.admin.mapping_files import CHANGE as CHANGE_MAPPING
from integrations.admin.mapping_files import ImportForm, import_file
from integrations.admin.oauth_buttons import token_of
from integrations.calls import check_connection
from integrations.connections import CLIENT, asked_credentials, client_credentials, set_credentials
from integrations.exceptions import KeepsyncError, ReauthoriseError
from integrations.jobs import change_status
from integrations.models import Connection
from integrations.pairs import prepare
from integrations.providers import PROVIDERS, name_provider
from integrations.providers.crm import Crm
from integrations.tokens import CLIENT_ERRORS, SETUP

Status = Connection.Status
CHANGE = "integrations.change_connection"


def is_crm(connection: Connection) -> bool:
    return isinstance(PROVIDERS.get(connection.provider), Crm)


def needs_credentials(connection: Connection) -> bool:
    return connection.status == Status.NEEDS_REAUTHORISATION


def set_and_report(connection: Connection, status: Connection.Status) -> str:
    waiting = change_status(connection, status)
    queued = f" {len(waiting)} waiting deliveries are queued." if waiting else ""
    return f"{connection} is {status.label.lower()}.{queued}"


def set_new_credentials(request: HttpRequest, connection: Connection, values: dict[str, Any]) -> str:
    """Test them at once. What waited for reauthorisation goes on, unless they are refused too."""
    set_credentials(connection, values)
    if not any(value for name, value in values.items() if name not in CLIENT):
        return f"The client is set. {resume_refused_client(connection)}"
    was_waiting, is_refused = needs_credentials(connection), False
    try:
        found = check_connection(connection)
    except KeepsyncError as error:
        is_refused, found = isinstance(error, ReauthoriseError), ""
        messages.warning(request, f"The test failed: {error}")
    resumed = set_and_report(connection, Status.ACTIVE) if was_waiting and not is_refused else ""
    return " ".join(filter(None, ("The credentials are set.", found, resumed)))


def resume_refused_client(connection: Connection) -> str:
    """Where nothing but the client was wrong, the grant is still good."""
    token = token_of(connection)
    if not needs_credentials(connection) or token is None or token.error not in (*CLIENT_ERRORS, SETUP):
        return "Authorise the connection next." if token is None or needs_credentials(connection) else ""
    return set_and_report(connection, Status.ACTIVE)


BUTTONS = [
    Button(
        name="test",
        label="Test",
        icon="network_check",
        permission=CHANGE,
        explain=lambda row: f"Keepsync calls {row.provider} once as {row}, and says what it found. Nothing is changed.",
        run=lambda request, row, values: check_connection(row),
        log="Tested the connection",
    ),
    Button(
        name="pause",
        label="Pause",
        icon="pause",
        permission=CHANGE,
        explain=lambda row: (
            f"Webhooks of {row} are still accepted and stored, but not worked on, and nothing goes out there. "
            "Both wait until it is resumed."
        ),
        fits=lambda row: row.status == Status.ACTIVE,
        run=lambda request, row, values: set_and_report(row, Status.PAUSED),
        log="Paused",
    ),
    Button(
        name="resume",
        label="Resume",
        icon="play_arrow",
        permission=CHANGE,
        explain=lambda row: (
            f"{row} becomes active: all deliveries that waited are queued, and what was to go out goes on."
            + (" Its credentials were refused: set new ones first." if needs_credentials(row) else "")
        ),
        fits=lambda row: row.status != Status.ACTIVE,
        run=lambda request, row, values: set_and_report(row, Status.ACTIVE),
        log="Resumed",
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="disable",
        label="Disable",
        icon="block",
        permission=CHANGE,
        explain=lambda row: (
            f"Webhooks of {row} are refused with 404 from now on, and what waits is not worked on. "
            "To take webhooks in and let them wait, pause the connection instead."
        ),
        fits=lambda row: row.status != Status.DISABLED,
        run=lambda request, row, values: set_and_report(row, Status.DISABLED),
        log="Disabled",
        variant=ActionVariant.DANGER,
    ),
    Button(
        name="set_credentials",
        label="Set credentials",
        icon="passkey",
        permission=CHANGE,
        explain=lambda row: (
            f"They take the place of those that {name_provider(row.provider)} was called with until now; "
            "what you leave empty is forgotten"
            + (", but for the client's id and secret. " if client_credentials(row.provider) else ". ")
            + "They are stored encrypted, no page shows them, and they are tested at once."
            + (" What waits for reauthorisation goes on." if needs_credentials(row) else "")
        ),
        fits=lambda row: bool(asked_credentials(row.provider)),
        form=CredentialsForm,
        run=set_new_credentials,
        log="Set new credentials",
    ),
    Button(
        name="prepare",
        label="Prepare",
        icon="construction",
        permission=CHANGE,
        explain=lambda row: (
            f"Keepsync makes the fields that {name_provider(row.provider)} lacks for it, as {row}, "
            "and says what it made. Repeating it is harmless."
        ),
        fits=is_crm,
        run=lambda request, row, values: prepare(row),
        log="Prepared the CRM",
        is_on_top=False,
    ),
    Button(
        name="import_mapping",
        label="Import mapping",
        icon="upload_file",
        permission=CHANGE_MAPPING,
        explain=lambda row: (
            f"The file takes the place of all that is mapped for {row} now. "
            "Where anything in it is wrong, nothing changes."
        ),
        fits=is_crm,
        form=ImportForm,
        run=import_file,
        log="Imported the field mapping",
        is_on_top=False,
    ),
    *secret_buttons.BUTTONS,
    *oauth_buttons.BUTTONS,
]


def add_button(button: Button) -> None:
    """A package further up adds what it does with a connection."""
    BUTTONS.append(button)
