import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from integrations.sandbox.calendar_live.bookings import Guest, book, open_slots
from integrations.sandbox.calendar_live.catalog import EVENT_TYPES
from integrations.sandbox.calendar_live.changes import create_event, hold_slot
from integrations.sandbox.calendar_live.idempotency import answer_once
from integrations.sandbox.calendar_live.outbox import record_attempts, set_knobs
from integrations.sandbox.calendar_live.records import Answer, Delivery, Knobs, Recurrence, State
from integrations.sandbox.persistence import StateFile, StateFileError, decode, encode
from integrations.sandbox.posting import Attempt
from tests.integrations.sandbox.support import START, Clock, make_world


def test_a_world_with_everything_in_it_comes_back_from_its_file(tmp_path: Path) -> None:
    path, clock = tmp_path / "deep" / "state.json", Clock()
    world = make_world(clock, path=path)
    with world.change() as moment:
        slot = next(iter(open_slots(moment, EVENT_TYPES["trial"])))
        guest = Guest("Zoë Okafor", "zoe@example.com", wants_news=True, answers=(Answer("team_size", "How?", "1-10"),))
        book(moment, EVENT_TYPES["trial"], slot.start, guest)
        window = {"calendar_id": "cal_us_sales", "start": START, "end": START + timedelta(hours=1)}
        weekly = Recurrence("FREQ=WEEKLY;COUNT=3", (START + timedelta(days=7),))
        create_event(moment, {**window, "title": "Weekly", "recurrence": weekly})
        later = {"start": START + timedelta(hours=2), "end": START + timedelta(hours=3)}
        hold_slot(moment, {**window, **later, "ttl_seconds": 60})
        answer_once(moment, "POST /x", "key", {"a": 1}, lambda: {"id": "ev_1", "items": [1, None]})
        set_knobs(moment, Knobs(latency_ms=5, is_doubling=True))
        delivery = next(iter(moment.state.deliveries.values()))
        attempt = Attempt(START, None, "ConnectionError", 3)
        record_attempts(moment, delivery, [attempt], retry_after=timedelta(seconds=1))

    assert make_world(clock, path=path).read().state == world.read().state


def test_a_refused_change_leaves_state_and_file_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    world = make_world(Clock(), path=path)
    with world.change() as moment:
        moment.state.attendee_ids["a@example.com"] = "att_1"
    saved = path.read_bytes()

    def fail_halfway() -> None:
        with world.change() as moment:
            moment.state.attendee_ids["b@example.com"] = "att_2"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()

    assert world.read().state.attendee_ids == {"a@example.com": "att_1"}
    assert path.read_bytes() == saved


def test_saving_one_section_keeps_the_others_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    StateFile(path).save("zoom", {"meetings": ["é"]})
    StateFile(path).save("stripe", {"sessions": 1})

    assert json.loads(path.read_text(encoding="utf-8")) == {"zoom": {"meetings": ["é"]}, "stripe": {"sessions": 1}}
    assert StateFile(path).load("zoom") == {"meetings": ["é"]}
    assert [item.name for item in tmp_path.iterdir()] == ["state.json"]


def test_a_failed_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    file = StateFile(path)
    file.save("zoom", 1)

    def fail(self: Path, target: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        file.save("zoom", 2)

    assert StateFile(path).load("zoom") == 1
    assert [item.name for item in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_file_that_is_no_state_stops_the_start_with_its_path(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)

    with pytest.raises(StateFileError, match=r"state\.json is not the sandbox's state"):
        StateFile(path)


def test_without_a_path_nothing_is_written_or_remembered() -> None:
    file = StateFile(None)
    file.save("zoom", 1)
    assert file.load("zoom") is None


def test_an_older_state_without_newer_fields_still_loads() -> None:
    saved = encode(Delivery("dlv_1", "ping", None, "{}", datetime(2026, 1, 1, tzinfo=UTC)))
    del saved["note"]
    assert decode(Delivery, saved | {"unknown": 1}).note == ""
    assert decode(State, {}) == State()


def test_a_value_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(TypeError):
        decode(Knobs, {"latency_ms": "many"})
