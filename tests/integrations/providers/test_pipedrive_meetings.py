"""Pipedrive's adapter: meetings as activities. Requests and answers are held to its specification."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from responses.matchers import query_param_matcher

from integrations.exceptions import LostAnswerError, OutageError, PermanentError, SetupError
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.crm import CrmMeeting, Saved
from integrations.providers.pipedrive.notes import TAG, build_note, has_mark
from integrations.providers.pipedrive.provider import Pipedrive

BASE = "https://api.pipedrive.com"
ACTIVITIES = f"{BASE}/api/v2/activities"
PIPEDRIVE = Pipedrive()
ACCOUNT = Account(BASE, credentials={"access_token": "token-1"})

# As the default mapping makes them.
OURS = {
    "title": "Sales call",
    "start_date": "2026-11-24",
    "start_time": "13:00",
    "duration": "00:30",
    "description": "Price & terms\n<b>soon</b>",
    "join_url": "https://zoom.example/j/1",
    "status": "confirmed",
    "owner": "18",
    "external_id": "evt_1",
    "calendar_event_uid": "9f27@calendar.live",
    "payment_session_id": None,
}
VALUES = {PIPEDRIVE.default_mapping["meeting"][name]: value for name, value in OURS.items()}
# What notes are made of, and what could be taken for their form.
LETTERS = "aK:1 \n<>/&;"
NOTE = (
    "Price &amp; terms<br>&lt;b&gt;soon&lt;/b&gt;<br><br>Calendar event: evt_1<br>"
    "Calendar event uid: 9f27@calendar.live<br>Keepsync id: key-1"
)


def meeting(**changes):
    return CrmMeeting(**{"key": "key-1", "values": VALUES, "contact_ids": ("7", "8"), **changes})


def save(**changes):
    (result,) = PIPEDRIVE.save_meetings(ACCOUNT, [meeting(**changes)])
    return result


def stub_made(stubs, number=5):
    return stubs.post(ACTIVITIES, json={"success": True, "data": {"id": number}})


def stub_changed(stubs, number=5, **had):
    """What is sent to an activity that has these values."""
    url = f"{ACTIVITIES}/{number}"
    stubs.get(url, json={"success": True, "data": {"id": number, **had}})
    return stubs.patch(url, json={"success": True, "data": {"id": number}})


def stub_list(stubs, *activities, **query):
    match = [query_param_matcher({"sort_by": "add_time", "sort_direction": "desc", **query}, strict_match=False)]
    return stubs.get(ACTIVITIES, json={"success": True, "data": list(activities)}, match=match)


def sent(stub, number=0):
    return json.loads(stub.calls[number].request.body)


def test_new_meeting_is_an_activity_with_its_persons_and_our_ids_in_the_note(provider_http):
    made = stub_made(provider_http)
    assert save() == Saved("5", is_new=True)
    assert sent(made) == {
        "type": "meeting",
        "subject": "Sales call",
        "due_date": "2026-11-24",
        "due_time": "13:00",
        "duration": "00:30",
        "location": {"value": "https://zoom.example/j/1"},
        "done": False,
        "busy": True,
        "owner_id": 18,
        "participants": [{"person_id": 7, "primary": True}, {"person_id": 8, "primary": False}],
        "note": NOTE,
    }


def test_changed_meeting_keeps_its_type_and_what_people_wrote_below_the_note(provider_http):
    changed = stub_changed(
        provider_http, type="demo", note="Old<br>Keepsync id: key-1</p><p>Called her on <b>Monday</b>"
    )
    assert save(external_id="5") == Saved("5")
    assert "type" not in sent(changed)
    assert sent(changed)["note"] == f"{NOTE}<p>Called her on <b>Monday</b>"


def test_second_change_of_a_note_adds_nothing(provider_http):
    changed = stub_changed(provider_http, note=f"{NOTE}<br>Called")
    save(external_id="5")
    assert sent(changed)["note"] == f"{NOTE}<br>Called"


@pytest.mark.parametrize("note", [f"{NOTE}<br> <br></p>", "Somebody rewrote it", "", 7])
def test_note_without_remarks_is_ours(faulty_http, note):
    changed = stub_changed(faulty_http, note=note)
    save(external_id="5")
    assert sent(changed)["note"] == NOTE


@given(
    description=st.text(LETTERS, max_size=80), remarks=st.text(LETTERS, max_size=80), key=st.sampled_from(["1", "12"])
)
def test_note_that_is_built_over_itself_stays_the_same_and_loses_no_remark(description, remarks, key):
    record = CrmMeeting(key=key, values={"note": description, "note:Payment": "cs_1"})
    first = build_note(record, PayloadReader({"note": f"{build_note(record, None)}<br>{remarks}"}, ""))
    activity = PayloadReader({"note": first}, "")
    assert build_note(record, activity) == first
    assert has_mark(activity, key)
    assert first.endswith(remarks) or not TAG.sub("", remarks).strip()


@pytest.mark.parametrize("line", ["Keepsync id: key-1", " Keepsync id: key-1 "])
def test_description_that_holds_our_key_does_not_make_the_note_grow(provider_http, line):
    values = {**VALUES, "note": f"Hello\n{line}"}
    made = stub_made(provider_http)
    save(values=values)
    changed = stub_changed(provider_http, note=sent(made)["note"])
    save(values=values, external_id="5")
    assert sent(changed)["note"] == sent(made)["note"]
    assert sent(made)["note"].count("Keepsync id: key-1") == 1


def test_join_link_that_is_gone_is_cleared(provider_http):
    changed = stub_changed(provider_http)
    save(external_id="5", values={**VALUES, "location": None})
    assert sent(changed)["location"] == {"value": ""}


def test_unknown_values_are_left_out_of_a_new_activity(provider_http):
    made = stub_made(provider_http)
    save(values=dict.fromkeys(VALUES), contact_ids=())
    assert sent(made) == {"type": "meeting", "done": False, "busy": True, "note": "Keepsync id: key-1"}


@pytest.mark.parametrize("title", ["Sales call", "Cancelled: Sales call"])
def test_cancelled_meeting_keeps_its_activity_done_and_out_of_the_way(provider_http, title):
    changed = stub_changed(provider_http)
    save(external_id="5", is_cancelled=True, values={**VALUES, "subject": title, "done": "cancelled"})
    body = sent(changed)
    assert (body["subject"], body["done"], body["busy"]) == ("Cancelled: Sales call", True, False)


@pytest.mark.parametrize(
    ("status", "is_done"),
    [("confirmed", False), ("tentative", False), ("completed", True), ("no_show", True), (True, True)],
)
def test_meeting_that_is_over_is_done(provider_http, status, is_done):
    changed = stub_changed(provider_http)
    save(external_id="5", values={**VALUES, "done": status})
    assert sent(changed)["done"] is is_done


@pytest.mark.parametrize(
    ("target", "value", "expected"),
    [
        ("due_date", "2026-11-24T13:00:00Z", "2026-11-24"),
        ("due_time", "2026-11-24T13:05:00Z", "13:05"),
        ("duration", 95, "01:35"),
        ("duration", 1500, "25:00"),
        ("public_description", "Hello", "Hello"),
    ],
)
def test_other_mappings_are_written_in_pipedrives_form(provider_http, target, value, expected):
    made = stub_made(provider_http)
    save(values={target: value})
    assert sent(made)[target] == expected


def test_field_that_activities_do_not_have_is_to_be_mapped_to_the_note(provider_http):
    with pytest.raises(SetupError, match="map it to 'note:Team size'"):
        save(values={"Team size": "51-200"})
    assert not provider_http.calls


def test_deleted_activity_is_made_anew(provider_http):
    provider_http.get(f"{ACTIVITIES}/5", json={"success": True, "data": {"id": 5, "is_deleted": True}})
    stub_made(provider_http, 6)
    assert save(external_id="5") == Saved("6", is_new=True)


def test_missing_activity_is_made_anew(provider_http):
    provider_http.get(f"{ACTIVITIES}/5", status=404, json={"success": False})
    stub_made(provider_http, 6)
    assert save(external_id="5") == Saved("6", is_new=True)


@pytest.mark.parametrize("note", [NOTE, "<p>Keepsync id: key-1</p>", "<div>x</div>Keepsync id: key-1 <br>called"])
def test_activity_that_an_earlier_try_made_is_found_by_its_note(provider_http, note):
    activities = [{"id": 4, "note": "Keepsync id: key-12"}, {"id": 3}, {"id": 5, "note": note}]
    stub_list(provider_http, *activities, person_id="7")
    changed = stub_changed(provider_http)
    assert save(may_exist=True) == Saved("5")
    assert changed.call_count == 1


def test_activity_that_was_made_before_its_person_was_known_is_found_among_all(provider_http):
    """Its contact came to Pipedrive between the two tries."""
    of_person = stub_list(provider_http, person_id="7")
    stub_list(provider_http, {"id": 5, "note": NOTE})
    changed = stub_changed(provider_http)
    assert save(may_exist=True) == Saved("5")
    assert (of_person.call_count, changed.call_count) == (1, 1)


def test_activity_without_persons_is_looked_for_among_all(provider_http):
    listed = stub_list(provider_http)
    stub_made(provider_http)
    assert save(may_exist=True, contact_ids=()) == Saved("5", is_new=True)
    assert "person_id" not in listed.calls[0].request.params


def test_meeting_is_not_looked_for_where_none_can_have_been_made(provider_http):
    stub_made(provider_http)
    save()
    assert len(provider_http.calls) == 1


def test_making_is_not_repeated_by_itself_and_changing_is(faulty_http):
    made = faulty_http.post(ACTIVITIES, status=502)
    with pytest.raises(OutageError):
        save()
    assert made.call_count == 1
    changed = faulty_http.patch(f"{ACTIVITIES}/5", status=502)
    stub_changed(faulty_http)
    assert save(external_id="5") == Saved("5")
    assert changed.call_count == 1


@pytest.mark.parametrize("answer", [{"success": True}, {"data": []}, {"data": {"id": True}}, []])
def test_made_activity_without_an_id_is_a_lost_answer(faulty_http, answer):
    faulty_http.post(ACTIVITIES, json=answer)
    with pytest.raises(LostAnswerError):
        save()


def test_person_whose_id_is_no_number_is_an_error_of_this_meeting(provider_http):
    assert type(save(contact_ids=("x",))) is PermanentError
    assert not provider_http.calls
