"""The cases that every CRM's list of all its contacts is held to, written once.

In a provider's test module:

    class TestHubSpotListing(ListingCases):
        crm, fields, name_field = HUBSPOT, ("firstname", "country"), "firstname"   # `country` is known of nobody
        id_field, stamp_field = "id", "updatedAt"                                  # what a broken record lacks
        counts = True                                                              # whether it says how many there are

        def account(self):
            return account()

        def stub(self, http):                           # answer from self.people, by the API's own paging
            http.add_callback("GET", CONTACTS, callback=self.answer_list)

        def show(self, person):                         # the person as the API shows it
            return {"id": str(person.number), …}

`give_page(after, limit)` picks the people after a number. Answers are JSON texts made by `answer_json`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
import requests
import responses

from integrations.exceptions import OutageError, RateLimitedError, ReauthoriseError, SetupError, TransientError
from integrations.providers.base import Account
from integrations.providers.crm import ContactPage, Crm, FoundContact

CREATED, CHANGED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2026, 11, 20, 12, tzinfo=UTC)
SIZE = 2

type Answer = tuple[int, Mapping[str, str], str]


@dataclass(frozen=True)
class Person:
    """`lacks` is a field that the API's answer leaves out, though it has to be there."""

    number: int
    name: str
    emails: tuple[str, ...]
    phones: tuple[str, ...] = ("+1 212 555 0123", "+1 212 555 0145")
    has_opted_out: bool = False
    lacks: str = ""


def make_person(number: int, **changes: Any) -> Person:
    return replace(Person(number, f"Zoe{number}", (f"zoe{number}@example.com", f"z{number}@example.org")), **changes)


def answer_json(body: Any, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(body)


class ListingCases:
    crm: ClassVar[Crm]
    fields: ClassVar[Sequence[str]]
    name_field: ClassVar[str]
    id_field: ClassVar[str]
    stamp_field: ClassVar[str]
    counts: ClassVar[bool] = True
    has_more_emails: ClassVar[bool] = True
    people: dict[int, Person]
    # Asked instead of the API, once, where it is set.
    trouble: Callable[[], Answer] | None = None

    def account(self) -> Account:
        raise NotImplementedError

    def stub(self, http: responses.RequestsMock) -> None:
        raise NotImplementedError

    def show(self, person: Person) -> dict[str, Any]:
        raise NotImplementedError

    # --- How the cases are run

    def begin(self, http: responses.RequestsMock, *people: Person, count: int = 0) -> None:
        made = people or tuple(make_person(number) for number in range(1, count + 1))
        self.people = {person.number: person for person in made}
        self.stub(http)

    def give_page(self, after: int, limit: int) -> tuple[list[dict[str, Any]], list[int]]:
        """The records of a page, and the numbers that are left after it."""
        numbers = [number for number in sorted(self.people) if number > after]
        shown = [
            {name: value for name, value in self.show(person).items() if name != person.lacks}
            for person in map(self.people.__getitem__, numbers[:limit])
        ]
        return shown, numbers[limit:]

    def take_trouble(self) -> Answer | None:
        trouble, self.trouble = self.trouble, None
        return trouble() if trouble else None

    def read(self, cursor: str = "", size: int = SIZE) -> ContactPage:
        page = self.crm.list_contacts(self.account(), fields=self.fields, cursor=cursor, size=size)
        assert len(page.cursor) <= 255
        return page

    def read_on(self, cursor: str = "") -> list[ContactPage]:
        """All pages from the cursor on."""
        pages = [self.read(cursor)]
        while pages[-1].cursor:
            assert len(pages) < 20
            pages.append(self.read(pages[-1].cursor))
        return pages

    def names(self, *pages: ContactPage) -> list[Any]:
        return [contact.values[self.name_field] for page in pages for contact in page.contacts]

    def read_one(self) -> FoundContact:
        (contact,) = self.read().contacts
        return contact

    # --- Pages

    def test_every_contact_stands_on_one_page(self, provider_http: responses.RequestsMock) -> None:
        self.begin(provider_http, count=5)
        pages = self.read_on()
        assert self.names(*pages) == ["Zoe1", "Zoe2", "Zoe3", "Zoe4", "Zoe5"]
        assert len({contact.external_id for page in pages for contact in page.contacts}) == 5
        assert [page.total for page in pages] == [5 if self.counts else None, None, None]
        assert not any(page.unread for page in pages)

    def test_a_last_page_that_is_full_is_the_end(self, provider_http: responses.RequestsMock) -> None:
        self.begin(provider_http, count=4)
        assert self.names(*self.read_on()) == ["Zoe1", "Zoe2", "Zoe3", "Zoe4"]

    def test_one_page_is_known_to_be_all(self, provider_http: responses.RequestsMock) -> None:
        self.begin(provider_http, count=1)
        page = self.read()
        assert (self.names(page), page.cursor, page.total) == (["Zoe1"], "", 1)

    def test_an_empty_crm_has_one_empty_page(self, provider_http: responses.RequestsMock) -> None:
        self.begin(provider_http)
        page = self.read()
        assert (list(page.contacts), page.cursor, page.total, list(page.unread)) == ([], "", 0, [])

    def test_a_change_between_two_pages_moves_nobody(self, provider_http: responses.RequestsMock) -> None:
        self.begin(provider_http, count=5)
        first = self.read()
        for number in (1, 4):
            self.people[number] = replace(self.people[number], name=f"Noor{number}")
        assert self.names(first, *self.read_on(first.cursor)) == ["Zoe1", "Zoe2", "Zoe3", "Noor4", "Zoe5"]

    def test_who_goes_or_comes_between_two_pages_hides_nobody(self, provider_http: responses.RequestsMock) -> None:
        self.begin(provider_http, count=5)
        first = self.read()
        del self.people[1], self.people[2]
        self.people[6] = make_person(6)
        assert self.names(*self.read_on(first.cursor)) == ["Zoe3", "Zoe4", "Zoe5", "Zoe6"]

    # --- Contacts

    def test_a_contact_has_what_was_asked_for_and_how_to_reach_it(self, provider_http: responses.RequestsMock) -> None:
        self.begin(provider_http, count=1)
        contact, person = self.read_one(), self.people[1]
        assert contact.values == {name: "Zoe1" if name == self.name_field else None for name in self.fields}
        assert contact.emails == (person.emails if self.has_more_emails else person.emails[:1])
        assert contact.phones == person.phones
        assert (contact.created_at, contact.changed_at) == (CREATED, CHANGED)
        assert contact.consents == ()

    def test_a_contact_without_addresses_has_none(self, provider_http: responses.RequestsMock) -> None:
        self.begin(provider_http, make_person(1, emails=(), phones=()))
        contact = self.read_one()
        assert (contact.emails, contact.phones) == ((), ())

    def test_who_has_opted_out_has_said_no_at_the_last_change_at_the_latest(
        self, provider_http: responses.RequestsMock
    ) -> None:
        self.begin(provider_http, make_person(1, has_opted_out=True))
        (consent,) = self.read_one().consents
        assert (consent.channel, consent.is_given, consent.said_at) == ("email", False, CHANGED)
        assert self.crm.name in consent.wording

    def test_characters_that_cannot_be_stored_are_taken_out(self, provider_http: responses.RequestsMock) -> None:
        self.begin(provider_http, make_person(1, name="Z\x00oe", phones=("+1 \x00212",)))
        contact = self.read_one()
        assert (contact.values[self.name_field], contact.phones) == ("Zoe", ("+1 212",))

    # --- What cannot be read

    @pytest.mark.parametrize("number", [1, 2, 3, 5])
    def test_a_bad_record_is_named_and_keeps_nobody_from_its_page(
        self, faulty_http: responses.RequestsMock, number: int
    ) -> None:
        self.begin(faulty_http, count=5)
        self.people[number] = replace(self.people[number], lacks=self.stamp_field)
        pages = self.read_on()
        assert self.names(*pages) == [f"Zoe{other}" for other in range(1, 6) if other != number]
        (unread,) = [each for page in pages for each in page.unread]
        assert unread.external_id == str(self.show(self.people[number])[self.id_field])
        assert self.stamp_field in unread.field
        assert "example.com" not in unread.problem

    @pytest.mark.parametrize("number", [1, 2, 3, 5])
    def test_a_record_without_an_id_keeps_nobody_from_its_page(
        self, faulty_http: responses.RequestsMock, number: int
    ) -> None:
        self.begin(faulty_http, count=5)
        self.people[number] = replace(self.people[number], lacks=self.id_field)
        pages = self.read_on()
        assert self.names(*pages) == [f"Zoe{other}" for other in range(1, 6) if other != number]
        # One that ends a page may come again on the next: its place is not known.
        assert {each.external_id for page in pages for each in page.unread} == {""}

    # --- Troubles

    @pytest.mark.parametrize(
        ("status", "headers", "error"),
        [(429, {"Retry-After": "7"}, RateLimitedError), (401, {}, ReauthoriseError), (503, {}, OutageError)],
    )
    def test_after_a_trouble_the_same_page_can_be_read(
        self, faulty_http: responses.RequestsMock, status: int, headers: dict[str, str], error: type[TransientError]
    ) -> None:
        self.begin(faulty_http, count=5)
        first = self.read()

        def fail() -> Answer:
            # An outage lasts until the adapter has stopped asking again.
            self.trouble = fail
            return status, headers, "{}"

        self.trouble = fail
        with pytest.raises(error) as caught:
            self.read(first.cursor)
        assert caught.value.retry_after_s == (7 if status == 429 else None)
        self.trouble = None
        assert self.names(*self.read_on(first.cursor)) == ["Zoe3", "Zoe4", "Zoe5"]

    def test_a_broken_answer_is_asked_for_again(self, faulty_http: responses.RequestsMock) -> None:
        self.begin(faulty_http, count=3)

        def break_off() -> Answer:
            raise requests.exceptions.ChunkedEncodingError

        self.trouble = break_off
        assert self.names(*self.read_on()) == ["Zoe1", "Zoe2", "Zoe3"]

    def test_a_connection_without_credentials_is_not_called(self, provider_http: responses.RequestsMock) -> None:
        with pytest.raises(SetupError):
            self.crm.list_contacts(Account(self.account().base_url), fields=self.fields, cursor="", size=SIZE)
        assert not provider_http.calls
