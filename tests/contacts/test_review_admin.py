"""The review queue in the admin: the list, the page of a pair, and what is done on them."""

import os
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from contacts.models import CandidatePair, Contact, ContactLink, Merge
from contacts.review import claim, decide_distinct
from integrations.models import Connection, Effect, Pair
from tests.contacts.families import agree, attend, latest, meet
from tests.contacts.pairs import make_group, make_pair, make_people, make_user, reload
from tests.factories import make_connection
from tests.integrations.admin.support import get_page, page_address, read_log, read_messages, sign_in
from tests.leaks import find_in, fold, read_database

pytestmark = pytest.mark.django_db

LIST = "/admin/contacts/candidatepair/"
NEXT = f"{LIST}next/"
CERTAIN = f"{LIST}merge-certain/"
VIEW, REVIEW = "contacts.view_candidatepair", "contacts.review_candidatepair"
POSTS = ("merge", "distinct", "postpone", "skip", "claim", "release", "put-back")


@pytest.fixture
def reviewer() -> Client:
    """Signed in as nora."""
    return sign_in(VIEW, REVIEW, "contacts.view_merge", "contacts.view_contact")


@pytest.fixture
def calendar(calendar_live: Connection) -> Connection:
    return calendar_live


@pytest.fixture
def crm(calendar: Connection) -> Connection:
    made = make_connection("hubspot", provider="hubspot", options={"access_token": "t"})
    Pair.objects.create(calendar=calendar, crm=made, pattern="in")
    return made


@pytest.fixture
def pair(calendar: Connection) -> CandidatePair:
    """Of Zoë, who was met first, and Z., who works elsewhere by now."""
    zoe = meet(calendar, "att_1", "zoe@x.example", full_name="Zoë Okafor", company="Old Ltd", minute=1)
    z = meet(calendar, "att_2", "z@y.example", full_name="Z. Okafor", company="New Ltd", minute=2)
    return make_pair(zoe, z)


def listed(client: Client, **parameters: str) -> list[CandidatePair]:
    response = client.get(LIST, parameters)
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


def read_form(client: Client, pair: CandidatePair, **parameters: str) -> dict[str, str]:
    """What the page's form would send, with all as it is preselected."""
    context = client.get(page_address(pair), parameters).context
    chosen = {
        f"choice_{field.name}": "both" if field.keeps_both else option.side
        for field in context["fields"]
        for option in field.options
        if option.is_chosen or field.keeps_both
    }
    return {"winner": str(context["winner"].pk), "seen": context["seen"], **chosen}


def act(client: Client, pair: CandidatePair, action: str, **values: Any) -> Any:
    return client.post(page_address(pair, action), values, follow=True)


def merge_by_page(client: Client, pair: CandidatePair, **changes: str) -> Any:
    return act(client, pair, "merge", **{**read_form(client, pair), **changes})


def run(client: Client, action: str, *pairs: CandidatePair, **values: str) -> Any:
    """An action of the list."""
    chosen = {"action": action, "_selected_action": [str(pair.pk) for pair in pairs], **values}
    return client.post(LIST, chosen, follow=True)


# --- The list ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_needs_as_many_queries_for_thirty_pairs_as_for_two(
    count: int, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    make_group(*make_people(*(f"Person {number}" for number in range(count + 1))))
    CandidatePair.objects.update(claimed_by=make_user(), claimed_until=timezone.now() + timedelta(minutes=5))
    with django_assert_max_num_queries(6) as queries:
        page = get_page(admin_client, LIST)
    for shown in ("Person 1", "80 %", "Name <b>+8.2</b>", "Company <b>−1.4</b>", f"{count + 1} contacts", "lea, until"):
        assert shown in page
    assert not any("COUNT(" in query["sql"] for query in queries.captured_queries)


def test_the_list_is_read_in_the_order_of_its_index(admin_client: Client) -> None:
    make_pair()
    pairs = admin_client.get(LIST).context["cl"].queryset[:50]
    with database.cursor() as cursor:
        cursor.execute("SET LOCAL enable_sort = off; SET LOCAL enable_incremental_sort = off")
    plan = pairs.explain()
    assert "candidate_pair_queue" in plan
    assert "Sort" not in plan


def test_the_list_shows_what_waits_today_the_likeliest_first(admin_client: Client) -> None:
    unknown, low, high = make_pair(probability=None), make_pair(probability=0.5), make_pair(probability=0.9)
    make_pair(status="distinct")
    later = make_pair(postponed_until=timezone.now() + timedelta(days=1))
    assert listed(admin_client) == [high, low, unknown]
    assert listed(admin_client, state="postponed") == [later]
    assert len(listed(admin_client, state="all")) == 5
    assert [pair.status for pair in listed(admin_client, state="distinct")] == ["distinct"]
    assert listed(admin_client, state="merged") == []


def test_the_list_is_filtered_by_verdict_reason_person_and_group(admin_client: Client, admin_user: User) -> None:
    mine = make_pair(verdict="certain", assigned_to=admin_user)
    other = make_pair(reason="email_held", assigned_to=make_user())
    group = make_group(*make_people("A", "B", "C"))
    assert listed(admin_client, verdict__exact="certain") == [mine]
    assert listed(admin_client, reason__exact="email_held") == [other]
    assert listed(admin_client, assigned="me") == [mine]
    assert set(listed(admin_client, assigned="nobody")) == set(group)
    assert set(listed(admin_client, grouped="yes")) == set(group)


def test_review_next_claims_the_best_and_keeps_the_filters(reviewer: Client) -> None:
    make_pair(probability=0.99)
    certain = make_pair(probability=0.9, verdict="certain")
    response = reviewer.post(NEXT, {"verdict": "certain", "reason": "no reason"})
    assert response["Location"] == f"{page_address(certain)}?verdict=certain"
    assert str(reload(certain).claimed_by) == "nora"


def test_review_next_says_when_nothing_is_left(reviewer: Client) -> None:
    response = reviewer.post(NEXT, follow=True)
    assert response.redirect_chain[-1][0] == LIST
    assert "No pair waits for you" in read_messages(response)


# --- The page of a pair -----------------------------------------------------------------------------------------------


def test_the_page_shows_both_side_by_side_with_each_default_and_its_reason(
    calendar: Connection, reviewer: Client, pair: CandidatePair
) -> None:
    attend(calendar, pair.second, "att_2", "ev_2")
    agree(calendar, pair.second, "att_2")
    page = get_page(reviewer, page_address(pair))
    for shown in (
        "80 %", "strongly for", "not known of both", "Names, companies, addresses or numbers are alike",
        '<mark class="differs">Zoë</mark> Okafor', "Longer name with the same words",
        "Newer: told on 2026-11-20 12:02 UTC", "zoe@x.example", "z@y.example", "att_2",
        "2 identifiers move", "1 meeting moves", "1 consent moves", "Stays", "Goes into the other",
        "Nobody has decided anything", "Nobody has claimed it",
    ):  # fmt: skip
        assert shown in page, shown
    assert read_form(reviewer, pair)["winner"] == str(pair.first.pk)


def test_swapping_who_stays_chooses_anew(reviewer: Client, pair: CandidatePair) -> None:
    usual = read_form(reviewer, pair)
    swapped = read_form(reviewer, pair, stays=str(pair.second.pk))
    assert (usual["choice_full_name"], swapped["choice_full_name"]) == ("winner", "loser")
    assert (usual["choice_company"], swapped["choice_company"]) == ("loser", "winner")
    assert swapped["winner"] == str(pair.second.pk)
    assert read_form(reviewer, pair, stays="nobody") == usual


def test_what_becomes_one_for_good_is_said_before(reviewer: Client, crm: Connection, pair: CandidatePair) -> None:
    assert "for good" not in get_page(reviewer, page_address(pair))
    for number, contact in enumerate((pair.first, pair.second)):
        ContactLink.objects.create(contact=contact, connection=crm, external_id=f"hs_{number}")
    page = get_page(reviewer, page_address(pair))
    assert "At hubspot it is for good." in page
    assert "Merge for good" in page
    assert "1 CRM record of each become one" in page


@pytest.mark.parametrize("count", [2, 30])
def test_the_page_needs_as_many_queries_for_thirty_meetings_as_for_two(
    count: int, calendar: Connection, reviewer: Client, pair: CandidatePair, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        attend(calendar, pair.second, "att_2", f"ev_{number}")
        agree(calendar, pair.second, "att_2", minute=number)
    with django_assert_max_num_queries(26):
        get_page(reviewer, page_address(pair))


def test_the_page_shows_the_group_and_who_else_looks_at_it(reviewer: Client) -> None:
    pairs = make_group(*make_people("Ann Lee", "A. Lee", "Anne Lee-Ray"))
    claim(pairs[0], make_user())
    page = get_page(reviewer, page_address(pairs[0]))
    for shown in ("3 contacts may be one person", "Anne Lee-Ray", page_address(pairs[1]), "lea looks at it until"):
        assert shown in page
    assert page.count("disabled") > 5


def test_a_page_that_is_nobody_s_is_not_there(reviewer: Client) -> None:
    assert reviewer.get(f"{LIST}nonsense/change/").status_code == 404
    assert reviewer.get(f"{LIST}01990000-0000-7000-8000-000000000000/change/").status_code == 404


# --- Decisions --------------------------------------------------------------------------------------------------------


def test_merging_takes_what_was_chosen_and_the_next_pair_follows(reviewer: Client, pair: CandidatePair) -> None:
    following = make_pair(probability=0.6)
    response = merge_by_page(reviewer, pair, choice_company="winner")
    made = Merge.objects.get()
    assert (str(made.user), latest(pair.first).company) == ("nora", "Old Ltd")
    assert made.choices["company"]["reason"] == "chosen by hand"
    assert made.choices["full_name"]["reason"] == "longer name with the same words"
    assert response.redirect_chain[-1][0] == page_address(following)
    assert str(reload(following).claimed_by) == "nora"
    assert page_address(made, "undo") in read_messages(response)
    assert read_log(pair) == [("nora", "Merged.")]
    assert "Okafor" not in read_messages(response)


def test_the_other_one_stays_where_that_was_chosen(reviewer: Client, pair: CandidatePair) -> None:
    act(reviewer, pair, "merge", **read_form(reviewer, pair, stays=str(pair.second.pk)))
    assert latest(pair.first).merged_into == pair.second


def test_both_notes_are_kept_or_one(reviewer: Client, pair: CandidatePair) -> None:
    for contact, notes in ((pair.first, "One."), (pair.second, "Two.")):
        Contact.objects.filter(pk=contact.pk).update(notes=notes)
    assert read_form(reviewer, pair)["choice_notes"] == "both"
    merge_by_page(reviewer, pair, choice_notes="loser")
    assert latest(pair.first).notes == "Two."


def test_what_is_merged_is_brought_to_the_crms(reviewer: Client, crm: Connection, pair: CandidatePair) -> None:
    for number, contact in enumerate((pair.first, pair.second)):
        ContactLink.objects.create(contact=contact, connection=crm, external_id=f"hs_{number}")
    merge_by_page(reviewer, pair)
    assert Effect.objects.filter(kind="contact.merge").count() == 1
    assert (crm.pk,) in [row.task["args"] for row in OrmQ.objects.all()]


def test_what_has_changed_since_it_was_looked_at_is_shown_again(reviewer: Client, pair: CandidatePair) -> None:
    form = read_form(reviewer, pair, stays=str(pair.second.pk))
    contact = latest(pair.first)
    contact.full_name = "Bob Ray"
    contact.save()
    response = act(reviewer, pair, "merge", **form)
    assert response.redirect_chain[-1][0] == f"{page_address(pair)}?stays={pair.second.pk}"
    assert "Look again" in read_messages(response)
    assert not Merge.objects.exists()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({"winner": "nobody"}, "Say which of the two stays"), ({"seen": ""}, "Look again")],
)
def test_a_form_that_says_too_little_merges_nothing(
    changes: dict[str, str], problem: str, reviewer: Client, pair: CandidatePair
) -> None:
    assert problem in read_messages(merge_by_page(reviewer, pair, **changes))
    assert not Merge.objects.exists()


def test_sides_that_are_none_count_as_not_chosen(reviewer: Client, pair: CandidatePair) -> None:
    merge_by_page(reviewer, pair, choice_company="both", choice_full_name="somebody", choice_nonsense="winner")
    assert Merge.objects.get().choices["company"]["side"] == "loser"


def test_not_a_duplicate_and_later_leave_the_queue_and_lead_back(reviewer: Client, pair: CandidatePair) -> None:
    other = make_pair(probability=0.6)
    response = act(reviewer, pair, "distinct")
    assert reload(pair).status == "distinct"
    assert page_address(pair) in read_messages(response)
    response = act(reviewer, other, "postpone", days="7")
    until = reload(other).postponed_until
    assert until is not None
    assert until > timezone.now() + timedelta(days=6)
    assert "No pair waits for you" in read_messages(response)
    for each, said in ((pair, "Not a duplicate."), (other, "Put off.")):
        act(reviewer, each, "put-back")
        assert (reload(each).status, reload(each).postponed_until) == ("open", None)
        assert read_log(each) == [("nora", said), ("nora", "Put back into the queue.")]


def test_later_without_a_time_is_tomorrow(reviewer: Client, pair: CandidatePair) -> None:
    act(reviewer, pair, "postpone", days="1000")
    until = reload(pair).postponed_until
    assert until is not None
    assert until < timezone.now() + timedelta(days=2)


def test_skipping_goes_through_the_queue_and_begins_again_at_its_end(reviewer: Client) -> None:
    first, second = make_pair(probability=0.9), make_pair(probability=0.7)
    reviewer.post(NEXT)
    assert act(reviewer, first, "skip").redirect_chain[-1][0] == page_address(second)
    assert reload(first).claimed_by is None
    assert act(reviewer, second, "skip").redirect_chain[-1][0] == page_address(first)
    decide_distinct(second, make_user())
    assert "last one" in read_messages(act(reviewer, first, "skip"))


def test_a_pair_is_claimed_and_let_go_on_its_page(reviewer: Client, pair: CandidatePair) -> None:
    assert "Yours until" in act(reviewer, pair, "claim").content.decode()
    assert "Nobody has claimed it" in act(reviewer, pair, "release").content.decode()


@pytest.mark.parametrize("action", ["merge", "distinct", "postpone", "claim"])
def test_what_somebody_else_looks_at_is_decided_by_nobody_else(
    action: str, reviewer: Client, pair: CandidatePair
) -> None:
    form = read_form(reviewer, pair)
    claim(pair, make_user())
    assert "lea looks at this pair" in read_messages(act(reviewer, pair, action, **form))
    assert (reload(pair).status, reload(pair).claimed_by) == ("open", make_user())
    assert read_log(pair) == []


def test_a_decided_pair_shows_by_whom_and_leads_to_its_merge(reviewer: Client, pair: CandidatePair) -> None:
    other = make_pair()
    merge_by_page(reviewer, pair)
    act(reviewer, other, "distinct")
    page = get_page(reviewer, page_address(pair))
    assert page_address(Merge.objects.get()) in page
    assert "data-merge" not in page
    page = get_page(reviewer, page_address(other))
    for shown in ("nora decided it", "Not a duplicate.", "Put back into the queue"):
        assert shown in page


def test_those_that_were_said_to_be_two_are_still_shown_side_by_side(reviewer: Client, pair: CandidatePair) -> None:
    act(reviewer, pair, "distinct")
    page = get_page(reviewer, page_address(pair))
    assert "zoe@x.example" in page
    for gone in ("Swap who stays", "2 identifiers move", "data-merge"):
        assert gone not in page


def test_the_last_merge_is_offered_to_be_undone_to_who_made_it(reviewer: Client, pair: CandidatePair) -> None:
    following = make_pair()
    merge_by_page(reviewer, pair)
    undo_address = page_address(Merge.objects.get(), "undo")
    assert undo_address in get_page(reviewer, page_address(following))
    Merge.objects.update(user=make_user())
    assert undo_address not in get_page(reviewer, page_address(following))


def test_a_pair_that_is_gone_leads_to_the_list(reviewer: Client, pair: CandidatePair) -> None:
    CandidatePair.objects.all().delete()
    response = act(reviewer, pair, "distinct")
    assert response.redirect_chain[-1][0] == LIST
    assert "This pair is gone" in read_messages(response)


def test_what_cannot_be_read_is_shown_as_such_and_not_merged(
    reviewer: Client, pair: CandidatePair, settings: Any
) -> None:
    form = read_form(reviewer, pair)
    settings.FIELD_ENCRYPTION_KEYS = {"k2": os.urandom(32)}
    assert "unreadable: key" in get_page(reviewer, page_address(pair))
    assert "unreadable: key" in get_page(reviewer, LIST)
    assert "is missing from FIELD_ENCRYPTION_KEYS" in read_messages(act(reviewer, pair, "merge", **form))
    assert not Merge.objects.exists()


def test_nobody_s_name_is_written_in_clear(reviewer: Client, pair: CandidatePair) -> None:
    act(reviewer, pair, "distinct")
    act(reviewer, pair, "put-back")
    merge_by_page(reviewer, pair)
    reviewer.post(page_address(Merge.objects.get(), "undo"))
    run(reviewer, "assign_selected", pair, confirmed="yes", to="-")
    needles = {"Okafor", "zoe@x.example", "Old Ltd", "New Ltd"}
    found = {table: find_in(fold(content), needles) for table, content in read_database().items()}
    assert {table: sorted(leaked) for table, leaked in found.items() if leaked} == {}


# --- Who may ----------------------------------------------------------------------------------------------------------


def test_viewers_see_and_decide_nothing(pair: CandidatePair) -> None:
    viewer = sign_in(VIEW)
    page = get_page(viewer, page_address(pair))
    assert "Zoë" in page
    assert "data-merge" not in page
    assert "Review next" not in get_page(viewer, LIST)
    for action in POSTS:
        assert viewer.post(page_address(pair, action)).status_code == 403
    for address in (NEXT, CERTAIN, page_address(pair, "group")):
        assert viewer.post(address).status_code == 403
    run(viewer, "distinct_selected", pair, confirmed="yes")
    assert reload(pair).status == "open"


def test_who_may_not_even_see_sees_nothing(pair: CandidatePair) -> None:
    client = sign_in(REVIEW)
    for address in (LIST, page_address(pair)):
        assert client.get(address).status_code == 403
    assert client.post(page_address(pair, "distinct")).status_code == 403


def test_a_get_changes_nothing_and_nothing_is_written_at_the_page_itself(reviewer: Client, pair: CandidatePair) -> None:
    for action in POSTS:
        assert reviewer.get(page_address(pair, action))["Location"] == page_address(pair)
    assert reviewer.get(NEXT)["Location"] == LIST
    assert reviewer.post(page_address(pair), {"status": "distinct"}).status_code == 403
    assert (reload(pair).status, reload(pair).claimed_by) == ("open", None)


# --- Many at once -----------------------------------------------------------------------------------------------------


def test_selected_pairs_are_said_to_be_no_duplicates_after_a_confirmation(reviewer: Client) -> None:
    pairs = [make_pair(), make_pair()]
    claim(pairs[1], make_user())
    assert "2 pairs" in run(reviewer, "distinct_selected", *pairs).content.decode()
    assert reload(pairs[0]).status == "open"
    told = read_messages(run(reviewer, "distinct_selected", *pairs, confirmed="yes"))
    assert "1 of 2 pairs are no duplicates" in told
    assert "lea looks at this pair" in told
    assert [reload(pair).status for pair in pairs] == ["distinct", "open"]
    assert read_log(pairs[0]) == [("nora", "Not a duplicate.")]


def test_selected_pairs_are_put_off(reviewer: Client) -> None:
    pair = make_pair()
    assert "for a month" in run(reviewer, "postpone_selected", pair).content.decode()
    assert "Put off" in run(reviewer, "postpone_selected", pair, confirmed="yes", days="1000").content.decode()
    assert reload(pair).postponed_until is None
    run(reviewer, "postpone_selected", pair, confirmed="yes", days="30")
    assert reload(pair).postponed_until is not None


def test_selected_pairs_are_assigned_to_who_may_review(reviewer: Client) -> None:
    pair, nora = make_pair(), User.objects.get(username="nora")
    outsider = User.objects.create_user("quentin", is_staff=True)
    page = run(reviewer, "assign_selected", pair).content.decode()
    assert f'<option value="{nora.pk}">nora' in page
    assert "quentin" not in page
    run(reviewer, "assign_selected", pair, confirmed="yes", to=str(outsider.pk))
    assert reload(pair).assigned_to is None
    run(reviewer, "assign_selected", pair, confirmed="yes", to=str(nora.pk))
    assert reload(pair).assigned_to == nora
    run(reviewer, "assign_selected", pair, confirmed="yes", to="-")
    assert reload(pair).assigned_to is None
    assert read_log(pair) == [("nora", "Assigned to nora."), ("nora", "Assigned to nobody.")]


def test_certain_pairs_are_shown_before_they_are_merged(
    calendar: Connection, crm: Connection, reviewer: Client, pair: CandidatePair
) -> None:
    for number, contact in enumerate((pair.first, pair.second)):
        ContactLink.objects.create(contact=contact, connection=crm, external_id=f"hs_{number}")
    CandidatePair.objects.update(verdict="certain")
    unsure = make_pair()
    page = run(reviewer, "merge_selected", pair, unsure).content.decode()
    for shown in (
        "Zoë Okafor, Old Ltd",
        "Z. Okafor, New Ltd",
        "Company",
        "2 identifiers",
        "hubspot",
        "1 of the chosen",
    ):
        assert shown in page
    assert str(unsure.pk) not in page
    response = reviewer.post(CERTAIN, {"pair": [str(pair.pk), str(unsure.pk), "nonsense"]}, follow=True)
    assert "1 of 2 pairs are merged" in read_messages(response)
    assert "It is not certain" in read_messages(response)
    assert latest(pair.second).merged_into == pair.first
    assert read_log(pair) == [("nora", "Merged, as certain.")]
    assert (crm.pk,) in [row.task["args"] for row in OrmQ.objects.all()]


def test_all_certain_pairs_of_the_queue_are_merged_so_many_at_once(
    reviewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contacts.review_bulk.MERGED_AT_ONCE", 2)
    pairs = [make_pair(verdict="certain", probability=probability) for probability in (0.9995, 0.9999, 0.9992)]
    make_pair(verdict="certain", postponed_until=timezone.now() + timedelta(days=1))
    page = get_page(reviewer, CERTAIN)
    assert "Merge these 2" in page
    shown = [str(pair.pk) for pair in pairs if str(pair.pk) in page]
    assert shown == [str(pairs[0].pk), str(pairs[1].pk)]
    told = read_messages(reviewer.post(CERTAIN, {"pair": shown}, follow=True))
    assert "2 of 2 pairs are merged" in told
    assert "1 certain ones are still in the queue" in told


def test_where_no_pair_is_certain_that_is_said(reviewer: Client) -> None:
    make_pair()
    assert "None of these pairs is certain" in read_messages(reviewer.get(CERTAIN, follow=True))


@pytest.mark.parametrize("count", [2, 30])
def test_the_preview_needs_as_many_queries_for_thirty_pairs_as_for_two(
    count: int, reviewer: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(count):
        make_pair(verdict="certain")
    with django_assert_max_num_queries(18):
        get_page(reviewer, CERTAIN)


def test_a_group_is_shown_as_what_it_becomes_and_merged(reviewer: Client) -> None:
    people = make_people("Ann Lee", "A. Lee", "Ann Mary Lee")
    pair, _ = make_group(*people)
    address = page_address(pair, "group")
    page = get_page(reviewer, address)
    for shown in ("Merge all 3", "Ann Mary Lee", "What they become"):
        assert shown in page
    assert "Stays" in get_page(reviewer, address, stays=str(people[2].pk))
    values = {"winner": str(people[2].pk), "member": [str(each.pk) for each in people]}
    response = reviewer.post(address, values, follow=True)
    assert "3 contacts became one, in 2 merges" in read_messages(response)
    assert {latest(each).merged_into for each in people[:2]} == {people[2]}
    assert latest(people[2]).full_name == "Ann Mary Lee"
    assert "no part of a group" in read_messages(reviewer.get(address, follow=True))


def test_a_group_that_has_grown_or_is_too_large_is_left(reviewer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    people = make_people("Ann Lee", "A. Lee", "Ann Mary Lee")
    pair, _ = make_group(*people)
    values = {"winner": str(people[0].pk), "member": [str(people[0].pk), str(people[1].pk)]}
    assert "another one by now" in read_messages(reviewer.post(page_address(pair, "group"), values, follow=True))
    monkeypatch.setattr("contacts.review_bulk.GROUP_AT_ONCE", 2)
    assert "go through its pairs" in read_messages(reviewer.get(page_address(pair, "group"), follow=True))
    assert not Merge.objects.exists()
