"""Pipedrive's page: persons and activities, and what a person there can do to them."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from integrations.sandbox.panel import Action, Card, Input, Panel, Section, refuse_action
from integrations.sandbox.people import ADD_PEOPLE, MadeUp, adds_people, make_person
from integrations.sandbox.pipedrive.answers import PipedriveError
from integrations.sandbox.pipedrive.changes import Change, changing
from integrations.sandbox.pipedrive.records import Record, State, get_store, show_record

NAMES = {"person": "name", "activity": "subject"}
ADD = Action("Add", "people/add/", (Input("name", "Name"), Input("email", "E-mail")))


def show_sections() -> list[Section]:
    state = get_store().read()
    persons = [show_card(state, record) for record in reversed(state.persons.values())]
    activities = [show_card(state, record) for record in reversed(state.activities.values())]
    turn = Action("Cancel the marketing app" if state.has_marketing else "Buy the marketing app", "marketing/turn/")
    return [Section("Persons", persons, actions=(ADD, ADD_PEOPLE, turn)), Section("Activities", activities)]


def show_card(state: State, record: Record) -> Card:
    shown = show_record(record)
    for name in ("emails", "phones"):
        if name in shown:
            shown[name] = ", ".join(way["value"] for way in shown[name])
    names = {code: item.name for code, item in state.person_fields.items()}
    shown |= {names.get(code, code): value for code, value in shown.pop("custom_fields", {}).items()}
    status = "merged" if record.merged_into else "deleted" if record.is_deleted else ""
    status = status or ("complete" if record.values.get("done") else "")
    when = " ".join(filter(None, [shown.get("due_date"), shown.get("due_time")]))
    title = shown.get(NAMES[record.entity], "")
    actions = () if record.is_deleted else actions_on(record)
    return Card(str(record.id), title, shown.get("emails") or when, status, shown, actions)


def actions_on(record: Record) -> tuple[Action, ...]:
    path, name = f"{record.entity}/{record.id}", NAMES[record.entity]
    change = Action("Change", f"{path}/edit/", (Input(name, name.capitalize(), record.values.get(name, "")),))
    delete = Action("Delete", f"{path}/delete/", is_dangerous=True)
    if record.entity == "activity":
        return change, delete
    merge = Action("Merge the other one into this", f"{path}/merge/", (Input("other", "Other person's id"),))
    return change, merge, delete


panel = Panel(
    "pipedrive",
    name="Pipedrive",
    intro="A CRM with persons and activities, and its webhooks about every change, whoever made it.",
    show=show_sections,
)


def act(do: Callable[[Change, Record, HttpRequest], object]) -> Callable[..., HttpResponse]:
    """A button's view: do it as a person, tell why it cannot be done, and go back to the page."""

    @require_POST
    def view(request: HttpRequest, entity: str, record_id: int) -> HttpResponse:
        try:
            with changing(is_person=True) as change:
                do(change, change.get(entity, record_id), request)
        except PipedriveError as error:
            return refuse_action(request, panel, error.message)
        return panel.back()

    return view


def _edit(change: Change, record: Record, request: HttpRequest) -> None:
    change.update(record, request.POST.dict())


def _delete(change: Change, record: Record, request: HttpRequest) -> None:
    change.delete(record)


def _merge(change: Change, record: Record, request: HttpRequest) -> None:
    other = request.POST.get("other", "").strip()
    change.merge(change.get("person", int(other) if other.isdecimal() else 0), record)


edit, delete, merge = act(_edit), act(_delete), act(_merge)


@require_POST
def add_person(request: HttpRequest) -> HttpResponse:
    """Somebody whom a colleague enters by hand."""
    email = request.POST.get("email", "").strip()
    body = {"name": request.POST.get("name", ""), "emails": [{"value": email, "primary": True}] if email else []}
    try:
        with changing(is_person=True) as change:
            change.create("person", body)
    except PipedriveError as error:
        return refuse_action(request, panel, error.message)
    return panel.back()


def _add_people(count: int) -> None:
    with get_store().change() as state:
        change = Change(state)
        for _ in range(count):
            change.create("person", write_person(make_person(state.last_id)))


def write_person(person: MadeUp) -> dict[str, object]:
    emails = [email for email in (person.email, person.more_email) if email]
    statuses = {None: "no_consent", True: "subscribed", False: "unsubscribed"}
    return {
        "name": person.full_name,
        "emails": [{"value": email, "primary": email == emails[0]} for email in emails],
        "phones": [{"value": person.phone, "primary": True}] if person.phone else [],
        "marketing_status": statuses[person.has_agreed],
    }


make_people = adds_people(panel, _add_people)


@require_POST
def turn_marketing(request: HttpRequest) -> HttpResponse:
    """Buy the marketing app, or cancel it: without it nobody's marketing status is told."""
    with get_store().change() as state:
        state.has_marketing = not state.has_marketing
    return panel.back()
