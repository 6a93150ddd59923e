"""What may be seen of a payload."""

from hypothesis import given
from hypothesis import strategies as st

from integrations.privacy.redaction import MASK, redact, redact_headers
from integrations.providers import get_provider
from tests.factories import read_sample

SECRETS = st.text(alphabet="xyzä", min_size=8).map(lambda text: f"private-{text}")
TREES = st.recursive(SECRETS, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abc"), inner))


def shape_of(value: object) -> object:
    match value:
        case dict():
            return {key: shape_of(item) for key, item in value.items()}
        case list():
            return [shape_of(item) for item in value]
    return None


def test_values_of_visible_keys_stay_and_all_others_are_masked() -> None:
    shown = redact({"id": "ev_1", "email": "zoe@example.com", "count": 3, "gone": None}, {"id", "count"})

    assert shown == {"id": "ev_1", "email": MASK, "count": 3, "gone": MASK}


def test_objects_are_walked_under_any_key() -> None:
    shown = redact({"event": {"id": 1, "title": "Zoë"}, "id": {"title": "Zoë"}}, {"id"})

    assert shown == {"event": {"id": 1, "title": MASK}, "id": {"title": MASK}}


def test_items_of_a_list_stand_under_its_key_and_its_length_stays() -> None:
    shown = redact({"exdates": ["2026-01-01", ["2026-01-02"]], "names": ["Zoë", "Léa"]}, {"exdates"})

    assert shown == {"exdates": ["2026-01-01", ["2026-01-02"]], "names": [MASK, MASK]}


def test_a_key_that_is_no_field_name_is_masked() -> None:
    assert redact({"zoe@example.com": 1, "Zoë Okafor": 2}, {"id"}) == {f"{MASK} 1": MASK, f"{MASK} 2": MASK}


def test_a_bare_value_is_masked() -> None:
    assert redact("zoe@example.com", {"id"}) == MASK


@given(TREES)
def test_nothing_is_seen_and_nothing_is_lost_without_visible_keys(tree: object) -> None:
    shown = redact(tree, frozenset())

    assert shape_of(shown) == shape_of(tree)
    assert "private-" not in str(shown)


def test_a_booking_shows_its_state_and_nobody_in_it() -> None:
    shown = redact(read_sample("event_created"), get_provider("calendar_live").visible_keys)

    event = shown["data"]["event"]
    assert (event["uid"], event["status"], event["title"]) == ("9f27c1f4@calendar.live", "confirmed", MASK)
    assert event["attendees"][0] | {"id": "", "consent": {}} == {
        "id": "", "email": MASK, "full_name": MASK, "phone": MASK, "company": MASK, "country": "FR",
        "timezone": "Europe/Paris", "response": "accepted", "consent": {},
    }  # fmt: skip
    assert event["answers"][0] == {"key": "team_size", "question": MASK, "value": MASK}


def test_headers_are_named_and_only_harmless_ones_are_shown() -> None:
    headers = {"x-cl-signature": "ab12", "content-type": "application/json", "cookie": "a=b", "x-cl-delivery-id": "d1"}

    assert redact_headers(headers) == {
        "content-type": "application/json", "cookie": MASK, "x-cl-delivery-id": "d1", "x-cl-signature": MASK,
    }  # fmt: skip
