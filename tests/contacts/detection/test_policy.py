"""What is merged by itself: nothing, unless the policy says so, and then only what is certain and nobody's."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from contacts.detection.policy import merge_certain
from contacts.models import CandidatePair, Contact, ContactChange, DuplicatePolicy, DuplicateRun, Merge
from tests.contacts.detection.crowds import add, merge_by_itself

pytestmark = pytest.mark.django_db


def make_pair(verdict="certain", **values):
    first, second = sorted([add("Ann Lee"), add("Anne Lee")], key=lambda contact: contact.pk)
    return CandidatePair.objects.create(
        first=first, second=second, reason="similar", verdict=verdict, probability=0.9995, **values
    )


@pytest.fixture
def policy():
    return merge_by_itself()


def test_nothing_is_merged_unless_somebody_says_so():
    make_pair()
    assert merge_certain() == 0
    assert DuplicatePolicy.objects.get().merges_certain is False
    DuplicatePolicy.objects.all().delete()
    assert merge_certain() == 0
    assert not Merge.objects.exists()


def test_certain_pair_becomes_the_contact_that_was_made_first(policy):
    pair = make_pair()
    Contact.objects.filter(pk=pair.first_id).update(created_at=timezone.now() + timezone.timedelta(days=1))
    assert merge_certain() == 1
    merge = Merge.objects.get()
    assert (merge.winner, merge.loser, merge.user, merge.told_by) == (pair.second, pair.first, None, None)
    pair.refresh_from_db()
    assert pair.status == "merged"
    assert merge_certain() == 0


def test_chain_of_certain_pairs_becomes_one_contact(policy):
    pair = make_pair()
    third = add("Ann Lee")
    CandidatePair.objects.create(
        first=pair.second, second=third, reason="similar", verdict="certain", probability=0.9999
    )
    while merge_certain():
        pass
    assert Contact.objects.filter(merged_into=None).count() == 1


@pytest.mark.parametrize("verdict", ["review", "distinct", ""])
def test_what_is_not_certain_is_left_to_people(policy, verdict):
    make_pair(verdict)
    assert merge_certain() == 0


@pytest.mark.parametrize("taken_up", ["assigned_to", "claimed_by", "postponed_until", "status"])
def test_what_a_person_has_taken_up_or_decided_is_left_to_him(policy, admin_user, taken_up):
    later = timezone.now() + timezone.timedelta(hours=1)
    values = {
        "assigned_to": {"assigned_to": admin_user},
        "claimed_by": {"claimed_by": admin_user, "claimed_until": later},
        "postponed_until": {"postponed_until": later},
        "status": {"status": "distinct"},
    }[taken_up]
    make_pair(**values)
    assert merge_certain() == 0


def test_claim_that_has_run_out_holds_nothing_back(policy, admin_user):
    make_pair(claimed_by=admin_user, claimed_until=timezone.now())
    assert merge_certain() == 1


def test_both_contacts_are_compared_after_a_merge(policy):
    pair = make_pair()
    merge_certain()
    noted = set(ContactChange.objects.values_list("contact", flat=True))
    assert noted == {pair.first_id, pair.second_id}


# --- In the admin -----------------------------------------------------------------------------------------------------


def test_policy_is_changed_with_history(admin_client):
    policy = DuplicatePolicy.objects.get()
    page = reverse("admin:contacts_duplicatepolicy_change", args=[policy.pk])
    for form in ({"merges_certain": "on"}, {}):
        assert admin_client.post(page, form).status_code == 302
    assert [past.merges_certain for past in policy.history.order_by("history_id")] == [True, False]
    assert admin_client.get(reverse("admin:contacts_duplicatepolicy_changelist")).status_code == 200


def test_policy_is_neither_added_nor_deleted(admin_client):
    policy = DuplicatePolicy.objects.get()
    assert admin_client.get(reverse("admin:contacts_duplicatepolicy_add")).status_code == 403
    assert admin_client.post(reverse("admin:contacts_duplicatepolicy_delete", args=[policy.pk])).status_code == 403


def test_policy_is_not_changed_by_who_may_only_look(client, django_user_model):
    viewer = django_user_model.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_duplicatepolicy"))
    client.force_login(viewer)
    policy = DuplicatePolicy.objects.get()
    page = reverse("admin:contacts_duplicatepolicy_change", args=[policy.pk])
    assert client.get(page).status_code == 200
    assert client.post(page, {"merges_certain": "on"}).status_code == 403
    policy.refresh_from_db()
    assert not policy.merges_certain


def test_runs_are_listed_and_not_changed(admin_client):
    run = DuplicateRun.objects.create(phase="pairs", contacts=12_345)
    page = admin_client.get(reverse("admin:contacts_duplicaterun_changelist"))
    assert "Writing pairs" in page.content.decode()
    assert "12345" in page.content.decode()
    detail = reverse("admin:contacts_duplicaterun_change", args=[run.pk])
    assert admin_client.get(detail).status_code == 200
    assert admin_client.post(detail, {}).status_code == 403
