"""What can be done with an import: begun on a CRM's page or with a file, stopped, resumed, and done for real."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from contacts.imports import runs
from contacts.imports.csv_files import LARGEST_FILE
from contacts.imports.engine import OPEN
from contacts.jobs import resume_import, start_import
from contacts.models import ImportRun
from integrations.admin.base import Button, ButtonForm
from integrations.admin.connection_buttons import add_button, is_crm
from integrations.admin.formats import address_of
from integrations.models import Connection
from integrations.providers import name_provider

ADD, CHANGE = "contacts.add_importrun", "contacts.change_importrun"
DRY_RUN_HELP = "Counts what would be created, matched, put up for review and refused. Nothing is changed."


class CrmImportForm(ButtonForm):
    is_dry_run = forms.BooleanField(
        label="Dry run", required=False, initial=True, widget=UnfoldBooleanSwitchWidget, help_text=DRY_RUN_HELP
    )


class CsvImportForm(forms.Form):
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget,
        help_text="At most 20 MiB; UTF-8 or UTF-16; columns parted by commas, semicolons or tabs. It is stored "
        "encrypted, and deleted once it has been imported, or after a week.",
    )
    default_region = forms.CharField(
        label="Country of phone numbers",
        required=False,
        min_length=2,
        max_length=2,
        widget=UnfoldAdminTextInputWidget,
        help_text="Two letters, such as FR: where numbers without a country code are dialled, unless their row "
        "names a country.",
    )
    is_dry_run = forms.BooleanField(
        label="Dry run",
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text=f"{DRY_RUN_HELP} Then the same file can be imported for real.",
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > LARGEST_FILE:
            raise forms.ValidationError("The file is larger than 20 MiB: divide it.")
        return file

    def clean_default_region(self) -> str:
        region = str(self.cleaned_data["default_region"]).upper()
        if region and not (region.isascii() and region.isalpha()):
            raise forms.ValidationError("Give two letters, such as FR.")
        return region


def show_run(run: ImportRun) -> HttpResponse:
    return HttpResponseRedirect(address_of(run))


def begin_crm(request: HttpRequest, connection: Connection, values: dict[str, Any]) -> HttpResponse:
    is_dry_run = values["is_dry_run"]
    return show_run(start_import(lambda: runs.start_crm(connection, is_dry_run=is_dry_run, user=request.user)))


def begin_csv(request: HttpRequest, values: dict[str, Any]) -> ImportRun:
    """Raises FileError."""
    file = values["file"]
    return start_import(
        lambda: runs.start_csv(
            file.read(),
            file_name=file.name,
            default_region=values["default_region"],
            is_dry_run=values["is_dry_run"],
            user=request.user,
        )
    )


def stop(request: HttpRequest, run: ImportRun, values: dict[str, Any]) -> str:
    runs.stop(run)
    return f"It is stopped. What was brought in stays: {run.created:,} created, {run.matched:,} matched."


def resume(request: HttpRequest, run: ImportRun, values: dict[str, Any]) -> str:
    resume_import(run)
    return "It goes on where it was."


def begin_real(request: HttpRequest, run: ImportRun, values: dict[str, Any]) -> HttpResponse:
    real = start_import(lambda: runs.run_for_real(run, request.user))
    messages.success(request, "The import has begun.")
    return show_run(real)


def may_run_for_real(run: Any) -> bool:
    is_done = run.is_dry_run and run.status == ImportRun.Status.DONE
    return is_done and (run.connection_id is not None or bool(run.has_file))


def explain_real(run: ImportRun) -> str:
    """What the dry run has found."""
    source = "The CRM is read once more, as it is now" if run.connection_id else f"{run.file_name} is imported"
    refused = f" {run.refused:,} rows are refused, as here." if run.refused else ""
    return (
        f"{source}: about {run.created:,} contacts are created, and {run.matched:,} matched ones brought up to "
        f"date; {run.for_review:,} leave a pair to review.{refused} It can be stopped at any time; what is done stays."
    )


def explain_crm(connection: Connection) -> str:
    return (
        f"Keepsync reads all contacts of {name_provider(connection.provider)} as {connection}, page by page, and "
        "brings each to the contact that it matches here, or makes a new one. It fills in what is not known here, and "
        "keeps what is; who may be somebody else is put up for review. Nothing is changed over there."
    )


BUTTONS = [
    Button(
        name="import_for_real",
        label="Import for real",
        icon="play_arrow",
        permission=ADD,
        explain=explain_real,
        fits=may_run_for_real,
        run=begin_real,
        log="Imported for real",
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="stop",
        label="Stop",
        icon="stop",
        permission=CHANGE,
        explain=lambda run: "It stops after the page that it works on. What is done stays, and it can be resumed.",
        fits=lambda run: run.status in OPEN,
        run=stop,
        log="Stopped",
    ),
    Button(
        name="resume",
        label="Resume",
        icon="play_arrow",
        permission=CHANGE,
        explain=lambda run: f"It goes on where it was, after {run.read:,} rows.",
        fits=runs.may_resume,
        run=resume,
        log="Resumed",
        variant=ActionVariant.PRIMARY,
    ),
]

add_button(
    Button(
        name="import_contacts",
        label="Import contacts",
        icon="group_add",
        permission=ADD,
        explain=explain_crm,
        fits=is_crm,
        form=CrmImportForm,
        run=begin_crm,
        log="Began to import its contacts",
        is_on_top=False,
    )
)
