"""Pipedrive's page: persons and activities, and what a person there can do to them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from integrations.sandbox.meeting_forms import FormError, make_move, make_new, read_new, read_times
from integrations.sandbox.panel import Action, Card, Input, Panel, Section, refuse_action
from integrations.sandbox.people import ADD_PEOPLE, MadeUp, adds_people, make_person
from integrations.sandbox.pipedrive.answers import PipedriveError
from integrations.sandbox.pipedrive.changes import Change, changing
from integrations.sandbox.pipedrive.records import USER_ID, Record, State, get_store, show_record
from integrations.sandbox.staff import HINT, PERSON

NAMES = {"person": "name", "activity": "subject"}
ADD = Action("Add", "people/add/", (Input("name", "Name"), Input("email", "E-mail")))
# A person's list of them, and the field of the form that holds the primary one.
WAYS = {"emails": "email", "phones": "phone"}
CANCELLED = "Cancelled: "


def show_sections() -> list[Section]:
    state = get_store().read()
    persons = [show_card(state, record) for record in reversed(state.persons.values())]
    activities = [show_card(state, record) for record in reversed(state.activities.values())]
    turn = Action("Cancel the marketing app" if state.has_marketing else "Buy the marketing app", "marketing/turn/")
    new = make_new("activities/add/", [(str(item.id), item.values["name"]) for item in reversed(state.live("person"))])
    return [
        Section("Persons", persons, actions=(ADD, ADD_PEOPLE, turn)),
        Section("Activities", activities, actions=(new,)),
    ]


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
    title = Input(name, name.capitalize(), record.values.get(name, ""))
    delete = Action("Delete", f"{path}/delete/", is_dangerous=True)
    if record.entity == "activity":
        move = make_move(f"{path}/move/", *find_times(record))
        return Action("Change", f"{path}/edit/", (title,)), move, Action("Cancel", f"{path}/cancel/"), delete
    email = Input(WAYS["emails"], "E-mail", find_primary(record, "emails"))
    phone = Input(WAYS["phones"], "Phone", find_primary(record, "phones"))
    merge = Action("Merge the other one into this", f"{path}/merge/", (Input("other", "Other person's id"),))
    return Action("Edit contact", f"{path}/edit/", (title, email, phone)), merge, delete


def find_primary(record: Record, ways: str) -> str:
    return next((way["value"] for way in record.values[ways] if way["primary"]), "")


def find_times(record: Record) -> tuple[datetime | None, datetime | None]:
    """Start and end of an activity that has a time."""
    day, clock, length = (record.values.get(name) for name in ("due_date", "due_time", "duration"))
    if not day or not clock:
        return None, None
    start = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC)
    hours, minutes = (length or "00:30").split(":")[:2]
    return start, start + timedelta(hours=int(hours), minutes=int(minutes))


panel = Panel(
    "pipedrive",
    name="Pipedrive",
    intro=f"A CRM with persons and activities, and its webhooks about every change, whoever made it. {HINT}.",
    show=show_sections,
)


def act(do: Callable[[Change, Record, HttpRequest], object]) -> Callable[..., HttpResponse]:
    """A button's view: do it as a person, tell why it cannot be done, and go back to the page."""

    @require_POST
    def view(request: HttpRequest, entity: str, record_id: int) -> HttpResponse:
        try:
            with changing(PERSON) as change:
                do(change, change.get(entity, record_id), request)
        except (PipedriveError, FormError) as error:
            return refuse_action(request, panel, say(error))
        return panel.back()

    return view


def say(error: PipedriveError | FormError) -> str:
    return error.message if isinstance(error, PipedriveError) else str(error)


def _edit(change: Change, record: Record, request: HttpRequest) -> None:
    body: dict[str, Any] = {name: value for name, value in request.POST.items() if name not in WAYS.values()}
    for ways, name in WAYS.items():
        if record.entity == "person" and name in request.POST:
            body[ways] = replace_primary(record, ways, request.POST[name].strip())
    change.update(record, body)


def replace_primary(record: Record, ways: str, text: str) -> list[dict[str, Any]]:
    """The others stay; an empty text takes the primary one away."""
    others = [way for way in record.values[ways] if not way["primary"] and way["value"] != text]
    return [{"value": text, "primary": True}, *others] if text else others


def _delete(change: Change, record: Record, request: HttpRequest) -> None:
    change.delete(record)


def _merge(change: Change, record: Record, request: HttpRequest) -> None:
    other = request.POST.get("other", "").strip()
    change.merge(change.get("person", int(other) if other.isdecimal() else 0), record)


def _move(change: Change, record: Record, request: HttpRequest) -> None:
    change.update(record, write_times(*read_times(request)))


def _cancel(change: Change, record: Record, request: HttpRequest) -> None:
    """Activities have no status for it: people here have agreed on a word, and tick it off."""
    subject = record.values["subject"].removeprefix(CANCELLED)
    change.update(record, {"subject": CANCELLED + subject, "done": True, "busy": False})


edit, delete, merge, move, cancel = act(_edit), act(_delete), act(_merge), act(_move), act(_cancel)


def write_times(start: datetime, end: datetime) -> dict[str, str]:
    minutes = round((end - start).total_seconds() / 60)
    length = f"{minutes // 60:02}:{minutes % 60:02}"
    return {"due_date": f"{start:%Y-%m-%d}", "due_time": f"{start:%H:%M}", "duration": length}


@require_POST
def add_activity(request: HttpRequest) -> HttpResponse:
    """A meeting that a sales rep agrees on with a person, by the owner's own hand."""
    try:
        asked = read_new(request)
        body = {
            "type": "meeting",
            "subject": asked.title,
            "owner_id": USER_ID + asked.actor.number,
            **write_times(asked.start, asked.end),
            "busy": True,
        }
        if asked.contact_id.isdecimal():
            body["participants"] = [{"person_id": int(asked.contact_id), "primary": True}]
        with changing(asked.actor) as change:
            change.create("activity", body)
    except (PipedriveError, FormError) as error:
        return refuse_action(request, panel, say(error))
    return panel.back()


@require_POST
def add_person(request: HttpRequest) -> HttpResponse:
    """Somebody whom a colleague enters by hand."""
    email = request.POST.get("email", "").strip()
    body = {"name": request.POST.get("name", ""), "emails": [{"value": email, "primary": True}] if email else []}
    try:
        with changing(PERSON) as change:
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
