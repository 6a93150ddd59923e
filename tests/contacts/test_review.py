"""Reviewing pairs: claims, the queue, decisions, groups, and many at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from contacts.detection.digests import digest_fields
from contacts.exceptions import ChangedError, ClaimedError, DecidedError, ReviewError
from contacts.merging import merge, preview
from contacts.models import CandidatePair, Contact, Merge
from contacts.review import (
    assign,
    claim,
    decide_distinct,
    merge_certain,
    merge_cluster,
    merge_pair,
    postpone,
    put_back,
    release,
    sign_state,
)
from contacts.review_queue import claim_next, find_group
from contacts.survivorship import Side
from contacts.undoing import undo
from tests.contacts.families import latest
from tests.contacts.pairs import make_group, make_pair, make_people, make_user, reload

pytestmark = pytest.mark.django_db


@pytest.fixture
def lea() -> User:
    return make_user("lea")


@pytest.fixture
def max_() -> User:
    return make_user("max")


def run_out(pair: CandidatePair) -> None:
    CandidatePair.objects.filter(pk=pair.pk).update(claimed_until=timezone.now() - timedelta(seconds=1))


# --- Claims -----------------------------------------------------------------------------------------------------------


def test_a_claimed_pair_is_nobody_else_s_until_it_runs_out(lea: User, max_: User):
    pair = make_pair()
    claim(pair, lea)
    claim(pair, lea)
    with pytest.raises(ClaimedError, match=r"lea looks at this pair until .* UTC: go on with the next one"):
        claim(pair, max_)
    run_out(pair)
    claim(pair, max_)
    assert reload(pair).claimed_by == max_


def test_only_the_own_claim_is_released(lea: User, max_: User):
    pair = make_pair()
    claim(pair, lea)
    release(pair, max_)
    assert reload(pair).claimed_by == lea
    release(pair, lea)
    assert (reload(pair).claimed_by, reload(pair).claimed_until) == (None, None)


@pytest.mark.parametrize("status", ["distinct", "merged"])
def test_a_decided_pair_cannot_be_claimed(status: str, lea: User):
    with pytest.raises(DecidedError):
        claim(make_pair(status=status), lea)


@pytest.mark.parametrize("decision", ["distinct", "postpone", "merge"])
def test_a_claim_of_somebody_else_blocks_every_decision(decision: str, lea: User, max_: User):
    pair = make_pair()
    claim(pair, lea)
    with pytest.raises(ClaimedError):
        decide(decision, pair, max_)
    assert reload(pair).status == "open"
    run_out(pair)
    decide(decision, pair, max_)


def decide(decision: str, pair: CandidatePair, user: User) -> None:
    if decision == "merge":
        merge_pair(pair, user, winner=pair.first)
    elif decision == "distinct":
        decide_distinct(pair, user)
    else:
        postpone(pair, user, days=1)


# --- The queue --------------------------------------------------------------------------------------------------------


def test_the_likeliest_pair_comes_first_and_those_that_were_not_compared_last(lea: User):
    unknown = make_pair(probability=None, verdict="")
    pairs = [make_pair(probability=probability) for probability in (0.6, 0.99, 0.8)]
    got: list[CandidatePair] = []
    while pair := claim_next(lea, after=got[-1] if got else None):
        got.append(pair)
    assert got == [pairs[1], pairs[2], pairs[0], unknown]


def test_what_is_assigned_to_somebody_comes_first_for_them_and_not_at_all_for_others(lea: User, max_: User):
    best, assigned = make_pair(probability=0.99), make_pair(probability=0.5)
    assert assign([assigned.pk], lea) == 1
    own = claim_next(lea)
    assert own == assigned
    assert claim_next(lea, after=own) == best
    release(best, lea)
    assert claim_next(max_) == best
    assert claim_next(max_, after=best) is None
    assign([assigned.pk], None)
    release(assigned, lea)
    assert claim_next(max_, after=best) == assigned


def test_what_is_claimed_postponed_or_decided_is_left_out(lea: User, max_: User):
    claimed, later, _ = make_pair(), make_pair(), make_pair(status="distinct")
    claim(claimed, max_)
    postpone(later, lea, days=7)
    assert claim_next(lea) is None
    run_out(claimed)
    assert claim_next(lea) == claimed
    CandidatePair.objects.filter(pk=later.pk).update(postponed_until=timezone.now(), probability=0.9)
    assert claim_next(lea) == later


def test_the_queue_can_be_narrowed(lea: User):
    make_pair(verdict="review")
    certain = make_pair(verdict="certain", reason="email_held")
    assert claim_next(lea, {"verdict": "certain", "reason": "email_held"}) == certain
    assert claim_next(lea, {"verdict": "certain", "reason": "phone_held"}) is None


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_people_who_ask_for_pairs_at_once_nobody_gets_the_same():
    pairs = {make_pair(probability=0.5 + number / 100).pk for number in range(24)}
    users = [make_user(f"user-{number}") for number in range(6)]
    barrier = Barrier(len(users))

    def work_off(user: User) -> list[CandidatePair]:
        got: list[CandidatePair] = []
        try:
            connection.ensure_connection()
            barrier.wait(timeout=60)
            while pair := claim_next(user, after=got[-1] if got else None):
                got.append(pair)
        finally:
            connection.close()
        return got

    with ThreadPoolExecutor(len(users)) as pool:
        got = [pair.pk for own in pool.map(work_off, users) for pair in own]
    assert len(got) == len(set(got))
    assert set(got) == pairs


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_who_decide_the_same_pair_at_once_decide_it_once():
    users = [make_user("lea"), make_user("max")]
    pairs = [make_pair() for _ in range(8)]
    barrier = Barrier(2)

    def decide_all(user: User) -> int:
        done = 0
        try:
            for number, pair in enumerate(pairs):
                barrier.wait(timeout=60)
                try:
                    decide("merge" if number % 2 else "distinct", pair, user)
                    done += 1
                except DecidedError:
                    pass
        finally:
            connection.close()
        return done

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(decide_all, users)) == len(pairs)
    assert Merge.objects.count() == len(pairs) // 2


# --- Two people -------------------------------------------------------------------------------------------------------


def test_not_a_duplicate_says_who_when_and_on_what(lea: User):
    pair = make_pair(*make_people("Ann Lee", "Anne Lee"))
    claim(pair, lea)
    decide_distinct(pair, lea)
    pair = reload(pair)
    assert (pair.status, pair.decided_by, pair.claimed_by) == ("distinct", lea, None)
    assert pair.decided_at is not None
    assert pair.decided_on == digest_fields(pair.first, pair.second) != {}
    with pytest.raises(DecidedError, match="put the pair back first"):
        decide_distinct(pair, lea)


def test_a_decision_that_was_wrong_is_put_back(lea: User):
    distinct, later = make_pair(), make_pair()
    decide_distinct(distinct, lea)
    postpone(later, lea, days=30)
    for pair in (distinct, later):
        put_back(pair, lea)
        pair = reload(pair)
        assert (pair.status, pair.decided_by, pair.decided_on, pair.postponed_until) == ("open", None, {}, None)


def test_a_merged_pair_is_put_back_by_undoing_the_merge(lea: User):
    pair = make_pair()
    made = merge_pair(pair, lea, winner=pair.first)
    with pytest.raises(DecidedError, match="undo the merge"):
        put_back(pair, lea)
    undo(made)
    assert (reload(pair).status, reload(pair).decided_by) == ("open", None)


# --- One person -------------------------------------------------------------------------------------------------------


def test_merging_a_pair_closes_it_with_who_and_when(lea: User):
    pair = make_pair(*make_people("Ann Lee", "Anne Lee"))
    claim(pair, lea)
    made = merge_pair(pair, lea, winner=pair.second)
    assert (made.winner, made.loser, made.user) == (pair.second, pair.first, lea)
    pair = reload(pair)
    assert (pair.status, pair.decided_by, pair.claimed_by) == ("merged", lea, None)


def test_a_value_that_was_left_at_its_default_keeps_its_reason(lea: User):
    pair = make_pair(*make_people("A. Lee", "Ann Lee"))
    Contact.objects.filter(pk=pair.second.pk).update(lead_score=5)
    chosen = {"full_name": Side.LOSER, "lead_score": Side.WINNER, "country": Side.WINNER}
    made = merge_pair(pair, lea, winner=pair.first, choices=chosen)
    reasons = {field: made.choices[field]["reason"] for field in chosen}
    assert reasons == {
        "full_name": "longer name with the same words",
        "lead_score": "chosen by hand",
        "country": "the same on both",
    }


def test_what_was_not_seen_is_not_merged(lea: User):
    pair = make_pair(*make_people("Ann Lee", "Anne Lee"))
    seen = sign_state(preview(pair.first, pair.second), pair.first, pair.second)
    contact = latest(pair.second)
    contact.full_name = "Bob Ray"
    contact.save()
    with pytest.raises(ChangedError, match="Look again"):
        merge_pair(pair, lea, winner=pair.first, seen=seen)
    seen = sign_state(preview(pair.first, contact), pair.first, contact)
    merge_pair(pair, lea, winner=pair.first, seen=seen)


def test_the_one_that_stays_is_one_of_the_two(lea: User):
    with pytest.raises(ReviewError, match="none of the two"):
        merge_pair(make_pair(), lea, winner=Contact.objects.create())


def test_a_pair_whose_contact_went_into_another_is_decided_already(lea: User):
    pair = make_pair()
    merge(Contact.objects.create(), pair.second)
    with pytest.raises(DecidedError, match="merged already"):
        merge_pair(pair, lea, winner=pair.first)


# --- Groups -----------------------------------------------------------------------------------------------------------


def test_a_group_becomes_one_contact_the_first_one_made(lea: User):
    people = make_people("Ann Lee", "A. Lee", "Ann M. Lee")
    pairs = make_group(*people)
    group = find_group(pairs[0])
    assert group is not None
    assert group.contacts == people
    made = merge_cluster(people[0].pk, lea, members=[each.pk for each in people])
    assert [(each.winner, each.loser) for each in made] == [(people[0], people[1]), (people[0], people[2])]
    assert {reload(pair).status for pair in pairs} == {"merged"}
    assert not CandidatePair.objects.filter(status="open").exists()


def test_a_group_that_somebody_looks_at_or_that_has_changed_or_holds_two_is_left(lea: User, max_: User):
    people = make_people("Ann Lee", "A. Lee", "Ann M. Lee")
    pairs = make_group(*people)
    members = [each.pk for each in people]
    claim(pairs[1], max_)
    with pytest.raises(ClaimedError):
        merge_cluster(people[0].pk, lea, members=members)
    release(pairs[1], max_)
    with pytest.raises(ChangedError):
        merge_cluster(people[0].pk, lea, members=members[:2])
    make_pair(people[0], people[2], status="distinct")
    with pytest.raises(ReviewError, match="two people"):
        merge_cluster(people[0].pk, lea, members=members)
    assert not Merge.objects.exists()


def test_two_contacts_are_no_group():
    [pair] = make_group(*make_people("Ann Lee", "A. Lee"))
    assert find_group(pair) is None


# --- Many at once -----------------------------------------------------------------------------------------------------


def test_of_many_the_certain_ones_are_merged_and_the_others_left_with_the_reason(lea: User, max_: User):
    people = make_people("Ann", "Ann L", "Ann Lee")
    certain, follower = make_group(*people, verdict="certain")
    unsure, claimed = make_pair(), make_pair(verdict="certain")
    claim(claimed, max_)
    pairs = [certain, follower, unsure, claimed]
    batch = merge_certain(pairs, lea)
    assert (batch.done, len(batch.merges)) == ([certain], 1)
    assert [pair for pair, _ in batch.left] == pairs[1:]
    reasons = [reason for _, reason in batch.left]
    assert "merged already" in reasons[0]
    assert "not certain" in reasons[1]
    assert "max looks at" in reasons[2]
    led_on = CandidatePair.objects.get(status="open", first=people[0], second=people[2])
    assert led_on.verdict == "certain"


def test_a_pair_that_is_gone_meanwhile_is_decided_already(lea: User):
    pair = make_pair()
    CandidatePair.objects.all().delete()
    for decision in (claim, decide_distinct, put_back):
        with pytest.raises(DecidedError, match="Go on with the next one"):
            decision(pair, lea)


def test_what_somebody_else_looks_at_is_not_put_back(lea: User, max_: User):
    pair = make_pair(postponed_until=timezone.now() + timedelta(days=1))
    claim(pair, lea)
    with pytest.raises(ClaimedError):
        put_back(pair, max_)


def test_only_open_pairs_are_assigned(lea: User):
    pairs = [make_pair(), make_pair(status="distinct")]
    assert assign([pair.pk for pair in pairs], lea) == 1
    assert [reload(pair).assigned_to for pair in pairs] == [lea, None]
