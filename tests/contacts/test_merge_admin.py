"""Merges in the admin: what became one and why, and taking it back."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django_q.models import OrmQ

from contacts.merging import merge
from contacts.models import Contact, ContactLink, Merge
from contacts.survivorship import Side
from contacts.undoing import undo
from integrations.models import Connection, Effect, Pair
from tests.contacts.families import attend, edit, latest, link, meet
from tests.contacts.pairs import make_pair, make_people, make_user, reload
from tests.factories import make_connection
from tests.integrations.admin.support import get_page, page_address, press, read_log, read_messages, sign_in

pytestmark = pytest.mark.django_db

LIST = "/admin/contacts/merge/"


@pytest.fixture
def crm(calendar_live: Connection) -> Connection:
    made = make_connection("hubspot", provider="hubspot", options={"access_token": "t"})
    Pair.objects.create(calendar=calendar_live, crm=made, pattern="in")
    return made


@pytest.fixture
def winner(calendar_live: Connection) -> Contact:
    return meet(calendar_live, "att_1", "zoe@x.example", full_name="Zoë Okafor", company="Old Ltd", minute=1)


@pytest.fixture
def loser(calendar_live: Connection) -> Contact:
    contact = meet(calendar_live, "att_2", "z@y.example", full_name="Zoë Anne Okafor", company="New Ltd", minute=2)
    attend(calendar_live, contact, "att_2", "ev_2")
    return contact


def listed(client: Client, **parameters: str) -> list[Merge]:
    response = client.get(LIST, parameters)
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_needs_as_many_queries_for_thirty_merges_as_for_two(
    count: int, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    winner, *losers = make_people("Ann Lee", *(f"A. Lee {number}" for number in range(count)))
    for loser in losers:
        before = {"winner": {"full_name": winner.full_name}, "loser": {"full_name": loser.full_name}}
        Merge.objects.create(winner=winner, loser=loser, user=make_user(), before=before)
    with django_assert_max_num_queries(4):
        page = get_page(admin_client, LIST)
    assert "A. Lee 1 into Ann Lee" in page


def test_the_list_is_filtered_by_state_and_by_who_made_them(
    admin_client: Client, admin_user: User, crm: Connection
) -> None:
    people = make_people("Ann", "Bob", "Cal", "Dan")
    mine = merge(people[0], people[1], user=admin_user)
    told = merge(people[0], people[2], told_by=crm)
    undone = merge(people[0], people[3], user=make_user())
    undo(undone)
    assert listed(admin_client) == [undone, told, mine]
    assert listed(admin_client, undone="yes") == [undone]
    assert listed(admin_client, undone="no") == [told, mine]
    assert listed(admin_client, by="me") == [mine]
    assert listed(admin_client, by="people") == [undone, mine]
    assert listed(admin_client, by="crms") == [told]


def test_the_page_says_what_survived_and_why_and_what_moved(
    admin_client: Client, winner: Contact, loser: Contact, admin_user: User
) -> None:
    owner = make_user("lea")
    Contact.objects.filter(pk=loser.pk).update(owner=owner, lead_status="qualified")
    pair = make_pair(winner, loser)
    made = merge(winner, loser, choices={"company": Side.WINNER}, user=admin_user)
    page = get_page(admin_client, page_address(made))
    for shown in (
        "Zoë Okafor", "Zoë Anne Okafor", "Longer name with the same words", "Chosen by hand", "New Ltd", "lea",
        "Qualified", "2 identifiers", "1 meeting", "1 pair", "In force", "admin",
    ):  # fmt: skip
        assert shown in page, shown
    assert page_address(winner) in page
    assert "Time zone" not in page
    assert reload(pair).status == "merged"


def test_a_merge_that_a_crm_told_names_it(admin_client: Client, crm: Connection) -> None:
    made = merge(*make_people("Ann", "Bob"), told_by=crm)
    assert "hubspot, followed" in get_page(admin_client, page_address(made))


def test_undo_is_shown_before_it_is_done_and_told_after(
    admin_client: Client, winner: Contact, loser: Contact, calendar_live: Connection
) -> None:
    made = merge(winner, loser)
    met = meet(calendar_live, "att_2", "new@y.example", minute=9)
    attend(calendar_live, met, "att_2", "ev_3")
    edit(winner, company="Newest Ltd")
    page = get_page(admin_client, page_address(made, "undo"))
    for shown in (
        "Comes back",
        "2 identifiers, 1 meeting",
        "Came since",
        "Kept, because they were changed since: Company",
    ):
        assert shown in page, shown
    assert latest(loser).merged_into == winner
    response = press(admin_client, made, "undo")
    told = read_messages(response)
    assert "Undone: they are two again. Comes back: " in told
    assert "changed since: Company" in told
    assert "Okafor" not in told
    assert "Undone" in response.content.decode()
    assert latest(loser).merged_into is None
    assert read_log(made) == [("admin", "Undone.")]


def test_what_a_crm_cannot_undo_is_said_and_the_records_are_sent(
    admin_client: Client, crm: Connection, winner: Contact, loser: Contact
) -> None:
    link(crm, winner, "w")
    link(crm, loser, "l")
    made = merge(winner, loser)
    page = get_page(admin_client, page_address(made))
    assert page_address(Effect.objects.get(kind="contact.merge")) in page
    Effect.objects.filter(kind="contact.merge").update(status="succeeded", attempts=1)
    ContactLink.objects.filter(external_id="l").update(merged_at=made.made_at)
    assert "hubspot has one record by now" in get_page(admin_client, page_address(made, "undo"))
    OrmQ.objects.all().delete()
    assert "hubspot has one record by now" in read_messages(press(admin_client, made, "undo"))
    assert (crm.pk,) in [row.task["args"] for row in OrmQ.objects.all()]


def test_looking_at_an_undo_changes_nothing(
    admin_client: Client, crm: Connection, winner: Contact, loser: Contact
) -> None:
    link(crm, winner, "w")
    link(crm, loser, "l")
    made = merge(winner, loser)
    statuses = list(Effect.objects.order_by("id").values_list("status", "revision"))
    get_page(admin_client, page_address(made, "undo"))
    assert list(Effect.objects.order_by("id").values_list("status", "revision")) == statuses
    made.refresh_from_db()
    assert made.undone_at is None


def test_an_undone_merge_says_so_and_cannot_be_undone_again(
    admin_client: Client, winner: Contact, loser: Contact
) -> None:
    made = merge(winner, loser)
    undo(made, user=make_user("lea"))
    page = get_page(admin_client, page_address(made))
    assert "by lea" in page
    assert page_address(made, "undo") not in page
    assert "does not fit" in read_messages(press(admin_client, made, "undo"))


def test_viewers_see_merges_and_undo_none(winner: Contact, loser: Contact) -> None:
    made, viewer = merge(winner, loser), sign_in("contacts.view_merge")
    page = get_page(viewer, page_address(made))
    assert page_address(made, "undo") not in page
    assert viewer.post(page_address(made, "undo")).status_code == 403
    assert viewer.post(page_address(made), {"undone_at": ""}).status_code == 403
    assert viewer.get(f"{LIST}add/").status_code == 403


def test_who_may_review_but_not_see_merges_undoes_none(winner: Contact, loser: Contact) -> None:
    made, client = merge(winner, loser), sign_in("contacts.review_candidatepair")
    assert client.post(page_address(made, "undo")).status_code == 403
    assert client.get(page_address(made)).status_code == 403


# --- On the contact's page --------------------------------------------------------------------------------------------


def test_a_contact_shows_its_merges_and_an_alias_leads_to_the_living_contact(admin_client: Client) -> None:
    first, second, last = make_people("Ann", "Bob", "Cal")
    merges = [merge(second, first), merge(last, second)]
    page = get_page(admin_client, page_address(first))
    assert page_address(last) in page
    page = get_page(admin_client, page_address(second))
    for made in merges:
        assert page_address(made) in page
    undo(merges[0])
    assert "Undone" in get_page(admin_client, page_address(first))
