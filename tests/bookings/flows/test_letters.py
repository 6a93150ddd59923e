"""Letters: what stands in them, through which connection they go, and who gets none."""

from dataclasses import replace
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from bookings.flows import letters
from bookings.models import Invitation, Meeting, Payment, Price
from contacts.erasure import erase
from contacts.models import Consent, Contact
from integrations import effect_actions
from integrations.effects import plan
from integrations.jobs import change_status
from integrations.models import Connection, Effect
from tests.bookings.flows.fakes import World
from tests.bookings.flows.playing import (
    GROUP,
    ZOE,
    book_group,
    connect,
    list_effects,
    list_letters,
    people,
    read_calendar_file,
    read_html,
    run_effects,
    tell,
    the_meeting,
)
from tests.factories import make_connection

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def calendar(calendar_live: Connection) -> Connection:
    connect("zoom")
    return calendar_live


def book(version: int = 1, **event: Any) -> None:
    tell(version=version, **event)
    run_effects()


def calendar_lines() -> list[str]:
    return read_calendar_file(mail.outbox[-1])[2]


# --- What stands in them ----------------------------------------------------------------------------------------------


def test_a_confirmation_says_when_it_is_where_the_meeting_is_kept(world: World) -> None:
    book(timezone="America/New_York", title="Trial call")
    (letter,) = mail.outbox
    assert letter.subject == "Confirmed: Trial call, 24 November 2026, 08:00"
    assert "Tuesday, 24 November 2026, 08:00 – 08:30 (America/New_York)" in str(letter.body)
    assert "Tuesday, 24 November 2026, 08:00 – 08:30 (America/New_York)" in read_html(letter)
    assert "Join with this link, which is yours: https://zoom.us/j/8001" in str(letter.body)


def test_a_letter_is_known_by_its_effect_and_is_no_automatic_answers_matter(world: World, settings: Any) -> None:
    settings.MAIL_DOMAIN = "keepsync.example"
    book()
    (letter,) = mail.outbox
    effect = Effect.objects.get(kind="email.confirmation")
    assert letter.extra_headers["Message-ID"] == f"<{effect.pk}@keepsync.example>"
    assert letter.extra_headers["Auto-Submitted"] == "auto-generated"
    assert letter.to == [ZOE]


def test_a_cancellation_carries_the_uid_and_a_later_state(world: World) -> None:
    book()
    assert {"METHOD:PUBLISH", "UID:9f27c1f4@calendar.live", "SEQUENCE:1"} <= set(calendar_lines())
    book(version=2, status="cancelled")
    assert {"METHOD:CANCEL", "STATUS:CANCELLED", "UID:9f27c1f4@calendar.live", "SEQUENCE:2"} <= set(calendar_lines())
    assert mail.outbox[-1].subject == "Cancelled: Trial call, 24 November 2026, 14:00"
    assert "zoom.us" not in mail.outbox[-1].body


def test_a_series_is_one_in_the_calendar_file(world: World) -> None:
    book(recurrence={"rrule": "FREQ=WEEKLY;COUNT=4", "exdates": ["2026-12-01T13:00:00Z"]})
    lines = calendar_lines()
    assert "RRULE:FREQ=WEEKLY;COUNT=4" in lines
    assert "DTSTART;TZID=Europe/Paris:20261124T140000" in lines
    assert any(line.startswith("EXDATE") for line in lines)


def test_what_a_booking_holds_is_never_markup_and_never_a_header(world: World) -> None:
    book(title='<script>alert("1")</script>\r\nBcc: eve@evil.example', attendee={"full_name": "Zoë & <b>Co</b>"})
    (letter,) = mail.outbox
    assert letter.subject.startswith('Confirmed: <script>alert("1")</script> Bcc: eve@evil.example, 24 November')
    assert letter.recipients() == [ZOE]
    html = read_html(letter)
    assert "<script>" not in html
    assert "Zoë &amp; &lt;b&gt;Co&lt;/b&gt;" in html
    assert "Hello Zoë & <b>Co</b>," in str(letter.body)


def test_an_attendee_without_a_name_is_greeted_without_one(world: World) -> None:
    book(attendee={"full_name": None})
    assert mail.outbox[0].body.startswith("Hello,\n")


def test_the_link_to_pay_is_in_both_forms_and_needs_no_calendar_file(world: World) -> None:
    connect("stripe")
    Price.objects.create(event_type="trial", amount=4900, currency="eur")
    book(title="Trial call")
    (letter,) = mail.outbox
    url = "https://checkout.stripe.com/c/pay/cs_test_k1"
    assert letter.subject == "Please pay to confirm: Trial call, 24 November 2026, 14:00"
    assert url in str(letter.body)
    assert f'href="{url}"' in read_html(letter)
    assert letter.attachments == []


# --- How they go out --------------------------------------------------------------------------------------------------


def test_the_mailer_is_made_at_the_first_letter_and_used_for_all(world: World) -> None:
    assert not Connection.objects.filter(provider="email").exists()
    book()
    book(id="ev_2", uid="uid_2")
    mailer = Connection.objects.get(provider="email")
    assert mailer.slug == "email"
    assert set(Effect.objects.filter(kind="email.confirmation").values_list("connection", flat=True)) == {mailer.pk}


def test_an_email_connection_that_is_there_is_used_with_its_sender(world: World) -> None:
    make_connection("post", provider="email", options={"from_address": "Acme <hello@acme.example>"})
    book()
    assert mail.outbox[0].from_email == "Acme <hello@acme.example>"
    assert not Connection.objects.filter(slug="email").exists()


def test_a_disabled_email_connection_sends_nothing(world: World) -> None:
    make_connection("post", provider="email")
    Connection.objects.filter(slug="post").update(status="disabled")
    book()
    assert (mail.outbox, list_effects("email.confirmation")) == ([], [])


def test_a_paused_email_connection_keeps_the_letters_and_sends_what_is_still_wanted(world: World) -> None:
    mailer = make_connection("post", provider="email")
    change_status(mailer, Connection.Status.PAUSED)
    book(id="ev_1", uid="uid_1")
    book(id="ev_2", uid="uid_2", attendee={"id": "att_2", "email": "bob@acme.example", "full_name": "Bob Smith"})
    book(version=2, id="ev_2", uid="uid_2", status="cancelled",
         attendee={"id": "att_2", "email": "bob@acme.example", "full_name": "Bob Smith"})  # fmt: skip
    assert mail.outbox == []
    change_status(mailer, Connection.Status.ACTIVE)
    run_effects()
    assert list_letters() == [(ZOE, "Confirmed")]


def test_a_letter_whose_fate_is_unknown_is_settled_by_a_person_and_then_counts(world: World) -> None:
    tell()
    run_effects("zoom")
    Effect.objects.filter(kind="email.confirmation").update(status="waiting", cause="unknown_outcome", due_at=None)
    effect_actions.confirm_arrival(Effect.objects.get(kind="email.confirmation"))
    book(version=2, status="cancelled")
    assert list_letters() == [(ZOE, "Cancelled")]


def test_a_letter_that_an_operator_suppressed_is_not_planned_again(world: World) -> None:
    tell()
    run_effects("zoom")
    effect_actions.suppress(Effect.objects.get(kind="email.confirmation"), "The customer was called.")
    book(version=2, title="Another title")
    book(version=3, status="cancelled")
    assert mail.outbox == []


def test_letters_follow_a_booking_that_turns_while_one_is_being_sent(world: World) -> None:
    """The attendee is back after the cancellation was decided on, and before it is recorded."""
    book()
    invitation = Invitation.objects.get()
    tell(version=2, attendee={"response": "declined"})
    tell(version=3, attendee={"response": "accepted"})
    cancellation = Effect.objects.get(kind="email.cancellation")
    Effect.objects.filter(pk=cancellation.pk).update(status="running")
    letters.note_cancelled(invitation)
    Effect.objects.filter(pk=cancellation.pk).update(status="succeeded", finished_at=timezone.now())
    run_effects()
    assert list_letters() == [(ZOE, "Confirmed")] * 2
    book(version=4, title="Another title")
    assert list_letters() == [(ZOE, "Confirmed")] * 2


def test_letters_about_what_is_not_there_any_more_are_left_out(world: World) -> None:
    book()
    mailer = Connection.objects.get(provider="email")
    invitation = Invitation.objects.get()
    subject = f"invitation:{invitation.pk}"
    invitation.delete()
    for kind in ("email.confirmation", "email.cancellation"):
        plan(kind, connection_id=mailer.pk, subject=subject, key=f"{kind}:again")
    letters.plan_payment_link(the_meeting(), Payment())
    run_effects()
    assert len(mail.outbox) == 1
    assert Effect.objects.filter(status="suppressed", connection=mailer).count() == 3


# --- Consent ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def marketing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if what confirmations are for were something that one has to agree to."""
    letter = replace(letters.LETTERS[letters.CONFIRMATION], purpose=Consent.Purpose.MARKETING)
    monkeypatch.setitem(letters.LETTERS, letters.CONFIRMATION, letter)


def answer(*, is_given: bool) -> dict[str, Any]:
    return {"consent": {"marketing": is_given, "given_at": "2026-11-20T08:58:31Z", "text": "Keep me posted."}}


def test_each_letter_says_what_it_is_for_and_all_of_today_are_about_the_booking() -> None:
    assert {letter.purpose for letter in letters.LETTERS.values()} == {Consent.Purpose.TRANSACTIONAL}
    assert set(letters.LETTERS) == {letters.CONFIRMATION, letters.CANCELLATION, letters.PAYMENT_LINK}


@pytest.mark.usefixtures("marketing")
@pytest.mark.parametrize("attendee", [{"consent": None}, answer(is_given=False)])
def test_a_marketing_letter_to_somebody_who_has_not_agreed_is_suppressed(
    world: World, attendee: dict[str, Any]
) -> None:
    book(attendee=attendee)
    effect = Effect.objects.get(kind="email.confirmation")
    assert (effect.status, effect.close_reason) == (
        "suppressed", "The person has not agreed to be written to by e-mail: Marketing.",
    )  # fmt: skip
    assert mail.outbox == []


@pytest.mark.usefixtures("marketing")
def test_a_marketing_letter_goes_to_somebody_who_has_agreed(world: World) -> None:
    book(attendee=answer(is_given=True))
    assert list_letters() == [(ZOE, "Confirmed")]


def test_who_has_refused_news_still_hears_of_the_booking(world: World) -> None:
    book(attendee=answer(is_given=False))
    assert list_letters() == [(ZOE, "Confirmed")]


@pytest.mark.usefixtures("marketing")
def test_nothing_but_the_booking_is_written_to_who_was_taken_off_it(world: World) -> None:
    book(attendee=answer(is_given=True))
    invitation = Invitation.objects.get()
    invitation.meeting.attendances.all().delete()
    assert letters.find_objection(invitation.meeting, invitation, Consent.Purpose.MARKETING)
    assert letters.find_objection(invitation.meeting, invitation, Consent.Purpose.TRANSACTIONAL) == ""


# --- Erased people ----------------------------------------------------------------------------------------------------


def test_an_erased_attendee_gets_no_letter_and_the_others_do(world: World) -> None:
    book_group("ann", "bob")
    erase(Contact.objects.get(attendances__attendee_id="att_ann"))
    mail.outbox.clear()
    Meeting.objects.update(status="cancelled")
    for invitation in Invitation.objects.all():
        letters.plan_cancellation(the_meeting(), invitation)
    run_effects()
    assert list_letters() == [("bob@acme.example", "Cancelled")]
    assert Effect.objects.get(kind="email.cancellation", status="suppressed").close_reason == letters.NOBODY


def test_who_is_erased_while_being_registered_gets_no_link(world: World) -> None:
    def forget() -> None:
        erase(Contact.objects.get(attendances__attendee_id="att_ann"))

    world.zoom.interrupt(r"POST /v2/meetings/(\d+)/registrants", forget)
    book_group("ann", "bob")
    invitation = Invitation.objects.get(attendee_id="att_ann")
    assert (invitation.email, invitation.join_url) == ("", "")
    assert invitation.registrant_id
    assert {row.email for row in invitation.history.all()} == {""}
    assert list_letters() == [("bob@acme.example", "Confirmed")]


def test_an_erased_attendee_is_not_registered(world: World) -> None:
    tell(event_type=GROUP, attendees=people("ann"), answers=[])
    erase(Contact.objects.get(attendances__attendee_id="att_ann"))
    run_effects()
    assert len(world.zoom.meetings) == 1
    assert world.zoom.emails == []
    assert list_effects("zoom.registrant") == ["suppressed"]


def test_an_erased_attendee_is_not_asked_to_pay(world: World) -> None:
    stripe = connect("stripe")
    Price.objects.create(event_type="trial", amount=4900, currency="eur")
    tell(event_type=GROUP, attendees=people("ann"), answers=[])
    erase(Contact.objects.get(attendances__attendee_id="att_ann"))
    plan("checkout.create", connection_id=stripe.pk, subject=f"meeting:{the_meeting().pk}", key="once more")
    run_effects()
    assert world.stripe.count(".*") == 0
    assert list_effects("checkout.create") == ["suppressed", "suppressed"]
