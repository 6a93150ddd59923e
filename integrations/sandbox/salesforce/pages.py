"""Salesforce's page: Contacts, Leads and Events, the custom fields, and what a person in the org can do."""

from collections.abc import Callable
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from integrations.sandbox.meeting_forms import FormError, make_move, make_new, read_new, read_times
from integrations.sandbox.panel import Action, Card, Input, Panel, Section, refuse_action
from integrations.sandbox.people import ADD_PEOPLE, MadeUp, adds_people, make_person
from integrations.sandbox.salesforce.answers import SalesforceError
from integrations.sandbox.salesforce.catalog import FIELDS, WRITABLE
from integrations.sandbox.salesforce.changes import delete as delete_row
from integrations.sandbox.salesforce.changes import find_account, get_row, insert, update
from integrations.sandbox.salesforce.changes import merge as merge_rows
from integrations.sandbox.salesforce.records import Row, State, find_user, format_instant, get_store
from integrations.sandbox.staff import HINT, PERSON

NEW_PERSON = (Input("FirstName", "First name"), Input("LastName", "Last name"), Input("Email", "E-mail"))
ADD = Action("Add", "people/add/", NEW_PERSON)
EDITED = (*NEW_PERSON, Input("Phone", "Phone"))
CANCELLED = "Cancelled: "


def show_sections() -> list[Section]:
    state = get_store().read()
    contacts = [(row.id, row.show()["Name"]) for row in reversed(state.rows_of("Contact"))]
    actions = {"Contact": (ADD, ADD_PEOPLE), "Event": (make_new("events/add/", contacts),)}
    sections = [
        Section(
            f"{sobject}s",
            [show_card(row) for row in reversed(state.rows_of(sobject, with_deleted=True))],
            actions=actions.get(sobject, ()),
        )
        for sobject in WRITABLE
    ]
    return [*sections, Section("Custom fields", [show_field(state, name) for name in custom_fields()])]


def custom_fields() -> list[str]:
    """As `Contact.Keepsync_Id__c`."""
    return [f"{sobject}.{name}" for sobject in WRITABLE for name, item in FIELDS[sobject].items() if item.is_custom]


def show_card(row: Row) -> Card:
    shown = row.show()
    status = "merged" if row.master_id else "deleted" if row.is_deleted else ""
    title = shown.get("Name") or shown.get("Subject") or row.id
    subtitle = shown.get("Email") or shown.get("StartDateTime") or ""
    return Card(row.id, str(title), str(subtitle), status, shown, () if row.is_deleted else actions_on(row))


def actions_on(row: Row) -> tuple[Action, ...]:
    path = f"rows/{row.sobject}/{row.id}"
    delete = Action("Delete", f"{path}/delete/", is_dangerous=True)
    if row.sobject == "Event":
        title = Input("Subject", "Subject", row.values.get("Subject") or "")
        times = (datetime.fromisoformat(row.values[name]) for name in ("StartDateTime", "EndDateTime"))
        move, cancel = make_move(f"{path}/move/", *times), Action("Cancel", f"{path}/cancel/")
        return Action("Change", f"{path}/edit/", (title,)), move, cancel, delete
    inputs = tuple(Input(item.name, item.label, row.values.get(item.name) or "") for item in EDITED)
    merge = Action("Merge the other one into this", f"{path}/merge/", (Input("other", "Other record's id"),))
    return Action("Edit contact", f"{path}/edit/", inputs), merge, delete


def show_field(state: State, name: str) -> Card:
    is_missing = name in state.missing_fields
    action = Action("Make the field" if is_missing else "Remove the field", f"fields/{name}/turn/")
    return Card(name, name, "", "deleted" if is_missing else "", {}, (action,))


panel = Panel(
    "salesforce",
    name="Salesforce",
    intro=f"A CRM with Contacts, Leads and Events. It sends no webhooks: changes are found by polling. {HINT}.",
    show=show_sections,
)


def act(do: Callable[[State, Row, HttpRequest], object]) -> Callable[..., HttpResponse]:
    """A button's view."""

    @require_POST
    def view(request: HttpRequest, sobject: str, record_id: str) -> HttpResponse:
        try:
            with get_store().change() as state:
                do(state, get_row(state, sobject, record_id), request)
        except (SalesforceError, FormError) as error:
            return refuse_action(request, panel, say(error))
        return panel.back()

    return view


def say(error: SalesforceError | FormError) -> str:
    return error.message if isinstance(error, SalesforceError) else str(error)


def _edit(state: State, row: Row, request: HttpRequest) -> None:
    update(state, row, request.POST.dict(), by=PERSON)


def _delete(state: State, row: Row, request: HttpRequest) -> None:
    delete_row(state, row, by=PERSON)


def _merge(state: State, row: Row, request: HttpRequest) -> None:
    merge_rows(state, row, [get_row(state, row.sobject, request.POST.get("other", "").strip())], {}, by=PERSON)


def _move(state: State, row: Row, request: HttpRequest) -> None:
    update(state, row, write_times(*read_times(request)), by=PERSON)


def _cancel(state: State, row: Row, request: HttpRequest) -> None:
    """An Event has no status: people here have agreed on a word."""
    subject = (row.values.get("Subject") or "").removeprefix(CANCELLED)
    update(state, row, {"Subject": CANCELLED + subject, "ShowAs": "Free"}, by=PERSON)


edit, delete, merge, move, cancel = act(_edit), act(_delete), act(_merge), act(_move), act(_cancel)


def write_times(start: datetime, end: datetime) -> dict[str, str]:
    return {"StartDateTime": format_instant(start), "EndDateTime": format_instant(end)}


@require_POST
def add_event(request: HttpRequest) -> HttpResponse:
    """A meeting that a sales rep agrees on with a Contact, by the owner's own hand."""
    try:
        asked = read_new(request)
        values = {"Subject": asked.title, **write_times(asked.start, asked.end), "OwnerId": find_user(asked.actor)}
        with get_store().change() as state:
            insert(state, "Event", {**values, "WhoId": asked.contact_id}, by=asked.actor)
    except (SalesforceError, FormError) as error:
        return refuse_action(request, panel, say(error))
    return panel.back()


@require_POST
def turn_field(request: HttpRequest, name: str) -> HttpResponse:
    """Make a custom field that is missing, or remove it."""
    if name not in custom_fields():
        return refuse_action(request, panel, "There is no such custom field.")
    with get_store().change() as state:
        if state.missing_fields.pop(name, None) is None:
            state.missing_fields[name] = name
    return panel.back()


@require_POST
def add_person(request: HttpRequest) -> HttpResponse:
    """Somebody whom a colleague enters by hand."""
    try:
        with get_store().change() as state:
            insert(state, "Contact", request.POST.dict(), by=PERSON)
    except SalesforceError as error:
        return refuse_action(request, panel, error.message)
    return panel.back()


def _add_people(count: int) -> None:
    with get_store().change() as state:
        people = [make_person(state.last_number + place) for place in range(count)]
        account_ids = {
            name: find_account(state, name).id for name in sorted({person.company for person in people} - {""})
        }
        for person in people:
            insert(state, "Contact", {**write_person(person), "AccountId": account_ids.get(person.company)})


def write_person(person: MadeUp) -> dict[str, object]:
    return {
        "FirstName": person.first_name,
        "LastName": person.last_name,
        "Email": person.email or person.more_email,
        "Phone": person.phone,
        "HasOptedOutOfEmail": person.has_agreed is False,
    }


make_people = adds_people(panel, _add_people)
