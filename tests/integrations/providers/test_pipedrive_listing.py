"""Pipedrive's persons, listed page by page."""

import pytest

from integrations.exceptions import PayloadError, RateLimitedError, SetupError
from integrations.providers.base import Account
from integrations.providers.crm import ContactPage, FoundContact
from integrations.providers.pipedrive import fields
from integrations.providers.pipedrive.provider import Pipedrive
from tests.listing_cases import CHANGED, CREATED, ListingCases, answer_json
from tests.provider_cases import QUOTED, Good, ProviderCases

PIPEDRIVE = Pipedrive()
BASE = "https://api.pipedrive.com"
PERSONS, FIELDS = f"{BASE}/api/v2/persons", f"{BASE}/api/v2/personFields"
SOURCE_CODE, RATING_CODE = "b" * 40, "d" * 40
REFUSED = {"success": False, "error": "include_fields is not allowed", "error_info": "", "errorCode": 400}


@pytest.fixture(autouse=True)
def _forget_fields():
    fields._known.clear()


def account(base_url=BASE):
    return Account(base_url, credentials={"access_token": "token-1"})


def person(number=1, **values):
    times = {"add_time": "2026-01-02T03:04:05Z", "update_time": "2026-11-20T12:00:00Z"}
    return {"id": number, "is_deleted": False, **times, "custom_fields": {}, **values}


def ways(*texts):
    """The primary one stands last."""
    return [{"value": text, "primary": text == texts[0], "label": "work"} for text in reversed(texts)]


def page_of(*persons, cursor=None):
    return {"success": True, "data": list(persons), "additional_data": {"next_cursor": cursor} if cursor else {}}


def stub_fields(stubs, *more):
    made = [("Lead source", SOURCE_CODE, "varchar", None), *more]
    shown = [
        {
            "field_name": name,
            "field_code": code,
            "field_type": kind,
            "options": options,
            "is_custom_field": True,
            "is_optional_response_field": False,
        }
        for name, code, kind, options in made
    ]
    return stubs.get(FIELDS, json={"success": True, "data": shown})


def read(fields=("name",), cursor="", size=2):
    return PIPEDRIVE.list_contacts(account(), fields=fields, cursor=cursor, size=size)


class TestPipedriveListing(ListingCases):
    crm, fields, name_field = PIPEDRIVE, ("name", "job_title", "Lead source"), "name"
    id_field, stamp_field = "id", "add_time"
    counts = False

    def account(self):
        return account()

    def stub(self, http):
        stub_fields(http)
        http.add_callback("GET", PERSONS, callback=self.answer_list)

    def answer_list(self, request):
        if trouble := self.take_trouble():
            return trouble
        params = request.params
        assert (params["sort_by"], params["custom_fields"]) == ("id", SOURCE_CODE)
        shown, left = self.give_page(int(params.get("cursor", "c0")[1:]), int(params["limit"]))
        return answer_json(page_of(*shown, cursor=f"c{left[0] - 1}" if left else None))

    def show(self, each):
        shown = person(
            each.number,
            name=each.name,
            emails=ways(*each.emails),
            phones=ways(*each.phones),
            custom_fields={SOURCE_CODE: None},
            marketing_status="unsubscribed" if each.has_opted_out else "no_consent",
        )
        return shown | ({"update_time": None} if each.lacks == self.stamp_field else {})


class TestPipedriveListingErrors(ProviderCases):
    method, url = "GET", PERSONS
    good = {
        200: Good(
            page_of(person(7, name="Zoe", emails=ways("zoe@example.com"))),
            ContactPage(
                [FoundContact("7", {"name": "Zoe"}, CHANGED, CREATED, emails=("zoe@example.com",))], total=1, unread=[]
            ),
        )
    }
    plain_errors = {403: RateLimitedError}
    rate_limit_wait_s = 2

    def account(self, base_url):
        return account(base_url)

    def call(self, account):
        return PIPEDRIVE.list_contacts(account, fields=["name"], cursor="", size=2)

    def error_body(self, status):
        return {"success": False, "error": QUOTED, "error_info": QUOTED, "errorCode": status, "data": None}


# --- Pages ------------------------------------------------------------------------------------------------------------


def test_deleted_persons_are_left_out(provider_http):
    provider_http.get(PERSONS, json=page_of(person(1, is_deleted=True), person(2)))
    assert [contact.external_id for contact in read().contacts] == ["2"]


def test_a_page_that_leads_to_itself_is_refused(provider_http):
    provider_http.get(PERSONS, json=page_of(person(1), cursor="c1"))
    with pytest.raises(PayloadError, match="same page"):
        read(cursor="c1")


def test_a_cursor_that_is_too_long_to_keep_is_refused(provider_http):
    provider_http.get(PERSONS, json=page_of(person(1), cursor="c" * 256))
    with pytest.raises(PayloadError, match="255"):
        read()


def test_without_the_marketing_app_persons_are_read_without_their_status(provider_http):
    def answer(request):
        if "include_fields" in request.params:
            return answer_json(REFUSED, 400)
        return answer_json(page_of(person(1, name="Zoe"), cursor="c1"))

    provider_http.add_callback("GET", PERSONS, callback=answer)
    page = read()
    assert [contact.values for contact in page.contacts] == [{"name": "Zoe"}]
    assert page.cursor == "-c1"
    calls = len(provider_http.calls)
    with pytest.raises(PayloadError, match="same page"):
        read(cursor=page.cursor)
    assert len(provider_http.calls) == calls + 1
    assert provider_http.calls[-1].request.params["cursor"] == "c1"


# --- Persons ----------------------------------------------------------------------------------------------------------


def test_subscribers_have_agreed_as_early_as_they_were_made(provider_http):
    provider_http.get(PERSONS, json=page_of(person(1, marketing_status="subscribed")))
    (said,) = read().contacts[0].consents
    assert (said.channel, said.is_given, said.said_at) == ("email", True, CREATED)
    assert said.wording == "Pipedrive: marketing status subscribed"


@pytest.mark.parametrize("status", ["no_consent", "archived", None])
def test_another_status_says_nothing(provider_http, status):
    provider_http.get(PERSONS, json=page_of(person(1, **({"marketing_status": status} if status else {}))))
    assert read().contacts[0].consents == ()


def test_a_person_that_was_never_changed_is_as_old_as_it_is(faulty_http):
    faulty_http.get(PERSONS, json=page_of(person(1, update_time=None)))
    assert read().contacts[0].changed_at == CREATED


def test_values_have_the_form_in_which_we_write_them(provider_http):
    texts = {"name": "Zoe Okafor", "emails": ways("zoe@example.com", "z@example.org"), "phones": ways("+1 212")}
    address = {"value": "1 Main St", "country": "France"}
    provider_http.get(PERSONS, json=page_of(person(1, owner_id=18, postal_address=address, **texts)))
    names = ("name", "emails", "phones", "owner_id", "org_id", "postal_address")
    assert read(names).contacts[0].values == {
        "name": "Zoe Okafor",
        "emails": "zoe@example.com",
        "phones": "+1 212",
        "owner_id": "18",
        "org_id": None,
        "postal_address": "1 Main St",
    }


def test_custom_fields_are_read_by_their_names_and_options_by_their_labels(provider_http):
    rating = ("Rating", RATING_CODE, "enum", [{"id": 3, "label": "Hot"}])
    tags = ("Tags", "e" * 40, "set", [{"id": 5, "label": "VIP"}, {"id": 6, "label": "Press"}])
    stub_fields(provider_http, rating, tags)
    custom = {
        SOURCE_CODE: "fair",
        RATING_CODE: {"id": 3, "label": "Hot"},
        "e" * 40: [{"id": 5, "label": "VIP"}, {"id": 6, "label": "Press"}],
    }
    persons = provider_http.get(PERSONS, json=page_of(person(1, custom_fields=custom)))
    values = read(("lead source", RATING_CODE, "Tags")).contacts[0].values
    assert values == {"lead source": "fair", RATING_CODE: "Hot", "Tags": ["VIP", "Press"]}
    assert persons.calls[0].request.params["custom_fields"] == ",".join([SOURCE_CODE, RATING_CODE, "e" * 40])
    assert persons.calls[0].request.params["include_option_labels"] == "true"


def test_more_custom_fields_than_can_be_named_are_all_asked_for(provider_http):
    many = [(f"Field {number}", f"{number:040x}", "varchar", None) for number in range(1, 17)]
    stub_fields(provider_http, *many)
    persons = provider_http.get(PERSONS, json=page_of(person(1, custom_fields={many[3][1]: "x"})))
    contact = read(tuple(name for name, *_ in many)).contacts[0]
    assert contact.values["Field 4"] == "x"
    assert "custom_fields" not in persons.calls[0].request.params


def test_a_mapped_field_that_is_not_there_is_for_an_administrator(provider_http):
    stub_fields(provider_http)
    with pytest.raises(SetupError, match="Shoe size"):
        read(("Shoe size",))


@pytest.mark.parametrize("name", ["(unknown)", "zoe"])
def test_what_stands_for_an_unknown_name_is_no_value(provider_http, name):
    provider_http.get(PERSONS, json=page_of(person(1, name=name, emails=ways("zoe@example.com"))))
    assert read().contacts[0].values == {"name": None}
