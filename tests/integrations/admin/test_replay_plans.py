"""Replay plans in the admin: made from lists, and worked with on their page."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ

from integrations.models import Connection, Delivery, Effect, ReplayPlan
from integrations.replays import plans
from tests.factories import make_connection
from tests.integrations.admin.support import (
    get_page,
    list_address,
    make_effect,
    page_address,
    press,
    read_log,
    read_messages,
    sign_in,
)
from tests.integrations.replays.support import (
    finish,
    make_dead,
    make_dead_effects,
    outcomes,
    plan_deliveries,
    plan_effects,
    start,
    work,
)

OPERATE = "integrations.operate_replayplan"
APPROVE = "integrations.approve_replayplan"
SEE = ("integrations.view_replayplan", "integrations.view_delivery")
OPERATOR = (*SEE, OPERATE, "integrations.operate_delivery")
RATE = {"confirmed": "yes", "per_second": "7"}


@pytest.fixture
def plan_address() -> str:
    return reverse("admin:integrations_delivery_plan_replay")


def words(page: str) -> str:
    return " ".join(page.split())


# --- Planning ---------------------------------------------------------------------------------------------------------


def test_the_list_leads_to_a_plan_of_what_its_filters_show_on_all_its_pages(
    calendar_live: Connection, admin_client: Client, plan_address: str
) -> None:
    make_dead(calendar_live, 60)
    make_dead(calendar_live, 2, status="processed")
    make_dead(make_connection("other"), 1)
    filters = f"status__exact=dead&connection__id__exact={calendar_live.pk}"
    address = f"{plan_address}?{filters}"
    assert address.replace("&", "&amp;") in get_page(admin_client, f"{list_address(Delivery)}?{filters}")

    page = words(get_page(admin_client, address))
    assert "Plan a replay of 60" in page
    assert not ReplayPlan.objects.exists()

    response = admin_client.post(address, RATE, follow=True)
    plan = ReplayPlan.objects.get()
    assert response.redirect_chain[-1][0] == page_address(plan)
    assert (plan.total, plan.per_second, plan.status, plan.includes_done) == (60, 7, "draft", False)
    assert plan.chosen == "status dead; connection calendar-live"
    assert str(plan.created_by) == "admin"
    assert "Nothing is replayed yet." in read_messages(response)
    assert read_log(plan) == [("admin", "Planned")]
    assert OrmQ.objects.count() == 0


def test_the_confirmation_says_what_the_plan_would_do(
    calendar_live: Connection, admin_client: Client, plan_address: str
) -> None:
    make_dead(calendar_live, 2)
    make_dead(calendar_live, 1, status="processed")
    make_dead(calendar_live, 1, status="received")
    page = get_page(admin_client, plan_address)

    for shown in ("Will run", "Done already: suppressed", "Would conflict: left as it is", "is being worked on"):
        assert shown in page


def test_selected_rows_are_planned(calendar_live: Connection, admin_client: Client) -> None:
    rows = make_dead_effects(calendar_live, 3)
    chosen = {"action": "plan_selected", "_selected_action": [str(row.pk) for row in rows[:2]]}
    page = admin_client.post(list_address(Effect), chosen).content.decode()
    assert "Plan a replay of 2" in page

    admin_client.post(list_address(Effect), {**chosen, **RATE, "includes_done": "on"})
    plan = ReplayPlan.objects.get()
    assert (plan.kind, plan.total, plan.chosen, plan.includes_done) == ("effect", 2, "2 selected", True)


def test_a_group_of_dead_letters_leads_to_its_plan(calendar_live: Connection, admin_client: Client) -> None:
    make_dead(calendar_live, 2, fingerprint="a" * 16)
    make_dead(calendar_live, 1, fingerprint="b" * 16)
    dead_letters = reverse("admin:integrations_delivery_dead_letters")
    address = f"{reverse('admin:integrations_delivery_plan_replay')}?status__exact=dead&fingerprint__exact={'a' * 16}"

    assert address.replace("&", "&amp;") in get_page(admin_client, dead_letters)
    admin_client.post(address, RATE)
    assert ReplayPlan.objects.get().total == 2


@pytest.mark.parametrize("rate", ["", "0", "501", "fast"])
def test_a_rate_that_cannot_be_is_refused(
    rate: str, calendar_live: Connection, admin_client: Client, plan_address: str
) -> None:
    make_dead(calendar_live, 1)
    response = admin_client.post(plan_address, {**RATE, "per_second": rate})

    assert response.status_code == 200
    assert response.context["form"].errors["per_second"]
    assert not ReplayPlan.objects.exists()


@pytest.mark.parametrize("query", ["status__exact=dead", "nonsense=1", "q=nothing"])
def test_filters_that_show_nothing_or_cannot_be_read_make_no_plan(
    query: str, calendar_live: Connection, admin_client: Client, plan_address: str
) -> None:
    make_dead(calendar_live, 1, status="rejected")
    response = admin_client.post(f"{plan_address}?{query}", RATE, follow=True)

    assert response.redirect_chain
    assert not ReplayPlan.objects.exists()


def test_more_than_a_plan_holds_is_said_to_be_too_much(
    calendar_live: Connection, admin_client: Client, plan_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "LARGEST", 2)
    make_dead(calendar_live, 3)

    for response in (admin_client.get(plan_address, follow=True), admin_client.post(plan_address, RATE, follow=True)):
        assert "more than 2 deliveries" in read_messages(response)
    assert not ReplayPlan.objects.exists()


def test_what_was_searched_for_is_not_kept(calendar_live: Connection, admin_client: Client, plan_address: str) -> None:
    make_dead(calendar_live, 1)
    query = "q=uid_0&error__icontains=&received_at_from_0=zoe@example.com&received_at_to_0=2099-01-01"
    admin_client.post(f"{plan_address}?{query}", RATE)

    assert ReplayPlan.objects.get().chosen == "a search; another filter; to 2099-01-01"


def test_planning_needs_the_permission_to_plan_and_that_to_replay(calendar_live: Connection, plan_address: str) -> None:
    make_dead(calendar_live, 1)
    for permissions in (SEE, (*SEE, OPERATE), (*SEE, "integrations.operate_delivery"), (OPERATE,)):
        User.objects.filter(username="nora").delete()
        client = sign_in(*permissions)
        assert client.get(plan_address).status_code == 403
        assert client.post(plan_address, RATE).status_code == 403
        if permissions != (OPERATE,):
            assert "Plan a replay" not in get_page(client, list_address(Delivery))
    assert not ReplayPlan.objects.exists()

    User.objects.filter(username="nora").delete()
    operator = sign_in(*OPERATOR)
    assert "Plan a replay of these" in get_page(operator, list_address(Delivery))
    operator.post(plan_address, RATE)
    assert ReplayPlan.objects.count() == 1


# --- Its page ---------------------------------------------------------------------------------------------------------


def test_a_plan_is_started_paused_resumed_and_cancelled_on_its_page(
    calendar_live: Connection, admin_client: Client
) -> None:
    make_dead(calendar_live, 3)
    plan = plan_deliveries(per_second=1)
    assert "Will run" in get_page(admin_client, page_address(plan, "start"))
    assert "is started" in read_messages(press(admin_client, plan, "start"))
    assert OrmQ.objects.count() == 1

    work(plan)
    assert "is paused" in read_messages(press(admin_client, plan, "pause"))
    assert "2 items wait until it is resumed." in words(get_page(admin_client, page_address(plan)))
    assert "goes on" in read_messages(press(admin_client, plan, "resume"))
    assert "is cancelled" in read_messages(press(admin_client, plan, "cancel"))
    finish(plan)

    assert outcomes(plan)[1:] == [("skipped", "cancelled")] * 2
    assert [text for _, text in read_log(plan)] == ["Started", "Paused", "Resumed", "Cancelled"]


def test_the_buttons_offered_fit_the_state(calendar_live: Connection, admin_client: Client, settings: Any) -> None:
    make_dead(calendar_live, 2)

    def offered(plan: ReplayPlan) -> list[str]:
        return [action["title"] for action in admin_client.get(page_address(plan)).context["actions_detail"]]

    small = plan_deliveries(per_second=1)
    settings.REPLAY_APPROVAL_ABOVE = 1
    large = plan_deliveries()

    assert offered(large) == ["Approve", "Cancel"]
    assert offered(small) == ["Start", "Cancel"]
    work(start(small))
    assert offered(small) == ["Pause", "Cancel"]
    plans.pause(small)
    assert offered(small) == ["Resume", "Cancel"]
    plans.cancel(small)
    assert offered(small) == []
    assert "does not fit" in read_messages(press(admin_client, small, "start"))


def test_a_large_plan_is_approved_by_somebody_else_with_the_permission(
    calendar_live: Connection, admin_client: Client, admin_user: User, settings: Any
) -> None:
    settings.REPLAY_APPROVAL_ABOVE = 1
    make_dead(calendar_live, 2)
    plan = plan_deliveries(user=admin_user)
    assert "Somebody else" in read_messages(press(admin_client, plan, "approve"))
    assert "does not fit" in read_messages(press(admin_client, plan, "start"))

    approver = sign_in(*SEE, APPROVE, "integrations.operate_delivery")
    assert "admin has planned it" in get_page(approver, page_address(plan, "approve"))
    assert "is approved" in read_messages(press(approver, plan, "approve"))
    assert press(approver, plan, "start").status_code == 403
    assert "is started" in read_messages(press(admin_client, plan, "start"))
    assert "nora, 20" in get_page(admin_client, page_address(plan))


@pytest.mark.parametrize("button", ["approve", "start", "pause", "resume", "cancel"])
def test_a_viewer_presses_nothing(button: str, calendar_live: Connection) -> None:
    make_dead(calendar_live, 1)
    plan = plan_deliveries()
    viewer = sign_in(*SEE)

    assert viewer.get(page_address(plan)).context["actions_detail"] == []
    assert press(viewer, plan, button).status_code == 403
    plan.refresh_from_db()
    assert plan.status == "draft"


def test_a_plan_lets_nobody_replay_what_they_may_not_replay_by_hand(calendar_live: Connection) -> None:
    make_dead_effects(calendar_live, 2)
    plan = plan_effects(per_second=1)
    client = sign_in(*OPERATOR)

    assert press(client, plan, "start").status_code == 403
    plans.pause(start(plan))
    assert press(client, plan, "resume").status_code == 403
    assert Effect.objects.filter(status="dead").count() == 2


def test_plans_need_their_permission(calendar_live: Connection) -> None:
    make_dead(calendar_live, 1)
    plan = plan_deliveries()
    client = sign_in("integrations.view_delivery")

    for address in (list_address(ReplayPlan), page_address(plan), page_address(plan, "progress")):
        assert client.get(address).status_code == 403
    assert client.get(reverse("admin:integrations_replayitem_changelist")).status_code == 403


def test_the_page_shows_how_far_a_plan_is_and_asks_for_it_while_it_runs(
    calendar_live: Connection, admin_client: Client
) -> None:
    rows = make_dead(calendar_live, 4)
    plan = start(plan_deliveries(per_second=2))
    work(plan)
    Delivery.objects.filter(pk=rows[0].pk).update(status="processed")
    progress = admin_client.get(page_address(plan, "progress"))

    assert 'aria-valuenow="50"' in progress.content.decode()
    assert "2 of 4 items looked at" in progress.content.decode()
    asks = f'hx-get="{page_address(plan, "progress")}"'
    assert asks in get_page(admin_client, page_address(plan))
    assert "HX-Refresh" not in progress.headers

    Delivery.objects.update(status="processed")
    finish(finish(plan))
    assert plan.status == "done"
    assert admin_client.get(page_address(plan, "progress")).headers["HX-Refresh"] == "true"
    assert asks not in get_page(admin_client, page_address(plan))


def test_the_page_has_the_outcome_of_each_item_and_the_receipt(calendar_live: Connection, admin_client: Client) -> None:
    rows = make_dead(calendar_live, 4)
    plan = start(plan_deliveries())
    Delivery.objects.filter(pk=rows[0].pk).update(status="processed")
    work(plan)
    Delivery.objects.filter(pk=rows[1].pk).update(status="processed")
    Delivery.objects.filter(pk=rows[2].pk).update(status="dead", error="data.event.start is no date.")
    rows[3].delete()
    finish(plan)
    page = words(get_page(admin_client, page_address(plan)))

    for shown in (
        "Receipt", "2 of 4 items were replayed.", "Dead again", "Cannot be read: data.event.start is no date.",
        "Done already", "It is not kept any more", page_address(rows[1]), "Succeeded",
    ):  # fmt: skip
        assert shown in page
    listed = admin_client.get(
        reverse("admin:integrations_replayitem_changelist"), {"plan__id__exact": str(plan.pk), "state__exact": "dead"}
    )
    assert [item.delivery_id for item in listed.context["cl"].result_list] == [rows[2].pk]


def test_items_are_shown_to_those_who_may_see_the_rows(calendar_live: Connection) -> None:
    delivery, effect = make_dead(calendar_live, 1)[0], make_effect(calendar_live, status="dead")
    by_delivery, by_effect = plan_deliveries(), plan_effects()
    client = sign_in(*SEE)
    items = reverse("admin:integrations_replayitem_changelist")

    assert page_address(delivery) in get_page(client, page_address(by_delivery))
    assert page_address(effect) not in get_page(client, page_address(by_effect))
    assert [item.plan for item in client.get(items).context["cl"].result_list] == [by_delivery]


def test_a_delivery_and_an_effect_tell_of_their_plans(calendar_live: Connection, admin_client: Client) -> None:
    delivery, effect = make_dead(calendar_live, 1)[0], make_effect(calendar_live, status="dead")
    plan_of = {delivery: plan_deliveries(), effect: plan_effects()}

    for row, plan in plan_of.items():
        assert page_address(plan) in get_page(admin_client, page_address(row))


@pytest.mark.parametrize("count", [2, 30])
def test_the_pages_need_as_many_queries_for_thirty_as_for_two(
    count: int, calendar_live: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    make_dead(calendar_live, count)
    made = [start(plan_deliveries()) for _ in range(count)]
    work(made[0])
    with django_assert_max_num_queries(6):
        get_page(admin_client, list_address(ReplayPlan))
    with django_assert_max_num_queries(15):
        get_page(admin_client, page_address(made[0]))
    with django_assert_max_num_queries(6) as queries:
        get_page(admin_client, reverse("admin:integrations_replayitem_changelist"))
    assert not any('"integrations_delivery"."body"' in query["sql"] for query in queries.captured_queries)


def test_a_plan_cannot_be_added_changed_or_deleted_by_hand(calendar_live: Connection, admin_client: Client) -> None:
    make_dead(calendar_live, 1)
    plan = plan_deliveries()

    assert admin_client.get(f"{list_address(ReplayPlan)}add/").status_code == 403
    assert admin_client.post(page_address(plan), {"per_second": 500}).status_code == 403
    assert admin_client.post(page_address(plan, "delete"), {"post": "yes"}).status_code == 403
