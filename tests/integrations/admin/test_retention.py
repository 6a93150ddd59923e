"""The page of retention: times, what is over, the last purges."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from integrations.ids import first_id_at
from integrations.models import Connection, Delivery, PurgeRun, RetentionTime
from integrations.retention import running
from integrations.retention.kinds import list_kinds, read_days
from tests.factories import make_delivery
from tests.integrations.admin.support import get_page, page_address, press, read_messages, sign_in

pytestmark = pytest.mark.django_db
PAGE = "/admin/integrations/retentiontime/"


@pytest.fixture
def old(calendar_live: Connection) -> Delivery:
    then = timezone.now() - timedelta(days=100)
    return make_delivery(calendar_live, {"id": "dlv_1"}, pk=first_id_at(then), status="processed", received_at=then)


def times(**changed: object) -> dict[str, object]:
    days = {name: "" if value is None else value for name, value in read_days().items()}
    return {**days, **changed}


def test_the_page_says_what_is_kept_how_long_and_what_is_over(old: Delivery, admin_client: Client) -> None:
    page = get_page(admin_client, PAGE)

    assert all(kind.title in page for kind in list_kinds())
    assert "No purge has run yet" in page
    run_id = running.start()
    while running.take_slice(run_id):
        pass
    assert "Payloads and headers of deliveries: 1" in get_page(admin_client, PAGE)


def test_times_are_changed_together_and_bad_ones_are_refused(admin_client: Client) -> None:
    for bad in ({"deliveries": 3}, {"payloads": 0}, {"alerts": 99_999}, {"jobs": "x"}):
        assert "Changed" not in read_messages(admin_client.post(f"{PAGE}times/", times(**bad)))
    response = admin_client.post(f"{PAGE}times/", times(payloads=30, alerts=""), follow=True)

    assert "Changed: Payloads and headers of deliveries, Alerts that are over" in read_messages(response)
    assert dict(RetentionTime.objects.values_list("name", "days")) == {"alerts": None, "payloads": 30}
    assert "For ever" in get_page(admin_client, PAGE)


def test_a_purge_is_queued_once_it_is_confirmed(old: Delivery, admin_client: Client) -> None:
    assert "1 rows or more are over" in get_page(admin_client, f"{PAGE}purge/")
    assert not PurgeRun.objects.exists()
    admin_client.post(f"{PAGE}purge/")

    assert (PurgeRun.objects.count(), OrmQ.objects.count()) == (1, 1)


def test_who_only_looks_changes_nothing(old: Delivery) -> None:
    client = sign_in("integrations.view_retentiontime")

    assert "Change the times" not in get_page(client, PAGE)
    assert client.post(f"{PAGE}times/", times(payloads=1)).status_code == 403
    assert client.post(f"{PAGE}purge/").status_code == 403
    assert not RetentionTime.objects.exists()


def test_a_delivery_whose_payload_is_gone_says_so_and_is_not_replayed(old: Delivery, admin_client: Client) -> None:
    run_id = running.start()
    while running.take_slice(run_id):
        pass
    page = get_page(admin_client, page_address(old))
    assert "Its payload was emptied on" in page
    assert "manage.py reconcile --connection calendar-live --since" in page
    response = press(admin_client, old, "replay")

    assert "Fetch what it told again: manage.py reconcile" in read_messages(response)
    old.refresh_from_db()
    assert old.status == "processed"
