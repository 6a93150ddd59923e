"""HubSpot's page: contacts and meetings as HubSpot holds them, and what a person there can do to them."""

from collections.abc import Callable
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from integrations.sandbox.hubspot.answers import HubSpotError, all_properties, format_instant
from integrations.sandbox.hubspot.changes import Change, changing
from integrations.sandbox.hubspot.owners import owner_id
from integrations.sandbox.hubspot.records import Record, State, get_store
from integrations.sandbox.hubspot.values import read_properties
from integrations.sandbox.meeting_forms import FormError, make_move, make_new, read_new, read_times
from integrations.sandbox.panel import Action, Card, Input, Panel, Section, refuse_action
from integrations.sandbox.people import ADD_PEOPLE, MadeUp, adds_people, make_person
from integrations.sandbox.staff import HINT, PERSON

TITLES = {"contacts": "Contacts", "meetings": "Meetings"}
NEW_PERSON = (Input("firstname", "First name"), Input("lastname", "Last name"), Input("email", "E-mail"))
ADD = Action("Add", "people/add/", NEW_PERSON)
EDITED = (*NEW_PERSON, Input("phone", "Phone"), Input("company", "Company"))
START, END = "hs_meeting_start_time", "hs_meeting_end_time"


def show_sections() -> list[Section]:
    state = get_store().read()
    sections = []
    for kind, title in TITLES.items():
        records = [record for record in reversed(state.records.values()) if record.kind == kind]
        cards = [show_card(state, record) for record in records]
        actions = (ADD, ADD_PEOPLE) if kind == "contacts" else (make_new("meetings/add/", list_contacts(state)),)
        sections.append(Section(title, cards, actions=actions))
    return sections


def list_contacts(state: State) -> list[tuple[str, str]]:
    """Ids and names, the newest first."""
    return [(record.id, name_record(record)) for record in reversed(state.live("contacts"))]


def name_record(record: Record) -> str:
    values = record.properties
    name = " ".join(filter(None, [values.get("firstname"), values.get("lastname")]))
    return name or values.get("hs_meeting_title") or values.get("email") or f"No name ({record.id})"


def show_card(state: State, record: Record) -> Card:
    status = "merged" if record.merged_into else "deleted" if record.archived_at else ""
    values = record.properties
    other_kind = "meetings" if record.kind == "contacts" else "contacts"
    links = ", ".join(link.to_id for link in state.linked(record.id, other_kind))
    facts = {**all_properties(record), other_kind: links, "merged into": record.merged_into}
    return Card(
        record.id,
        name_record(record),
        values.get("email", "") if record.kind == "contacts" else values.get("hs_meeting_start_time", ""),
        status or values.get("hs_meeting_outcome", "").lower(),
        facts,
        () if status else actions_on(record),
    )


def actions_on(record: Record) -> tuple[Action, ...]:
    delete = Action("Delete", f"records/{record.id}/delete/", is_dangerous=True)
    if record.kind == "meetings":
        title = Input("hs_meeting_title", "Title", record.properties.get("hs_meeting_title", ""))
        times = (
            datetime.fromisoformat(text) if (text := record.properties.get(name)) else None for name in (START, END)
        )
        return (
            Action("Change", f"records/{record.id}/edit/", (title,)),
            make_move(f"records/{record.id}/move/", *times),
            Action("Cancel", f"records/{record.id}/cancel/"),
            delete,
        )
    inputs = tuple(Input(item.name, item.label, record.properties.get(item.name, "")) for item in EDITED)
    return (
        Action("Edit contact", f"records/{record.id}/edit/", inputs),
        Action("Merge the other one into this", f"records/{record.id}/merge/", (Input("other", "Other contact's id"),)),
        delete,
    )


panel = Panel(
    "hubspot",
    name="HubSpot",
    intro=f"A CRM: contacts and meetings, and its webhooks about every change, whoever made it. {HINT}.",
    show=show_sections,
)


def act(do: Callable[[Change, Record, HttpRequest], object]) -> Callable[..., HttpResponse]:
    """A button's view: do it as a person, tell why it cannot be done, and go back to the page."""

    @require_POST
    def view(request: HttpRequest, record_id: str) -> HttpResponse:
        try:
            with changing(PERSON) as change:
                record = change.state.resolve(record_id)
                if record is None or not record.is_live:
                    raise HubSpotError(404, "There is no such record any more.")
                do(change, record, request)
        except (HubSpotError, FormError) as error:
            return refuse_action(request, panel, say(error))
        return panel.back()

    return view


def say(error: HubSpotError | FormError) -> str:
    return error.message if isinstance(error, HubSpotError) else str(error)


def _edit(change: Change, record: Record, request: HttpRequest) -> None:
    change.update(record, read_properties(change.state, record.kind, request.POST.dict()))


def _delete(change: Change, record: Record, request: HttpRequest) -> None:
    change.archive(record)


def _merge(change: Change, record: Record, request: HttpRequest) -> None:
    change.merge(record, change.get("contacts", request.POST.get("other", "").strip()))


def _move(change: Change, record: Record, request: HttpRequest) -> None:
    change.update(record, read_properties(change.state, record.kind, write_times(*read_times(request))))


def _cancel(change: Change, record: Record, request: HttpRequest) -> None:
    change.update(record, read_properties(change.state, record.kind, {"hs_meeting_outcome": "CANCELED"}))


edit, delete, merge, move, cancel = act(_edit), act(_delete), act(_merge), act(_move), act(_cancel)


def write_times(start: datetime, end: datetime) -> dict[str, str]:
    """A meeting stands in the timeline where it starts."""
    return {"hs_timestamp": format_instant(start), START: format_instant(start), END: format_instant(end)}


@require_POST
def add_meeting(request: HttpRequest) -> HttpResponse:
    """What a sales rep agrees on with a contact, by the owner's own hand."""
    try:
        asked = read_new(request)
        with changing(asked.actor) as change:
            owner = {"hubspot_owner_id": owner_id(asked.actor.number), "hs_meeting_outcome": "SCHEDULED"}
            made = change.create(
                "meetings", {"hs_meeting_title": asked.title, **write_times(asked.start, asked.end), **owner}
            )
            if asked.contact_id:
                change.associate(made, change.get("contacts", asked.contact_id))
    except (HubSpotError, FormError) as error:
        return refuse_action(request, panel, say(error))
    return panel.back()


@require_POST
def add_person(request: HttpRequest) -> HttpResponse:
    """Somebody whom a colleague enters by hand."""
    try:
        with changing(PERSON) as change:
            change.create("contacts", read_properties(change.state, "contacts", request.POST.dict()))
    except HubSpotError as error:
        return refuse_action(request, panel, error.message)
    return panel.back()


def _add_people(count: int) -> None:
    with get_store().change() as state:
        change = Change(state)
        for _ in range(count):
            properties = write_person(make_person(state.last_id))
            change.create("contacts", read_properties(state, "contacts", properties))


def write_person(person: MadeUp) -> dict[str, str]:
    properties = {
        "firstname": person.first_name,
        "lastname": person.last_name,
        "email": person.email,
        "hs_additional_emails": person.more_email,
        "phone": person.phone,
        "company": person.company,
        "hs_email_optout": "true" if person.has_agreed is False else "",
    }
    return {name: value for name, value in properties.items() if value}


make_people = adds_people(panel, _add_people)
