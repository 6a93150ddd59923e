"""Test bookings: made on a free time, watched through each stage, cancelled; what is said of one that stands still."""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from bookings.models import Meeting, TrialBooking
from bookings.trial_bookings import EMAIL, TITLE, book, cancel, choose_start, list_bookable, send
from bookings.trial_stages import PATIENCE, State, list_stages
from contacts.models import Contact
from integrations.connections import set_status
from integrations.exceptions import LostAnswerError, OutageError, SetupError, StateError
from integrations.jobs import beat
from integrations.models import Connection, Delivery, Effect
from integrations.roles import VIEWER
from tests.bookings.calendar_world import CREATE, DELETE, EMEA, TOKEN, CalendarLive, calendar_world
from tests.bookings.flows.conftest import _wait_for_nothing  # noqa: F401
from tests.bookings.flows.playing import pair_with_hubspot, run_effects
from tests.factories import make_connection, make_delivery, make_payload, post_webhook
from tests.integrations.admin.support import get_page, page_address, press, read_log, read_messages, sign_in
from tests.integrations.admin.test_first_steps import PAGE, read_states, read_steps, sign_in_as

pytestmark = pytest.mark.django_db
# More than one call is tried at most.
TRIES = 9
ADD = "/admin/bookings/trialbooking/add/"


@pytest.fixture
def calendar() -> Connection:
    return make_connection(options={"access_token": TOKEN})


@pytest.fixture
def live(calendar: Connection) -> Iterator[CalendarLive]:
    with calendar_world() as world:
        yield world


@pytest.fixture
def trial(calendar: Connection, live: CalendarLive, admin_user: User) -> TrialBooking:
    return make(calendar, admin_user)


def make(calendar: Connection, user: User) -> TrialBooking:
    chosen = next(each for each in list_bookable(calendar) if each.id == EMEA)
    return book(calendar, chosen, user=user)


def arrive(live: CalendarLive, what: str = "event.created") -> Delivery:
    """Its webhook comes and is worked on; what follows goes out."""
    delivery = live.tell(live.events[-1], what)
    run_effects()
    return delivery


def read_stages(trial: TrialBooking) -> dict[str, str]:
    """Title → state."""
    trial = TrialBooking.objects.select_related("connection").get(pk=trial.pk)
    return {stage.title: stage.state.value for stage in list_stages(trial)}


def find_stuck(trial: TrialBooking) -> tuple[str, str]:
    trial = TrialBooking.objects.select_related("connection").get(pk=trial.pk)
    return next((stage.title, stage.text) for stage in list_stages(trial) if stage.state == State.STUCK)


def later(seconds: float = PATIENCE.total_seconds() + 5) -> Any:
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=False)


# --- Making one -------------------------------------------------------------------------------------------------------


def test_it_is_booked_on_a_free_time_with_a_clear_title_for_nobody(live: CalendarLive, trial: TrialBooking) -> None:
    (event,) = live.events

    assert (event["title"], event["attendees"][0]["email"]) == (TITLE, EMAIL)
    assert event["id"] == trial.event_id
    assert trial.start - timezone.now() > timedelta(hours=23)
    assert trial.start.minute in (0, 30)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-30T{text}:00").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("free", "start"),
    [
        ([("09:00", "12:00")], "09:00"),
        ([("09:10", "12:00")], "09:30"),
        ([("09:10", "09:50"), ("13:45", "14:30")], "14:00"),
        ([("09:10", "09:55")], None),
        ([], None),
    ],
)
def test_the_first_half_hour_that_has_room_is_taken(free: list[tuple[str, str]], start: str | None) -> None:
    assert choose_start([(at(begin), at(end)) for begin, end in free]) == (at(start) if start else None)


def test_a_calendar_without_a_free_time_is_told_of(live: CalendarLive, calendar: Connection, admin_user: User) -> None:
    live.fail("GET /v1/free_busy", 200, '{"busy": [], "availability": []}')

    with pytest.raises(SetupError, match="no free half hour within 15 days"):
        make(calendar, admin_user)
    assert not TrialBooking.objects.exists()


def test_there_is_one_at_a_time(trial: TrialBooking, admin_user: User) -> None:
    with pytest.raises(StateError, match="already"):
        make(trial.connection, admin_user)


def test_after_a_lost_answer_the_same_event_is_found(
    live: CalendarLive, calendar: Connection, admin_user: User, admin_client: Client
) -> None:
    for _ in range(TRIES):
        live.lose(CREATE)
    with pytest.raises(LostAnswerError):
        make(calendar, admin_user)
    trial = TrialBooking.objects.get()
    live.hooks.clear()
    assert find_stuck(trial)[1].startswith("calendar.live gave no answer")

    assert "has booked it" in read_messages(press(admin_client, trial, "send_again"))
    trial.refresh_from_db()
    assert [event["id"] for event in live.events] == [trial.event_id]


def test_a_refusal_leaves_nothing(live: CalendarLive, calendar: Connection, admin_user: User) -> None:
    live.fail(CREATE, 409, '{"code": "slot_taken", "message": "taken", "conflicts": []}')

    with pytest.raises(StateError, match="once more"):
        make(calendar, admin_user)
    assert not TrialBooking.objects.exists()


def test_an_outage_keeps_what_was_asked_for(live: CalendarLive, calendar: Connection, admin_user: User) -> None:
    live.fail(CREATE, 503, None, times=TRIES)
    with pytest.raises(OutageError):
        make(calendar, admin_user)
    live.failures.clear()

    send(TrialBooking.objects.get())
    assert len(live.events) == 1


# --- Watching it ------------------------------------------------------------------------------------------------------


def test_it_is_followed_to_the_crm_with_its_id(live: CalendarLive, calendar: Connection, admin_user: User) -> None:
    pair_with_hubspot(calendar)
    trial = make(calendar, admin_user)
    assert read_stages(trial) == {"Booked at calendar.live": "done", "Webhook received": "waits"}

    arrive(live)

    assert read_stages(trial) == dict.fromkeys(
        [
            "Booked at calendar.live", "Webhook received", "Signature verified", "Worked on", "Contact here",
            "Meeting here", "Contact at hubspot", "Meeting at hubspot",
        ],
        "done",
    )  # fmt: skip
    effect = Effect.objects.get(kind="meeting.upsert")
    assert any(effect.external_id in stage.text for stage in list_stages(trial))


def test_each_stage_says_how_long_it_took(live: CalendarLive, trial: TrialBooking) -> None:
    arrive(live)
    stages = {stage.title: stage for stage in list_stages(trial)}

    assert all(stages[title].after is not None for title in ("Webhook received", "Worked on"))


def test_without_a_crm_it_has_arrived_with_contact_and_meeting(live: CalendarLive, trial: TrialBooking) -> None:
    arrive(live)

    assert list(read_stages(trial))[-2:] == ["Contact here", "Meeting here"]
    assert Contact.objects.count() == 1


def test_nothing_is_said_too_early(trial: TrialBooking) -> None:
    assert read_stages(trial)["Webhook received"] == "waits"
    with later():
        assert find_stuck(trial)[1].startswith("Nothing has come. Is the webhook's address entered")


def test_refused_requests_tell_of_another_secret(trial: TrialBooking) -> None:
    post_webhook(make_payload("dlv_9"), secret="another")

    title, text = find_stuck(trial)
    assert (title, "another secret" in text) == ("Signature verified", True)


def test_calendar_live_is_asked_why_nothing_came(live: CalendarLive, trial: TrialBooking, admin_client: Client) -> None:
    page = press(admin_client, trial, "ask")
    assert "calendar.live has sent nothing so far" in read_messages(page)

    with later():
        assert "has sent nothing so far" in find_stuck(trial)[1]


def test_a_worker_that_does_not_run_is_told_of(trial: TrialBooking) -> None:
    make_delivery(trial.connection, make_payload(uid=trial.event_uid))
    assert find_stuck(trial) == ("Worked on", "No worker has run yet: start manage.py qcluster.")
    beat()

    assert read_stages(trial)["Worked on"] == "waits"


def test_a_paused_connection_is_told_of(trial: TrialBooking) -> None:
    make_delivery(trial.connection, make_payload(uid=trial.event_uid))
    set_status(trial.connection, Connection.Status.PAUSED)

    assert find_stuck(trial)[1] == "The connection is paused: resume it."


def test_a_delivery_that_failed_tells_its_cause(trial: TrialBooking) -> None:
    make_delivery(trial.connection, make_payload(uid=trial.event_uid), status="dead", error="event.end is missing.")

    assert find_stuck(trial) == ("Worked on", "Dead letter: event.end is missing.")


def test_an_effect_that_waits_tells_its_cause(live: CalendarLive, calendar: Connection, admin_user: User) -> None:
    pair_with_hubspot(calendar)
    trial = make(calendar, admin_user)
    live.tell(live.events[-1], "event.created")
    Effect.objects.update(status="waiting", cause="reauthorise", error="hubspot is not authorised.")

    assert find_stuck(trial)[1] == "Waiting (waits for reauthorisation): hubspot is not authorised."


# --- Cancelling it ----------------------------------------------------------------------------------------------------


def test_it_is_cancelled_everywhere_and_that_is_watched_too(
    live: CalendarLive, calendar: Connection, admin_user: User, admin_client: Client
) -> None:
    pair_with_hubspot(calendar)
    trial = make(calendar, admin_user)
    arrive(live)
    press(admin_client, trial, "cancel")
    assert live.standing == []
    assert read_stages(trial)["Cancelled at calendar.live"] == "done"

    arrive(live, "event.cancelled")

    assert Meeting.objects.get().status == "cancelled"
    stages = read_stages(trial)
    assert (stages["Meeting cancelled here"], stages["Meeting cancelled at hubspot"]) == ("done", "done")
    assert "Cancelled everywhere." in get_page(admin_client, page_address(trial))
    assert read_log(trial)[-1] == ("admin", "Cancelled it")


def test_one_that_was_cancelled_there_is_cancelled_all_the_same(live: CalendarLive, trial: TrialBooking) -> None:
    live.fail(DELETE, 404, '{"code": "not_found", "message": "No such event."}')
    cancel(trial)

    assert trial.cancelled_at


def test_where_calendar_live_is_away_it_stays_open(
    live: CalendarLive, trial: TrialBooking, admin_client: Client
) -> None:
    live.is_away = True
    page = press(admin_client, trial, "cancel")
    trial.refresh_from_db()

    assert "Cancel the test booking:" in read_messages(page)
    assert trial.cancelled_at is None


def test_one_that_was_never_booked_is_given_up(calendar: Connection) -> None:
    moment = timezone.now()
    trial = TrialBooking.objects.create(connection=calendar, calendar_id=EMEA, start=moment, end=moment)
    cancel(trial)

    assert read_stages(trial) == {"Given up": "done"}


def test_until_the_meeting_is_cancelled_here_it_is_not_over(live: CalendarLive, trial: TrialBooking) -> None:
    arrive(live)
    cancel(trial)
    make_delivery(
        trial.connection,
        make_payload(event_type="event.cancelled", uid=trial.event_uid),
        status="stale",
        delivery_id="dlv_c",
    )

    assert read_stages(trial)["Meeting cancelled here"] == "waits"


# --- Its pages --------------------------------------------------------------------------------------------------------


def test_the_page_says_what_will_happen_before_it_does(live: CalendarLive, admin_client: Client) -> None:
    page = html.unescape(get_page(admin_client, ADD))

    assert "makes a real event at calendar.live" in page
    assert EMAIL in page
    assert live.events == []


def test_making_one_leads_to_watching_it(live: CalendarLive, admin_client: Client) -> None:
    page = admin_client.post(ADD, {"calendar": EMEA}, follow=True)
    trial = TrialBooking.objects.get()

    assert page.redirect_chain[-1][0] == page_address(trial)
    assert re.search(r"Booked for \d{4}-", read_messages(page))
    assert f'hx-get="{page_address(trial, "progress")}"' in page.content.decode()
    assert "On its way: watch it." in get_page(admin_client, page_address(trial, "progress"))


def test_it_stops_asking_once_it_has_arrived(live: CalendarLive, trial: TrialBooking, admin_client: Client) -> None:
    arrive(live)
    response = admin_client.get(page_address(trial, "progress"))

    assert "It has arrived everywhere" in response.content.decode()
    assert "hx-get" not in response.content.decode()
    assert response.headers["HX-Refresh"] == "true"


def test_one_that_was_left_is_found_again(trial: TrialBooking, admin_client: Client) -> None:
    assert admin_client.get(ADD).headers["Location"] == page_address(trial)
    assert page_address(trial) in get_page(admin_client, PAGE)


def test_a_calendar_that_is_not_there_is_refused(live: CalendarLive, admin_client: Client) -> None:
    assert "not one of the available choices" in admin_client.post(ADD, {"calendar": "x"}).content.decode()
    assert live.events == []


def test_an_outage_is_told_and_leads_back(live: CalendarLive, admin_client: Client) -> None:
    live.is_away = True
    page = admin_client.get(ADD, follow=True)

    assert page.redirect_chain[-1][0] == PAGE
    assert "Base URL" in read_messages(page)


def test_without_calendar_live_it_leads_back(admin_client: Client) -> None:
    assert "Connect calendar.live first." in read_messages(admin_client.get(ADD, follow=True))


def test_viewers_watch_and_do_nothing(trial: TrialBooking) -> None:
    client = sign_in_as(VIEWER)

    assert "Booked at calendar.live" in get_page(client, page_address(trial))
    assert client.get(ADD).status_code == 403
    assert press(client, trial, "cancel").status_code == 403


def test_who_may_not_see_them_does_not(trial: TrialBooking) -> None:
    assert sign_in().get(page_address(trial, "progress")).status_code == 403


def test_the_last_of_the_first_steps_follows_it(live: CalendarLive, trial: TrialBooking, admin_client: Client) -> None:
    assert "It is on its way" in read_steps(admin_client)[4]
    arrive(live)

    assert "It has arrived everywhere." in read_steps(admin_client)[4]
    assert read_states(admin_client)[4] == "Done"


def test_where_it_stands_still_the_first_steps_say_so(trial: TrialBooking, admin_client: Client) -> None:
    with later():
        assert "Webhook received: Nothing has come." in read_steps(admin_client)[4]


def test_watching_needs_few_queries(
    live: CalendarLive, calendar: Connection, admin_user: User, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    pair_with_hubspot(calendar)
    trial = make(calendar, admin_user)
    arrive(live)
    with django_assert_max_num_queries(14):
        get_page(admin_client, page_address(trial, "progress"))
