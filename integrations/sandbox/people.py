"""Made-up people, so that a CRM has contacts before anybody connects it.

They are the same for the same numbers. Some are there twice, written another way, and some have said what they think of
marketing. Nobody is told of them: no webhook is sent, as for contacts that have been there all along.
"""

import random
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from integrations.sandbox.panel import Action, Input, Panel, refuse_action

MOST = 20_000
FIRST_NAMES = (
    *("Zoë", "Noor", "Élodie", "Søren", "Mateo", "Ingrid", "Kwame", "Yuki", "Priya", "Tomasz", "Aoife", "Jörg"),
    *("William", "Elizabeth", "Robert", "Margaret", "Omar", "Chiara", "Nguyen", "Anna-Maria", "Luca", "Fatima"),
    *("Daniel", "Hannah", "Sven", "Olga", "Chen", "Amara", "Pedro", "Sofia", "Kai", "Leila"),
)
LAST_NAMES = (
    *("Okafor", "Müller", "de la Cruz", "O'Brien", "Lindqvist", "Nakamura", "Kowalska", "van den Berg", "Smith"),
    *("Haddad", "Rossi", "Iyer", "Mensah", "Dubois", "García", "Novák", "Park", "Ivanova", "Silva", "Becker"),
    *("Johnson", "Larsen", "Papadopoulos", "Nwosu", "Fischer", "Tanaka", "Moreau", "Ali", "Santos", "Weber"),
)
COMPANIES = (
    *("Acme Ltd", "Globex GmbH", "Initech Inc.", "Umbrella SA", "Hooli", "Stark & Sons", "Wayne Holdings BV"),
    *("Soylent Foods", "Tyrell AG", "Cyberdyne AB", "Wonka SRL", "Vandelay Imports"),
)
NICKNAMES = {"William": "Bill", "Elizabeth": "Liz", "Robert": "Bob", "Margaret": "Peggy", "Daniel": "Dan"}
AREAS = (201, 206, 212, 213, 303, 305, 312, 404, 415, 503, 512, 602, 617, 646, 702, 713, 718, 720, 773, 818)
PHONE_FORMS = ("+1 {}-555-{:04}", "({}) 555-{:04}", "{}.555.{:04}")
# Every so many is somebody who is there already.
TWIN_EVERY = 20


@dataclass(frozen=True)
class MadeUp:
    """`has_agreed` is what the person said about marketing by e-mail; None where nobody asked."""

    first_name: str
    last_name: str
    email: str
    more_email: str
    phone: str
    company: str
    has_agreed: bool | None

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}"


def make_person(number: int) -> MadeUp:
    if number % TWIN_EVERY == TWIN_EVERY - 1:
        return make_twin(make_person(number - TWIN_EVERY // 2), number)
    draw = random.Random(number)  # noqa: S311
    first, last, company = draw.choice(FIRST_NAMES), draw.choice(LAST_NAMES), draw.choice(COMPANIES)
    mailbox = f"{make_word(first)}.{make_word(last)}{number}"
    return MadeUp(
        first,
        last,
        email=f"{mailbox}@{make_word(company)}.example.com" if draw.random() < 0.95 else "",
        more_email=f"{mailbox}@mail.example.org" if draw.random() < 0.1 else "",
        phone=write_phone(number, draw.choice(PHONE_FORMS)) if draw.random() < 0.7 else "",
        company=company if draw.random() < 0.8 else "",
        has_agreed=draw.choices((None, True, False), (80, 10, 10))[0],
    )


def make_twin(person: MadeUp, number: int) -> MadeUp:
    """The same person as somebody else would have entered it."""
    return replace(
        person,
        first_name=NICKNAMES.get(person.first_name, person.first_name[0] + "."),
        last_name=person.last_name.upper(),
        email=f"{make_word(person.last_name)}.{number}@mail.example.org",
        more_email="",
        has_agreed=None,
    )


def make_word(text: str) -> str:
    """The plain letters of it, for an address."""
    plain = unicodedata.normalize("NFKD", text.lower())
    return "".join(letter for letter in plain if letter.isascii() and letter.isalpha())


def write_phone(number: int, form: str) -> str:
    """Of those that are kept for fiction, 555-0100 to 555-0199: after two thousand people they come again."""
    return form.format(AREAS[number // 100 % len(AREAS)], 100 + number % 100)


ADD_PEOPLE = Action("Add made-up people", "people/make/", (Input("count", "How many", "1000"),))


def adds_people(panel: Panel, add: Callable[[int], None]) -> Callable[..., HttpResponse]:
    """The view of ADD_PEOPLE: `add` is told how many."""

    @require_POST
    def view(request: HttpRequest) -> HttpResponse:
        text = request.POST.get("count", "").strip()
        if not (text.isdecimal() and len(text) < 9 and 0 < int(text) <= MOST):
            return refuse_action(request, panel, f"From 1 to {MOST:,} people can be added at once.")
        add(int(text))
        return panel.back()

    return view
