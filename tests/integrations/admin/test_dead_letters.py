"""Dead letters by fingerprint."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ

from integrations.admin import dead_letters, replaying
from integrations.admin.replaying import DELIVERIES, EFFECTS
from integrations.models import Connection, Delivery, Effect
from tests.factories import make_connection, make_delivery, make_payload, receive
from tests.integrations.admin.support import get_page, make_effect, page_address, read_log, read_messages, sign_in


@pytest.fixture
def address() -> str:
    return reverse("admin:integrations_delivery_dead_letters")


@pytest.fixture
def replay_address() -> str:
    return reverse("admin:integrations_delivery_replay_dead_letters")


def make_dead(connection: Connection, count: int, fingerprint: str = "f" * 16, **fields: Any) -> list[Delivery]:
    return [
        make_delivery(
            connection, make_payload(f"{fingerprint}_{number}"), status="dead", fingerprint=fingerprint,
            **{"cause": "payload", "error": "data.event.start is no date.", **fields},
        )
        for number in range(count)
    ]  # fmt: skip


def make_dead_effects(connection: Connection, count: int, fingerprint: str = "f" * 16, **fields: Any) -> list[Effect]:
    values = {"cause": "permanent", "error": "HubSpot answers 400.", **fields}
    return [make_effect(connection, status="dead", fingerprint=fingerprint, **values) for _ in range(count)]


def test_no_dead_letters_are_said_to_be_none(admin_client: Client, address: str) -> None:
    assert "No dead letters." in get_page(admin_client, address)


def test_dead_letters_are_grouped_by_what_went_wrong(
    calendar_live: Connection, admin_client: Client, address: str
) -> None:
    for number in range(3):
        receive(make_payload(f"dlv_{number}", id=f"ev_{number}", uid=f"uid_{number}", timezone="Mars/Olympus"))
    receive(make_payload("dlv_other", id="ev_9", uid="uid_9", end="2020-01-01T00:00:00Z"))
    page = get_page(admin_client, address)

    assert [group.count for group in dead_letters.find_groups(DELIVERIES)] == [3, 1]
    for shown in ("4 dead letters in 2 groups", "calendar-live (calendar.live)", "Cannot be read", "Replay these 3"):
        assert shown in " ".join(page.split())


def test_a_group_links_to_its_deliveries(calendar_live: Connection, admin_client: Client) -> None:
    make_dead(calendar_live, 2, "a" * 16)
    make_dead(calendar_live, 1, "b" * 16)
    link = dead_letters.find_groups(DELIVERIES)[0].list_link
    found = admin_client.get(link.split('"')[1].replace("&amp;", "&")).context["cl"].result_list

    assert {row.fingerprint for row in found} == {"a" * 16}
    assert len(found) == 2


@pytest.mark.parametrize("count", [2, 30])
def test_the_page_needs_as_many_queries_for_thirty_groups_as_for_two(
    count: int, calendar_live: Connection, admin_client: Client, address: str, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        make_dead(calendar_live, 1, f"{number:016}")
        make_dead_effects(calendar_live, 1, f"{number:016}")
        make_effect(calendar_live, status="waiting", cause="unknown_outcome")
    with django_assert_max_num_queries(5):
        get_page(admin_client, address)


def test_a_group_is_replayed_after_a_confirmation(
    calendar_live: Connection, admin_client: Client, replay_address: str
) -> None:
    rows, others = make_dead(calendar_live, 3, "a" * 16), make_dead(calendar_live, 1, "b" * 16)
    target = f"{replay_address}?fingerprint={'a' * 16}"

    assert "Replay these 3" in get_page(admin_client, target)
    assert OrmQ.objects.count() == 0

    response = admin_client.post(target, follow=True)
    assert "3 of 3 dead letters are queued." in read_messages(response)
    assert OrmQ.objects.count() == 3
    assert read_log(rows[0]) == [("admin", "Replayed")]
    assert Delivery.objects.get(pk=others[0].pk).status == "dead"


def test_a_large_group_is_replayed_in_parts_and_the_receipt_says_so(
    calendar_live: Connection, admin_client: Client, replay_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "BATCH", 2)
    monkeypatch.setattr(dead_letters, "REPLAYED_AT_ONCE", 5)
    make_dead(calendar_live, 7)
    target = f"{replay_address}?fingerprint={'f' * 16}"

    assert "The first 5 are worked on again" in get_page(admin_client, target)
    assert "5 of 7 dead letters are queued. 2 are left" in read_messages(admin_client.post(target, follow=True))
    assert "2 of 2 dead letters are queued." in read_messages(admin_client.post(target, follow=True))
    assert OrmQ.objects.count() == 7


def test_a_group_that_is_gone_is_said_to_be_gone(admin_client: Client, replay_address: str) -> None:
    response = admin_client.get(f"{replay_address}?fingerprint=x", follow=True)

    assert "no dead letters in this group" in read_messages(response)


def test_dead_letters_need_permissions(calendar_live: Connection, address: str, replay_address: str) -> None:
    make_dead(calendar_live, 1)
    viewer = sign_in("integrations.view_delivery")

    assert "Replay these" not in get_page(viewer, address)
    assert viewer.post(f"{replay_address}?fingerprint={'f' * 16}").status_code == 403
    assert viewer.get(f"{replay_address}?fingerprint={'f' * 16}").status_code == 403
    viewer.logout()
    assert viewer.get(address).status_code == 302


def test_dead_letters_are_not_for_those_who_may_not_see_deliveries(address: str, db: None) -> None:
    assert sign_in().get(address).status_code == 403


# --- Effects ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def replay_effects_address() -> str:
    return reverse("admin:integrations_effect_replay_dead_letters")


def test_dead_effects_are_grouped_beside_dead_deliveries(
    calendar_live: Connection, admin_client: Client, address: str
) -> None:
    hubspot = make_connection("hubspot", provider="hubspot")
    make_dead(calendar_live, 2)
    make_dead_effects(hubspot, 3, kind="meeting.upsert")
    page = " ".join(get_page(admin_client, address).split())

    assert [group.count for group in dead_letters.find_groups(EFFECTS)] == [3]
    for shown in ("5 dead letters in 2 groups", "hubspot (HubSpot)", "meeting.upsert", "HubSpot answers 400."):
        assert shown in page
    assert page.count("Replay these") == 2


def test_a_group_of_effects_links_to_them(calendar_live: Connection, admin_client: Client) -> None:
    make_dead_effects(calendar_live, 2, "a" * 16)
    make_dead_effects(calendar_live, 1, "b" * 16)
    link = dead_letters.find_groups(EFFECTS)[0].list_link
    found = admin_client.get(link.split('"')[1].replace("&amp;", "&")).context["cl"].result_list

    assert [row.fingerprint for row in found] == ["a" * 16] * 2


def test_a_group_of_effects_is_replayed_after_a_confirmation(
    calendar_live: Connection, admin_client: Client, replay_effects_address: str
) -> None:
    rows, others = make_dead_effects(calendar_live, 3, "a" * 16), make_dead_effects(calendar_live, 1, "b" * 16)
    same_fingerprint = make_dead(calendar_live, 1, "a" * 16)
    target = f"{replay_effects_address}?fingerprint={'a' * 16}"

    assert "Replay these 3" in get_page(admin_client, target)
    assert OrmQ.objects.count() == 0

    response = admin_client.post(target, follow=True)
    assert "3 of 3 dead letters are queued." in read_messages(response)
    assert set(Effect.objects.filter(pk__in=[row.pk for row in rows]).values_list("status", flat=True)) == {"pending"}
    assert [row.task["args"] for row in OrmQ.objects.all()] == [(calendar_live.pk,)]
    assert read_log(rows[0]) == [("admin", "Replayed")]
    assert Effect.objects.get(pk=others[0].pk).status == "dead"
    assert Delivery.objects.get(pk=same_fingerprint[0].pk).status == "dead"


def test_states_that_another_effect_brings_are_closed_and_said_not_to_be_queued(
    calendar_live: Connection, admin_client: Client, replay_effects_address: str
) -> None:
    covered = make_dead_effects(calendar_live, 1, is_state=True, subject="contact:1")
    make_effect(calendar_live, is_state=True, subject="contact:1")
    response = admin_client.post(f"{replay_effects_address}?fingerprint={'f' * 16}", follow=True)

    assert "0 of 1 dead letters are queued. 1 were not queued" in read_messages(response)
    assert Effect.objects.get(pk=covered[0].pk).status == "suppressed"


def test_effects_of_unknown_outcome_are_listed_for_a_person(
    calendar_live: Connection, admin_client: Client, address: str
) -> None:
    effect = make_effect(calendar_live, kind="slack.message", status="waiting", cause="unknown_outcome")
    make_effect(calendar_live, kind="other.kind", status="waiting", cause="rate_limited")
    page = get_page(admin_client, address)

    for shown in ("Outcome unknown", "slack.message", effect.subject, page_address(effect)):
        assert shown in page
    assert "other.kind" not in page
    assert "No dead letters." not in page


def test_each_kind_needs_its_own_permissions(
    calendar_live: Connection, address: str, replay_effects_address: str
) -> None:
    make_dead(calendar_live, 1)
    make_dead_effects(calendar_live, 1)
    make_effect(calendar_live, status="waiting", cause="unknown_outcome")
    viewer = sign_in("integrations.view_delivery", "integrations.operate_delivery")
    page = get_page(viewer, address)

    assert "data.event.start is no date." in page
    assert "HubSpot answers 400." not in page
    assert "Outcome unknown" not in page
    assert viewer.post(f"{replay_effects_address}?fingerprint={'f' * 16}").status_code == 403
    assert Effect.objects.filter(status="dead").count() == 1


def test_who_may_look_at_effects_only_replays_none(calendar_live: Connection, address: str) -> None:
    make_dead_effects(calendar_live, 1)
    page = get_page(sign_in("integrations.view_effect"), address)

    assert "HubSpot answers 400." in page
    assert "Replay these" not in page
