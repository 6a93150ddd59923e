"""Merging two contacts, following merges of the CRMs, and taking all of it back."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from bookings.models import Attendance
from contacts.api import find_by_external_id
from contacts.claims import Person, Source, read_claims
from contacts.crm_merges import note_done
from contacts.exceptions import AliasError, SameContactError, UndoneError
from contacts.finding import Search
from contacts.identifiers import Holdings
from contacts.merging import merge, preview
from contacts.models import CandidatePair, Contact, ContactLink, Identifier, Merge
from contacts.survivorship import Side
from contacts.sync import unlink
from contacts.undoing import undo
from contacts.upserts import settle
from integrations import effects
from integrations.drains import drain
from integrations.events import Origin, RecordKind, RecordsMerged, dispatch
from integrations.models import Connection, Effect
from integrations.pairs import make_pair
from integrations.providers import get_provider
from tests.contacts.families import (
    NOON,
    attend,
    edit,
    emails,
    external_ids,
    latest,
    link,
    meet,
    take_picture,
)
from tests.factories import make_connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def calendar(calendar_live: Connection) -> Connection:
    return calendar_live


@pytest.fixture
def crm(calendar: Connection) -> Connection:
    made = make_connection("hubspot", provider="hubspot", options={"access_token": "t"})
    make_pair(calendar, made, "in")
    return made


@pytest.fixture
def winner(calendar: Connection) -> Contact:
    return meet(calendar, "att_1", "zoe@x.example", full_name="Zoë Okafor", company="Old Ltd", minute=1)


@pytest.fixture
def loser(calendar: Connection) -> Contact:
    return meet(calendar, "att_2", "z@y.example", full_name="Zoë Anne Okafor", company="New Ltd", minute=2)


def merge_effects() -> list[str]:
    return list(Effect.objects.filter(kind="contact.merge").order_by("id").values_list("status", flat=True))


def tell_merged(crm: Connection, survivor_id: str, *merged_ids: str) -> None:
    event = RecordsMerged("contact.merge", RecordKind.CONTACT, survivor_id, merged_ids, timezone.now())
    dispatch([event], Origin(crm.pk, crm.slug, Effect().pk, ""))


def carry_out_at_crm(crm: Connection, monkeypatch: pytest.MonkeyPatch, left: str = "") -> list[tuple[str, str]]:
    """Let the CRM merge what is planned; contacts themselves are not sent. Returns survivor and loser of each."""
    told: list[tuple[str, str]] = []

    def merge_contacts(self: Any, account: Any, survivor_id: str, loser_id: str) -> str:
        told.append((survivor_id, loser_id))
        return left or survivor_id

    monkeypatch.setattr(type(get_provider("hubspot")), "merge_contacts", merge_contacts)
    Effect.objects.exclude(kind="contact.merge").update(status="suppressed")
    drain(crm.pk)
    return told


# --- Merging ----------------------------------------------------------------------------------------------------------


def test_the_winner_has_all_of_both_and_the_loser_is_an_alias(calendar: Connection, winner: Contact, loser: Contact):
    attend(calendar, loser, "att_2", "ev_2")
    user = User.objects.create(username="lea")
    made = merge(winner, loser, user=user)
    assert emails(winner) == ["z@y.example", "zoe@x.example"]
    assert Attendance.objects.get().contact == winner
    assert latest(loser).merged_into == winner
    assert (latest(winner).full_name, latest(winner).company) == ("Zoë Anne Okafor", "New Ltd")
    assert (made.user, made.choices["company"]["reason"]) == (user, "newer: told on 2026-11-20 12:02 UTC")
    assert made.before["winner"]["company"] == "Old Ltd"
    assert [len(made.moved[name]) for name in ("identifiers", "attendances", "consents")] == [2, 1, 0]


def test_every_change_has_its_history(calendar: Connection, winner: Contact, loser: Contact):
    attend(calendar, loser, "att_2", "ev_2")
    merge(winner, loser)
    assert Identifier.history.filter(contact=winner, history_type="~").count() == 2
    assert Attendance.history.filter(contact=winner, history_type="~").count() == 1
    assert loser.history.latest().merged_into_id == winner.pk
    assert winner.history.latest().company == "New Ltd"


def test_a_choice_by_hand_overrules_the_default(winner: Contact, loser: Contact):
    merge(winner, loser, choices={"company": Side.WINNER})
    assert latest(winner).company == "Old Ltd"


def test_a_merged_contact_is_found_by_its_name_and_company(calendar: Connection, winner: Contact, loser: Contact):
    merge(winner, loser)
    assert meet(calendar, "att_3", full_name="Okafor Zoë Anne", company="New", minute=9) == winner


@pytest.mark.parametrize("same", [True, False])
def test_what_cannot_be_merged_is_refused(winner: Contact, loser: Contact, same: bool):
    with pytest.raises(SameContactError):
        merge(winner, winner)
    merge(winner, loser)
    first, second = (loser, winner) if same else (winner, loser)
    for refused in (merge, preview):
        with pytest.raises(AliasError, match="choose the one that it went into"):
            refused(first, second)


def test_a_preview_says_what_moves_and_why_and_changes_nothing(
    calendar: Connection, crm: Connection, winner: Contact, loser: Contact
):
    attend(calendar, loser, "att_2", "ev_2")
    link(crm, winner, "w")
    link(crm, loser, "l")
    before = take_picture()
    found = preview(winner, loser)
    assert found.moves == {"identifiers": 2, "attendances": 1, "consents": 0, "links": 0, "candidate pairs": 0}
    assert found.choices["full_name"].reason == "longer name with the same words"
    assert found.irreversible == [crm]
    assert take_picture() == before


def test_a_mailbox_that_both_share_is_shown_once_and_lost_by_nobody(calendar: Connection):
    people = [meet(calendar, f"att_{name}", "info@x.example", full_name=f"{name} Smith") for name in ("Ann", "Bob")]
    made = merge(*people)
    assert emails(people[0]) == ["info@x.example"] * 2
    undo(made)
    assert [emails(each) for each in people] == [["info@x.example"]] * 2


def test_pairs_of_the_loser_are_the_winner_s_and_their_own_is_closed(
    calendar: Connection, winner: Contact, loser: Contact
):
    other = meet(calendar, "att_3", "ann@x.example")
    own = CandidatePair.objects.create(first=winner, second=loser, reason="phone_held")
    theirs = CandidatePair.objects.create(first=loser, second=other, reason="email_held")
    made = merge(winner, loser)
    pairs = CandidatePair.objects.filter(status="open")
    assert [(pair.first, pair.second, pair.reason) for pair in pairs] == [(winner, other, "email_held")]
    own.refresh_from_db()
    assert own.status == "merged"
    undo(made)
    assert set(CandidatePair.objects.values_list("pk", "status")) == {(own.pk, "open"), (theirs.pk, "open")}


# --- Aliases ----------------------------------------------------------------------------------------------------------


def test_old_ids_lead_to_the_living_contact_over_a_chain(
    calendar: Connection, crm: Connection, winner: Contact, loser: Contact
):
    last = meet(calendar, "att_3", "ann@x.example")
    for contact, external_id in ((winner, "w"), (loser, "l"), (last, "a")):
        link(crm, contact, external_id)
    merge(winner, loser)
    merge(last, winner)
    assert external_ids(last) == ["a"]
    for external_id in ("w", "l", "a", "att_1", "att_2"):
        assert find_by_external_id(Contact.objects.all(), external_id).get() == last
    assert meet(calendar, "att_2", "new@y.example", minute=5) == last


def test_an_upsert_that_has_found_the_loser_before_the_merge_follows_it(
    calendar: Connection, winner: Contact, loser: Contact
):
    source = Source(calendar.pk, "calendar.live", "FR", NOON, "ref")
    person = Person("att_2", "z@y.example")
    claims = read_claims(person, source)
    holdings = Holdings(claims)
    found = Search(person, claims, source, holdings).run()
    assert found.contact == loser
    merge(winner, loser)
    assert settle(found, holdings) == winner
    assert {row.contact for row in holdings.rows} == {winner}


def test_a_record_that_is_deleted_over_there_lets_the_other_one_lead(crm: Connection, winner: Contact, loser: Contact):
    link(crm, winner, "w")
    link(crm, loser, "l")
    merge(winner, loser)
    unlink(crm.pk, "w")
    assert (external_ids(winner), external_ids(loser)) == (["l"], [])


# --- The CRMs ---------------------------------------------------------------------------------------------------------


def test_a_record_of_the_loser_alone_becomes_the_winner_s_and_is_sent_anew(
    crm: Connection, winner: Contact, loser: Contact
):
    link(crm, loser, "l")
    merge(winner, loser)
    row = ContactLink.objects.get()
    assert (row.contact, row.pushed_hash, row.pushed_at) == (winner, "", None)
    assert merge_effects() == []
    assert Effect.objects.get(kind="contact.upsert").subject == f"contact:{winner.pk}"


def test_two_records_are_merged_over_there_and_the_id_that_is_left_counts(
    crm: Connection, winner: Contact, loser: Contact, monkeypatch: pytest.MonkeyPatch
):
    link(crm, winner, "w")
    link(crm, loser, "l")
    merge(winner, loser)
    assert carry_out_at_crm(crm, monkeypatch, left="new") == [("w", "l")]
    assert merge_effects() == ["succeeded"]
    assert (external_ids(winner), external_ids(loser)) == (["new"], ["l"])
    assert ContactLink.objects.get(external_id="l").merged_at is not None
    assert Effect.objects.filter(kind="contact.upsert").exclude(status="suppressed").count() == 1


def test_where_the_loser_s_id_is_left_the_links_change_places(
    crm: Connection, winner: Contact, loser: Contact, monkeypatch: pytest.MonkeyPatch
):
    link(crm, winner, "w")
    link(crm, loser, "l")
    merge(winner, loser)
    carry_out_at_crm(crm, monkeypatch, left="l")
    assert (external_ids(winner), external_ids(loser)) == (["l"], ["w"])


def test_a_merge_over_there_that_has_not_begun_is_suppressed_by_undo(
    crm: Connection, winner: Contact, loser: Contact, monkeypatch: pytest.MonkeyPatch
):
    link(crm, winner, "w")
    link(crm, loser, "l")
    report = undo(merge(winner, loser))
    assert (merge_effects(), report.irreversible) == (["suppressed"], [])
    assert carry_out_at_crm(crm, monkeypatch) == []
    assert (external_ids(winner), external_ids(loser)) == (["w"], ["l"])


def test_after_a_merge_over_there_undo_says_so_and_the_loser_gets_a_new_record(
    crm: Connection, winner: Contact, loser: Contact, monkeypatch: pytest.MonkeyPatch
):
    link(crm, winner, "w")
    link(crm, loser, "l")
    made = merge(winner, loser)
    carry_out_at_crm(crm, monkeypatch)
    report = undo(made)
    assert report.irreversible == [crm]
    assert (external_ids(winner), external_ids(loser)) == (["w"], [])
    pushed = Effect.objects.filter(kind="contact.upsert").exclude(status="suppressed")
    assert set(pushed.values_list("subject", flat=True)) == {f"contact:{winner.pk}", f"contact:{loser.pk}"}


def test_a_merge_over_there_that_was_on_its_way_counts_as_done(crm: Connection, winner: Contact, loser: Contact):
    link(crm, winner, "w")
    link(crm, loser, "l")
    made = merge(winner, loser)
    Effect.objects.filter(kind="contact.merge").update(status="retrying", attempts=1)
    assert undo(made).irreversible == [crm]
    assert (merge_effects(), external_ids(loser)) == (["suppressed"], [])


@pytest.mark.parametrize("left", ["w", "l", "new"])
def test_a_merge_that_is_undone_while_it_is_made_over_there_leaves_one_record_to_the_winner(
    crm: Connection, winner: Contact, loser: Contact, left: str
):
    leading, row = link(crm, winner, "w"), link(crm, loser, "l")
    made = merge(winner, loser)
    Effect.objects.filter(kind="contact.merge").update(status="running", attempts=1)
    assert undo(made).irreversible == [crm]
    note_done(leading.pk, row.pk, left)
    assert (external_ids(winner), external_ids(loser)) == ([left], [])


def test_nothing_is_merged_at_a_crm_without_a_pair(crm: Connection, winner: Contact, loser: Contact):
    crm.calendar_pairs.all().delete()
    link(crm, winner, "w")
    link(crm, loser, "l")
    assert preview(winner, loser).irreversible == []
    merge(winner, loser)
    assert not Effect.objects.exists()


# --- Merges that are made in a CRM ------------------------------------------------------------------------------------


def test_records_that_were_merged_over_there_make_their_contacts_one(crm: Connection, winner: Contact, loser: Contact):
    link(crm, winner, "w")
    link(crm, loser, "l")
    for _ in range(2):
        tell_merged(crm, "w", "l")
    made = Merge.objects.get()
    assert (made.winner, made.loser, made.user, made.told_by) == (winner, loser, None, crm)
    assert (merge_effects(), external_ids(winner)) == ([], ["w"])
    assert ContactLink.objects.get(external_id="l").merged_at is not None
    assert undo(made).irreversible == [crm]


def test_a_merge_over_there_is_made_at_the_other_crms(
    calendar: Connection, crm: Connection, winner: Contact, loser: Contact
):
    other = make_connection("hubspot-two", provider="hubspot", options={"access_token": "t"})
    make_pair(calendar, other, "in")
    for each in (crm, other):
        link(each, winner, f"{each.slug}-w")
        link(each, loser, f"{each.slug}-l")
    tell_merged(crm, "hubspot-w", "hubspot-l")
    assert Effect.objects.get(kind="contact.merge").connection == other


@pytest.mark.parametrize("merged_ids", [("w", "l"), ("l", "w")])
def test_a_third_id_that_is_left_leads(crm: Connection, winner: Contact, loser: Contact, merged_ids: tuple[str, ...]):
    link(crm, winner, "w")
    link(crm, loser, "l")
    tell_merged(crm, "new", *merged_ids)
    living = Contact.objects.get(merged_into=None)
    assert external_ids(living) == ["new"]
    assert {row.contact_id for row in ContactLink.objects.filter(merged_at=None)} == {living.pk}


def test_the_crm_s_word_on_what_we_have_merged_only_says_which_record_is_left(
    crm: Connection, winner: Contact, loser: Contact
):
    link(crm, winner, "w")
    link(crm, loser, "l")
    merge(winner, loser)
    tell_merged(crm, "l", "w")
    assert Merge.objects.count() == 1
    assert (external_ids(winner), external_ids(loser)) == (["l"], ["w"])


# --- Undoing ----------------------------------------------------------------------------------------------------------


def test_undo_gives_back_what_was(calendar: Connection, crm: Connection, winner: Contact, loser: Contact):
    attend(calendar, loser, "att_2", "ev_2")
    link(crm, loser, "l")
    before = take_picture()
    made = merge(winner, loser)
    report = undo(made, user=User.objects.create(username="lea"))
    assert take_picture() == before
    assert (report.kept, report.returned["attendances"]) == ([], 1)
    made.refresh_from_db()
    assert made.undone_by is not None
    with pytest.raises(UndoneError):
        undo(made)


def test_a_field_that_was_edited_since_is_kept_and_named(winner: Contact, loser: Contact):
    made = merge(winner, loser)
    edit(winner, company="Newest Ltd")
    report = undo(made)
    assert report.kept == ["company"]
    assert (latest(winner).company, latest(winner).full_name) == ("Newest Ltd", "Zoë Okafor")
    assert latest(loser).company == "New Ltd"


def test_what_came_with_the_loser_s_attendee_goes_with_it_and_the_rest_stays(
    calendar: Connection, winner: Contact, loser: Contact
):
    made = merge(winner, loser)
    for attendee_id, email in (("att_1", "zoe2@x.example"), ("att_2", "z2@y.example")):
        met = meet(calendar, attendee_id, email, minute=9)
        attend(calendar, met, attendee_id, f"ev_of_{attendee_id}")
    report = undo(made)
    assert (emails(winner), emails(loser)) == (["zoe2@x.example"], ["z2@y.example"])
    assert report.later == {"identifiers": 1, "consents": 0, "attendances": 1}
    assert loser.attendances.get().meeting.external_id == "ev_of_att_2"


def test_an_inner_merge_is_undone_out_of_the_contact_that_all_went_into(
    calendar: Connection, winner: Contact, loser: Contact
):
    third = meet(calendar, "att_3", "ann@x.example", full_name="Ann", company="Third Ltd", minute=0)
    inner = merge(winner, loser)
    merge(third, winner)
    assert latest(third).company == "New Ltd"
    undo(inner)
    assert (emails(third), emails(loser)) == (["ann@x.example", "zoe@x.example"], ["z@y.example"])
    assert (latest(third).company, latest(winner).company, latest(loser).merged_into) == ("Old Ltd", "Old Ltd", None)


def test_a_merge_that_others_have_followed_is_undone_beneath_them(
    calendar: Connection, winner: Contact, loser: Contact
):
    third = meet(calendar, "att_3", "ann@x.example", company="Third Ltd", minute=5)
    first = merge(winner, loser)
    second = merge(winner, third)
    undo(first)
    assert latest(winner).company == "Third Ltd"
    undo(second)
    assert latest(winner).company == "Old Ltd"


def test_notes_of_three_are_taken_apart_in_any_order(calendar: Connection, winner: Contact, loser: Contact):
    third = meet(calendar, "att_3", "ann@x.example")
    for contact, notes in ((winner, "One."), (loser, "Two."), (third, "Three.")):
        edit(contact, notes=notes)
    first, second = merge(winner, loser), merge(winner, third)
    assert latest(winner).notes == "One.\n\nTwo.\n\nThree."
    undo(first)
    assert latest(winner).notes == "One.\n\nThree."
    undo(second)
    assert latest(winner).notes == "One."


def test_merging_costs_as_many_queries_for_thirty_meetings_as_for_two(
    calendar: Connection, django_assert_max_num_queries: Any
):
    for count in (2, 30):
        winner, loser = (meet(calendar, f"att_{count}_{n}", f"p{n}@{count}.example") for n in range(2))
        for number in range(count):
            attend(calendar, loser, f"att_{count}_1", f"ev_{count}_{number}")
        with django_assert_max_num_queries(50):
            made = merge(winner, loser)
        with django_assert_max_num_queries(60):
            undo(made)


# --- At once ----------------------------------------------------------------------------------------------------------


def run_at_once(works: list[Any]) -> list[Any]:
    """Each in a thread of its own, all beginning together; what they return, or the error."""
    barrier = Barrier(len(works))

    def run(work: Any) -> Any:
        try:
            database.ensure_connection()
            barrier.wait(timeout=60)
            return work()
        except AliasError as error:
            return error
        finally:
            effects.take_planned()
            database.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_merges_undos_and_upserts_of_the_same_people_at_once_end_well():
    calendar = make_connection(options={"default_region": "FR"})
    for turn in range(5):
        people = [meet(calendar, f"att_{turn}_{n}", f"p{n}@t{turn}.example") for n in range(4)]
        first = merge(people[0], people[3])
        a, b, c, d = people

        def meet_all(turn: int = turn) -> None:
            for n in (3, 0, 2, 1):
                with transaction.atomic():
                    contact = meet(calendar, f"att_{turn}_{n}", f"p{n}@t{turn}.example", minute=5, full_name=f"P {n}")
                    attend(calendar, contact, f"att_{turn}_{n}", f"ev_{turn}_{n}")

        run_at_once(
            [
                lambda a=a, b=b: merge(a, b),
                lambda a=a, b=b: merge(b, a),
                lambda b=b, c=c: merge(b, c),
                lambda a=a, c=c: merge(c, a),
                lambda first=first: undo(first),
                meet_all,
            ]
        )
        holders = {row.value: row.contact for row in Identifier.objects.filter(kind="attendee_id")}
        assert latest(d).merged_into is None
        assert all(holder.merged_into is None for holder in holders.values())
        assert all(row.contact == holders[row.attendee_id] for row in Attendance.objects.select_related("contact"))
