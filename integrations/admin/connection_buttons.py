"""What can be done with a connection: test, pause, resume, disable, give it credentials, and rotate its secrets."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest
from unfold.enums import ActionVariant

from integrations.admin import secret_buttons
from integrations.admin.base import Button
from integrations.admin.connection_forms import CredentialsForm
from integrations.admin.formats import name_provider
from integrations.admin.mapping_files import CHANGE as CHANGE_MAPPING
from integrations.admin.mapping_files import ImportForm, import_file
from integrations.calls import check_connection
from integrations.connections import asked_credentials, set_credentials
from integrations.jobs import change_status
from integrations.models import Connection
from integrations.pairs import prepare
from integrations.providers import PROVIDERS
from integrations.providers.crm import Crm

Status = Connection.Status
CHANGE = "integrations.change_connection"
TEST_THEM = "Test the connection to see whether they are right."


def is_crm(connection: Connection) -> bool:
    return isinstance(PROVIDERS.get(connection.provider), Crm)


def needs_credentials(connection: Connection) -> bool:
    return connection.status == Status.NEEDS_REAUTHORISATION


def set_and_report(connection: Connection, status: Connection.Status) -> str:
    waiting = change_status(connection, status)
    queued = f" {len(waiting)} waiting deliveries are queued." if waiting else ""
    return f"{connection} is {status.label.lower()}.{queued}"


@transaction.atomic
def set_new_credentials(request: HttpRequest, connection: Connection, values: dict[str, Any]) -> str:
    """What waited for reauthorisation goes on."""
    set_credentials(connection, values)
    is_waiting = needs_credentials(connection)
    return f"The credentials are set. {set_and_report(connection, Status.ACTIVE) if is_waiting else TEST_THEM}"


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
            "what you leave empty is forgotten. They are stored encrypted, and no page shows them."
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
]
