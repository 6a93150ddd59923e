"""What the tests of imports share: a source that is played, and what a database holds."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.apps import apps

from contacts.claims import Person, Source
from contacts.consent import ConsentSource
from contacts.imports import engine, runs
from contacts.imports.rows import Page, Row, RowSource, Told
from contacts.models import Contact, ContactLink, Identifier, ImportRun
from integrations.models import Connection

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
COUNTS = ("read", "created", "matched", "for_review", "refused", "erased")


def tell(number: int, *, seen_at: datetime = NOON, **fields: Any) -> Row:
    """A row about somebody, by default with an address of their own. An external id makes the row a CRM's."""
    person = Person(**{"email": f"person.{number}@example.com", "full_name": f"Person {number}", **fields})
    connection_id = Connection.objects.get(slug="hubspot").pk if person.external_id else None
    source = Source(connection_id, "HubSpot", "FR", seen_at, f"hubspot/{number:09d}")
    return Row(number, {"email": person.email}, Told(person, source), external_id=person.external_id)


def refuse(number: int, field: str = "email", problem: str = "is no e-mail address.") -> Row:
    return Row(number, {"email": "zoe at x", "full_name": "Zoë"}, field=field, problem=problem)


class PlayedSource(RowSource):
    """Pages in order. `before` is called with the number of each page before it is read: it may raise."""

    consent_source = ConsentSource("HubSpot")

    def __init__(self, pages: Sequence[Sequence[Row]], before: Callable[[int], None] = lambda number: None) -> None:
        self.pages = pages
        self.before = before
        self.asked: list[int] = []

    def read_page(self, cursor: str, start: int) -> Page:
        number = int(cursor or 0)
        self.asked.append(number)
        self.before(number)
        assert start == sum(map(len, self.pages[:number]))
        is_over = number + 1 == len(self.pages)
        return Page(self.pages[number], "" if is_over else str(number + 1), total=sum(map(len, self.pages)))


def play(monkeypatch: Any, source: RowSource) -> None:
    """Let imports of CRMs read this source."""
    monkeypatch.setitem(engine.SOURCES, "crm", lambda run: source)


def work_off(run: ImportRun) -> ImportRun:
    """Slice after slice, until it is over or waits; as it is then."""
    for _ in range(1000):
        if engine.work(run.pk) != 0:
            break
    return runs.list_runs().get(pk=run.pk)


def counts(run: ImportRun) -> dict[str, int]:
    return {name: getattr(run, name) for name in COUNTS}


def holdings() -> list[tuple[str, list[tuple[str, str]], list[str]]]:
    """Every contact by its name, with what it holds."""
    found = []
    for contact in Contact.objects.all():
        held = Identifier.objects.filter(contact=contact, is_current=True).order_by("kind", "id")
        links = ContactLink.objects.filter(contact=contact).values_list("external_id", flat=True)
        found.append((contact.full_name, [(row.kind, row.value) for row in held], sorted(links)))
    return sorted(found)


def snapshot(*without: str) -> dict[str, list[Any]]:
    """All rows of all tables, but the imports' own and those of jobs, without the named columns."""
    tables = [model for model in apps.get_models() if model._meta.app_label in ("contacts", "integrations", "bookings")]
    return {
        model._meta.db_table: list(
            model._default_manager.order_by("pk").values_list(
                *(field.name for field in model._meta.concrete_fields if field.name not in without)
            )
        )
        for model in tables
        if model._meta.model_name not in ("importrun", "importrow", "importseen")
    }
