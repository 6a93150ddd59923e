"""Pipedrive's adapter: persons, custom fields, merging, limits. Requests and answers are held to its specification."""

import json
from datetime import UTC, datetime

import pytest
import time_machine
from responses.matchers import json_params_matcher, query_param_matcher

from integrations import http
from integrations.exceptions import (
    ConflictError,
    LostAnswerError,
    MissingError,
    OutageError,
    PayloadError,
    PermanentError,
    RateLimitedError,
    SetupError,
)
from integrations.mappings import OUR_FIELDS
from integrations.providers import get_provider
from integrations.providers.base import Account
from integrations.providers.crm import CrmContact, Saved
from integrations.providers.pipedrive import fields
from tests.provider_cases import QUOTED, Good, ProviderCases

BASE = "https://api.pipedrive.com"
PERSONS = f"{BASE}/api/v2/persons"
SEARCH = f"{PERSONS}/search"
FIELDS = f"{BASE}/api/v2/personFields"
PIPEDRIVE = get_provider("pipedrive")
ACCOUNT = Account(BASE, credentials={"access_token": "token-1"})

ID_CODE, SOURCE_CODE, SCORE_CODE = ("a" * 40, "b" * 40, "c" * 40)
EMAIL = "zoe.okafor@example.com"
VALUES = {
    "name": "Zoe Okafor",
    "emails": EMAIL,
    "phones": "+33612345678",
    "owner_id": "18",
    "Lead source": "calendar.live",
    "Lead score": 70,
}
CUSTOM = {ID_CODE: "key-1", SOURCE_CODE: "calendar.live", SCORE_CODE: 70}


@pytest.fixture(autouse=True)
def _forget_fields():
    fields._known.clear()


def make_field(name, code, kind="varchar", **more):
    flags = {"is_custom_field": len(code) == 40, "is_optional_response_field": False}
    return {"field_name": name, "field_code": code, "field_type": kind, **flags, **more}


OWN_FIELDS = [
    make_field("Lead source", "lead_source"),
    make_field("Keepsync id", ID_CODE),
    make_field("Lead source", SOURCE_CODE),
    make_field("Lead score", SCORE_CODE, "double"),
]


def found(*items):
    return {"success": True, "data": {"items": [{"result_score": 1.0, "item": item} for item in items]}}


def stub_fields(stubs, *more):
    return stubs.get(FIELDS, json={"success": True, "data": [*OWN_FIELDS, *more]})


def stub_search(stubs, *ids, emails=(EMAIL,)):
    items = [{"id": number, "type": "person", "emails": list(emails)} for number in ids]
    return stubs.get(SEARCH, json=found(*items))


def stub_persons(stubs, *persons, **query):
    match = [query_param_matcher(query, strict_match=False)] if query else []
    return stubs.get(PERSONS, json={"success": True, "data": list(persons)}, match=match)


def stub_person(stubs, number, **values):
    return stubs.get(f"{PERSONS}/{number}", json={"success": True, "data": {"id": number, **values}})


def stub_done(stubs, method, url, number=7):
    return stubs.add(method, url, json={"success": True, "data": {"id": number}})


def contact(**changes):
    return CrmContact(**{"key": "key-1", "values": VALUES, "email": EMAIL, **changes})


def save(**changes):
    (result,) = PIPEDRIVE.save_contacts(ACCOUNT, [contact(**changes)])
    return result


def sent(stub, number=0):
    return json.loads(stub.calls[number].request.body)


class TestPipedriveCases(ProviderCases):
    method, url = "POST", PERSONS
    good = {200: Good({"success": True, "data": {"id": 7}}, [Saved("7", is_new=True)])}
    plain_errors = {403: RateLimitedError}
    rate_limit_wait_s = 2

    def account(self, base_url):
        return Account(base_url, credentials={"access_token": "token-1"})

    def call(self, account):
        return PIPEDRIVE.save_contacts(account, [contact()])

    def stub_before(self, http):
        stub_fields(http)
        stub_search(http)

    def answer_before(self, method, path):
        answers = {"/api/v2/personFields": {"success": True, "data": OWN_FIELDS}, "/api/v2/persons/search": found()}
        return answers.get(path)

    def error_body(self, status):
        return {"success": False, "error": QUOTED, "error_info": QUOTED, "errorCode": status, "data": None}


# --- New persons -----------------------------------------------------------------------------------------------------


def test_new_person_is_made_with_its_key_and_custom_fields_by_their_codes(provider_http):
    stub_fields(provider_http)
    search = stub_search(provider_http)
    made = stub_done(provider_http, "POST", PERSONS)
    assert save() == Saved("7", is_new=True)
    assert sent(made) == {
        "name": "Zoe Okafor",
        "emails": [{"value": EMAIL, "primary": True}],
        "phones": [{"value": "+33612345678", "primary": True}],
        "owner_id": 18,
        "custom_fields": CUSTOM,
    }
    assert search.calls[0].request.params == {
        "term": EMAIL,
        "fields": "email",
        "exact_match": "true",
        "limit": "100",
    }
    assert search.calls[0].request.headers["Authorization"] == "Bearer token-1"


def test_api_token_has_a_header_of_its_own(provider_http):
    fields_call = stub_fields(provider_http)
    stub_search(provider_http)
    stub_done(provider_http, "POST", PERSONS)
    PIPEDRIVE.save_contacts(Account(BASE, credentials={"api_key": "key-9"}), [contact()])
    headers = fields_call.calls[0].request.headers
    assert headers["x-api-token"] == "key-9"
    assert "Authorization" not in headers


@pytest.mark.parametrize(("email", "name"), [(EMAIL, "zoe.okafor"), (None, "(unknown)")])
def test_new_person_without_a_name_gets_one_because_it_is_required(provider_http, email, name):
    stub_fields(provider_http)
    stub_search(provider_http)
    made = stub_done(provider_http, "POST", PERSONS)
    values = {"name": None, "emails": email, "Lead score": None}
    assert save(values=values, email=email or "") == Saved("7", is_new=True)
    assert sent(made)["name"] == name
    assert sent(made)["custom_fields"] == {ID_CODE: "key-1"}


def test_person_without_an_email_is_not_searched_for(provider_http):
    stub_fields(provider_http)
    stub_done(provider_http, "POST", PERSONS)
    assert save(email="") == Saved("7", is_new=True)
    assert [call.request.method for call in provider_http.calls] == ["GET", "POST"]


@pytest.mark.parametrize("answer", [{"success": True, "data": {}}, {"success": True, "data": {"id": "x"}}, {}])
def test_made_person_without_an_id_is_a_lost_answer(faulty_http, answer):
    stub_fields(faulty_http)
    stub_search(faulty_http)
    faulty_http.post(PERSONS, json=answer)
    with pytest.raises(LostAnswerError):
        save()


def test_post_is_not_repeated_by_itself(faulty_http):
    stub_fields(faulty_http)
    stub_search(faulty_http)
    made = faulty_http.post(PERSONS, status=503)
    with pytest.raises(OutageError):
        save()
    assert made.call_count == 1


# --- Persons that are there ------------------------------------------------------------------------------------------


def test_linked_person_is_changed_and_keeps_the_addresses_and_numbers_that_people_added(provider_http):
    stub_fields(provider_http)
    had = {
        "emails": [
            {"value": "zoe@home.example", "primary": True, "label": "home"},
            {"value": EMAIL.upper(), "primary": False, "label": "work"},
        ],
        "phones": [{"value": "+33 6 12 34 56 78", "primary": True, "label": "mobile"}],
    }
    stub_person(provider_http, 7, **had)
    changed = stub_done(provider_http, "PATCH", f"{PERSONS}/7")
    assert save(external_id="7") == Saved("7")
    assert sent(changed)["emails"] == [
        {"value": EMAIL, "primary": True, "label": "work"},
        {"value": "zoe@home.example", "primary": False, "label": "home"},
    ]
    assert sent(changed)["phones"] == [{"value": "+33612345678", "primary": True, "label": "mobile"}]
    assert sent(changed)["custom_fields"] == CUSTOM


def test_unknown_values_clear_custom_fields_only(provider_http):
    stub_fields(provider_http)
    stub_person(provider_http, 7, name="Zoe", emails=[{"value": EMAIL, "primary": True, "label": "work"}])
    changed = stub_done(provider_http, "PATCH", f"{PERSONS}/7")
    save(external_id="7", values=dict.fromkeys(VALUES))
    assert sent(changed) == {"custom_fields": {ID_CODE: "key-1", SOURCE_CODE: None, SCORE_CODE: None}}


def test_change_is_repeated_after_an_outage(faulty_http):
    stub_fields(faulty_http)
    stub_person(faulty_http, 7)
    faulty_http.patch(f"{PERSONS}/7", status=503)
    stub_done(faulty_http, "PATCH", f"{PERSONS}/7")
    assert save(external_id="7") == Saved("7")


def test_linked_person_that_is_gone_is_found_by_email(provider_http):
    stub_fields(provider_http)
    provider_http.get(f"{PERSONS}/7", status=404, json={"success": False, "error": "Person not found"})
    stub_search(provider_http, 8)
    stub_persons(provider_http, {"id": 8}, ids="8", custom_fields=ID_CODE)
    stub_done(provider_http, "PATCH", f"{PERSONS}/8", 8)
    assert save(external_id="7") == Saved("8")


def test_linked_person_that_was_deleted_is_made_anew(provider_http):
    stub_fields(provider_http)
    stub_person(provider_http, 7, is_deleted=True)
    stub_search(provider_http)
    stub_done(provider_http, "POST", PERSONS, 9)
    assert save(external_id="7") == Saved("9", is_new=True)


def test_found_person_with_another_address_is_not_the_same(provider_http):
    stub_fields(provider_http)
    stub_search(provider_http, 8, emails=["not." + EMAIL])
    stub_done(provider_http, "POST", PERSONS, 9)
    assert save() == Saved("9", is_new=True)


def test_found_person_is_the_same_in_any_case(provider_http):
    stub_fields(provider_http)
    stub_search(provider_http, 8, emails=[EMAIL.upper()])
    stub_persons(provider_http, {"id": 8})
    stub_done(provider_http, "PATCH", f"{PERSONS}/8", 8)
    assert save() == Saved("8")


def test_of_several_persons_the_one_with_our_key_is_ours(provider_http):
    stub_fields(provider_http)
    stub_search(provider_http, 8, 9)
    stub_persons(provider_http, {"id": 8}, {"id": 9, "custom_fields": {ID_CODE: "key-1"}})
    stub_done(provider_http, "PATCH", f"{PERSONS}/9", 9)
    assert save() == Saved("9")


@pytest.mark.parametrize(
    ("persons", "words"),
    [
        ([{"id": 8}, {"id": 9}], "several persons"),
        ([{"id": 8, "custom_fields": {ID_CODE: "key-2"}}], "another contact's Keepsync id"),
    ],
)
def test_person_that_is_not_clear_is_left_to_people(provider_http, persons, words):
    stub_fields(provider_http)
    stub_search(provider_http, *(person["id"] for person in persons))
    stub_persons(provider_http, *persons)
    result = save()
    assert type(result) is ConflictError
    assert words in str(result)
    assert "merge" in str(result)
    assert {call.request.method for call in provider_http.calls} == {"GET"}


def test_person_that_an_earlier_try_made_is_found_although_the_search_lags(provider_http):
    stub_fields(provider_http)
    stub_search(provider_http)
    newest = [{"id": 9, "custom_fields": {ID_CODE: "key-2"}}, {"id": 8, "custom_fields": {ID_CODE: "key-1"}}]
    listed = stub_persons(provider_http, *newest, sort_by="add_time", sort_direction="desc", custom_fields=ID_CODE)
    stub_done(provider_http, "PATCH", f"{PERSONS}/8", 8)
    assert save(may_exist=True) == Saved("8")
    assert listed.call_count == 1


def test_search_among_the_newest_ends_after_four_pages(provider_http):
    stub_fields(provider_http)
    stub_search(provider_http)
    for page in range(6):
        more = {"data": [{"id": page + 1}], "additional_data": {"next_cursor": f"c{page + 1}"}}
        query = {"cursor": f"c{page}"} if page else {"sort_by": "add_time"}
        provider_http.get(PERSONS, json=more, match=[query_param_matcher(query, strict_match=False)])
    stub_done(provider_http, "POST", PERSONS, 9)
    assert save(may_exist=True) == Saved("9", is_new=True)
    assert sum(call.request.url.startswith(f"{PERSONS}?") for call in provider_http.calls) == 4


def test_one_bad_record_does_not_hold_back_the_others(faulty_http):
    stub_fields(faulty_http)
    stub_search(faulty_http)
    faulty_http.post(PERSONS, status=400, json={"success": False, "error": "'owner_id' is wrong", "code": "ERR_BAD"})
    stub_done(faulty_http, "POST", PERSONS, 9)
    first, second = PIPEDRIVE.save_contacts(ACCOUNT, [contact(), contact(key="key-2")])
    assert type(first) is PermanentError
    assert str(first) == "Pipedrive refuses it (400, ERR_BAD, about owner_id)."
    assert second == Saved("9", is_new=True)


@pytest.mark.parametrize("external_id", ["abc", "7/merge", "٧", "-1"])
def test_link_that_is_no_number_is_not_sent(provider_http, external_id):
    stub_fields(provider_http)
    assert type(save(external_id=external_id)) is PermanentError


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"success": True},
        {"data": {"items": 7}},
        {"data": {"items": [7]}},
        {"data": {"items": [{"item": {"id": "x", "emails": [EMAIL]}}]}},
    ],
)
def test_search_of_another_shape_is_an_error_of_ours_and_nothing_is_made(faulty_http, answer):
    stub_fields(faulty_http)
    faulty_http.get(SEARCH, json=answer)
    try:
        assert type(save()) is PayloadError
    except LostAnswerError:
        assert answer == []
    assert {call.request.method for call in faulty_http.calls} == {"GET"}


# --- Custom fields ---------------------------------------------------------------------------------------------------


def test_fields_are_read_once_for_an_account(provider_http):
    calls = stub_fields(provider_http)
    stub_search(provider_http)
    stub_done(provider_http, "POST", PERSONS)
    save()
    save()
    assert calls.call_count == 1
    PIPEDRIVE.save_contacts(Account(BASE, credentials={"access_token": "other"}), [contact()])
    assert calls.call_count == 2
    assert "token-1" not in str(fields._known)


def test_fields_are_read_again_once_they_are_old(provider_http, monkeypatch):
    calls = stub_fields(provider_http)
    stub_search(provider_http)
    stub_done(provider_http, "POST", PERSONS)
    save()
    monkeypatch.setattr(fields, "KEPT_S", 0)
    save(values={})
    assert calls.call_count == 2


def test_field_that_is_not_known_is_looked_for_anew_before_a_person_is_asked(provider_http):
    calls = stub_fields(provider_http)
    with pytest.raises(SetupError, match=r"no person field of the name 'Team size'.*correct the field mapping"):
        save(values={"Team size": "51-200"})
    assert calls.call_count == 2


def test_field_made_meanwhile_is_found(provider_http):
    provider_http.get(FIELDS, json={"success": True, "data": OWN_FIELDS[:2]})
    stub_fields(provider_http)
    stub_search(provider_http)
    made = stub_done(provider_http, "POST", PERSONS)
    save(values={"LEAD  score": "70"})
    assert sent(made)["custom_fields"] == {SCORE_CODE: 70.0, ID_CODE: "key-1"}


def test_fields_are_read_over_all_pages(provider_http):
    first = {"data": OWN_FIELDS[:2], "additional_data": {"next_cursor": "c2"}}
    provider_http.get(FIELDS, json=first, match=[query_param_matcher({"limit": "500"})])
    rest = {"data": OWN_FIELDS[2:], "additional_data": {"next_cursor": None}}
    provider_http.get(FIELDS, json=rest, match=[query_param_matcher({"limit": "500", "cursor": "c2"})])
    stub_search(provider_http)
    made = stub_done(provider_http, "POST", PERSONS)
    save()
    assert sent(made)["custom_fields"] == CUSTOM


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("varchar", "x" * 300, "x" * 254 + "…"),
        ("varchar", 7, "7"),
        ("text", "x" * 300, "x" * 300),
        ("text", ["a", "b"], "a, b"),
        ("double", "7.5", 7.5),
        ("date", "2026-11-24T09:00:00Z", "2026-11-24"),
        ("enum", "now", 31),
        ("set", ["Now", "later"], [31, 32]),
        ("set", "later", [32]),
        ("user", 18, 18),
        ("enum", None, None),
    ],
)
def test_value_is_written_as_the_fields_type_takes_it(provider_http, kind, value, expected):
    options = [{"id": 31, "label": "Now"}, {"id": 32, "label": "Later"}]
    stub_fields(provider_http, make_field("Timeline", "d" * 40, kind, options=options))
    stub_person(provider_http, 7)
    changed = stub_done(provider_http, "PATCH", f"{PERSONS}/7")
    save(external_id="7", values={"Timeline": value})
    assert sent(changed)["custom_fields"]["d" * 40] == expected


@pytest.mark.parametrize(("kind", "words"), [("double", "takes numbers"), ("enum", "lacks this option")])
def test_value_that_the_field_cannot_hold_asks_for_another_mapping_without_quoting_it(provider_http, kind, words):
    stub_fields(provider_http, make_field("Timeline", "d" * 40, kind, options=[]))
    with pytest.raises(SetupError, match=words) as caught:
        save(external_id="7", values={"Timeline": "Okafor"})
    assert "Okafor" not in str(caught.value)


def test_owner_that_is_no_number_asks_for_another_mapping(provider_http):
    stub_fields(provider_http)
    stub_search(provider_http)
    with pytest.raises(SetupError, match="owner_id takes numbers"):
        save(values={"owner_id": "zoe"})


def test_connection_test_makes_the_missing_fields(provider_http):
    stub_persons(provider_http, {"id": 1}, limit="1")
    provider_http.get(FIELDS, json={"success": True, "data": [OWN_FIELDS[0], OWN_FIELDS[3]]})
    made = [
        provider_http.post(
            FIELDS,
            json={"success": True, "data": make_field(name, "e" * 40)},
            match=[json_params_matcher({"field_name": name, "field_type": "varchar"})],
        )
        for name in ("Keepsync id", "Lead source")
    ]
    found = PIPEDRIVE.test(ACCOUNT)
    assert found == "Pipedrive answers; it has persons. Made the person fields Keepsync id, Lead source."
    assert [call.call_count for call in made] == [1, 1]


def test_connection_test_makes_nothing_twice(provider_http):
    stub_persons(provider_http)
    stub_fields(provider_http)
    assert PIPEDRIVE.test(ACCOUNT) == "Pipedrive answers; it has no persons yet. Keepsync's person fields are there."
    assert {call.request.method for call in provider_http.calls} == {"GET"}


@pytest.mark.parametrize("record", ["contact", "meeting"])
def test_default_mapping_has_fields_of_ours_and_each_of_theirs_once(record):
    mapping = PIPEDRIVE.default_mapping[record]
    assert mapping.keys() <= OUR_FIELDS[record].keys()
    assert len(set(mapping.values())) == len(mapping)


# --- Merging ---------------------------------------------------------------------------------------------------------


def test_merge_removes_the_person_in_the_address_and_keeps_the_other(provider_http):
    merged = stub_done(provider_http, "PUT", f"{BASE}/api/v1/persons/8/merge", 7)
    assert PIPEDRIVE.merge_contacts(ACCOUNT, "7", "8") == "7"
    assert sent(merged) == {"merge_with_id": 7}


def test_merge_of_what_is_merged_is_no_error(provider_http):
    provider_http.put(f"{BASE}/api/v1/persons/8/merge", status=404, json={"success": False})
    stub_person(provider_http, 7)
    assert PIPEDRIVE.merge_contacts(ACCOUNT, "7", "8") == "7"


def test_merge_is_repeated_after_an_outage(faulty_http):
    url = f"{BASE}/api/v1/persons/8/merge"
    faulty_http.put(url, status=500)
    faulty_http.put(url, status=404)
    stub_person(faulty_http, 7)
    assert PIPEDRIVE.merge_contacts(ACCOUNT, "7", "8") == "7"


def test_merge_into_a_person_that_is_gone_is_an_error(provider_http):
    provider_http.put(f"{BASE}/api/v1/persons/8/merge", status=404, json={"success": False})
    stub_person(provider_http, 7, is_deleted=True)
    with pytest.raises(MissingError):
        PIPEDRIVE.merge_contacts(ACCOUNT, "7", "8")


def test_merge_of_a_person_with_itself_asks_for_nothing(provider_http):
    assert PIPEDRIVE.merge_contacts(ACCOUNT, "7", "7") == "7"
    assert not provider_http.calls


# --- Limits and errors -----------------------------------------------------------------------------------------------


def limit(stubs, **answer):
    stubs.get(PERSONS, **{"status": 429, **answer})
    with time_machine.travel(datetime(2026, 11, 20, 23, tzinfo=UTC), tick=False), pytest.raises(RateLimitedError) as it:
        PIPEDRIVE.test(ACCOUNT)
    return it.value.retry_after_s


@pytest.mark.parametrize(
    "answer",
    [
        {"json": {"success": False, "error": "Daily API token budget exceeded"}},
        {"json": {"success": False, "error": "limit", "error_info": "the token BUDGET is used up"}},
        {"json": {"success": False, "error": "limit"}, "headers": {"x-daily-requests-left": "0"}},
    ],
)
def test_used_up_daily_budget_comes_back_after_midnight(provider_http, answer):
    assert limit(provider_http, **answer) == 60 * 60 + 5


@pytest.mark.parametrize(("reset", "seconds"), [("1", 1), ("1.5", 1.5), ("1763683200", 2), ("soon", 2), ("-1", 2)])
def test_burst_limit_lasts_until_its_window_starts_anew(provider_http, reset, seconds):
    assert limit(provider_http, json={"success": False}, headers={"x-ratelimit-reset": reset}) == seconds


def test_page_of_the_guard_before_pipedrive_is_a_rate_limit_and_no_lack_of_permission(provider_http):
    page = {"status": 403, "body": "<html>Cloudflare</html>", "content_type": "text/html"}
    assert limit(provider_http, **page) == 60


@pytest.mark.parametrize(
    ("headers", "rest_s"),
    [
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, 1),
        ({"x-ratelimit-remaining": "0"}, 2),
        ({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "1"}, 0),
        ({"x-ratelimit-remaining": "none"}, 0),
    ],
)
def test_used_up_window_asks_for_a_rest(provider_http, headers, rest_s):
    stub_fields(provider_http)
    provider_http.get(PERSONS, json={"success": True, "data": []}, headers=headers)
    with http.limit_time(30) as scope:
        PIPEDRIVE.test(ACCOUNT)
    assert scope.rest_s == rest_s


def test_missing_permission_names_the_scopes(provider_http):
    answer = {"success": False, "error": "Scope and URL mismatch", "code": "feature_capping_custom_fields_limit"}
    provider_http.get(PERSONS, status=403, json=answer)
    with pytest.raises(SetupError, match=r"403, feature_capping_custom_fields_limit.*contacts:full.*contact-fields"):
        PIPEDRIVE.test(ACCOUNT)


def test_closed_company_account_asks_for_its_payment(provider_http):
    provider_http.get(PERSONS, status=402, json={"success": False})
    with pytest.raises(SetupError, match="payment"):
        PIPEDRIVE.test(ACCOUNT)


def test_failure_with_status_200_is_a_failure(provider_http):
    stub_fields(provider_http)
    stub_search(provider_http)
    provider_http.post(PERSONS, json={"success": False, "error": "no"})
    assert type(save()) is PermanentError
