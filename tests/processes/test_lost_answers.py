"""The database has committed a delivery and its answer gets lost: the sender's next try is a repeat, worked on once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.processes.assertions import assert_one_booking
from tests.processes.installation import Installation
from tests.processes.proxy import Proxy
from tests.processes.samples import make_booking
from tests.processes.waiting import wait_for
from tests.template_database import database_url

pytestmark = pytest.mark.slow


@pytest.fixture
def proxy(installation: Installation) -> Iterator[Proxy]:
    with Proxy(installation.url, b"INSERT INTO integrations_delivery") as proxy:
        yield proxy


def url_through(installation: Installation, proxy: Proxy) -> str:
    name = installation.fetch("SELECT current_database()")[0][0]
    return database_url(installation.url, name, host="127.0.0.1", port=str(proxy.port))


def count_stored(installation: Installation, delivery_id: str) -> int:
    return int(
        installation.fetch("SELECT count(*) FROM integrations_delivery WHERE delivery_id = %s", delivery_id)[0][0]
    )


def test_web_killed_between_commit_and_answer(installation: Installation, proxy: Proxy) -> None:
    """A second web of the installation, whose way to the database is the proxy."""
    booking, url = make_booking(), url_through(installation, proxy)
    port = installation.start_web(url=url)
    assert installation.post(make_booking(), port=port).json() == {"status": "accepted"}
    proxy.arm(cuts=False)
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(installation.post, booking, port=port)
        assert proxy.swallowed.wait(30)
        wait_for(lambda: count_stored(installation, booking["id"]), what="the delivery is committed")
        assert not answer.done()
        installation.webs[port].kill()
        with pytest.raises(OSError, match=r"closed connection|reset by peer"):
            answer.result()
    installation.start_web(url=url, port=port)
    repeat = installation.post(booking, port=port)
    assert (repeat.status, repeat.json()) == (200, {"status": "duplicate"})
    assert_worked_on_once(installation, booking["id"])
    assert_one_booking(installation, booking)
    installation.webs[port].stop()


def test_database_connection_lost_between_commit_and_answer(installation: Installation, proxy: Proxy) -> None:
    """The web process asks again by itself, over a new connection."""
    booking = make_booking()
    port = installation.start_web(url=url_through(installation, proxy))
    assert installation.post(make_booking(), port=port).json() == {"status": "accepted"}
    proxy.arm(cuts=True)
    answer = installation.post(booking, port=port)
    assert proxy.swallowed.is_set()
    assert answer.status == 200
    assert_worked_on_once(installation, booking["id"])
    assert_one_booking(installation, booking)
    installation.webs[port].stop()


def assert_worked_on_once(installation: Installation, delivery_id: str) -> None:
    installation.wait_until_settled(delivery_id)
    delivery = installation.delivery(delivery_id)
    assert (delivery["status"], delivery["attempts"], delivery["duplicates"]) == ("processed", 1, 1)
    assert count_stored(installation, delivery_id) == 1
