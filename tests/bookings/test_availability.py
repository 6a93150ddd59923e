"""Busy and free times: the arithmetic of intervals, and what is asked of calendar.live and made of its answer."""

from itertools import pairwise

import jsonschema
import pytest
import requests
import responses
import yaml
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.availability import merge, subtract
from integrations.models import Connection, Token
from tests.factories import CONTRACT, make_connection, read_sample, receive

CONTRACT_DOCUMENT = yaml.safe_load((CONTRACT / "openapi.yaml").read_text())
FREE_BUSY = CONTRACT_DOCUMENT["paths"]["/v1/free_busy"]["get"]
URL = "https://api.calendar.live/v1/free_busy"
PARAMETERS = {"calendar": "cal_emea_sales", "start": "2026-11-24T08:00:00Z", "end": "2026-11-24T18:00:00Z"}
HOURS = [{"start": "2026-11-24T09:00:00Z", "end": "2026-11-24T17:00:00Z"}]

law = settings(derandomize=True, deadline=None, max_examples=200)
intervals = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8)


# --- Intervals -------------------------------------------------------------------------------------------------------


def minutes(found):
    """The whole minutes that intervals cover."""
    return {minute for start, end in found for minute in range(start, end)}


@law
@given(intervals)
def test_merged_intervals_cover_the_same_time_and_are_sorted_and_apart(found):
    merged = merge(found)
    assert minutes(merged) == minutes(found)
    assert all(start < end for start, end in merged)
    assert all(left[1] < right[0] for left, right in pairwise(merged))
    assert merge(merged) == merged


@law
@given(intervals, intervals)
def test_what_is_left_is_what_nobody_has_taken(found, taken):
    left = subtract(merge(found), merge(taken))
    assert minutes(left) == minutes(found) - minutes(taken)
    assert left == merge(left)


@law
@given(intervals)
def test_nothing_taken_leaves_all_and_everything_taken_leaves_nothing(found):
    assert subtract(merge(found), []) == merge(found)
    assert subtract(merge(found), [(0, 60)]) == []


# --- The address -----------------------------------------------------------------------------------------------------


@pytest.fixture
def calendar(db):
    """A known calendar at a connection that has an access token."""
    connection = make_connection(options={"default_region": "FR", "access_token": "token-1"})
    receive(read_sample("event_created"))
    return connection


@pytest.fixture
def ask(api, calendar):
    def ask(**changed):
        parameters = {name: value for name, value in {**PARAMETERS, **changed}.items() if value is not None}
        return api.get("/api/availability/", parameters)

    return ask


def stub(stubs, answer):
    """calendar.live's answer, which must be one that its contract allows."""
    schema = FREE_BUSY["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(answer, {**schema, "components": CONTRACT_DOCUMENT["components"]})
    return stubs.get(URL, json=answer)


@pytest.fixture
def stubs():
    with responses.RequestsMock() as stubs:
        yield stubs


def test_busy_and_free_times_are_merged_sorted_and_inside_the_window(ask, stubs):
    busy = [
        {"start": "2026-11-24T15:30:00Z", "end": "2026-11-24T19:00:00Z"},
        {"start": "2026-11-24T14:00:00+01:00", "end": "2026-11-24T13:30:00Z"},
        {"start": "2026-11-24T13:30:00Z", "end": "2026-11-24T14:00:00Z"},
    ]
    stub(stubs, {"busy": busy, "availability": HOURS})
    response = ask()
    assert response.status_code == 200
    assert response.json() == {
        "calendar": "cal_emea_sales",
        "timezone": "Europe/Paris",
        "busy": [
            {"start": "2026-11-24T13:00:00Z", "end": "2026-11-24T14:00:00Z"},
            {"start": "2026-11-24T15:30:00Z", "end": "2026-11-24T18:00:00Z"},
        ],
        "free": [
            {"start": "2026-11-24T09:00:00Z", "end": "2026-11-24T13:00:00Z"},
            {"start": "2026-11-24T14:00:00Z", "end": "2026-11-24T15:30:00Z"},
        ],
    }


def test_request_is_one_that_the_contract_knows(ask, stubs):
    call = stub(stubs, {"busy": [], "availability": []})
    ask(start="2026-11-24 09:00:00+01:00".replace(" ", "T"))
    request = call.calls[0].request
    assert request.headers["Authorization"] == "Bearer token-1"
    assert request.params.keys() == {parameter["name"] for parameter in FREE_BUSY["parameters"]}
    assert request.params["calendar_id"] == "cal_emea_sales"
    assert request.params["start"] == "2026-11-24T08:00:00+00:00"


@pytest.mark.parametrize(
    ("answer", "retry_after"),
    [
        ({"status": 500}, "5"),
        ({"status": 503}, "5"),
        ({"status": 429, "headers": {"Retry-After": "7"}}, "7"),
        ({"status": 429}, "5"),
        ({"body": requests.ConnectionError("zoe@example.com")}, "5"),
        ({"body": requests.ReadTimeout()}, "5"),
        ({"body": "<html>"}, "5"),
    ],
)
def test_calendar_live_that_is_away_is_503_with_the_time_to_wait(ask, stubs, answer, retry_after):
    stubs.get(URL, **answer)
    response = ask()
    assert (response.status_code, response.json()["code"]) == (503, "provider_away")
    assert response["Retry-After"] == retry_after
    assert "zoe" not in response.json()["message"]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 400},
        {"status": 401},
        {"status": 404},
        {"status": 302, "headers": {"Location": "https://elsewhere.example"}},
        {"json": []},
        {"json": {"busy": []}},
        {"json": {"busy": [{"start": "soon"}], "availability": []}},
        {"json": {"busy": [7], "availability": []}},
    ],
)
def test_calendar_live_that_refuses_or_answers_oddly_is_502(ask, stubs, answer):
    stubs.get(URL, **answer)
    response = ask()
    assert (response.status_code, response.json()["code"]) == (502, "provider_refused")


def test_connection_without_a_token_is_502_that_says_what_to_do(ask):
    Token.objects.all().delete()
    response = ask()
    assert response.status_code == 502
    assert "authorise" in response.json()["message"]


@override_settings(ALLOW_PRIVATE_PROVIDERS=False)
def test_connection_that_points_inside_is_502(ask):
    Connection.objects.update(base_url="http://127.0.0.1:9")
    assert ask().status_code == 502


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"start": None}, "start"),
        ({"end": None}, "end"),
        ({"start": "soon"}, "start"),
        ({"start": "2026-11-24"}, "start"),
        ({"start": "2026-11-24T08:00:00"}, "start"),
        ({"start": "2026-02-30T08:00:00Z"}, "start"),
        ({"start": "0001-01-01T00:00:00+14:00"}, "start"),
        ({"end": "9999-12-31T23:00:00-14:00"}, "end"),
        ({"end": "2026-11-24T08:00:00Z"}, "end"),
        ({"end": "2026-11-24T07:00:00Z"}, "end"),
        ({"end": "2027-01-25T08:00:01Z"}, "end"),
        ({"start": "9999-12-01T00:00:00Z"}, "end"),
    ],
)
def test_bad_window_is_400_and_names_the_parameter(ask, changed, field):
    response = ask(**changed)
    assert (response.status_code, response.json()["field"]) == (400, field)


@pytest.mark.parametrize("calendar_id", ["unknown", "", None, "cal\0", "cal\ud800".encode("utf-8", "surrogatepass")])
def test_unknown_calendar_is_404(ask, calendar_id):
    response = ask(calendar=calendar_id)
    assert (response.status_code, response.json()["field"]) == (404, "calendar")


def test_calendar_that_two_connections_have_is_400(ask):
    make_connection("second")
    receive({**read_sample("event_created"), "id": "dlv_other"}, slug="second")
    response = ask()
    assert (response.status_code, response.json()["field"]) == (400, "calendar")
